"""Which numbers follow which: the cases of `successions.toml`, and what holds of any two extractions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from sons_tracker.law import load
from sons_tracker.rules.parameters import required
from sons_tracker.rules.succession import FOLLOWED, KIND_WORDS, KINDS, Change, Entry, Succession, successions
from tests.rules.cases import Example, examples

EARLIER, LATER = date(2022, 1, 3), date(2023, 1, 2)
MATCHING = required(load().law.register.matching.in_force(LATER, LATER))
TILLEULS = Entry(
    "OG-1",
    "RESIDENCE LES TILLEULS",
    None,
    "500",
    "01451",
    "12 R DES LILAS",
    "1",
    True,
    date(1990, 1, 1),
    None,
)
_FIELDS = {
    "og": "og", "nom": "name", "nom_long": "long_name", "categorie": "category", "commune": "commune",
    "adresse": "address", "siret": "siret", "en_service": "in_service", "ouvert": "opened_on",
    "ferme": "closed_on",
}  # fmt: skip


def _entries(rows: list[dict[str, Any]]) -> dict[str, Entry]:
    told = ((row["numero"], {_FIELDS[k]: v for k, v in row.items() if k != "numero"}) for row in rows)
    return {number: replace(TILLEULS, **fields) for number, fields in told}


def changes_of(given: dict[str, Any]) -> list[Change]:
    before, after = _entries(given["avant"]), _entries(given["apres"])
    return [Change(number, before.get(number), after.get(number)) for number in sorted({**before, **after})]


def found(changes: list[Change], bearers: int = 0) -> tuple[Succession, ...]:
    return successions(changes, {"1": bearers}, MATCHING, EARLIER, LATER)


@pytest.mark.parametrize("example", examples("succession"), ids=str)
def test_succession(example: Example) -> None:
    given: Any = example.given
    seen = found(changes_of(given), given.get("porteurs", 0))
    told = [f"{s.predecessor} → {s.successor} : {KIND_WORDS[s.kind]} ({s.score})" for s in seen]
    assert told == example.expected["trouve"], [(c.code, c.points) for s in seen for c in s.clues]
    if "indices" in example.expected:
        assert [clue.code for clue in seen[0].clues] == example.expected["indices"]


def test_a_score_is_its_clues_and_each_clue_says_its_fact() -> None:
    (one,) = found([Change("A", TILLEULS, None), Change("B", None, TILLEULS)])
    assert one.score == min(100, sum(clue.points for clue in one.clues)) == 100
    assert [clue.message for clue in one.clues] == [
        "Le SIRET 1 passe d'un numéro à l'autre.",
        "Même nom dans la même commune : « RESIDENCE LES TILLEULS ».",
        "Même adresse : 12 R DES LILAS.",
        "Même commune (01451).",
        "Même organisme gestionnaire (OG-1).",
        "Même catégorie (500).",
        "Même date d'ouverture : 1er janvier 1990.",
    ]


def test_the_order_of_the_rows_changes_nothing() -> None:
    changes = [
        Change("A", TILLEULS, None),
        Change("B", replace(TILLEULS, name="RESIDENCE LES ACACIAS", siret="2"), None),
        Change("C", None, replace(TILLEULS, name="RESIDENCE LES TILLEULS ET LES ACACIAS")),
        Change("D", None, replace(TILLEULS, siret="4", name="SAVS", category="446")),
    ]
    assert found(changes) == found(changes[::-1]) != ()


def test_a_clue_that_everybody_shares_proposes_no_pair() -> None:
    """A file whose every number is new is compared in the time of its rows, not of its pairs."""
    alike = replace(TILLEULS, siret=None, address=None)
    many = [Change(f"A{n}", alike, None) for n in range(51)] + [
        Change(f"B{n}", None, alike) for n in range(51)
    ]
    assert found(many) == ()
    assert len(found([*many[1:51], *many[52:]])) > 0


def test_the_kinds_are_named_and_a_split_is_not_followed() -> None:
    assert set(KIND_WORDS) == set(KINDS) == {*FOLLOWED, "split"}


def test_what_nobody_knows_is_never_the_same() -> None:
    unknown = replace(TILLEULS, commune=None, og=None, address=None)
    (one,) = found([Change("A", unknown, None), Change("B", None, unknown)])
    assert [clue.code for clue in one.clues] == ["siret", "nom_ailleurs", "categorie", "dates"]


def test_a_score_is_a_hundred_at_most() -> None:
    heavy = replace(MATCHING, weights=dict.fromkeys(MATCHING.weights, 60))
    changes = [Change("A", TILLEULS, None), Change("B", None, TILLEULS)]
    assert [one.score for one in successions(changes, {}, heavy, EARLIER, LATER)] == [100]
