"""Questions and answers about two FINESS extractions, and about the numbers that follow others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Day, FinessGeographiqueText, FinessJuridiqueText, Motivation, Strict
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.finess_differences import (
    CHANGE_WORDS,
    Difference,
    Filters,
    Item,
    KnownSuccession,
)
from sons_tracker.operations.successions import STATE_WORDS, Settled, SuccessionPage, SuccessionView
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique
from sons_tracker.rules.succession import KIND_WORDS, Clue, Entry

ChangeCode = Literal[
    "created", "absent", "closed", "reopened", "og_changed", "category_changed", "renamed", "moved",
    "siret_changed", "dated",
]  # fmt: skip
Kind = Literal["merger", "split", "move", "renumbering"]
State = Literal["probable", "confirmed", "dismissed"]
_NEXT = Annotated[str, Meta(max_length=60)]


class DifferenceQuery(Strict, frozen=True, kw_only=True):
    """Deux extractions chargées, des filtres et une page ; « after » est le « next » de la page précédente.

    « touching » : seulement les numéros qu'une commande nomme.
    """

    earlier: Day
    later: Day
    change: ChangeCode | None = None
    og: FinessJuridiqueText | None = None
    finess: FinessGeographiqueText | None = None
    touching: bool = False
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: _NEXT | None = None


class SuccessionsQuery(Strict, frozen=True, kw_only=True):
    """Filtres et page des successions ; « finess » : l'ancien ou le nouveau numéro."""

    state: State | None = None
    kind: Kind | None = None
    finess: FinessGeographiqueText | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: _NEXT | None = None


class SuccessionDecisionIn(Strict, frozen=True, kw_only=True):
    """La motivation d'une décision sur une succession."""

    reason: Motivation


class ClueOut(msgspec.Struct, frozen=True):
    """Un indice, ses points, et le fait qui le donne."""

    code: str
    points: int
    message: str


class SuccessionOut(msgspec.Struct, frozen=True):
    """Un numéro qui en suit un autre : de quelle façon, avec quel score sur 100, pour quelles raisons."""

    id: str | None
    predecessor: str
    successor: str
    predecessor_og: str | None
    successor_og: str | None
    kind: Kind
    kind_label: str
    score: int
    reasons: list[ClueOut]
    state: State
    state_label: str


class KeptSuccessionOut(SuccessionOut, frozen=True, kw_only=True):
    """Une succession gardée par un import, et la décision d'un contrôleur."""

    earlier: str
    later: str
    found_at: str
    decided_at: str | None
    reason: str | None


class SuccessionsOut(msgspec.Struct, frozen=True):
    """Une page de successions, la plus probable d'abord."""

    successions: list[KeptSuccessionOut]
    next: str | None


class SettledSuccessionOut(msgspec.Struct, frozen=True):
    """Une succession décidée ; « claims_followed » : les engagements qui suivent, ou ne suivent plus.

    « both_held » : les vagues où les deux numéros sont engagés chacun de leur côté, ce qui est un conflit.
    """

    succession: KeptSuccessionOut
    claims_followed: int
    both_held: list[str]


class EntryOut(msgspec.Struct, frozen=True):
    """Un établissement tel qu'une extraction le dit."""

    og: str | None
    name: str
    long_name: str | None
    category: str
    commune: str | None
    address: str | None
    siret: str | None
    in_service: bool
    opened_on: str | None
    closed_on: str | None


class OrderTouchedOut(msgspec.Struct, frozen=True):
    """Une commande qui nomme le numéro ; « holds » : elle l'engage ; « va » : l'état de sa dernière VA."""

    id: str
    number: str
    state: str
    holds: bool
    va_number: int | None
    va: str | None


class TrancheTouchedOut(msgspec.Struct, frozen=True):
    """Le nombre d'ESSMS d'un organisme aux deux extractions, et sa tranche ; « changes » : elle change."""

    og: str
    vague: str
    counted_before: int
    counted_after: int
    tranche_before: str | None
    tranche_after: str | None
    changes: bool


class ConflictTouchedOut(msgspec.Struct, frozen=True):
    """Un dossier de conflit qui porte sur le numéro."""

    id: str
    number: str
    family: str
    state: str


class DifferenceItemOut(msgspec.Struct, frozen=True):
    """Un numéro dont les deux extractions ne disent pas la même chose, et ce que cela touche."""

    finess: str
    changes: list[ChangeCode]
    before: EntryOut | None
    after: EntryOut | None
    successions: list[SuccessionOut]
    orders: list[OrderTouchedOut]
    tranches: list[TrancheTouchedOut]
    conflicts: list[ConflictTouchedOut]


class DifferenceSummaryOut(msgspec.Struct, frozen=True):
    """Combien de numéros par changement, de successions par nature, et ce qu'ils touchent."""

    numbers: int
    changes: dict[str, int]
    successions: dict[str, int]
    orders: int
    conflicts: int
    tranches: int


class DifferenceOut(msgspec.Struct, frozen=True):
    """La différence de deux extractions : le résumé de ce qui est demandé, et une page par numéro."""

    earlier: str
    later: str
    summary: DifferenceSummaryOut
    items: list[DifferenceItemOut]
    next: str | None


def filters(query: DifferenceQuery) -> Filters:
    """What of a difference is asked.

    Raises:
        SonsError: `INVALID_REQUEST` for dates in the wrong order, `INVALID_IDENTIFIER` for a wrong number.
    """
    if query.earlier >= query.later:
        message = "La première extraction doit précéder la seconde."
        raise SonsError(ErrorCode.INVALID_REQUEST, message, (Fault("?later", message),))
    return Filters(
        query.change,
        None if query.og is None else parse_juridique(query.og, "?og"),
        None if query.finess is None else parse_geographique(query.finess, "?finess"),
        query.touching,
    )


def difference_out(found: Difference) -> DifferenceOut:
    """A page of a difference as JSON shows it."""
    summary = found.summary
    return DifferenceOut(
        found.earlier.isoformat(),
        found.later.isoformat(),
        DifferenceSummaryOut(
            summary.numbers,
            summary.changes,
            summary.successions,
            summary.orders,
            summary.conflicts,
            summary.tranches,
        ),
        [_item(item) for item in found.items],
        found.following,
    )


def _item(item: Item) -> DifferenceItemOut:
    return DifferenceItemOut(
        item.finess,
        list(item.changes),  # type: ignore[arg-type]
        _entry(item.before),
        _entry(item.after),
        [_found(known) for known in item.successions],
        [OrderTouchedOut(str(o.id), o.number, o.state, o.holds, o.va_number, o.va) for o in item.orders],
        [
            TrancheTouchedOut(
                t.og, t.vague, t.counted_before, t.counted_after, t.tranche_before, t.tranche_after, t.changes
            )
            for t in item.tranches
        ],
        [ConflictTouchedOut(str(c.id), c.number, c.family, c.state) for c in item.conflicts],
    )


def _entry(entry: Entry | None) -> EntryOut | None:
    if entry is None:
        return None
    return EntryOut(
        entry.og,
        entry.name,
        entry.long_name,
        entry.category,
        entry.commune,
        entry.address,
        entry.siret,
        entry.in_service,
        None if entry.opened_on is None else entry.opened_on.isoformat(),
        None if entry.closed_on is None else entry.closed_on.isoformat(),
    )


def _found(known: KnownSuccession) -> SuccessionOut:
    one = known.found
    return SuccessionOut(
        None if known.id is None else str(known.id),
        one.predecessor,
        one.successor,
        one.predecessor_og,
        one.successor_og,
        one.kind,  # type: ignore[arg-type]
        KIND_WORDS[one.kind],
        one.score,
        _clues(one.clues),
        known.state,  # type: ignore[arg-type]
        STATE_WORDS[known.state],
    )


def _clues(clues: tuple[Clue, ...]) -> list[ClueOut]:
    return [ClueOut(clue.code, clue.points, clue.message) for clue in clues]


def succession_out(one: SuccessionView) -> KeptSuccessionOut:
    """A kept succession as JSON shows it."""
    return KeptSuccessionOut(
        str(one.id),
        one.predecessor,
        one.successor,
        one.predecessor_og,
        one.successor_og,
        one.kind,  # type: ignore[arg-type]
        KIND_WORDS[one.kind],
        one.score,
        _clues(one.clues),
        one.state,  # type: ignore[arg-type]
        STATE_WORDS[one.state],
        earlier=one.earlier_on.isoformat(),
        later=one.later_on.isoformat(),
        found_at=paris_text(one.found_at),
        decided_at=None if one.decided_at is None else paris_text(one.decided_at),
        reason=one.reason,
    )


def successions_out(page: SuccessionPage) -> SuccessionsOut:
    """A page of successions as JSON shows it."""
    following = None if page.following is None else f"{page.following[0]}/{page.following[1]}"
    return SuccessionsOut([succession_out(one) for one in page.successions], following)


def settled_out(settled: Settled) -> SettledSuccessionOut:
    """A decided succession as JSON shows it."""
    return SettledSuccessionOut(succession_out(settled.succession), settled.followed, list(settled.both_held))


def decode_following(text: str | None) -> tuple[int, UUID] | None:
    """The place that « after » gives back.

    Raises:
        SonsError: `INVALID_REQUEST` for what no page gave.
    """
    if text is None:
        return None
    score, _, number = text.partition("/")
    try:
        if not (score.isascii() and score.isdigit() and len(score) <= 3):
            raise ValueError(score)
        return int(score), UUID(number)
    except ValueError:
        problem = "Cette valeur n'est pas le « next » d'une page précédente."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?after", problem),)) from None


CSV_COLUMNS = (
    "FINESS géographique", "Changements", "Organisme avant", "Organisme après", "Nom avant", "Nom après",
    "Catégorie avant", "Catégorie après", "Successions probables", "Commandes", "Tranches", "Conflits",
)  # fmt: skip


def csv_rows(page: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The lines of a page, as plain JSON values, for a spreadsheet."""
    for item in page["items"]:
        before, after = item["before"] or {}, item["after"] or {}
        yield (
            item["finess"],
            ", ".join(CHANGE_WORDS[code] for code in item["changes"]),
            *(str(entry.get(name) or "") for name in ("og", "name", "category") for entry in (before, after)),
            ", ".join(succession_words(one) for one in item["successions"]),
            ", ".join(order["number"] for order in item["orders"]),
            ", ".join(tranche_words(one) for one in item["tranches"] if one["changes"]),
            ", ".join(case["number"] for case in item["conflicts"]),
        )


def succession_words(one: dict[str, Any]) -> str:
    """`010000016 → 010000024 : renumérotation (75/100, probable)`."""
    pair = f"{one['predecessor']} → {one['successor']}"
    return f"{pair} : {one['kind_label']} ({one['score']}/100, {one['state_label']})"


def tranche_words(one: dict[str, Any]) -> str:
    """`tranche B (4 ESSMS) → C (5 ESSMS)`, `aucune` where the OG has no ESSMS."""
    before, after = one["tranche_before"] or "aucune", one["tranche_after"] or "aucune"
    return f"tranche {before} ({one['counted_before']} ESSMS) → {after} ({one['counted_after']} ESSMS)"
