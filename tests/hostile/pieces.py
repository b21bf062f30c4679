"""Pieces that an attacker, or a broken transfer, would hand over; each with the findings that it must bring.

An empty set of findings: the piece is sound. None: what is said does not matter, a report must come.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping

import xlsxwriter
from pypdf import PdfWriter

Piece = tuple[str, bytes, set[str] | None]
# What may take more seconds of processor than one has, on a slow machine: it is stopped then.
HEAVY = frozenset({"100000-pages.pdf", "100000-pages-inline.pdf", "many-objects.pdf", "long-name.xml"})


def pdf(objects: Mapping[int, bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects; the first is its catalogue."""
    out, places = io.BytesIO(b"%PDF-1.7\n"), {}
    out.seek(0, io.SEEK_END)
    for number, content in objects.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, place in places.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    size = max(objects) + 1
    out.write(b"trailer\n<</Size %d /Root 1 0 R %b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))
    return out.getvalue()


PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842] %b>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"


def one_page(
    catalogue: bytes = b"", page: bytes = b"", more: Mapping[int, bytes] | None = None, pages: bytes = PAGES
) -> bytes:
    """A PDF of one page, with members added to its catalogue and to its page."""
    first = b"<</Type/Catalog/Pages 2 0 R %b>>" % catalogue
    return pdf({1: first, 2: pages, 3: PAGE % page, **(more or {})})


def written(**options: str) -> bytes:
    """A PDF as a library writes it, encrypted."""
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(595, 842)
    writer.encrypt(options.pop("password"), **options)
    writer.write(out)
    return out.getvalue()


def pdfs() -> Iterator[Piece]:
    sound = one_page()
    yield "sound.pdf", sound, set()
    yield "as-written.pdf", as_written(), set()
    yield "rc4.pdf", written(password="secret", algorithm="RC4-128"), {"pdf_encrypted"}
    yield "aes.pdf", written(password="secret", algorithm="AES-256"), {"pdf_encrypted"}
    yield "aes-open-to-all.pdf", written(password="", algorithm="AES-256-R5"), {"pdf_encrypted"}
    script = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
    yield "script-on-opening.pdf", one_page(b"/OpenAction %b" % script), {"pdf_javascript"}
    yield "script-named.pdf", one_page(b"/Names<</JavaScript<</Names[(a)%b]>>>>" % script), {"pdf_javascript"}
    yield "script-on-page.pdf", one_page(page=b"/AA<</O %b>>" % script), {"pdf_javascript"}
    yield (
        "script-of-a-link.pdf",
        one_page(page=b"/Annots[<</Subtype/Link/A %b>>]" % script),
        {"pdf_javascript"},
    )
    yield "script-hidden.pdf", one_page(b"/OpenAction<</S/J#61vaScript>>"), {"pdf_javascript"}
    yield "script-key-hidden.pdf", one_page(b"/OpenAction<</S/X/J#53(x)>>"), {"pdf_javascript"}
    yield "script-far.pdf", one_page(b"/A 4 0 R", more={4: b"[[[5 0 R]]]", 5: script}), {"pdf_javascript"}
    yield "launch.pdf", one_page(b"/OpenAction<</S/Launch/F(cmd.exe)>>"), {"pdf_launch"}
    yield "submit.pdf", one_page(b"/OpenAction<</S/SubmitForm/F(http://a)>>"), {"pdf_sends"}
    yield "import.pdf", one_page(b"/OpenAction<</S/ImportData/F(a.fdf)>>"), {"pdf_sends"}
    yield "form.pdf", one_page(b"/AcroForm<</XFA(x)/Fields[]>>"), {"pdf_xfa"}
    yield "video.pdf", one_page(page=b"/Annots[<</Subtype/RichMedia>>]"), {"pdf_media"}
    joined = b"/Names<</EmbeddedFiles<</Names[(a)<</Type/Filespec/UF(%b)/EF<</F 4 0 R>>>>]>>>>"
    stream = {4: b"<</Length 1>>\nstream\nx\nendstream"}
    yield "joined.pdf", one_page(joined % b"a.exe", more=stream), {"pdf_embedded_files"}
    yield "factur-x.pdf", one_page(joined % b"factur-x.xml", more=stream), {"pdf_einvoice"}
    yield "self.pdf", one_page(pages=b"<</Type/Pages/Kids[3 0 R 2 0 R]>>"), {"pdf_cyclic"}
    loop = {4: b"<</Type/Pages/Kids[5 0 R]>>", 5: b"<</Type/Pages/Kids[4 0 R]>>"}
    yield (
        "loop.pdf",
        one_page(pages=b"<</Type/Pages/Kids[4 0 R]>>", more=loop),
        {"pdf_cyclic", "pdf_no_page"},
    )
    doubled = {n: b"<</Type/Pages/Kids[%d 0 R %d 0 R]>>" % (n + 1, n + 1) for n in range(4, 60)}
    yield (
        "doubled.pdf",
        one_page(pages=b"<</Type/Pages/Kids[4 0 R]>>", more={**doubled, 60: PAGE % b""}),
        {"pdf_cyclic"},
    )
    many = dict.fromkeys(range(10, 100010), PAGE % b"")
    kids = b" ".join(b"%d 0 R" % n for n in many)
    yield (
        "100000-pages.pdf",
        one_page(pages=b"<</Type/Pages/Kids[%b]>>" % kids, more=many),
        {"pdf_too_many_pages"},
    )
    inline = b"<</Type/Pages/Kids[%b]>>" % (b"<</Type/Page>>" * 100_000)
    yield "100000-pages-inline.pdf", one_page(pages=inline), None
    yield "many-objects.pdf", one_page(b"/A[%b]" % (b"<</B 1>>" * 60_000)), {"pdf_too_many_objects"}
    yield "a-count-that-lies.pdf", one_page(pages=b"<</Type/Pages/Kids[3 0 R]/Count 2147483647>>"), set()
    yield "no-page.pdf", one_page(pages=b"<</Type/Pages/Kids[]>>"), {"pdf_no_page"}
    yield "no-catalogue.pdf", pdf({2: PAGES}), None
    yield "deep-lists.pdf", one_page(b"/A " + b"[" * 100_000 + b"]" * 100_000), None
    yield "deep-objects.pdf", one_page(b"/A " + b"<</A" * 50_000 + b" 1" + b">>" * 50_000), None
    chain = {n: b"[%d 0 R]" % (n + 1) for n in range(4, 20_000)}
    yield "long-chain.pdf", one_page(b"/A 4 0 R", more={**chain, 20_000: b"1"}), set()
    yield "reference-to-itself.pdf", one_page(b"/A 4 0 R", more={4: b"4 0 R"}), None
    yield "previous-is-itself.pdf", looped_table(), None
    packed = zlib.compress(b"0" * (64 << 20), 9)
    head = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>" % len(packed)
    bomb = head + b"\nstream\n" + packed + b"\nendstream"
    yield "bomb.pdf", one_page(b"/A 4 0 R", more={4: bomb}), None
    twice = zlib.compress(zlib.compress(b"0" * (256 << 20), 9), 9)
    head = b"<</Type/XRef/W[1 1 1]/Size 9/Root 1 0 R/Filter[/FlateDecode/FlateDecode]/Length %d>>" % len(
        twice
    )
    body = b"%PDF-1.7\n"
    body += b"1 0 obj\n" + head + b"\nstream\n" + twice + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"
    yield "bomb-in-its-table.pdf", body, None
    yield "leading.pdf", b"MZ" + b"\x00" * 100 + sound, {"pdf_leading", "pdf_repaired"}
    yield "head-only.pdf", b"%PDF-1.7", {"truncated"}
    yield "head-and-end.pdf", b"%PDF-1.7\n%%EOF", None
    yield "noise.pdf", b"%PDF-1.7\n" + random.Random(3).randbytes(200_000) + b"%%EOF", None
    yield "huge-number.pdf", one_page(b"/A " + b"9" * 1_000_000), None
    yield "huge-name.pdf", one_page(b"/" + b"A" * 1_000_000 + b" 1"), None
    yield "huge-text.pdf", one_page(b"/A(" + b"(" * 200_000 + b")" * 200_000 + b")"), None


def as_written() -> bytes:
    """A PDF of three pages, as a library writes it."""
    writer, out = PdfWriter(), io.BytesIO()
    for _ in range(3):
        writer.add_blank_page(595, 842)
    writer.write(out)
    return out.getvalue()


def looped_table() -> bytes:
    """A PDF whose table says that it follows itself."""
    sound = one_page()
    start = sound.index(b"xref\n")
    return sound.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d" % start)


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def _flagged(archive: bytes, at: int, flag: int) -> bytes:
    """A ZIP with two bytes of each entry of its directory changed."""
    changed, place = bytearray(archive), 0
    while (place := archive.find(b"PK\x01\x02", place)) >= 0:
        struct.pack_into("<H", changed, place + at, flag)
        place += 4
    return bytes(changed)


def zips() -> Iterator[Piece]:
    sound = packed(("bon.pdf", one_page()), ("va/é.xml", b"<va/>"))
    yield "sound.zip", sound, set()
    yield "stored.zip", packed(("a.txt", b"a"), method=zipfile.ZIP_STORED), set()
    yield "empty.zip", packed(), {"zip_empty"}
    for number, name in enumerate(
        ("../a", "a/../../b", "/etc/passwd", "..\\a", "C:\\a", "a\x1b[31m", "a/..", "\u202efdp.exe")
    ):
        yield f"name-{number}.zip", packed((name, b"x")), {"zip_traversal"}
    yield "long-name.zip", packed(("a" * 300, b"x")), {"zip_traversal"}
    yield "nested.zip", packed(("a.zip", sound)), {"zip_nested"}
    yield "nested-hidden.zip", packed(("a.pdf", sound)), {"zip_nested"}
    yield "nested-gzip.zip", packed(("a.json", b"\x1f\x8b\x08")), {"zip_nested"}
    yield "bomb.zip", packed(("a", b"\x00" * (64 << 20))), {"zip_ratio"}
    many = tuple((f"{n}", random.Random(n).randbytes(40_000) + b"\x00" * 900_000) for n in range(240))
    yield "many-small-bombs.zip", packed(*many), {"zip_unpacked"}
    yield "too-many.zip", packed(*((f"{n}", b"") for n in range(1_001))), {"zip_too_many_members"}
    yield "directory-of-60000.zip", packed(*((f"{n}", b"") for n in range(60_000))), {"zip_too_many_members"}
    yield "encrypted.zip", _flagged(packed(("a", b"x")), 8, 1), {"zip_encrypted"}
    yield "unknown-method.zip", _flagged(packed(("a", b"x")), 10, 99), {"unreadable"}
    yield "lying-size.zip", _flagged(packed(("a", b"x" * 100)), 24, 50), {"unreadable"}
    yield "wrong-sum.zip", _flagged(packed(("a", b"x")), 16, 7), {"unreadable"}
    link = zipfile.ZipInfo("a")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, b"/etc/passwd")
    yield "link.zip", out.getvalue(), {"zip_link"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("A", b"2")
    yield "repeated.zip", out.getvalue(), {"zip_repeated"}
    yield "overlap.zip", overlapping(), {"zip_overlap", "zip_repeated"}
    yield "word.zip", packed(("[Content_Types].xml", b"<a/>"), ("word/document.xml", b"<a/>")), {"zip_office"}
    yield "no-directory.zip", b"PK\x03\x04" + b"\x00" * 1_000, {"unreadable"}
    yield "end-only.zip", b"PK\x05\x06" + b"\xff" * 18, {"unreadable"}
    yield "noise.zip", b"PK\x03\x04" + random.Random(4).randbytes(100_000), {"unreadable"}


def overlapping() -> bytes:
    """Many entries of the directory, one content: Fifield's bomb."""
    small = packed(("a", b"x" * 1_000))
    at = small.index(b"PK\x01\x02")
    end = small.index(b"PK\x05\x06")
    entry, count = small[at:end], 500
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, at, 0)
    return small[:at] + entry * count + tail


def workbook(*rows: tuple[object, ...]) -> bytes:
    """An XLSX of one sheet."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return out.getvalue()


def with_part(book: bytes, name: str, content: bytes) -> bytes:
    """A workbook with a part added, or replaced."""
    source, out = zipfile.ZipFile(io.BytesIO(book)), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in source.namelist():
            if one != name:
                archive.writestr(one, source.read(one))
        archive.writestr(name, content)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
_MAIN = b' xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def cells(content: bytes) -> bytes:
    """A workbook whose only sheet holds these rows, as XML."""
    sheet = b"<worksheet%b><sheetData>%b</sheetData></worksheet>" % (_MAIN, content)
    return with_part(workbook(("a",)), SHEET, sheet)


def workbooks() -> Iterator[Piece]:
    sound = workbook(("a", "b"), (1, "é"), ("=1+1", None))
    text = workbook(("=cmd|'/C calc'!A0",))
    yield "sound.xlsx", workbook(("a", "b"), (1, "é")), set()
    yield "formula.xlsx", sound, {"xlsx_formulas"}
    yield "formula-of-a-command.xlsx", text, {"xlsx_formulas"}
    formula = b'<row r="1"><c r="A1"><f>1+1</f>%b</c></row>'
    yield "computed.xlsx", cells(formula % b"<v>2</v>"), {"xlsx_formulas"}
    for number, nothing in enumerate((b"", b"<v/>", b"<v></v>")):
        yield f"uncomputed-{number}.xlsx", cells(formula % nothing), {"xlsx_formulas", "xlsx_uncomputed"}
    empty_text = b'<row r="1"><c r="A1" t="str"><f>""</f><v></v></c></row>'
    yield "computed-as-empty.xlsx", cells(empty_text), {"xlsx_formulas"}
    yield "macros.xlsx", with_part(sound, "xl/vbaProject.bin", b"x"), {"xlsx_macros", "xlsx_formulas"}
    yield "embedded.xlsx", with_part(workbook(("a",)), "xl/embeddings/a.bin", b"x"), {"xlsx_embedded"}
    external = with_part(workbook(("a",)), "xl/externalLinks/externalLink1.xml", b"<a/>")
    yield "external.xlsx", external, {"xlsx_external"}
    doctype = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    yield "dtd.xlsx", with_part(workbook(("a",)), SHEET, doctype), {"xml_dtd"}
    yield "dtd-in-texts.xlsx", with_part(workbook(("a",)), "xl/sharedStrings.xml", doctype), {"xml_dtd"}
    yield "utf-16.xlsx", with_part(workbook(("a",)), SHEET, "<a/>".encode("utf-16")), {"unreadable"}
    yield "no-sheet-data.xlsx", with_part(workbook(("a",)), SHEET, b"<a/>"), None
    yield "not-markup.xlsx", with_part(workbook(("a",)), "xl/workbook.xml", b"x"), None
    wide = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    yield "one-far-cell.xlsx", cells(wide), None
    yield "columns.xlsx", workbook(tuple(range(16_384))), {"xlsx_too_many_cells"}
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (n, n) for n in range(1, 200_002))
    yield "rows.xlsx", cells(rows), {"xlsx_too_many_cells"}
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    for _ in range(1_500):
        book.add_worksheet()
    book.close()
    yield "1500-sheets.xlsx", out.getvalue(), {"zip_too_many_members"}
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    for _ in range(60):
        book.add_worksheet()
    book.close()
    yield "60-sheets.xlsx", out.getvalue(), {"xlsx_too_many_sheets"}
    yield "bomb.xlsx", with_part(sound, SHEET, b"<a>" + b" " * (64 << 20)), {"zip_ratio"}
    swollen = with_part(workbook(("a",)), "xl/sharedStrings.xml", b"<si><t>aaaaaaaaaa</t></si>" * 300_000)
    yield "many-texts.xlsx", swollen, {"zip_ratio"}
    deep = b"<a>" * 300_000
    yield "deep.xlsx", with_part(workbook(("a",)), SHEET, b"<a>%b" % deep), None
    yield "encrypted.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 5_000, {"old_office"}


def markup() -> Iterator[Piece]:
    yield "sound.xml", "<?xml version='1.0'?><a b='c'>é</a>".encode(), set()
    yield "latin.xml", "<?xml version='1.0' encoding='iso-8859-15'?><a>é€</a>".encode("iso-8859-15"), set()
    yield "utf-16.xml", "<?xml version='1.0' encoding='utf-16'?><a>é</a>".encode("utf-16"), set()
    laughs = b'<!DOCTYPE a [<!ENTITY l0 "lol">%b]><a>&l9;</a>' % b"".join(
        b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    for name, content in {
        "laughs": laughs,
        "quadratic": b'<!DOCTYPE a [<!ENTITY b "%b">]><a>%b</a>' % (b"x" * 50_000, b"&b;" * 50_000),
        "file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "network": b'<!DOCTYPE a [<!ENTITY b SYSTEM "http://127.0.0.1:9/">]><a>&b;</a>',
        "parameter": b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:9/"> %b;]><a/>',
        "doctype-alone": b"<!DOCTYPE a><a/>",
        "external-dtd": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        "notation": b'<!DOCTYPE a [<!NOTATION b SYSTEM "c">]><a/>',
        "utf-16": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode("utf-16"),
    }.items():
        yield f"dtd-{name}.xml", content, {"xml_dtd"}
    include = b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="file:///etc/passwd"/></a>'
    yield "include.xml", include, {"xml_include"}
    yield "deep.xml", b"<a>" * 200_000, {"xml_too_deep"}
    yield "deep-whole.xml", b"<a>" * 1_000 + b"</a>" * 1_000, {"xml_too_deep"}
    yield "many.xml", b"<a>" + b"<b/>" * 300_000 + b"</a>", {"xml_too_many"}
    yield "attributes.xml", b"<a " + b" ".join(b'b%d="1"' % n for n in range(300_000)) + b"/>", None
    yield "long-text.xml", b"<a>" + b"x" * (19 << 20) + b"</a>", None
    yield "long-name.xml", b"<" + b"a" * (10 << 20) + b"/>", None
    yield (
        "spaces-of-names.xml",
        b"<a " + b" ".join(b'xmlns:n%d="u%d"' % (n, n) for n in range(50_000)) + b"/>",
        None,
    )
    yield "unended.xml", b"<a>", {"xml_malformed"}
    yield "two-roots.xml", b"<a/><b/>", {"xml_malformed"}
    yield "unknown-entity.xml", b"<a>&b;</a>", {"xml_malformed"}
    yield "unknown-encoding.xml", b"<?xml version='1.0' encoding='klingon'?><a/>", None
    yield "codec-of-python.xml", b"<?xml version='1.0' encoding='rot13'?><a/>", None
    yield "bad-utf-8.xml", b"<a>\xff</a>", {"xml_malformed"}
    yield "nul.xml", b"<a>\x00</a>", {"xml_malformed"}
    yield "HTML.xml", b"<!DOCTYPE html><html><body>404</body></html>", {"xml_dtd"}


def others() -> Iterator[Piece]:
    yield "empty", b"", {"empty"}
    yield "one-byte", b"x", {"unknown_kind"}
    yield "text.txt", b"bonjour", {"unknown_kind"}
    yield "nul", b"\x00" * 100_000, {"unknown_kind"}
    yield "png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, {"unknown_kind"}
    yield "elf", b"\x7fELF\x02\x01\x01" + b"\x00" * 1_000, {"unknown_kind"}
    yield "gzip", b"\x1f\x8b\x08" + b"\x00" * 100, {"unknown_kind"}
    yield "old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 10_000, {"old_office"}
    yield "noise", random.Random(2).randbytes(1 << 20), {"unknown_kind"}


SOUND: dict[str, bytes] = {
    "pdf": as_written(),
    "zip": packed(("bon.pdf", one_page()), ("va.xml", b"<va>1</va>" * 50)),
    "xlsx": workbook(("grant_reference", "state"), ("G-1", "agreed"), ("G-2", 12.5)),
    "xml": b"<?xml version='1.0'?><va><ligne n='1'>990000010</ligne>" + b"<ligne/>" * 40 + b"</va>",
}
"""One valid file of each kind, to cut and to change."""
