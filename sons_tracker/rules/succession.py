"""FINESS numbers that follow others: mergers, splits, moves and renumberings, presumed from two extractions.

No text says which number follows which. Two extractions leave clues: a SIRET that passes on, a name, an
address, an OG, a category, dates that meet. Each has its points in the law (`finess.rapprochement`); from a
threshold on a succession is probable, and a person confirms or dismisses it. Only pairs that share a clue are
ever looked at, so that two national registers are compared in the time of what changed between them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sons_tracker.rules.french import date_fr
from sons_tracker.rules.texts import Matching

MERGER, SPLIT, MOVE, RENUMBERING = "merger", "split", "move", "renumbering"
KINDS = (MERGER, SPLIT, MOVE, RENUMBERING)
KIND_WORDS = {
    MERGER: "fusion",
    SPLIT: "scission",
    MOVE: "déménagement sous un nouveau numéro",
    RENUMBERING: "renumérotation",
}
# The claims follow all but a split: its two numbers count twice (R07), and a person says which was paid.
FOLLOWED = (MERGER, MOVE, RENUMBERING)
GREATEST_SCORE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """An establishment as an extraction tells it. `opened_on` and `closed_on` are None when not known."""

    og: str | None
    name: str
    long_name: str | None
    category: str
    commune: str | None
    address: str | None
    siret: str | None
    in_service: bool
    opened_on: date | None
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class Change:
    """A number of which two extractions do not say the same; one of the two may not have it (None)."""

    finess: str
    before: Entry | None
    after: Entry | None

    @property
    def gone(self) -> bool:
        """In service before, absent or closed after; absence alone is no closure."""
        return _serves(self.before) and not _serves(self.after)

    @property
    def created(self) -> bool:
        """In service after, and not before."""
        return _serves(self.after) and not _serves(self.before)

    @property
    def moved(self) -> bool:
        """In service in both, under another identity."""
        return (
            _serves(self.before) and _serves(self.after) and _identity(self.before) != _identity(self.after)
        )


@dataclass(frozen=True, slots=True)
class Clue:
    """One reason of a score: its name in the law, its points, and the French sentence with its facts."""

    code: str
    points: int
    message: str


@dataclass(frozen=True, slots=True)
class Succession:
    """A probable succession; `score` is out of 100. The OG are those of the two extractions."""

    predecessor: str
    successor: str
    predecessor_og: str | None
    successor_og: str | None
    kind: str
    score: int
    clues: tuple[Clue, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """A change as one side of a pair: `entry` is what it was (a predecessor) or what it is (a successor)."""

    change: Change
    entry: Entry
    name: tuple[str, ...]
    place: tuple[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True)
class _Siret:
    """Who bears a SIRET: the changed numbers that keep it, how many others do, how many bear it in all."""

    keepers: frozenset[str]
    others: int
    bearers: int


def successions(
    changes: Iterable[Change],
    remaining: Mapping[str, int],
    matching: Matching,
    earlier: date,
    later: date,
) -> tuple[Succession, ...]:
    """The probable successions between the extractions of `earlier` and `later`, sorted by their numbers.

    `changes`: every number of which they do not say the same. `remaining`, by SIRET: how many other
    establishments, which are the same in both, bear it.
    """
    before, after = _sides(changes, matching)
    sirets = _sirets(before, after, remaining)
    found: dict[str, dict[str, tuple[Clue, ...]]] = defaultdict(dict)
    for old, new in _pairs(before, after, matching):
        clues = tuple(_clues(old, new, sirets, matching, earlier, later))
        if _score(clues) >= matching.threshold:
            found[old.change.finess][new.change.finess] = clues
    kept = {old: _best(news, matching.gap) for old, news in found.items()}
    olds = Counter(new for news in kept.values() for new in news)
    was, now = ({side.change.finess: side for side in sides} for sides in (before, after))
    return tuple(
        _succession(was[number], now[other], clues, len(kept[number]), olds[other])
        for number in sorted(kept)
        for other, clues in sorted(kept[number].items())
    )


def _succession(old: _Side, new: _Side, clues: tuple[Clue, ...], news: int, olds: int) -> Succession:
    if news > 1 or not old.change.gone:
        kind = SPLIT
    elif olds > 1 or not new.change.created:
        kind = MERGER
    elif not _same_place(old, new):
        kind = MOVE
    else:
        kind = RENUMBERING
    return Succession(
        old.change.finess, new.change.finess, old.entry.og, new.entry.og, kind, _score(clues), clues
    )


def _same_place(old: _Side, new: _Side) -> bool:
    """Whether nothing says that the establishment is elsewhere; an address that is not told says nothing."""
    if old.place is None or new.place is None:
        return old.entry.commune == new.entry.commune
    return old.place == new.place


def _sides(changes: Iterable[Change], matching: Matching) -> tuple[list[_Side], list[_Side]]:
    before, after = [], []
    for change in changes:
        if change.before is not None and (change.gone or change.moved):
            before.append(_side(change, change.before, matching))
        if change.after is not None and (change.created or change.moved):
            after.append(_side(change, change.after, matching))
    return before, after


def _side(change: Change, entry: Entry, matching: Matching) -> _Side:
    # the short name is cut at 38 characters: two that are equal may stand for two names
    name = words(entry.long_name or entry.name, matching.empty_words)
    street = words(entry.address or "", matching.empty_words)
    place = (entry.commune, street) if entry.commune and street else None
    return _Side(change, entry, name, place)


def _sirets(
    before: Sequence[_Side], after: Sequence[_Side], remaining: Mapping[str, int]
) -> dict[str, _Siret]:
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for place, sides in enumerate((before, after)):
        for side in sides:
            if side.entry.siret is not None:
                found[side.entry.siret][place].add(side.change.finess)
    return {
        siret: _Siret(frozenset(was & now), remaining.get(siret, 0), len(was | now) + remaining.get(siret, 0))
        for siret, (was, now) in found.items()
    }


def _pairs(
    before: Sequence[_Side], after: Sequence[_Side], matching: Matching
) -> Iterator[tuple[_Side, _Side]]:
    """Each pair that shares a clue, once; two establishments that both go on follow nobody."""
    olds: dict[Hashable, list[_Side]] = defaultdict(list)
    news: dict[Hashable, list[_Side]] = defaultdict(list)
    for sides, index in ((before, olds), (after, news)):
        for side in sides:
            for key in _keys(side):
                index[key].append(side)
    seen: set[tuple[str, str]] = set()
    for key, group in olds.items():
        others = news.get(key, [])
        if len(group) * len(others) > matching.most_pairs:
            continue
        for old in group:
            for new in others:
                pair = (old.change.finess, new.change.finess)
                if pair in seen or not (old.change.gone or new.change.created):
                    continue
                seen.add(pair)
                yield old, new


def _keys(side: _Side) -> Iterator[Hashable]:
    entry = side.entry
    if entry.siret is not None:
        yield "siret", entry.siret
    if side.place is not None:
        yield "place", side.place
    if side.name:
        yield "name", side.name
        yield "name", side.name, entry.commune
    if entry.og is not None:
        yield "og", entry.og, entry.category
        yield "og", entry.og, entry.category, entry.commune


def _clues(
    old: _Side,
    new: _Side,
    sirets: Mapping[str, _Siret],
    matching: Matching,
    earlier: date,
    later: date,
) -> Iterator[Clue]:
    was, now, points = old.entry, new.entry, matching.weights
    if was.siret is not None and was.siret == now.siret:
        yield _siret_clue(was.siret, sirets[was.siret], matching)
    same_town = was.commune is not None and was.commune == now.commune
    code = _name_code(old, new, same_town, matching.common_words)
    if code is not None:
        said = {
            "nom": f"Même nom dans la même commune : « {now.name} ».",
            "nom_courant": f"Même nom, mais fait de mots courants : « {now.name} ».",
            "nom_ailleurs": f"Même nom, mais dans une autre commune : « {now.name} ».",
            "nom_contenu": f"L'un des deux noms contient l'autre : « {was.name} », « {now.name} ».",
        }
        yield Clue(code, points[code], said[code])
    if old.place is not None and old.place == new.place:
        yield Clue("adresse", points["adresse"], f"Même adresse : {now.address}.")
    if same_town:
        yield Clue("commune", points["commune"], f"Même commune ({now.commune}).")
    if was.og is not None and was.og == now.og:
        yield Clue("og", points["og"], f"Même organisme gestionnaire ({now.og}).")
    if was.category == now.category:
        yield Clue("categorie", points["categorie"], f"Même catégorie ({now.category}).")
    dates = _dates(old, new, timedelta(days=matching.days), earlier, later)
    if dates is not None:
        yield Clue("dates", points["dates"], dates)


def _siret_clue(siret: str, borne: _Siret, matching: Matching) -> Clue:
    """A SIRET that passes from one number to the other counts; one that stays, or that many bear, little."""
    if borne.keepers or borne.others or borne.bearers > matching.most_holders:
        message = (
            f"Même SIRET ({siret}), mais que d'autres établissements portent ou gardent : il compte peu."
        )
        return Clue("siret_partage", matching.weights["siret_partage"], message)
    return Clue("siret", matching.weights["siret"], f"Le SIRET {siret} passe d'un numéro à l'autre.")


def _name_code(old: _Side, new: _Side, same_town: bool, common: frozenset[str]) -> str | None:
    if not old.name or not new.name:
        return None
    if old.name == new.name and set(old.name) - common:
        return "nom" if same_town else "nom_ailleurs"
    if not same_town:
        return None
    if old.name == new.name:
        return "nom_courant"
    inner, outer = sorted((set(old.name), set(new.name)), key=len)
    return "nom_contenu" if inner <= outer and inner - common else None


def _dates(old: _Side, new: _Side, days: timedelta, earlier: date, later: date) -> str | None:
    """Whether the new number opens as the old one ends; None when no date is known, or they do not meet."""
    opened = new.entry.opened_on
    if opened is None or not new.change.created:
        return None
    if opened == old.entry.opened_on:
        return f"Même date d'ouverture : {date_fr(opened)}."
    after = old.change.after
    closed = old.entry.closed_on or (None if after is None else after.closed_on)
    if closed is not None:
        if abs(opened - closed) <= days:
            return f"Ouverture le {date_fr(opened)}, fermeture le {date_fr(closed)}."
        return None
    if earlier - days <= opened <= later:
        return f"Ouverture le {date_fr(opened)}, quand l'ancien numéro disparaît ou change."
    return None


def _best(news: Mapping[str, tuple[Clue, ...]], gap: int) -> dict[str, tuple[Clue, ...]]:
    best = max(_score(clues) for clues in news.values())
    return {new: clues for new, clues in news.items() if _score(clues) >= best - gap}


def _score(clues: Iterable[Clue]) -> int:
    return min(GREATEST_SCORE, sum(clue.points for clue in clues))


def words(text: str, empty: frozenset[str]) -> tuple[str, ...]:
    """The words of a name or an address that tell something: capitals without accents, in their order."""
    plain = unicodedata.normalize("NFKD", text.upper().replace("Œ", "OE").replace("Æ", "AE"))
    letters = "".join(
        c if c.isascii() and c.isalnum() else " " for c in plain if not unicodedata.combining(c)
    )
    return tuple(word for word in letters.split() if word not in empty)


def _serves(entry: Entry | None) -> bool:
    return entry is not None and entry.in_service


def _identity(entry: Entry | None) -> tuple[str | None, ...]:
    assert entry is not None
    return entry.og, entry.name, entry.long_name, entry.category, entry.commune, entry.address, entry.siret
