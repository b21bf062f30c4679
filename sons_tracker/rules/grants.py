"""ESMS numérique: what a grant is worth at most, by year of the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.parameters import Parameter, Source, required
from sons_tracker.rules.texts import Call, Degressive


@dataclass(frozen=True, slots=True)
class GrantEstimate:
    """The most that a project can be granted, in cents; `source` is the call's."""

    usage_cents: int
    equipment_cents: int
    hardware_cents: int
    amoa_procurement_cents: int
    amoa_project_cents: int
    source: Source
    a_confirmer: bool

    @property
    def total_cents(self) -> int:
        return (
            self.usage_cents
            + self.equipment_cents
            + self.hardware_cents
            + self.amoa_procurement_cents
            + self.amoa_project_cents
        )


def degressive(amounts: Degressive | None, threshold: int, count: int) -> int:
    """Cents for `count` ESSMS: the first `threshold` at one amount, the others at another."""
    if amounts is None:
        return 0
    first = min(count, threshold)
    return first * amounts.first_cents + (count - first) * amounts.beyond_cents


def estimate(
    calls: Mapping[int, Parameter[Call]],
    *,
    year: int,
    project: str,
    essms: int,
    known_on: date,
    referenced: bool = True,
    small_og: bool = False,
    domaine: str | None = None,
) -> GrantEstimate:
    """The ceiling of a grant for a project (`acquisition` or `upgrade`) of `essms` ESSMS.

    `domaine`: that of the majority of the ESSMS; None counts as one of those of the SAD. Usage is a flat
    sum, the rest are ceilings that the ARS may lower (S1:481-490, S1:524-526).

    Raises:
        SonsError: `OUTSIDE_COVERAGE` for a year whose amounts are not known (2023 and 2024 are not);
            `REFUSED_BY_RULES` for a case that the call does not pay; `INVALID_AMOUNT`, `INVALID_REQUEST`
            for an impossible number or project.
    """
    if year not in calls:
        known = ", ".join(str(y) for y in sorted(calls))
        raise SonsError(
            ErrorCode.OUTSIDE_COVERAGE,
            f"Les montants de l'appel {year} ne sont pas connus. Années connues : {known}.",
        )
    version = calls[year].in_force(known_on, known_on)
    call = required(version)
    if project not in {"acquisition", "upgrade"}:
        raise SonsError(ErrorCode.INVALID_REQUEST, "Un projet est « acquisition » ou « upgrade ».")
    if essms < 1:
        raise SonsError(ErrorCode.INVALID_AMOUNT, "Un projet porte sur au moins un ESSMS.")
    if call.max_essms is not None and essms > call.max_essms:
        raise _refused(f"L'appel {year} finance au plus {call.max_essms} ESSMS par projet.")
    sad = domaine is None or domaine in call.sad_domaines
    if project == "upgrade":
        if not referenced:
            raise _refused("Une mise en conformité n'est financée que pour une solution référencée Ségur.")
        usage, equipment = call.usage_upgrade, call.equipment_upgrade
    elif referenced:
        usage, equipment = call.usage_acquisition, call.equipment_referenced
    else:
        if call.equipment_not_referenced is None or not sad:
            raise _refused(
                f"L'appel {year} ne finance pas l'acquisition d'une solution non référencée"
                + ("." if domaine is None else f" pour le domaine {domaine}.")
            )
        usage, equipment = call.usage_acquisition, call.equipment_not_referenced
    hardware = procurement = management = 0
    if small_og:
        if call.small_og is None:
            raise _refused(f"L'appel {year} n'a pas de volet pour les petits organismes gestionnaires.")
        if essms > call.small_og.max_essms:
            raise _refused(
                f"Un petit organisme gestionnaire compte au plus {call.small_og.max_essms} ESSMS"
                " sur son FINESS juridique."
            )
        hardware = call.small_og.hardware_cents * essms
        management = call.small_og.project_cents or 0
        if project == "acquisition" and sad:
            procurement = call.small_og.procurement_cents or 0
    return GrantEstimate(
        degressive(usage, call.threshold, essms),
        degressive(equipment, call.threshold, essms),
        hardware,
        procurement,
        management,
        version.source,
        version.a_confirmer,
    )


def _refused(sentence: str) -> SonsError:
    return SonsError(ErrorCode.REFUSED_BY_RULES, sentence)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that the call of `year` pays for one component of a project, in cents.

    Per ESSMS, `first_cents` up to `threshold` of them and `beyond_cents` for the others; with a `threshold`
    of 0, `first_cents` is the ceiling of the whole project. `referenced`: whether the DUI was at the
    agreement, None when it is not known: then the higher ceiling holds.
    """

    year: int
    project: str
    component: str
    referenced: bool | None
    first_cents: int
    beyond_cents: int
    threshold: int
    a_confirmer: bool


_NOTHING = Degressive(0, 0)


def ceilings(calls: Mapping[int, Parameter[Call]], known_on: date) -> tuple[Ceiling, ...]:
    """Every ceiling that is known on `known_on`, by year, project, component and referencing.

    What an official call does not name, it does not pay: its ceiling is 0. A call that is known from
    elsewhere tells only of what it names; of the rest, as of a year that is not known, nothing is said.
    """
    found = []
    for year, parameter in sorted(calls.items()):
        version = parameter.find(known_on, known_on)
        if version is None:
            continue
        call, unsaid = required(version), None if version.a_confirmer else _NOTHING
        for project, component, referenced in product(
            ("acquisition", "upgrade"), ("usage", "equipment", "hardware", "amoa"), (True, False, None)
        ):
            amounts = _most(call, project, component, referenced) or unsaid
            if amounts is not None:
                whole = component == "amoa"
                found.append(
                    Ceiling(
                        year,
                        project,
                        component,
                        referenced,
                        amounts.first_cents,
                        amounts.beyond_cents,
                        0 if whole else call.threshold,
                        version.a_confirmer,
                    )
                )
    return tuple(found)


def _most(call: Call, project: str, component: str, referenced: bool | None) -> Degressive | None:
    """What a call names for a component of a project, None when it does not name it."""
    upgrade, small = project == "upgrade", call.small_og
    match component:
        case "usage":
            return call.usage_upgrade if upgrade else call.usage_acquisition
        case "equipment" if upgrade:
            return call.equipment_upgrade
        case "equipment" if referenced is False:
            return call.equipment_not_referenced
        case "equipment":
            return call.equipment_referenced
        case "hardware":
            return None if small is None else Degressive(small.hardware_cents, small.hardware_cents)
        case _:
            sums = (
                () if small is None else (small.project_cents, None if upgrade else small.procurement_cents)
            )
            named = [cents for cents in sums if cents is not None]
            return Degressive(sum(named), sum(named)) if named else None
