"""Two FINESS extractions compared in the terminal, and the numbers that follow others, decided there."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read, write_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_day, run, sheet
from sons_tracker.rules.french import count_fr, date_fr

if TYPE_CHECKING:
    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

_SHOWN = 50
_PAGE = 200

_Earlier = Annotated[
    date, typer.Argument(metavar="AVANT", parser=parse_day, help="Date du premier stock, AAAA-MM-JJ.")
]
_Later = Annotated[
    date, typer.Argument(metavar="APRÈS", parser=parse_day, help="Date du second stock, AAAA-MM-JJ.")
]
_Change = Annotated[
    str | None,
    typer.Option(
        "--change",
        metavar="CHANGEMENT",
        parser=choice(
            "created", "absent", "closed", "reopened", "og_changed", "category_changed", "renamed", "moved",
            "siret_changed", "dated",
        ),
        help="Ce changement seulement : created, absent, closed, reopened, og_changed, category_changed,"
        " renamed, moved, siret_changed ou dated.",
    ),
]  # fmt: skip
_Og = Annotated[str | None, typer.Option("--og", metavar="FINESS", help="Les ESSMS de cet organisme.")]
_Touching = Annotated[bool, typer.Option("--touching", help="Seulement les numéros qu'une commande nomme.")]
_Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FICHIER", help="Écrit aussi toute la différence en CSV.")
]
_State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="ÉTAT",
        parser=choice("probable", "confirmed", "dismissed"),
        help="probable, confirmed ou dismissed.",
    ),
]
_Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="NATURE",
        parser=choice("merger", "split", "move", "renumbering"),
        help="merger, split, move ou renumbering.",
    ),
]
_Succession = Annotated[
    str, typer.Argument(metavar="SUCCESSION", help="Identifiant donné par « finess successions ».")
]
_Reason = Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Motif de la décision.")]


def diff(
    earlier: _Earlier,
    later: _Later,
    change: _Change = None,
    og: _Og = None,
    touching: _Touching = False,
    csv: _Csv = None,
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Compare deux extractions du répertoire, et dit les commandes, VA, tranches et conflits touchés."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker import law
        from sons_tracker.api.schemas.finess import DifferenceQuery, difference_out, filters
        from sons_tracker.operations.finess_differences import difference

        query = DifferenceQuery(
            earlier=earlier,
            later=later,
            change=change,  # type: ignore[arg-type]
            og=og,
            touching=touching,
        )
        # a file holds the whole; the screen and JSON the first page
        limit = 1_000_000 if csv is not None else _PAGE
        return difference_out(
            await difference(actor, earlier, later, filters(query), law.load().law, None, limit)
        )

    body = run(read(reading, token))
    if csv is not None:
        from sons_tracker.api.schemas.finess import CSV_COLUMNS, csv_rows
        from sons_tracker.exchanges.tables import write_csv

        write_bytes(write_csv((CSV_COLUMNS, *csv_rows(body))), csv)
    emit(body, as_json, lambda console: _difference(console, body))
    return YES


def successions(state: _State = None, kind: _Kind = None, token: Token = None, as_json: Json = False) -> int:
    """Liste les successions de numéros trouvées aux imports, les plus probables d'abord."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.finess import successions_out
        from sons_tracker.operations.successions import list_successions

        return successions_out(await list_successions(actor, state, kind, None, None, _PAGE))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _successions(console, body))
    return YES


def confirm(
    succession: _Succession,
    reason: _Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Confirme une succession : un engagement du nouveau numéro tient aussi l'ancien."""
    return _settle("finess confirm", True, succession, reason, token, key, as_json)


def dismiss(
    succession: _Succession,
    reason: _Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Écarte une succession : les deux numéros restent distincts."""
    return _settle("finess dismiss", False, succession, reason, token, key, as_json)


def _settle(
    command: str,
    confirmed: bool,
    succession: str,
    reason: str,
    token: str | None,
    key: str | None,
    as_json: bool,
) -> int:
    wanted = identifier(succession)

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.finess import render
        from sons_tracker.operations.successions import settle_succession

        return await settle_succession(actor, wanted, confirmed, reason, at, key, render)

    return perform(command, (succession, reason), act, _settled, token, key, as_json)


def _difference(console: Console, body: dict[str, Any]) -> None:
    from sons_tracker.api.schemas.finess import succession_words, tranche_words
    from sons_tracker.operations.finess_differences import CHANGE_WORDS
    from sons_tracker.rules.succession import KIND_WORDS

    days = [date_fr(date.fromisoformat(body[name])) for name in ("earlier", "later")]
    summary = body["summary"]
    console.print(f"Du {days[0]} au {days[1]} : {count_fr(summary['numbers'], 'numéro')}.", style="bold")
    console.print(
        sheet(
            {
                **{CHANGE_WORDS[code].capitalize(): str(n) for code, n in summary["changes"].items()},
                **{
                    f"Succession probable : {KIND_WORDS[kind]}": str(n)
                    for kind, n in summary["successions"].items()
                },
                "Commandes touchées": str(summary["orders"]),
                "Conflits touchés": str(summary["conflicts"]),
                "Organismes dont la tranche change": str(summary["tranches"]),
            }
        )
    )
    table = Table()
    for column in ("Numéro", "Changements", "Ce que cela touche"):
        table.add_column(column)
    for item in body["items"][:_SHOWN]:
        touched = [
            *(succession_words(one) for one in item["successions"]),
            *(_order_words(order) for order in item["orders"]),
            *(f"{one['og']} : {tranche_words(one)}" for one in item["tranches"] if one["changes"]),
            *(f"conflit {case['number']}" for case in item["conflicts"]),
        ]
        changes = ", ".join(CHANGE_WORDS[code] for code in item["changes"])
        table.add_row(item["finess"], changes, "\n".join(touched))
    if body["items"]:
        console.print(table)
    left = summary["numbers"] - len(body["items"][:_SHOWN])
    if left:
        console.print(f"… et {count_fr(left, 'autre')} (« --csv » les donne tous).")


def _order_words(order: dict[str, Any]) -> str:
    from sons_tracker.rules.lifecycle import ORDER_WORDS, VA_WORDS

    va = "" if order["va"] is None else f", VA n° {order['va_number']} {VA_WORDS[order['va']]}"
    return f"{order['number']} ({ORDER_WORDS[order['state']]}{va})"


def _successions(console: Console, body: dict[str, Any]) -> None:
    from sons_tracker.api.schemas.finess import succession_words

    if not body["successions"]:
        console.print("Aucune succession.")
    for one in body["successions"]:
        console.print(f"{one['id']}  {succession_words(one)}", markup=False)
        for clue in one["reasons"]:
            console.print(f"    + {clue['points']} : {clue['message']}", markup=False)
    if body["next"] is not None:
        console.print(f"Les {_PAGE} premières ; filtrer par « --state » ou « --kind ».")


def _settled(console: Console, body: dict[str, Any]) -> None:
    one = body["succession"]
    console.print(
        f"{one['predecessor']} → {one['successor']} : {one['kind_label']} {one['state_label']}.", markup=False
    )
    followed = count_fr(body["claims_followed"], "engagement")
    verb = "tient aussi l'ancien numéro" if one["state"] == "confirmed" else "libère l'ancien numéro"
    if body["claims_followed"]:
        console.print(f"{followed} : le nouveau numéro {verb}.")
    for vague in body["both_held"]:
        console.print(f"Les deux numéros sont déjà engagés en {vague} : c'est un conflit à instruire.")
