"""What a bank answers to a lot, read strictly: JSON (`schemas/bank_return.json`) or CSV, whole or not at all.

Every defect is told with its place and without the value that stands there: a column that slipped may hold
the number of an account, and what is told is kept in the journal.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jsonschema import Draft202012Validator, ValidationError

from sons_tracker.errors import Fault
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.money import euros, euros_fr, parse_euros

FORMAT = "sons-retour-1"
CONTROL = ("format", "lot", "count", "total_ttc", "sha256")
COLUMNS = ("end_to_end", "order", "bank_reference", "outcome", "executed_at", "amount_ttc", "reason_code")

Outcome = Literal["paid", "rejected", "returned"]


# Beyond, nobody reads them, and telling each costs more than reading its line.
MOST_FAULTS = 1_000


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """What the bank says of one transfer. `place` is where the file says it; `executed_at` is aware.

    `reason_code` is None for what was paid.
    """

    place: str
    end_to_end: str
    order: str
    bank_reference: str
    outcome: Outcome
    executed_at: datetime
    amount_ttc_cents: int
    reason_code: str | None

    def canonical(self) -> str:
        """The line as the digest of the file reads it, whatever the format that it came in."""
        at = self.executed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        amount, reason = euros(self.amount_ttc_cents), self.reason_code or ""
        return ";".join((self.end_to_end, self.order, self.bank_reference, self.outcome, at, amount, reason))


@dataclass(frozen=True, slots=True)
class Control:
    """What a file announces of itself; `sha256` is that of its lines (`content_sha256`)."""

    lot: str
    count: int
    total_ttc_cents: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ReturnFile:
    """A return as it was read. `faults` is empty when it can be believed; else it says every defect."""

    format: Literal["csv", "json"]
    file_sha256: bytes
    control: Control | None
    lines: tuple[ReturnLine, ...]
    faults: tuple[Fault, ...]

    @property
    def content_sha256(self) -> bytes:
        """The digest of the lot and of its lines in a canonical form, whatever their order and the format."""
        return bytes.fromhex(content_sha256(self.control.lot if self.control else "", self.lines))


def content_sha256(lot: str, lines: tuple[ReturnLine, ...]) -> str:
    """SHA-256, in hexadecimal, of what the bank says: the schema's description gives its recipe."""
    return hashlib.sha256("\n".join((lot, *sorted(line.canonical() for line in lines))).encode()).hexdigest()


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a return."""
    text = (files("sons_tracker.exchanges") / "schemas" / "bank_return.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def read_return(content: bytes) -> ReturnFile:
    """A return, from the bytes of its file; nothing is raised for a bad one: its faults say all, up to
    `MOST_FAULTS`."""
    form: Literal["csv", "json"] = "json" if content.lstrip()[:1] in (b"{", b"[") else "csv"
    digest = hashlib.sha256(content).digest()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return ReturnFile(
            form, digest, None, (), (Fault("fichier", f"Octet {error.start + 1} : pas d'UTF-8."),)
        )
    control, rows, faults = _json(text) if form == "json" else _csv(text)
    lines: list[ReturnLine] = []
    for place, row in rows:
        if len(faults) > MOST_FAULTS:
            break
        found, line = _line(place, row)
        faults += found
        if line is not None:
            lines.append(line)
    if len(faults) > MOST_FAULTS:
        told = f"Plus de {count_fr(MOST_FAULTS, 'défaut', 'défauts')} : la suite n'est pas détaillée."
        faults = [*faults[:MOST_FAULTS], Fault("fichier", told)]
    if control is not None and not faults:
        faults += _contradictions(control, tuple(lines))
    return ReturnFile(form, digest, control, tuple(lines), tuple(dict.fromkeys(faults)))


Rows = list[tuple[str, dict[str, Any]]]


def _json(text: str) -> tuple[Control | None, Rows, list[Fault]]:
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return dict(pairs)

    try:
        plain = json.loads(text, object_pairs_hook=members)
    except json.JSONDecodeError as error:
        return None, [], [Fault(f"ligne {error.lineno}", "Le fichier n'est pas du JSON, ou il est tronqué.")]
    except (RecursionError, ValueError):
        return None, [], [Fault("fichier", "Le JSON est trop profond, ou porte un nombre démesuré.")]
    if repeated:
        return None, [], [Fault("fichier", "Un champ est donné plusieurs fois dans le même objet.")]
    lines = plain.get("lines") if isinstance(plain, dict) else None
    if not isinstance(lines, list) or not lines:
        return None, [], [Fault("$.lines", "Le fichier n'a pas de lignes.")]
    faults = [
        Fault(f"$.{_name(error)}" if _name(error) else "$", _in_french(error))
        for error in _validator("control").iter_errors({n: v for n, v in plain.items() if n != "lines"})
    ]
    rows: Rows = []
    for index, row in enumerate(lines):
        place = f"$.lines[{index}]"
        if isinstance(row, dict):
            rows.append((place, row))
        else:
            faults.append(Fault(place, "Une ligne est un objet."))
    return (None if faults else _control(plain)), rows, faults


def _csv(text: str) -> tuple[Control | None, Rows, list[Fault]]:
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) <= len(("control", "columns")):
        return (
            None,
            [],
            [Fault("fichier", "Une ligne de contrôle, une ligne de titres et une ligne au moins.")],
        )
    cells = lines[0].split(";")
    if len(cells) != len(CONTROL) or lines[1].split(";") != list(COLUMNS):
        wanted = f"« {';'.join(CONTROL)} », puis « {';'.join(COLUMNS)} »"
        return None, [], [Fault("lignes 1 et 2", f"Le contrôle et les titres attendus sont {wanted}.")]
    given: dict[str, Any] = dict(zip(CONTROL, cells, strict=True))
    if cells[2].isascii() and cells[2].isdigit() and len(cells[2]) <= 9:
        given["count"] = int(cells[2])
    faults = [
        Fault("ligne 1", f"{_name(error)} : {_in_french(error)}")
        for error in _validator("control").iter_errors(given)
    ]
    rows: Rows = []
    for number, line in enumerate(lines[2:], start=3):
        cells = line.split(";")
        if len(cells) != len(COLUMNS):
            told = f"{len(COLUMNS)} champs sont attendus, {len(cells)} sont lus : la ligne est tronquée ?"
            faults.append(Fault(f"ligne {number}", told))
            continue
        row: dict[str, Any] = dict(zip(COLUMNS, cells, strict=True))
        rows.append((f"ligne {number}", row | {"reason_code": row["reason_code"] or None}))
    return (None if faults else _control(given)), rows, faults


def _control(given: dict[str, Any]) -> Control:
    whole, cents = str(given["total_ttc"]).split(".")
    return Control(given["lot"], int(given["count"]), int(whole) * 100 + int(cents), given["sha256"])


def _line(place: str, row: dict[str, Any]) -> tuple[list[Fault], ReturnLine | None]:
    faults = [
        Fault(place, f"{_name(error)} : {_in_french(error)}" if _name(error) else _in_french(error))
        for error in _validator("line").iter_errors(row)
    ]
    if faults:
        return faults, None
    try:
        at = datetime.fromisoformat(row["executed_at"])
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        return [Fault(place, "executed_at : cet instant n'existe pas.")], None
    if (row["outcome"] == "paid") is (row["reason_code"] is not None):
        told = "un rejet ou un retour a un motif, un paiement n'en a pas."
        return [Fault(place, f"reason_code : {told}")], None
    cents = parse_euros(row["amount_ttc"])
    rest = {name: row[name] for name in ("end_to_end", "order", "bank_reference", "outcome", "reason_code")}
    return [], ReturnLine(place, executed_at=at, amount_ttc_cents=cents, **rest)


def _contradictions(control: Control, lines: tuple[ReturnLine, ...]) -> Iterator[Fault]:
    """What the lines say against what the file announces, and against each other."""
    total = sum(line.amount_ttc_cents for line in lines)
    if len(lines) != control.count:
        announced, found = count_fr(control.count, "ligne annoncée", "lignes annoncées"), len(lines)
        yield Fault("contrôle", f"{announced}, {found} lues : le fichier est tronqué, ou il a été complété.")
    if total != control.total_ttc_cents:
        announced = euros_fr(control.total_ttc_cents)
        yield Fault(
            "contrôle", f"Le total annoncé est de {announced}, la somme des lignes de {euros_fr(total)}."
        )
    if content_sha256(control.lot, lines) != control.sha256:
        yield Fault("contrôle", "L'empreinte annoncée n'est pas celle des lignes : le fichier a été modifié.")
    for name, shown in (("end_to_end", "ce virement"), ("bank_reference", "cette référence bancaire")):
        first: dict[str, str] = {}
        for line in lines:
            seen = first.setdefault(getattr(line, name), line.place)
            if seen != line.place:
                yield Fault(line.place, f"{name} : {shown} figure déjà ({seen}).")


@cache
def _validator(part: Literal["control", "line"]) -> Draft202012Validator:
    if part == "line":
        return Draft202012Validator(schema()["$defs"]["line"])
    head = {name: value for name, value in schema().items() if name != "$defs"}
    properties = {name: value for name, value in head["properties"].items() if name != "lines"}
    return Draft202012Validator(head | {"properties": properties, "required": list(CONTROL)})


def _name(error: ValidationError) -> str:
    return str(error.path[0]) if error.path else ""


def _in_french(error: ValidationError) -> str:
    bound: Any = error.validator_value
    match error.validator:
        case "required":
            given: Any = error.instance
            missing = [name for name in bound if name not in given]
            return f"il manque {', '.join(missing)}."
        case "additionalProperties":
            return f"seuls {', '.join(error.schema['properties'])} sont admis."  # type: ignore[index]
        case "enum":
            return f"les valeurs possibles sont {', '.join(bound)}."
        case "const":
            return f"« {bound} » est attendu."
        case "maxLength":
            return f"plus de {bound} caractères."
        case "minimum" | "maximum":
            return "le nombre est hors des bornes."
        case _:
            return "la valeur n'a pas la forme attendue."
