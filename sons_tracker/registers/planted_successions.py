"""One establishment under two numbers, what only looks like it, and perimeters that the register left.

No text says which number follows which: a succession is planted as registers show them, with what is left of
the SIRET, the name and the address. By design or by chance, a few keep so little that nobody would be sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sons_tracker.registers.planted_nation import Nation, Place, two_numbers
from sons_tracker.registers.planted_register import PlantedRegister

_OPENED = date(2022, 9, 1)
_ELSEWHERE = {"numvoie": "3", "typvoie": "IMP", "voie": "DES QUATRE CHEMINS", "lieuditbp": ""}
_OTHER_TOWN = {"commune": "777", "ligneacheminement": "99770 NULLEPART LA NEUVE"}
_OTHER_NAME = {"rs": "L'AUBE CLAIRE (FICTIF)", "rslongue": "L'AUBE CLAIRE (FICTIF)"}
_NO_SIRET = {"siret": ""}
_TOWN = ("departement", "libdepartement", "commune", "ligneacheminement")
# What the new number tells otherwise than the old one.
_SUCCESSIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("renumérotation", {}),
    ("renumérotation sans SIRET", _NO_SIRET),
    ("renumérotation et nouvelle enseigne", _OTHER_NAME),
    ("renumérotation, adresse réécrite", {"numvoie": "", "typvoie": "", "lieuditbp": ""}),
    ("déménagement dans la commune", _ELSEWHERE),
    ("déménagement dans la commune, sans SIRET", _ELSEWHERE | _NO_SIRET),
    ("déménagement dans une autre commune", _ELSEWHERE | _OTHER_TOWN),
    ("reprise par un autre OG", {"nofinessej": "?"}),
)
# A SIRET is that of an address: who moves far away often has a new one, and little is left to know it by. One
# copy in two has it, one old number in thirty.
_HARD = ("déménagement au loin, sans SIRET", _ELSEWHERE | _OTHER_TOWN | _NO_SIRET)


def plant_successions(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Mergers, splits, moves and renumberings, both numbers being held by live orders."""
    for rank in range(copies):
        for _, told in (*_SUCCESSIONS, _HARD) if rank % 2 else _SUCCESSIONS:
            (old,) = register.take()
            _renumbered(nation, register, old, told)
        for both in (True, False):
            _merged(nation, register, both_ordered=both)
            _split(nation, register, both_ordered=both)


def _renumbered(nation: Nation, register: PlantedRegister, old: Place, told: Mapping[str, str]) -> None:
    """The same establishment under a new number, of which the register tells `told` otherwise."""
    _identify(register, old.finess)
    fields = dict(told)
    if "nofinessej" in fields:
        (other,) = register.take(1, old.dispositif)
        fields["nofinessej"] = other.og
    new = _retyped(nation, register, old.finess, **fields)
    register.close(old.finess)
    _claimed(nation, register, [old], [new], {(old.finess, new)})


def _retyped(nation: Nation, register: PlantedRegister, old: str, **fields: str) -> str:
    """A number that follows `old`, typed again by somebody: a name in another hand, a street number that
    slips, a SIRET or an opening date that is left out; then `fields`. Returns it."""
    noise = {
        "rs": (0.25, register.told(old, "rs").replace(" ", "-").lower()),
        "numvoie": (0.1, "1000"),
        "siret": (0.05, ""),
        "dateouv": (0.05, "1901-01-01"),  # what the file writes for a date that is not known
    }
    slips = {name: value for name, (odds, value) in noise.items() if nation.chance.happens(odds)}
    return register.open(old, _OPENED, **(slips | fields))


def _merged(nation: Nation, register: PlantedRegister, *, both_ordered: bool) -> None:
    """Two homes of one address and one SIRET become one number; one of them, or both, had been ordered."""
    old, other = register.take(2)
    _identify(register, old.finess)
    _same_address(register, old.finess, other.finess, "siret")
    new = _retyped(nation, register, old.finess)
    register.close(old.finess)
    register.close(other.finess)
    ordered = [old, other] if both_ordered else [other]
    _claimed(nation, register, ordered, [new], {(place.finess, new) for place in ordered})


def _split(nation: Nation, register: PlantedRegister, *, both_ordered: bool) -> None:
    """One number becomes two, each named after it; one of the two is ordered again, or both."""
    (old,) = register.take()
    _identify(register, old.finess)
    name = register.told(old.finess, "rs").replace(" (FICTIF)", "")[:24]
    news = [
        _retyped(nation, register, old.finess, rs=f"{name} {part} (FICTIF)", rslongue="")
        for part in ("NORD", "SUD")
    ]
    register.close(old.finess)
    ordered = news if both_ordered else news[1:]
    _claimed(nation, register, [old], ordered, {(old.finess, new) for new in ordered})


def _claimed(
    nation: Nation,
    register: PlantedRegister,
    olds: list[Place],
    news: list[str],
    pairs: set[tuple[str, str]],
) -> None:
    """An order of the old numbers under the first extraction, one of the new ones under the second."""
    first = nation.order(olds, year=2022, supplier=3)
    places = [place for number in news if (place := register.place(number)) is not None]
    second = nation.order(places, year=2023, supplier=4)
    nation.plant("two_numbers", first, second, essms=[two_numbers(*pair) for pair in pairs])


def spare_successions(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Two numbers that are two establishments, however much they share."""
    for _ in range(copies):
        old, other = register.take(2)
        _same_address(register, old.finess, other.finess)
        nation.order([old], year=2022, supplier=5)
        nation.order([other], year=2023, supplier=6)
        _spare(nation, "Deux établissements d'un OG à une adresse", old.finess, other.finess)

        shared = register.take(5)
        for place in shared:
            register.rewrite(place.finess, siret=_siret(shared[0].finess))
        unrelated = {**_ELSEWHERE, **_OTHER_TOWN, **_OTHER_NAME}
        _closed_and_opened(
            nation, register, shared[0], shared[0].finess, unrelated, "SIRET partagé par cinq établissements"
        )

        (old,), (model,) = register.take(), register.take()
        town = {name: register.told(old.finess, name) for name in _TOWN}
        _closed_and_opened(
            nation,
            register,
            old,
            model.finess,
            town | _NO_SIRET | _OTHER_NAME,
            "Ouverture sans lien, même ville",
        )

        (old,), (model,) = register.take(), register.take()
        names = {name: register.told(old.finess, name) for name in ("rs", "rslongue")}
        _closed_and_opened(nation, register, old, model.finess, names | _NO_SIRET, "Même nom, deux villes")

        (old,) = register.take(1, "MS1-V1")
        category = "354" if register.told(old.finess, "categetab") == "500" else "500"
        service = {"categetab": category, **_OTHER_NAME}
        _closed_and_opened(
            nation, register, old, old.finess, service | _NO_SIRET, "Autre service du même OG, même adresse"
        )

        (old,) = register.take()
        mangled = {"siret": "2,601E+13"}
        register.rewrite(old.finess, **mangled)
        _closed_and_opened(
            nation,
            register,
            old,
            old.finess,
            mangled | _ELSEWHERE | _OTHER_NAME,
            "SIRET abîmé par un tableur",
        )

        (old,) = register.take()
        register.change(old.finess, **_OTHER_NAME)
        nation.order([old], year=2022, supplier=5)
        _spare(nation, "Renommé sous le même numéro", old.finess)


def _closed_and_opened(
    nation: Nation, register: PlantedRegister, old: Place, model: str, fields: Mapping[str, str], story: str
) -> None:
    """A number that closes and one that opens, both ordered, of which neither follows the other."""
    new = register.open(model, _OPENED, **fields)
    register.close(old.finess)
    opened = register.place(new)
    assert opened is not None
    nation.order([old], year=2022, supplier=5)
    nation.order([opened], year=2023, supplier=6)
    _spare(nation, story, old.finess, new)


def _spare(nation: Nation, story: str, *numbers: str) -> None:
    nation.spare("two_numbers", story, *numbers)


def _siret(number: str) -> str:
    """A SIRET that no other establishment has; 14 digits, the first of which no real one starts with."""
    return "00009" + number.translate(str.maketrans("AB", "00"))


def _identify(register: PlantedRegister, number: str) -> None:
    register.rewrite(number, siret=_siret(number))


def _same_address(register: PlantedRegister, number: str, other: str, *more: str) -> None:
    """Both extractions tell `other` at the address of `number`."""
    fields = (*_ELSEWHERE, *_TOWN, *more)
    register.rewrite(other, **{name: register.told(number, name) for name in fields})


def plant_perimeters(nation: Nation, register: PlantedRegister, copies: int) -> None:
    """Ordered rightly, then gone, attached elsewhere, or of another category; and what does not matter."""
    for _ in range(copies):
        gone, stays = register.take(2)
        nation.order([gone, stays], year=2022)
        register.close(gone.finess)

        (moved,), (other,) = register.take(), register.take()
        nation.order([moved], year=2022)
        register.change(moved.finess, nofinessej=other.og)

        for code in ("620", "214"):  # a pharmacy; another couloir
            (changed,) = register.take(1, "MS1-V1")
            nation.order([changed], year=2022)
            register.recategorise(changed.finess, code)

        (same,) = register.take(1, "MS1-V1")
        nation.order([same], year=2022)
        register.recategorise(same.finess, "501")
        _follow(nation, "Autre catégorie du même couloir", same)

        (street,) = register.take()
        nation.order([street], year=2022)
        register.change(street.finess, **_ELSEWHERE)
        _follow(nation, "Autre adresse, même numéro", street)

        (ended,) = register.take()
        nation.order([ended], year=2022, state="cancelled", ending=nation.supplier_error())
        register.close(ended.finess)
        _follow(nation, "Fermé, mais la commande est annulée", ended)

        (before,), (after,) = register.take(), register.take()
        register.change(before.finess, nofinessej=after.og)
        attached = register.place(before.finess)
        assert attached is not None
        nation.order([attached], year=2023)
        _follow(nation, "Commandé par le nouvel OG, sous la seconde extraction", before)


def _follow(nation: Nation, story: str, place: Place) -> None:
    nation.spare("perimeter_differs", story, place.finess)


def note_perimeters(nation: Nation, register: PlantedRegister) -> None:
    """Writes down each ESSMS held that the later extraction no longer tells as its order did, whatever it was
    planted for: numbers that were followed are gone too."""
    for order in nation.orders:
        for number in sorted(order.held):
            place = register.place(number)
            if place is None or (place.og, place.dispositif) != (order.og, order.dispositif):
                nation.plant("perimeter_differs", order, essms=[number])
