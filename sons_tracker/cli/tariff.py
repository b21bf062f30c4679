"""What the law says in figures: the price of an order, the ceiling of a grant, a calendar."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from sons_tracker import law
from sons_tracker.cli.frame import Json, choice, day_option, emit, paris_today, parse_count, sheet
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.grants import estimate
from sons_tracker.rules.money import euros, euros_fr
from sons_tracker.rules.parameters import required
from sons_tracker.rules.tariff import tariff as price

_A_CONFIRMER = "Cette valeur reste à confirmer par un texte officiel."


def tariff(
    essms: Annotated[
        int, typer.Argument(metavar="N", parser=parse_count, help="Nombre d'ESSMS de l'organisme.")
    ],
    ordered: Annotated[
        int | None,
        typer.Option(metavar="M", parser=parse_count, help="Nombre d'ESSMS commandés (par défaut : tous)."),
    ] = None,
    dispositif: Annotated[str, typer.Option(metavar="CODE", help="Dispositif.")] = "MS1-V1",
    on: Annotated[date | None, day_option("Date de signature (par défaut : aujourd'hui).")] = None,
    as_json: Json = False,
) -> None:
    """Prix d'une commande : tranche, montant par ESSMS, total, avance et solde, en euros TTC."""
    day = on or paris_today()
    known = law.load().law.dispositifs
    code = dispositif.upper()
    if code not in known:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            f"Le dispositif « {dispositif[:20]} » n'existe pas ; dispositifs connus : {', '.join(known)}.",
        )
    if ordered is not None and ordered > essms >= 1:
        raise SonsError(
            ErrorCode.REFUSED_BY_RULES,
            f"La commande porte sur {ordered} ESSMS, mais l'organisme gestionnaire n'en compte que {essms}.",
            remedy="Commander au plus le nombre d'ESSMS de l'organisme.",
        )
    bareme = known[code].bareme.in_force(day, day)
    advance = known[code].advance_percent.in_force(day, day)
    found = price(required(bareme), required(advance), essms, ordered)
    data = {
        "dispositif": code,
        "on": day.isoformat(),
        "essms_of_og": essms,
        "ordered": found.ordered,
        "tranche": found.tranche,
        "unit_ttc": euros(found.unit_ttc_cents),
        "total_ttc": euros(found.total_ttc_cents),
        "advance_ttc": euros(found.advance_ttc_cents),
        "solde_ttc": euros(found.solde_ttc_cents),
        "source": str(bareme.source),
        "confiance": str(bareme.confiance),
    }

    def render(console: Console) -> None:
        console.print(
            sheet(
                {
                    "Tranche": found.tranche,
                    "Montant par ESSMS": euros_fr(found.unit_ttc_cents),
                    "ESSMS commandés": f"{found.ordered} sur {essms}",
                    "Total TTC": euros_fr(found.total_ttc_cents),
                    "Avance": euros_fr(found.advance_ttc_cents),
                    "Solde": euros_fr(found.solde_ttc_cents),
                    "Source": str(bareme.source),
                }
            )
        )
        if bareme.a_confirmer:
            console.print(_A_CONFIRMER)

    emit(data, as_json, render)


def grant_estimate(
    year: Annotated[
        int, typer.Option(metavar="ANNÉE", parser=parse_count, help="Année de l'appel à projets.")
    ],
    project: Annotated[
        str,
        typer.Option(
            metavar="PROJET",
            parser=choice("acquisition", "upgrade"),
            help="« acquisition » ou « upgrade » (montée de version, mise en conformité).",
        ),
    ],
    essms: Annotated[int, typer.Option(metavar="N", parser=parse_count, help="Nombre d'ESSMS du projet.")],
    not_referenced: Annotated[
        bool, typer.Option("--not-referenced", help="Le logiciel n'est pas référencé Ségur.")
    ] = False,
    small_og: Annotated[
        bool, typer.Option("--small-og", help="Petit organisme gestionnaire : volets supplémentaires.")
    ] = False,
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAINE", help="Domaine de la majorité des ESSMS, par exemple PA.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Plafond d'un financement ESMS numérique, par volet, en euros."""
    known = law.load().law
    domaine = None if domain is None else domain.upper()
    domaines = known.couloir_of_domaine
    if domaine is not None and domaine not in domaines:
        raise SonsError(
            ErrorCode.MALFORMED_COMMAND,
            f"Le domaine « {domaine[:20]} » n'existe pas ; domaines : {', '.join(sorted(domaines))}.",
        )
    found = estimate(
        known.calls,
        year=year,
        project=project,
        essms=essms,
        known_on=paris_today(),
        referenced=not not_referenced,
        small_og=small_og,
        domaine=domaine,
    )
    amounts = {
        "usage": found.usage_cents,
        "equipment": found.equipment_cents,
        "hardware": found.hardware_cents,
        "amoa_procurement": found.amoa_procurement_cents,
        "amoa_project": found.amoa_project_cents,
        "total": found.total_cents,
    }
    words = ("Usage", "Équipement", "Matériel", "AMOA, marché", "AMOA, projet", "Total")
    confiance = "a_confirmer" if found.a_confirmer else "officiel"
    data = {name: euros(cents) for name, cents in amounts.items()}

    def render(console: Console) -> None:
        shown = dict(zip(words, map(euros_fr, amounts.values()), strict=True))
        console.print(sheet({**shown, "Source": str(found.source)}))
        if found.a_confirmer:
            console.print(_A_CONFIRMER)

    emit({**data, "source": str(found.source), "confiance": confiance}, as_json, render)


def calendar(
    dispositif: Annotated[
        str, typer.Argument(metavar="DISPOSITIF", help="Code du dispositif, par exemple MS1-V1.")
    ],
    known_on: Annotated[
        date | None, day_option("Jour où l'on connaît les textes (par défaut : aujourd'hui).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ouverture, fermeture et clôture d'un dispositif, avec leur source."""
    found = law.calendar(law.load(), dispositif, known_on or paris_today())

    def render(console: Console) -> None:
        for name, word in (("ouverture", "Ouverture"), ("fermeture", "Fermeture"), ("cloture", "Clôture")):
            one = found[name]
            at = one["at"] or "aucune date connue"
            note = " – à confirmer" if one["confiance"] == "a_confirmer" else ""
            console.print(f"[bold]{word}[/bold] : {at}{note}\n  {one['source']}")

    emit(found, as_json, render)
