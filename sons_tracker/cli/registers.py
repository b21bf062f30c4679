"""Importing registers: FINESS, solutions and their referencing, ESMS numérique grants."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from sons_tracker.cli.acts import Token, read
from sons_tracker.cli.frame import (
    REFUSED,
    YES,
    Json,
    choice,
    day_option,
    emit,
    existing_file,
    instance,
    paris_today,
    run,
    sheet,
)
from sons_tracker.cli.french import Cli
from sons_tracker.registers.layout import REGISTERS, Kind, Scope
from sons_tracker.rules.parameters import required
from sons_tracker.rules.succession import KIND_WORDS

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.registers import ImportReport

grants = Cli(help="Financements ESMS numérique.")
solutions = Cli(help="Solutions logicielles, versions, référencement et distributeurs.")

_SHOWN_LINES = 20

_File = Annotated[Path, typer.Argument(metavar="FICHIER", help="Fichier à importer.")]
_Scope = Annotated[
    str,
    typer.Option(
        metavar="PORTÉE",
        parser=choice("stock", "extrait"),
        help="« stock » : tout le registre, une absence y est un fait ; « extrait » : une partie.",
    ),
]
_ExtractedOn = Annotated[date | None, day_option("Date de l'extraction (par défaut : celle du fichier).")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Vérifie et compare tout, sans rien écrire.")]
_LegalEntities = Annotated[
    bool,
    typer.Option(
        "--legal-entities",
        help="D'un JSON complet, importe les entités juridiques et non les établissements.",
    ),
]
_AcceptLoss = Annotated[
    bool, typer.Option("--accept-loss", help="Accepte qu'un stock perde une grande part de ses lignes.")
]
_Partial = Annotated[
    bool,
    typer.Option(
        "--partial",
        help="Importe les lignes saines et garde la liste des autres ; le fichier ne vaut plus que comme"
        " extrait.",
    ),
]


def import_finess(
    file: _File,
    scope: _Scope = "stock",
    extracted_on: _ExtractedOn = None,
    dry_run: _DryRun = False,
    accept_loss: _AcceptLoss = False,
    legal_entities: _LegalEntities = False,
    as_json: Json = False,
) -> None:
    """Importe un fichier FINESS : CSV cs1100502, cs1100507 ou cs1100501, ou JSON (gzip et ZIP compris)."""
    kinds = (Kind.LEGAL_ENTITY,) if legal_entities else (Kind.ESTABLISHMENT, Kind.LEGAL_ENTITY)
    _import(kinds, file, scope, extracted_on, dry_run, accept_loss, as_json)


@grants.callback()
def _grants() -> None:
    """Financements ESMS numérique."""


@grants.command("import")
def import_grants(
    file: _File,
    scope: _Scope = "stock",
    extracted_on: _ExtractedOn = None,
    dry_run: _DryRun = False,
    accept_loss: _AcceptLoss = False,
    partial: _Partial = False,
    as_json: Json = False,
) -> None:
    """Importe les financements ESMS numérique (CSV ou XLSX, voir docs/registres.md), chaque anomalie dite."""
    _import((Kind.ESMS_GRANT,), file, scope, extracted_on, dry_run, accept_loss, as_json, partial)


@grants.command("imports")
def list_imports(token: Token = None, as_json: Json = False) -> int:
    """Liste les derniers imports de financements ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.pages import encode_next
        from sons_tracker.api.schemas.grant_imports import GrantImportsOut, grant_import_out
        from sons_tracker.operations.grant_imports import list_grant_imports

        page = await list_grant_imports(actor, None, 50)
        return GrantImportsOut([grant_import_out(i) for i in page.imports], encode_next(page.next_after))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _print_imports(console, body))
    return YES


@grants.command("anomalies")
def list_anomalies(
    import_id: Annotated[str, typer.Argument(metavar="IMPORT", help="Identifiant de l'import.")],
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Montre les anomalies d'un import de financements ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.acts import parse_id
        from sons_tracker.api.schemas.grant_imports import anomalies_out
        from sons_tracker.operations import grant_imports
        from sons_tracker.registers.anomalies import ANOMALIES_KEPT

        wanted = parse_id(import_id, "Aucun import visible ne porte cet identifiant.")
        return anomalies_out(
            await grant_imports.list_anomalies(
                actor, wanted, severity=None, code=None, after=0, limit=ANOMALIES_KEPT
            )
        )

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _print_anomalies(console, body["anomalies"]))
    return YES


@solutions.callback()
def _solutions() -> None:
    """Solutions logicielles, versions, référencement et distributeurs."""


@solutions.command("import")
def import_solutions(
    file: _File,
    scope: _Scope = "stock",
    extracted_on: _ExtractedOn = None,
    dry_run: _DryRun = False,
    accept_loss: _AcceptLoss = False,
    as_json: Json = False,
) -> None:
    """Importe la liste des versions référencées, ou des distributeurs (CSV ou XLSX : docs/registres.md)."""
    _import((Kind.REFERENCING, Kind.DISTRIBUTOR), file, scope, extracted_on, dry_run, accept_loss, as_json)


def _import(
    kinds: tuple[Kind, ...],
    file: Path,
    scope: str,
    extracted_on: date | None,
    dry_run: bool,
    accept_loss: bool,
    as_json: bool,
    partial: bool = False,
) -> None:
    path = existing_file(file)
    report = run(_work(kinds, path, cast(Scope, scope), extracted_on, dry_run, accept_loss, partial))
    emit(_told(report), as_json, lambda console: _print(console, report))
    if (report.refused_count and not partial) or report.guard:
        raise typer.Exit(REFUSED)


async def _work(
    kinds: tuple[Kind, ...],
    path: Path,
    scope: Scope,
    extracted_on: date | None,
    dry_run: bool,
    accept_loss: bool,
    partial: bool,
) -> ImportReport:
    from sons_tracker import law
    from sons_tracker.operations import clock
    from sons_tracker.operations.actors import LOCAL_ADMIN
    from sons_tracker.operations.registers import import_register

    today = paris_today()
    categories = required(law.load().law.register.nomenclature.in_force(today, today))
    nomenclature = {code: category.aggregate for code, category in categories.items()}
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    # On stderr, and only for a person: stdout holds the answer.
    watched = Console(stderr=True)
    with Progress(*columns, console=watched, transient=True, disable=not watched.is_terminal) as bar:
        task = bar.add_task(path.name, total=None)
        async with instance():
            return await import_register(
                LOCAL_ADMIN,
                path,
                nomenclature=nomenclature,
                at=await clock.now(),
                scope=scope,
                kinds=kinds,  # each command names its registers
                extracted_on=extracted_on,
                dry_run=dry_run,
                accept_loss=accept_loss,
                partial=partial,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )


def _successions(report: ImportReport) -> dict[str, str]:
    if not report.successions:
        return {}
    kinds = ", ".join(f"{KIND_WORDS[kind]} : {count}" for kind, count in report.successions.items())
    return {"Successions probables": f"{sum(report.successions.values())} ({kinds})"}


def _told(report: ImportReport) -> dict[str, Any]:
    """The report as JSON, each anomaly with its severity and what to do about it."""
    from sons_tracker.api.schemas.grant_imports import anomaly_out

    told: dict[str, Any] = msgspec.to_builtins(report)
    return told | {"anomalies": msgspec.to_builtins([anomaly_out(one) for one in report.anomalies])}


def _print(console: Console, report: ImportReport) -> None:
    console.print(
        sheet(
            {
                "Registre": REGISTERS[report.register].label,
                "Extraction": f"{report.extracted_on:%d/%m/%Y} ({report.scope})",
                "Format": f"{report.format}, {report.encoding}",
                "Lignes lues": str(report.read),
                "Nouvelles": str(report.new),
                "Modifiées": str(report.changed),
                "Inchangées": str(report.unchanged),
                "Absentes": str(report.absent),
                "Organismes à compléter": str(report.stubs),
                "Refusées": str(report.refused_count),
                **_successions(report),
                **({"Conflits ouverts": str(report.conflicts_opened)} if report.conflicts_opened else {}),
                **({"Laissées de côté": str(report.set_aside)} if report.set_aside else {}),
                **{f"À noter : {label}": str(count) for label, count in report.warnings.items()},
            }
        )
    )
    if report.anomalies:
        _print_anomalies(console, _told(report)["anomalies"])
    else:
        for line, reason in report.refused[:_SHOWN_LINES]:
            console.print(f"  ligne {line} : {reason}", markup=False)
        _print_more(console, report.refused_count)
    if report.guard:
        console.print(report.guard, markup=False)
    if report.written:
        console.print("Import enregistré.")
    elif report.dry_run and not (report.refused_count > report.set_aside or report.guard):
        console.print("Essai à blanc : tout est lisible, rien n'est enregistré.")
    else:
        console.print("Rien n'est enregistré.")


def _print_imports(console: Console, body: Any) -> None:
    table = Table("Import", "Extraction", "Lignes lues", "Laissées de côté", "Anomalies", box=None)
    for one in body["imports"]:
        shown = (one["id"], f"{one['extracted_on']} ({one['scope']})")
        table.add_row(*shown, *(str(one[name]) for name in ("rows_read", "rows_set_aside", "anomalies")))
    console.print(table)


def _print_anomalies(console: Console, anomalies: list[dict[str, Any]]) -> None:
    """The first anomalies, what sets a line aside before what is only doubtful."""
    found = sorted(anomalies, key=lambda one: (one["severity"] != "error", one["line"]))
    for one in found[:_SHOWN_LINES]:
        doubt = "" if one["severity"] == "error" else "à noter, "
        console.print(f"  {doubt}ligne {one['line']} : {one['message']} {one['remedy']}", markup=False)
    _print_more(console, len(found))


def _print_more(console: Console, found: int) -> None:
    if found > _SHOWN_LINES:
        console.print(f"  … et {found - _SHOWN_LINES} autres (« --json » en donne davantage).")
