"""What the process says of itself: one line an event, in UTC, and no secret in it.

Modules and libraries speak to the standard `logging`; structlog renders every record here, so that none has a
way of its own. Whatever a line carries is masked, made visible and shortened first: a line that is written
is a line that may be read by whoever keeps the machine.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from sons_tracker.errors import SonsError
from sons_tracker.safeguards import LogFormat, LogLevel

OURS = "sons_tracker"
MASK = "[masqué]"
LONGEST_TEXT = 2_000
_LONGEST_READ = 2 * LONGEST_TEXT
_LONGEST_SECRET = 300
_LONGEST_LIST = 100
_DEEPEST = 6
_FIRST_BEYOND_JSON = 2**63

# Never of use in a line, whatever the value: what a key of this name holds is not looked at.
_SECRET_KEYS = re.compile(
    r"authorization|cookie|secret|passw|token$|api.?key|idempotency|iban|bic$|e?mail|"
    r"^(name|nom|person|prenom|phone|otp|totp|code_verifier)$",
    re.IGNORECASE,
)
_PATTERNS = (
    re.compile(r"(?<=://)[^/\s@]*:[^\s@]*(?=@)"),  # the account of an address
    re.compile(r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"\b(?:sons|whsec)_[A-Za-z0-9_+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"),  # what a provider of identities signs
    re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ \u00a0\u202f]?[A-Z0-9]){11,30}(?![A-Za-z0-9])"),  # IBAN
    re.compile(r"(?<![A-Za-z0-9])[a-z]{2}[0-9]{2}[a-z0-9]{11,30}(?![A-Za-z0-9-])"),
    # Begun where a word begins, else a long text without any would be read once for each of its characters.
    re.compile(r"(?<![^\s@<>\"'(),;:=])[^\s@<>\"'(),;:=]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
)
# These say what the code did, not what it was given; the message of any other may hold a whole row (the
# DETAIL of PostgreSQL does) or the text that could not be read.
_SPEAKING = (ArithmeticError, AttributeError, ImportError, NameError, TypeError)
_OF_POSTGRESQL = ("sqlstate", "constraint_name", "table_name", "column_name")
_FOREIGN_EXTRAS = ("asctime", "color_message", "message", "taskName", "websocket")

EventDict = MutableMapping[str, Any]


def configure(
    level: LogLevel, form: LogFormat, *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Sends every record of the process to `stream` (by default standard error), one line each.

    `level` is ours; libraries speak from a warning on: below it some say the addresses that they call.
    `secrets` are masked wherever they appear, besides what their form gives away. May be called again.
    """
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[_put_in_order, _Mask(secrets), _RENDERERS[form]],
        )
    )
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level.upper())
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler", "asyncio"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.setLevel(logging.NOTSET)
        library.propagate = True
    # Its line shows the address as it was sent, where a calendar feed has its secret; ours shows the route.
    logging.getLogger("uvicorn.access").propagate = False


def trace_of(error: BaseException) -> list[str]:
    """An exception without what it was about: where it went, what it is, what caused it; innermost last.

    The text of the exception is kept only where the code alone makes it; no line of code is quoted.
    """
    lines: list[str] = []
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen and len(lines) < _LONGEST_LIST:
        seen.add(id(found))
        frames = traceback.extract_tb(found.__traceback__, limit=-30)
        lines[:0] = [
            *(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames),
            _said_by(found),
        ]
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return lines


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without secrets nor personal data that their form betrays, visible and short: one line."""
    read = text[:_LONGEST_READ]
    for secret in secrets:
        read = read.replace(secret, MASK)
    for pattern in _PATTERNS:
        read = pattern.sub(MASK, read)
    if len(text) > _LONGEST_READ:  # half a secret at the cut is not recognised
        read = read[:-_LONGEST_SECRET]
    safe = "".join(map(_escaped, read))
    return safe if len(safe) <= LONGEST_TEXT else f"{safe[:LONGEST_TEXT]}…"


class _Handler(logging.Handler):
    """Writes to the standard error of the moment when none is given; its own failure does not quote the
    record that it could not write."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            stream = self._stream or sys.stderr
            stream.write(f"{self.format(record)}\n")
            stream.flush()
        except Exception:  # as every handler: a line that fails is no reason for the work to fail
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        kind = sys.exc_info()[0]
        if kind is not None and not issubclass(kind, OSError):
            why = f"a line of {record.name} could not be written: {kind.__name__}"
            sys.stderr.write(f'{{"level":"error","event":"{why}"}}\n')


class _Mask:
    """Masks values by their key, by their form, and the secrets that this process knows."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: one may be the beginning of another. A short one would mask ordinary words.
        self._secrets = sorted({one for one in secrets if len(one) >= 4}, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return dict(self._members(event, 0))

    def _members(self, values: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, Any]]:
        for key, value in list(values.items())[:_LONGEST_LIST]:
            name = self._text(str(key))
            yield name, MASK if _SECRET_KEYS.search(name) else self._plain(value, depth + 1)

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int) and abs(value) < _FIRST_BEYOND_JSON:
            return value
        if isinstance(value, Mapping) and depth < _DEEPEST:
            return dict(self._members(value, depth))
        if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
            return [self._plain(one, depth + 1) for one in list(value)[:_LONGEST_LIST]]
        if isinstance(value, BaseException):
            return self._text(_said_by(value))
        return self._text(str(value))

    def _text(self, text: str) -> str:
        return masked(text, self._secrets)


def _put_in_order(logger: Any, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    ordered: EventDict = {
        "timestamp": _instant(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event.pop("event"),
    }
    if not record.name.startswith(OURS):
        # asyncio lists objects below its message, with what they hold; warnings quote the line of code.
        ordered["event"] = str(ordered["event"]).strip().partition("\n")[0]
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    event.pop("stack_info", None)
    for name in _FOREIGN_EXTRAS:
        event.pop(name, None)
    ordered.update(event)
    if isinstance(error, BaseException):
        ordered["trace"] = trace_of(error)
    return ordered


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _said_by(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, SonsError):
        return f"{name} {error.kind.code}"
    told = [f"{key}={value}" for key in _OF_POSTGRESQL if (value := getattr(error, key, None))]
    if told:
        return f"{name} {' '.join(told)}"
    return f"{name}: {error}" if isinstance(error, _SPEAKING) else name


def _short(filename: str) -> str:
    for marker in ("/site-packages/", f"/{OURS}/"):
        _, found, after = filename.rpartition(marker)
        if found:
            return after if marker == "/site-packages/" else f"{OURS}/{after}"
    return filename.rpartition("/")[2]


def _escaped(char: str) -> str:
    return char if char.isprintable() or char in "\u00a0\u202f" else f"\\u{ord(char):04x}"


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event).decode()


def _as_text(_logger: Any, _method: str, event: EventDict) -> str:
    head = f"{event.pop('timestamp')} {event.pop('level').upper():7} {event.pop('event')}"
    name, trace = event.pop("logger"), event.pop("trace", None)
    said = [f"{key}={value}" for key, value in event.items() if value is not None]
    if trace:
        said.append(f"trace={' > '.join(trace)}")
    return " ".join([head, *said, f"({name})"])


_RENDERERS = {"json": _as_json, "text": _as_text}
