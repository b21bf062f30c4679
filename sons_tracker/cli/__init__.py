"""`sons-tracker`: one command is one function; no rule lives here."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence

import typer

from sons_tracker.cli import (
    accounts,
    alerts,
    audit,
    case_documents,
    clock,
    conflicts,
    delegations,
    endings,
    feeds,
    finess,
    forecast,
    instruction,
    journal,
    law,
    lots,
    measures,
    orders,
    pieces,
    privacy,
    queue,
    recoveries,
    registers,
    reservations,
    rights,
    samples,
    serve,
    sessions,
    soldes,
    suppliers,
    tariff,
    tokens,
    va,
    webhooks,
)
from sons_tracker.cli.demonstration import demo
from sons_tracker.cli.frame import MALFORMED, REFUSED, YES, report
from sons_tracker.cli.french import Cli, speak_french, usage_sentence
from sons_tracker.errors import ErrorCode, SonsError

app = Cli(
    help="Financement du dispositif SONS : barème, droit, registres, commandes.\n\n"
    "Code de sortie : 0 oui, 1 refus ou réponse négative, 2 demande mal formée."
)
app.command("demo")(demo)
app.command("serve")(serve.serve)
app.command("migrate")(serve.migrate)
app.command("tariff")(tariff.tariff)
app.command("grant-estimate")(tariff.grant_estimate)
app.command("calendar")(tariff.calendar)
app.command("rights")(rights.rights)
app.add_typer(law.app, name="law")
app.add_typer(finess.app, name="finess")
app.add_typer(registers.grants, name="grants")
app.add_typer(registers.solutions, name="solutions")
app.add_typer(accounts.app, name="account")
app.add_typer(sessions.app, name="session")
app.add_typer(tokens.app, name="token")
app.add_typer(delegations.app, name="delegation")
app.add_typer(privacy.app, name="person")
app.command("simulate")(orders.simulate)
app.add_typer(orders.app, name="order")
orders.app.command("actions")(instruction.actions)
orders.app.command("review")(instruction.review)
orders.app.command("cancel")(endings.cancel)
orders.app.command("attest")(endings.attest)
app.add_typer(endings.cancellations, name="cancellation")
app.add_typer(endings.amendments, name="amendment")
app.add_typer(reservations.app, name="reservation")
app.add_typer(suppliers.app, name="supplier")
app.add_typer(clock.app, name="clock")
app.add_typer(instruction.advances, name="advance")
app.add_typer(instruction.corrections, name="correction")
app.add_typer(va.app, name="va")
app.add_typer(soldes.app, name="solde")
app.add_typer(pieces.app, name="piece")
app.add_typer(lots.app, name="lot")
app.add_typer(recoveries.app, name="recovery")
app.add_typer(recoveries.ledger, name="ledger")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(webhooks.notices, name="notice")
app.add_typer(feeds.app, name="feed")
app.add_typer(journal.app, name="journal")
app.add_typer(queue.app, name="queue")
app.add_typer(alerts.app, name="alert")
app.add_typer(samples.app, name="sample")
app.command("forecast")(forecast.forecast)
app.add_typer(audit.app, name="audit")
audit.app.command("measure")(measures.measure)
app.add_typer(conflicts.app, name="conflict")
conflicts.app.command("graph")(case_documents.graph)
conflicts.app.command("evidence")(case_documents.evidence)


def main() -> None:
    """The entry point: runs the command of `sys.argv` and exits with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; whatever happens, no traceback reaches the terminal."""
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show an accent shows a question mark; it is no reason to fail.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    speak_french()
    try:
        code = typer.main.get_command(app).main(
            args=list(arguments), prog_name="sons-tracker", standalone_mode=False
        )
        sys.stdout.flush()
    except SonsError as error:
        return report(error, as_json)
    except BrokenPipeError:
        return _closed_early()
    except typer.Abort:
        return REFUSED
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            # typer has printed the help while it made the error.
            return MALFORMED
        return report(SonsError(ErrorCode.MALFORMED_COMMAND, usage_sentence(error)), as_json)
    except Exception as error:
        return report(_unforeseen(error), as_json)
    return code if isinstance(code, int) else YES


def _closed_early() -> int:
    """Whoever read our output left (`| head`): nothing more to say, nor at the interpreter's exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return REFUSED


def _unforeseen(error: Exception) -> SonsError:
    from sons_tracker.logs import trace_of

    with tempfile.NamedTemporaryFile(
        "w", prefix="sons-tracker-", suffix=".log", delete=False, encoding="utf-8"
    ) as kept:
        kept.write("\n".join((*trace_of(error), "")))
    return SonsError(ErrorCode.INTERNAL, f"Le détail de l'erreur est dans « {kept.name} ».")
