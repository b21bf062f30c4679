"""The audit of double funding from the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli import explanations
from sons_tracker.cli.frame import YES, Json, emit, instance, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.french import count_fr, date_fr, instant_fr
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.money import euros_fr

if TYPE_CHECKING:
    from uuid import UUID

    from sons_tracker.operations.audit import AuditResult

app = Cli(help="Audit des doubles financements : le lancer, lire les résultats, expliquer un ESSMS.")
app.command("explain")(explanations.explain)

_CAUSES = {
    "audit": "demande",
    "import": "import d'un registre",
    "law": "nouveau droit",
    "deposit": "dépôt d'une commande",
    "succession": "décision sur une succession",
}


@app.callback()
def group() -> None:
    """Audit des doubles financements : le lancer, lire les résultats, expliquer un ESSMS."""


@app.command("run")
def run_audit(
    essms: Annotated[
        str | None,
        typer.Option(
            "--essms",
            metavar="FINESS,…",
            help="Les FINESS géographiques à examiner, séparés par des virgules ; sans eux, toute la nation.",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Cherche chaque conflit que les règles définissent, et ouvre un dossier pour chacun de ceux qui sont
    nouveaux."""
    numbers = None
    if essms is not None:
        asked = [number.strip() for number in essms.split(",") if number.strip()]
        if not asked:
            raise SonsError(ErrorCode.MALFORMED_COMMAND, "L'option « --essms » ne cite aucun numéro.")
        numbers = [str(parse_geographique(number, "--essms")) for number in asked]
    _emit(run(_run(numbers)), as_json)
    return YES


@app.command("show")
def show(
    audit_id: Annotated[
        str | None,
        typer.Argument(metavar="[AUDIT]", help="Identifiant d'un audit ; sans lui, le plus récent."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Montre ce qu'un audit a examiné et ce que chaque famille de conflits a donné."""
    from sons_tracker.api.acts import parse_id

    wanted = None if audit_id is None else parse_id(audit_id, "Aucun audit n'a cet identifiant.")
    _emit(run(_show(wanted)), as_json)
    return YES


async def _run(numbers: list[str] | None) -> AuditResult:
    from sons_tracker import law
    from sons_tracker.operations import audit, clock
    from sons_tracker.operations.actors import LOCAL_ADMIN

    async with instance():
        return await audit.run(LOCAL_ADMIN, law.load().law, await clock.now(), numbers)


async def _show(audit_id: UUID | None) -> AuditResult:
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.audit_reading import find_audit

    async with instance():
        return await find_audit(LOCAL_ADMIN, audit_id)


def _emit(result: AuditResult, as_json: bool) -> None:
    from sons_tracker.api.schemas.audits import audit_out

    emit(audit_out(result), as_json, lambda console: _print(console, result))


def _print(console: Console, result: AuditResult) -> None:
    numbers = "toute la nation" if result.numbers is None else count_fr(result.numbers, "ESSMS", "ESSMS")
    engaged = f"{count_fr(result.orders, 'commande')}, {count_fr(result.lines, 'ESSMS', 'ESSMS')}"
    stock = "aucune" if result.stock_on is None else date_fr(result.stock_on)
    rows = {
        "Audit": str(result.id),
        "Instant": instant_fr(result.at),
        "Origine": _CAUSES[result.cause],
        "Périmètre": numbers,
        "Engagé": engaged,
        "ESMS numérique": count_fr(result.grants, "ligne de financement", "lignes de financement"),
        "Extraction du registre": stock,
        "Durée": f"{result.took_ms / 1000:.2f} s".replace(".", ","),
    }
    console.print(sheet(rows))
    table = Table(title="Conflits par famille", title_justify="left", title_style="bold")
    table.add_column("Famille")
    for words in ("Trouvés", "Ouverts", "Rouverts", "Éteints"):
        table.add_column(words, justify="right")
    table.add_column("Enjeu", justify="right", no_wrap=True)
    for one in result.families:
        counts = (one.found, one.opened, one.reopened, one.ceased)
        stake = euros_fr(one.at_stake_ttc_cents)
        table.add_row(FAMILIES[one.family].label, *map(str, counts), stake)
    totals = (result.found, result.opened, result.reopened, result.ceased)
    stake = euros_fr(sum(one.at_stake_ttc_cents for one in result.families))
    table.add_row("Ensemble", *map(str, totals), stake, style="bold")
    console.print(table)
