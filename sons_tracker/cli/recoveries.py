"""Recoveries and ledgers from the terminal: issued, followed, closed; what each ESSMS was paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import KeyName, Output, Token, money, perform, read, write_bytes
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_count, run, sheet
from sons_tracker.cli.french import Cli
from sons_tracker.rules.french import count_fr

if TYPE_CHECKING:
    from uuid import UUID

    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key
    from sons_tracker.operations.recovery_reading import RecoveryFilter

app = Cli(help="Recouvrements : émettre, suivre, clore.")
ledger = Cli(help="Grand livre d'une commande, par ESSMS.")

_Recovery = Annotated[str, typer.Argument(metavar="NUMÉRO", help="Numéro du recouvrement.")]
_State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="ÉTAT",
        parser=choice("opened", "issued", "recovered"),
        help="opened, issued ou recovered.",
    ),
]
_Older = Annotated[
    int | None,
    typer.Option("--older-than", metavar="JOURS", parser=parse_count, help="Ouverts depuis plus de jours."),
]
_STATES = {"opened": "à émettre", "issued": "émis", "recovered": "recouvré"}
_STEPS = {"letter": "courrier", "reminder": "relance", "note": "note"}
_MOVEMENTS = {"planned": "prévu", "paid": "payé", "compensated": "compensé", "recovered": "recouvré"}


@app.command("list")
def list_recoveries(
    state: _State = None, older_than: _Older = None, token: Token = None, as_json: Json = False
) -> int:
    """Liste les recouvrements, du plus ancien au plus récent ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.pages import encode_next
        from sons_tracker.api.schemas.recoveries import recoveries_out
        from sons_tracker.operations import recovery_reading

        page = await recovery_reading.list_recoveries(actor, _filter(state, older_than), at, None, 200)
        return recoveries_out(page, encode_next(page.next_after))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _list(console, body))
    return YES


@app.command("export")
def export(
    state: _State = None, older_than: _Older = None, output: Output = None, token: Token = None
) -> int:
    """Exporte les recouvrements en CSV ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.recoveries import MOST_EXPORTED
        from sons_tracker.api.schemas.recoveries import CSV_COLUMNS, csv_row
        from sons_tracker.exchanges.tables import write_csv
        from sons_tracker.operations import recovery_reading

        narrowed = _filter(state, older_than)
        page = await recovery_reading.list_recoveries(actor, narrowed, at, None, MOST_EXPORTED)
        return write_csv((CSV_COLUMNS, *(csv_row(one) for one in page.recoveries))).decode()

    write_bytes(run(read(reading, token)).encode(), output)
    return YES


@app.command("show")
def show(recovery: _Recovery, token: Token = None, as_json: Json = False) -> int:
    """Montre un recouvrement : montant, âge, suivi, lettre ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.recoveries import recovery_out
        from sons_tracker.operations import recovery_reading

        return recovery_out(await recovery_reading.find_recovery(actor, recovery, at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


@app.command("issue")
def issue(recovery: _Recovery, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Émet l'ordre de recouvrement : la lettre est figée, les ESSMS d'une commande terminée sont libérés."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        import os

        from sons_tracker.api.recoveries import render
        from sons_tracker.operations import recoveries
        from sons_tracker.operations.recovery_letters import APPEAL
        from sons_tracker.settings import Settings

        appeal = Settings.from_env(os.environ).appeal_text or APPEAL
        return await recoveries.issue(actor, await _id(actor, recovery, at), appeal, at, key, render)

    return perform("recovery issue", (recovery,), act, _show, token, key, as_json)


@app.command("repay")
def repay(
    recovery: _Recovery,
    reference: Annotated[
        str, typer.Option("--reference", metavar="RÉFÉRENCE", help="Référence de la banque.")
    ],
    amount: Annotated[str, typer.Option("--amount", metavar="MONTANT", help="Exact, par exemple 1232.00.")],
    received_at: Annotated[
        str, typer.Option("--received-at", metavar="INSTANT", help="2024-05-02T10:00:00+02:00, par exemple.")
    ],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Clôt un recouvrement par le remboursement reçu, au centime."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.recoveries import render
        from sons_tracker.api.schemas.recoveries import RepaymentIn, repayment
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import recoveries

        given = {"bank_reference": reference, "amount_ttc": amount, "received_at": received_at}
        asked = repayment(validate(given, RepaymentIn))
        wanted = await _id(actor, recovery, at)
        return await recoveries.record_repayment(actor, wanted, asked, at, key, render)

    request = (recovery, reference, amount, received_at)
    return perform("recovery repay", request, act, _show, token, key, as_json)


@app.command("step")
def step(
    recovery: _Recovery,
    kind: Annotated[
        str,
        typer.Option(
            "--kind", metavar="GENRE", parser=choice("reminder", "note"), help="reminder (relance) ou note."
        ),
    ],
    text: Annotated[str, typer.Option("--text", metavar="PHRASE", help="Ce qui a été fait ou dit.")],
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Ajoute au suivi une relance, dont le fournisseur est informé, ou une note de l'agence."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.recoveries import render
        from sons_tracker.api.schemas.recoveries import StepIn
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import recoveries

        asked = validate({"kind": kind, "text": text}, StepIn)
        wanted = await _id(actor, recovery, at)
        return await recoveries.add_step(actor, wanted, asked.kind, asked.text, at, key, render)

    return perform("recovery step", (recovery, kind, text), act, _show, token, key, as_json)


@ledger.command("show")
def show_ledger(
    order: Annotated[str, typer.Argument(metavar="NUMÉRO", help="Numéro de la commande.")],
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Montre le grand livre d'une commande, par ESSMS ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, _at: datetime) -> Any:
        from sons_tracker.api.schemas.ledger import ledger_out
        from sons_tracker.operations.ledger import find_ledger

        return ledger_out(await find_ledger(actor, order))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show_ledger(console, body))
    return YES


def _filter(state: str | None, older_than: int | None) -> RecoveryFilter:
    from sons_tracker.operations.recovery_reading import RecoveryFilter

    return RecoveryFilter(state=state, older_than=older_than)


async def _id(actor: Actor, number: str, at: datetime) -> UUID:
    from sons_tracker.operations.recovery_reading import find_recovery

    return (await find_recovery(actor, number, at)).summary.id


def _list(console: Console, body: dict[str, Any]) -> None:
    for one in body["recoveries"]:
        facts = (one["number"], one["order"], _STATES[one["state"]], money(one["amount_ttc"]), _age(one))
        console.print(" · ".join(facts), markup=False)
    total = body["total"]
    console.print(f"{count_fr(total['count'], 'recouvrement')}, {money(total['total_ttc'])}", markup=False)


def _show(console: Console, body: dict[str, Any]) -> None:
    rows = {
        "Recouvrement": body["number"],
        "Commande": body["order"],
        "État": _STATES[body["state"]],
        "Montant": money(body["amount_ttc"]),
        "Âge": _age(body),
        "Source": body["source"],
    }
    console.print(sheet(rows), markup=False)
    for paragraph in body["letter"]["text"] if body["letter"] else ():
        console.print(paragraph, markup=False)
    for line in body["letter"]["lines"] if body["letter"] else ():
        console.print(f"  {line['finess']} : {money(line['amount_ttc'])}", markup=False)
    for one in body["steps"]:
        console.print(f"{one['at']} · {_STEPS[one['kind']]} : {one['text']}", markup=False)
    for action in body["actions"]:
        told = "possible" if action["possible"] else f"impossible. {action['reasons'][0]['message']}"
        console.print(f"{action['label']} : {told}", markup=False)


def _show_ledger(console: Console, body: dict[str, Any]) -> None:
    console.print(f"Commande {body['order']} : {_balance(body['balance'])}", markup=False)
    for line in body["lines"]:
        console.print(f"  {line['finess']} : {_balance(line['balance'])}", markup=False)


def _balance(balance: dict[str, str]) -> str:
    parts = [f"{words} {money(balance[f'{name}_ttc'])}" for name, words in _MOVEMENTS.items()]
    return ", ".join((*parts, f"reste {money(balance['due_ttc'])}"))


def _age(body: dict[str, Any]) -> str:
    return count_fr(body["age_days"], "jour")
