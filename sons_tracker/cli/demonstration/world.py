"""The world of the demonstration: a database of its own, the registers, the actors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

import asyncpg

from sons_tracker import law
from sons_tracker.cli.demonstration.telling import RealRow, Teller
from sons_tracker.db import engine, migrate
from sons_tracker.db.embedded import OpenDatabase, open_database
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors, clock, enactment
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor, OrganisationKind
from sons_tracker.operations.registers import ImportReport, import_register
from sons_tracker.operations.views import OrderView
from sons_tracker.registers.layout import Scope
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law
from sons_tracker.settings import Settings, resource

DATABASE = "sons_demo"
_MARK = "sons_tracker : démonstration, effacée à chaque exécution"
_REAL_CSV_ON, _REAL_JSON_ON = date(2026, 5, 12), date(2026, 10, 2)

# What is imported, in this order: folder, file, date when the file does not tell it, scope.
File = tuple[str, str, date | None, Scope]
_FILES: tuple[File, ...] = (
    ("finess", "etalab-cs1100502-extrait-20260512.csv", None, "extrait"),
    ("finess", "finess-plus-ege-extrait-20261002.json", _REAL_JSON_ON, "extrait"),
    ("demonstration", "etalab-cs1100501-stock-20220103-0000-synthetique.csv", None, "stock"),
    ("demonstration", "etalab-cs1100502-stock-20220103-0000-synthetique.csv", None, "stock"),
    ("demonstration", "referencing-20220502.csv", date(2022, 5, 2), "stock"),
    ("demonstration", "distributor-20220502.csv", date(2022, 5, 2), "stock"),
    ("demonstration", "esms_grant-20230101.csv", date(2023, 1, 1), "stock"),
)


_SUPPLIERS: dict[str, tuple[Literal["editor", "distributor"], str, str]] = {
    "alpha": ("editor", "Éditions Alpha (fictif)", "000001016"),
    "beta": ("editor", "Bêta Logiciels (fictif)", "000002022"),
    "gamma": ("editor", "Gamma Numérique (fictif)", "000003038"),
    "delta": ("distributor", "Delta Distribution (fictif)", "000004044"),
}


@dataclass(frozen=True, slots=True)
class World:
    """Who plays, under which law, from which instant on.

    Suppliers by the first word of their name, each with a second person; `payers` are two persons of the
    agency; `orders` keeps what was deposited, by the title of its story.
    """

    law: Law
    at: datetime
    suppliers: dict[str, Actor]
    seconds: dict[str, Actor]
    reviewer: Actor
    payers: tuple[Actor, Actor]
    orders: dict[str, OrderView]


@asynccontextmanager
async def fresh_database(settings: Settings, teller: Teller) -> AsyncIterator[OpenDatabase]:
    """A migrated database that holds nothing, the engine started on it as the application.

    The embedded server has a database for the demonstration alone. An external one must be empty, or hold
    the remains of a former demonstration, which are erased; anything else is left untouched.

    Raises:
        SonsError: `CONFLICT` on a database that somebody uses.
    """
    sandbox = replace(settings, instance="sandbox")
    async with open_database(sandbox, name=DATABASE) as opened:
        with teller.waiting("Préparation de la base de données"):
            con = await migrate.connect(opened.owner_dsn)
            try:
                await _erase_former(con)
                await migrate.migrate(opened.owner_dsn)
                await con.execute(f"comment on schema sons is '{_MARK}'")
            finally:
                await con.close()
        await engine.start(opened.app_dsn, role=opened.app_role)
        try:
            yield opened
        finally:
            await engine.stop()


async def _erase_former(con: asyncpg.Connection) -> None:
    mark = await con.fetchval("select obj_description(to_regnamespace('sons'), 'pg_namespace')")
    if mark == _MARK:
        await con.execute("drop schema sons cascade")
        return
    if await con.fetchval("select to_regclass('sons.instance')") is None:
        return
    used = await con.fetchval("select mode <> 'undeclared' from sons.instance")
    if used:
        raise SonsError(
            ErrorCode.CONFLICT,
            "Cette base sert déjà : la démonstration demande une base vide, et n'efface que les siennes.",
        )


async def build_world(teller: Teller) -> World:
    """Declares the sandbox, enacts the law, imports the registers, enrols the actors."""
    library = law.load()
    await clock.declare(LOCAL_ADMIN, "sandbox")
    at = await clock.now()
    await enactment.enact(LOCAL_ADMIN, library.law, at)
    teller.clock(at, library.law.digest)
    reports = []
    for file in _FILES:
        with teller.waiting(f"Import de {file[1]}"):
            reports.append(await import_file(library.law, at, file))
    teller.imports(reports)
    teller.real_rows(await _real_rows(library.law))
    suppliers, seconds = {}, {}
    for key, (kind, name, siren) in _SUPPLIERS.items():
        suppliers[key] = await enrol(at, kind, name, kind, siren)
        seconds[key] = await enrol(at, kind, name, kind, siren, person=f"Seconde personne de {name}")
    agency = "Agence de contrôle et de paiement (fictive)"
    reviewer = await enrol(at, "agency", agency, "reviewer", None)
    payers = (
        await enrol(at, "agency", agency, "payer", None, person="Premier payeur (fictif)"),
        await enrol(at, "agency", agency, "payer", None, person="Second payeur (fictif)"),
    )
    return World(library.law, at, suppliers, seconds, reviewer, payers, {})


async def enrol(
    at: datetime,
    kind: OrganisationKind,
    name: str,
    role: str,
    siren: str | None,
    *,
    person: str | None = None,
    finess: str | None = None,
) -> Actor:
    """A person of an organisation, which comes into being with it."""
    person_id, organisation_id = await actors.enrol(
        LOCAL_ADMIN,
        at=at,
        kind=kind,
        organisation=name,
        person=person or f"Personne de {name}",
        role=role,
        siren=siren,
        finess_juridique=finess,
    )
    return Actor(person_id, organisation_id, role, None, "demonstration")


async def import_file(known: Law, at: datetime, file: File) -> ImportReport:
    """Imports one of the fixtures.

    Raises:
        SonsError: `INVALID_FILE`: the demonstration itself is broken.
    """
    folder, name, extracted_on, scope = file
    categories = required(known.register.nomenclature.in_force(at.date(), at.date()))
    report = await import_register(
        LOCAL_ADMIN,
        resource("fixtures") / folder / name,
        nomenclature={code: category.aggregate for code, category in categories.items()},
        extracted_on=extracted_on,
        scope=scope,
        at=at,
    )
    if not report.written:
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {name} » n'a pas pu être importé.")
    return report


async def _real_rows(known: Law) -> list[RealRow]:
    """The real rows as the register holds them, with what the law says of their category."""
    domaines = required(known.register.domaines.in_force(_REAL_CSV_ON, _REAL_CSV_ON))
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        rows = await con.fetch(
            "select finess_geographique, finess_juridique, name, category, aggregate from establishment"
            " where valid_from = any($1) order by aggregate, category, finess_geographique",
            [_REAL_CSV_ON, _REAL_JSON_ON],
        )
    found = []
    for row in rows:
        domaine = domaines.domaine(row["category"], row["aggregate"])
        couloir = next((d for d in known.dispositifs.values() if domaine in d.domaines), None)
        basis = required(known.vagues["V1"].count_basis.in_force(_REAL_CSV_ON, _REAL_CSV_ON))
        found.append(
            RealRow(
                row["finess_geographique"],
                row["finess_juridique"],
                row["name"],
                row["category"],
                row["aggregate"],
                domaine,
                None if couloir is None else couloir.code,
                row["aggregate"] in basis.aggregates,
            )
        )
    return found
