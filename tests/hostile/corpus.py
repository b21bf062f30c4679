"""What an attacker sends over HTTP, as readable lists: each entry says what must be answered.

A body or a header of these lists never depends on a route: the test sends it to every route that reads one.
"""

from __future__ import annotations

import gzip
import json
import random
import re

JSON = "application/json"
MALFORMED, UNFIT = (400, "malformed_request"), (422, "invalid_request")
Answer = tuple[int, str]

# Bodies that are no JSON, or no JSON of ours: the same answer whatever the route.
BODIES: dict[str, tuple[bytes, Answer]] = {
    "empty": (b"", MALFORMED),
    "white space": (b" \r\n\t", MALFORMED),
    "one NUL": (b"\x00", MALFORMED),
    "many NUL": (b"\x00" * 100_000, MALFORMED),
    "NUL after the value": (b"{}\x00", MALFORMED),
    "NUL in a text": (b'{"a": "\x00"}', MALFORMED),
    "NUL in a name": (b'{"\x00": 1}', MALFORMED),
    "bare word": (b"oui", MALFORMED),
    "Python's None": (b"None", MALFORMED),
    "single quotes": (b"{'a': 1}", MALFORMED),
    "a comment": (b"{/* */}", MALFORMED),
    "trailing comma": (b'{"a": 1,}', MALFORMED),
    "missing colon": (b'{"a" 1}', MALFORMED),
    "name without quotes": (b"{a: 1}", MALFORMED),
    "unended object": (b'{"a": 1', MALFORMED),
    "unended text": (b'{"a": "', MALFORMED),
    "unended escape": (b'{"a": "\\', MALFORMED),
    "unknown escape": (b'{"a": "\\x41"}', MALFORMED),
    "short escape": (b'{"a": "\\u12"}', MALFORMED),
    "two values": (b"{}{}", MALFORMED),
    "a line of each": (b"{}\n{}\n", MALFORMED),
    "leading zero": (b'{"a": 01}', MALFORMED),
    "leading plus": (b'{"a": +1}', MALFORMED),
    "bare point": (b'{"a": .5}', MALFORMED),
    "hexadecimal": (b'{"a": 0x10}', MALFORMED),
    "NaN": (b'{"a": NaN}', MALFORMED),
    "Infinity": (b'{"a": Infinity}', MALFORMED),
    "-Infinity": (b'{"a": [-Infinity]}', MALFORMED),
    "line feed in a text": (b'{"a": "b\nc"}', MALFORMED),
    "a byte that is no UTF-8": (b'{"a": "\xff"}', MALFORMED),
    "latin-1": ('{"a": "é"}'.encode("latin-1"), MALFORMED),
    "overlong UTF-8": (b'{"a": "\xc0\xaf"}', MALFORMED),
    "a surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', MALFORMED),
    "beyond Unicode": (b'{"a": "\xf4\x90\x80\x80"}', MALFORMED),
    "half a character": (b'{"a": "\xe2\x82"}', MALFORMED),
    "byte order mark": (b"\xef\xbb\xbf{}", MALFORMED),
    "UTF-16": ("{}".encode("utf-16"), MALFORMED),
    "UTF-16, no mark": ('{"a": 1}'.encode("utf-16-be"), MALFORMED),
    "UTF-32": ("{}".encode("utf-32"), MALFORMED),
    "first half of a pair": (b'{"a": "\\ud800"}', MALFORMED),
    "second half of a pair": (b'{"a": "\\udc00"}', MALFORMED),
    "a pair in the wrong order": (b'{"a": "\\udc00\\ud800"}', MALFORMED),
    "half a pair in a name": (b'{"\\ud834": 1}', MALFORMED),
    "lists 200 000 deep": (b"[" * 200_000 + b"]" * 200_000, MALFORMED),
    "lists without end": (b"[" * 1_000_000, MALFORMED),
    "objects 200 000 deep": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, MALFORMED),
    "lists and objects in turn": (b'[{"a":' * 100_000, MALFORMED),
    "a name twice": (b'{"a": 1, "a": 2}', MALFORMED),
    "a name twice, once escaped": (b'{"a": 1, "\\u0061": 2}', MALFORMED),
    "a name twice, far inside": (b'{"a": [[{"b": {"c": 1, "c": 1}}]]}', MALFORMED),
    "XML": (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', MALFORMED),
    "gzip": (gzip.compress(b"{}"), MALFORMED),
    "ZIP": (b"PK\x03\x04" + b"\x00" * 100, MALFORMED),
    "YAML": (b"a: !!python/object/apply:os.system ['true']", MALFORMED),
    "a form": (b"a=1&b=2", MALFORMED),
    "random bytes": (random.Random(5).randbytes(10_000), MALFORMED),
    # JSON, but no object of any route
    "null": (b"null", UNFIT),
    "a truth": (b"true", UNFIT),
    "a number": (b"1", UNFIT),
    "a huge number": (b"9" * 1_000_000, UNFIT),
    "a huge negative number": (b"-" + b"9" * 1_000_000, UNFIT),
    "a number beyond floats": (b"1e400", UNFIT),
    "a number of many digits": (b"0." + b"1" * 500_000, UNFIT),
    "a text": (b'"a"', UNFIT),
    "an empty list": (b"[]", UNFIT),
    "a list of 100 000": (b"[" + b"1," * 99_999 + b"1]", UNFIT),
    "a text of a million": (json.dumps("x" * 1_000_000).encode(), UNFIT),
    "unknown members": (b'{"__proto__": {}, "constructor": 1, "$where": "1"}', UNFIT),
    "role, state and amount": (b'{"role": "admin", "state": "paid", "total_ttc_cents": 1}', UNFIT),
    "an empty name": (b'{"": 1}', UNFIT),
    "a name of control characters": (b'{"\\u0000\\u001b[31m": 1}', UNFIT),
    "10 000 members": (json.dumps({f"m{n}": n for n in range(10_000)}).encode(), UNFIT),
    # beyond the size of a body
    "three megabytes": (b'{"a": "' + b"x" * (3 << 20) + b'"}', (413, "payload_too_large")),
    "three megabytes of spaces": (b" " * (3 << 20), (413, "payload_too_large")),
}  # fmt: skip

# Types under which the body is not even looked at.
CONTENT_TYPES: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"content-type": ""},
    "text": {"content-type": "text/plain"},
    "HTML": {"content-type": "text/html"},
    "form": {"content-type": "application/x-www-form-urlencoded"},
    "multipart": {"content-type": "multipart/form-data; boundary=x"},
    "multipart without boundary": {"content-type": "multipart/form-data"},
    "XML": {"content-type": "application/xml"},
    "YAML": {"content-type": "application/yaml"},
    "MessagePack": {"content-type": "application/vnd.msgpack"},
    "JSON patch": {"content-type": "application/merge-patch+json"},
    "JSON lines": {"content-type": "application/jsonl"},
    "JSON in latin-1": {"content-type": "application/json; charset=iso-8859-1"},
    "JSON in UTF-16": {"content-type": "application/json; charset=utf-16"},
    "JSON in nothing known": {"content-type": "application/json; charset=klingon"},
    "JSON in a codec of Python": {"content-type": "application/json; charset=unicode_escape"},
    "two types": {"content-type": "application/json, text/plain"},
    "no type": {"content-type": ";;;;="},
    "a long type": {"content-type": "application/" + "j" * 50_000},
    "packed": {"content-type": JSON, "content-encoding": "gzip"},
    "packed twice": {"content-type": JSON, "content-encoding": "gzip, br"},
    "packed by nobody": {"content-type": JSON, "content-encoding": "x'; drop table journal"},
}


def _parts(*parts: str, boundary: str = "x", end: str = "--x--\r\n") -> bytes:
    return ("".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + end).encode()


_PART = 'Content-Disposition: form-data; name="a"\r\n\r\nb'
_FILE = 'Content-Disposition: form-data; name="a"; filename="{}"\r\nContent-Type: {}\r\n\r\nb'
_FORM = "multipart/form-data; boundary=x"
# Forms: nothing here reads one, so that not one of their parts is looked at. The type, then the body.
FORMS: dict[str, tuple[str, bytes]] = {
    "one part": (_FORM, _parts(_PART)),
    "1 001 parts": (_FORM, _parts(*[_PART] * 1_001)),
    "without an end": (_FORM, _parts(_PART, end="")),
    "a part without an end": (_FORM, b"--x\r\n" + _PART.encode()),
    "a header without an end": (_FORM, b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 100_000),
    "no part": (_FORM, b"--x--\r\n"),
    "nothing": (_FORM, b""),
    "another boundary": (_FORM, _parts(_PART, boundary="y", end="--y--\r\n")),
    "a boundary of 50 000": (f"multipart/form-data; boundary={'x' * 50_000}", _parts(_PART)),
    "an empty boundary": ("multipart/form-data; boundary=", _parts(_PART)),
    "a boundary that is not closed": ('multipart/form-data; boundary="x', _parts(_PART)),
    "two boundaries": ("multipart/form-data; boundary=x; boundary=y", _parts(_PART)),
    "a charset of nobody": (f"{_FORM}; charset=klingon", _parts(_PART)),
    "a part in UTF-7": (_FORM, _parts(_FILE.format("a", "text/plain; charset=utf-7"))),
    "a part that is JSON": (_FORM, _parts(_FILE.format("a.json", JSON))),
    "a file above": (_FORM, _parts(_FILE.format("../../etc/passwd", "text/plain"))),
    "a file above, encoded": (_FORM, _parts(_FILE.format("..%2f..%2fetc%2fpasswd", "text/plain"))),
    "a file of Windows": (_FORM, _parts(_FILE.format("..\\..\\boot.ini", "text/plain"))),
    "a file at the root": (_FORM, _parts(_FILE.format("/etc/passwd", "text/plain"))),
    "a NUL in a name": (_FORM, _parts(_FILE.format("a.csv\x00.exe", "text/csv"))),
    "a name of another header": (_FORM, _parts(_FILE.format("a\r\nX-Role: admin", "text/csv"))),
    "forms in a form": (
        _FORM, _parts(_FILE.format("a", "multipart/mixed; boundary=x") + _parts(_PART).decode())
    ),
    "mixed": ("multipart/mixed; boundary=x", _parts(_PART)),
    "related": ('multipart/related; boundary=x; type="application/json"', _parts(_PART)),
}  # fmt: skip

# Bearer tokens that are none.
AUTHORIZATIONS: tuple[str, ...] = (
    "", " ", "Bearer", "Bearer ", "Bearer  ", "Bearer a b", "Bearer\ta", "Basic YWRtaW46YWRtaW4=",
    "Digest username=admin", "Negotiate x", "bearer", "Bearer sons_", "Bearer sons_' or '1'='1",
    "Bearer sons_" + "A" * 43, "Bearer " + "A" * 200, "Bearer " + "A" * 201, "Bearer " + "A" * 100_000,
    "Bearer \x00", "Bearer a\r\nX-Role: admin", "Bearer a\nb", "Bearer \xff\xfe", "Bearer é",
    "Bearer null", "Bearer undefined", "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.",
    "Bearer ../../etc/passwd", "Bearer ${jndi:ldap://a}", "Bearer {{7*7}}", "sons_token", "Token sons_x",
)  # fmt: skip

# Texts that a careless reader would run: SQL, first, then what other languages would do.
INJECTIONS: tuple[str, ...] = (
    "'; drop table sons.journal cascade; --",
    "' || (select pg_sleep(7))::text || '",
    "' or '1'='1",
    "$$; select pg_sleep(7); --",
    "\\'; select pg_sleep(7); --",
)

# Identifiers of a path that name nothing.
IDENTIFIERS: tuple[str, ...] = (
    "0", "1", "-1", "null", "undefined", "NaN", "true", "[]", "{}", "*", "%2A", "%00", "%0d%0aX-Forged:%201",
    "%e2%80%ae", "%ff", "%c0%ae%c0%ae", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a" * 5_000, "9" * 1_000,
    "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000000",
    "00000000-0000-4000-8000-00000000000g", "00000000-0000-4000-8000-00000000000%20",
    "٠٠٠٠٠٠٠٠-0000-4000-8000-000000000000", "${7*7}", "{{7*7}}", "%27%20or%20%271%27%3d%271",
    "%27;select%20pg_sleep(7);--", "1e3", "0x10", "%7b%22a%22:1%7d",
)  # fmt: skip

_HEAD = "sons-retour-1;LOT-2023-000001;1;876.00;" + "0f" * 32 + "\n"
_COLUMNS = "end_to_end;order;bank_reference;outcome;executed_at;amount_ttc;reason_code\n"
_LINE = "A1;BC-2023-000001;BQ1;paid;2023-03-02T10:00:00+01:00;876.00;\n"
# Files of the bank: every one is refused whole.
RETURNS: dict[str, str] = {
    "spaces": " \n",
    "a word": "bonjour",
    "no lines": _HEAD + _COLUMNS,
    "a digest that is not": _HEAD + _COLUMNS + _LINE,
    "columns in another order": _HEAD + "order;end_to_end\n" + _LINE,
    "100 000 columns": _HEAD + ";" * 100_000 + "\n" + _LINE,
    "a line of a megabyte": _HEAD + _COLUMNS + "x" * 1_000_000,
    "50 000 empty lines": _HEAD + _COLUMNS + ";;;;;;\n" * 50_000,
    "20 000 times one line": _HEAD + _COLUMNS + _LINE * 20_000,
    "NUL": _HEAD + _COLUMNS + _LINE.replace("A1", "A\x00"),
    "formulas": _HEAD + _COLUMNS + _LINE.replace("BQ1", "=1+1"),
    "quotes": _HEAD + _COLUMNS + '"' * 10_001,
    "a lone return": (_HEAD + _COLUMNS + _LINE).replace("\n", "\r"),
    "a byte order mark": "\ufeff" + _HEAD + _COLUMNS + _LINE,
    "right to left": _HEAD + _COLUMNS + _LINE.replace("A1", "\u202eA1"),
    "SQL": _HEAD.replace("LOT-2023-000001", "' or '1'='1") + _COLUMNS + _LINE,
    "a negative amount": _HEAD + _COLUMNS + _LINE.replace("876.00", "-876.00"),
    "an amount beyond": _HEAD.replace("876.00", "9" * 40) + _COLUMNS + _LINE.replace("876.00", "9" * 40),
    "a count beyond": _HEAD.replace(";1;", ";" + "9" * 5_000 + ";") + _COLUMNS + _LINE,
    "a day that is none": _HEAD + _COLUMNS + _LINE.replace("2023-03-02", "2023-02-30"),
    "JSON of nothing": "{}",
    "JSON too deep": '{"lines": ' + "[" * 200_000,
    "JSON of a huge number": '{"count": ' + "9" * 500_000 + ', "lines": [{}]}',
    "JSON with a name twice": '{"lot": "a", "lot": "b", "lines": [{}]}',
    "JSON of scalars": '{"lines": [' + "1," * 100_000 + "1]}",
    "XML": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><Document>&b;</Document>',
}

_KEY = re.compile(rb"[\x21-\x7e]{1,255}")


def idempotency_keys(count: int, seed: int) -> list[tuple[bytes, bool]]:
    """So many keys, and whether each is one: forms of every length and every byte that a header can hold."""
    chance = random.Random(seed)
    edges = [b"", b" ", b"a", b"a b", b"x" * 255, b"x" * 256, b"x" * 60_000, b"\t", b"\xe9", b"\x7f", b"\x00"]
    bytes_of = [bytes([n]) for n in range(1, 256) if n not in {10, 13}]
    visible, any_byte = range(33, 127), range(1, 256)
    made = [
        bytes(chance.choices(chance.choice((visible, any_byte)), k=chance.randint(1, 300)))
        for _ in range(max(0, count - len(edges) - len(bytes_of)))
    ]
    keys = edges + bytes_of + [key.replace(b"\r", b"!").replace(b"\n", b"!") for key in made]
    return [(key, _KEY.fullmatch(key) is not None) for key in keys[:count]]
