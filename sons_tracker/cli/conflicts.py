"""Conflicts from the terminal: contested, read, asked, answered, decided, executed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sons_tracker.cli.acts import KeyName, Token, identifier, perform, read
from sons_tracker.cli.conflict_sheets import show_conflict, show_list, show_templates
from sons_tracker.cli.frame import YES, Json, choice, emit, parse_count, run
from sons_tracker.cli.french import Cli

if TYPE_CHECKING:
    from uuid import UUID

    from sons_tracker.operations.actors import Actor
    from sons_tracker.operations.idempotency import Answer, Key

app = Cli(help="Conflits de financement : contester, lire, demander, répondre, décider, exécuter.")

Conflict = Annotated[str, typer.Argument(metavar="DOSSIER", help="Numéro (CF-…) ou identifiant du dossier.")]
_Question = Annotated[str, typer.Argument(metavar="QUESTION", help="Identifiant de la question.")]
_Text = Annotated[str, typer.Option("--text", metavar="PHRASE", help="Le texte, tel qu'il sera lu.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Le motif.")]
_State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="ÉTAT",
        parser=choice("open", "precisions_asked", "og_choice", "decided", "executed", "closed"),
        help="open, precisions_asked, og_choice, decided, executed ou closed.",
    ),
]
_Kind = Annotated[
    str,
    typer.Argument(
        metavar="GENRE",
        parser=choice("precisions", "choice", "opinion", "correction"),
        help="precisions, choice, opinion ou correction.",
    ),
]
_Outcome = Annotated[
    str,
    typer.Argument(
        metavar="ISSUE",
        parser=choice("maintained", "one_refused", "both_refused", "dismissed"),
        help="maintained, one_refused, both_refused ou dismissed.",
    ),
]
_Refused = Annotated[
    list[int] | None,
    typer.Option("--refused", metavar="PARTIE", help="Partie refusée : 1 ou 2.", parser=parse_count),
]


@app.command("list")
def list_conflicts(state: _State = None, token: Token = None, as_json: Json = False) -> int:
    """Liste les dossiers de conflit, du plus récent au plus ancien ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.pages import encode_next
        from sons_tracker.api.schemas.conflicts import conflicts_out
        from sons_tracker.operations.conflict_reading import list_conflicts

        page = await list_conflicts(actor, state, None, 200)
        return conflicts_out(page, encode_next(page.following))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: show_list(console, body))
    return YES


@app.command("show")
def show(conflict: Conflict, token: Token = None, as_json: Json = False) -> int:
    """Montre un dossier : parties, constats, questions, décision ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.conflicts import conflict_out
        from sons_tracker.operations.conflict_reading import find_conflict

        return conflict_out(await find_conflict(actor, _wanted(conflict), at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: show_conflict(console, body))
    return YES


@app.command("contest")
def contest(
    order: Annotated[str, typer.Argument(metavar="COMMANDE", help="Identifiant de la commande refusée.")],
    reason: _Reason,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Conteste le refus d'une commande parce qu'une autre engage l'ESSMS."""

    async def act(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.conflicts import render_new
        from sons_tracker.api.schemas.conflicts import ContestIn
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import conflict_steps

        why = validate({"reason": reason}, ContestIn).reason
        return await conflict_steps.contest(
            actor, identifier(order), why, law.load().law, at, key, render_new
        )

    return perform("conflict contest", (order, reason), act, show_conflict, token, key, as_json)


@app.command("assign")
def assign(
    conflict: Conflict,
    person: Annotated[
        str | None,
        typer.Option("--to", metavar="PERSONNE", help="Identifiant du contrôleur ; sans elle, personne."),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Attribue un dossier à un contrôleur, ou le lui retire."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_steps

        who = None if person is None else identifier(person)
        return await conflict_steps.assign(actor, case, who, at, key, render)

    return _on_case("assign", conflict, (person,), act, token, key, as_json)


@app.command("ask")
def ask(
    conflict: Conflict,
    kind: _Kind,
    text: _Text,
    ars: Annotated[
        str | None, typer.Option("--ars", metavar="ARS", help="Identifiant de l'ARS dont l'avis est demandé.")
    ] = None,
    of_question: Annotated[
        str | None,
        typer.Option("--of", metavar="QUESTION", help="La question à la réponse insuffisante."),
    ] = None,
    lacking: Annotated[
        str,
        typer.Option(
            "--lacking",
            metavar="DÉFAUT",
            parser=choice("incomplete", "incorrect"),
            help="incomplete ou incorrect.",
        ),
    ] = "incomplete",
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Demande des précisions aux fournisseurs, un choix au client, un avis à une ARS, ou une correction."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.conflicts import render
        from sons_tracker.api.schemas import conflicts as schemas
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import conflict_steps

        read_law = law.load().law
        if kind == "opinion":
            body = validate({"ars_id": ars or "", "text": text}, schemas.OpinionIn)
            return await conflict_steps.ask_opinion(
                actor,
                case,
                identifier(body.ars_id),
                conflict_steps.Asked(body.text),
                read_law,
                at,
                key,
                render,
            )
        if kind == "correction":
            asked = schemas.correction(
                validate(
                    {"of_question": of_question or "", "lacking": lacking, "text": text},
                    schemas.ConflictCorrectionIn,
                )
            )
            return await conflict_steps.ask_correction(actor, case, asked, read_law, at, key, render)
        question = schemas.asked(validate({"text": text}, schemas.ConflictQuestionIn))
        put = conflict_steps.ask_precisions if kind == "precisions" else conflict_steps.ask_choice
        return await put(actor, case, question, read_law, at, key, render)

    return _on_case("ask", conflict, (kind, text, ars, of_question, lacking), act, token, key, as_json)


@app.command("answer")
def answer(
    conflict: Conflict,
    question: _Question,
    text: _Text,
    position: Annotated[
        str | None,
        typer.Option(
            "--position",
            metavar="POSITION",
            parser=choice("maintained", "perimeter_error", "withdrawn", "favourable", "unfavourable"),
            help="maintained, perimeter_error ou withdrawn ; pour une ARS, favourable ou unfavourable.",
        ),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option("--side", metavar="PARTIE", help="Le client choisit : 1 ou 2.", parser=parse_count),
    ] = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Répond à une question posée à l'organisation du jeton."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.api.schemas import conflicts as schemas
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import conflict_steps

        body = {"text": text, "position": position, "chosen_side": side}
        given = schemas.given(validate(body, schemas.ConflictAnswerIn))
        return await conflict_steps.answer(actor, case, identifier(question), given, at, key, render)

    return _on_case("answer", conflict, (question, text, position, side), act, token, key, as_json)


@app.command("decide")
def decide(
    conflict: Conflict,
    outcome: _Outcome,
    template: Annotated[
        str,
        typer.Option("--template", metavar="MODÈLE", help="Modèle de motivation (conflict templates)."),
    ],
    motivation: Annotated[str, typer.Option("--motivation", metavar="PHRASE", help="La motivation.")],
    version: Annotated[
        int,
        typer.Option(
            "--version", metavar="VERSION", help="La version du dossier qui a été lue.", parser=parse_count
        ),
    ],
    refused: _Refused = None,
    token: Token = None,
    key: KeyName = None,
    as_json: Json = False,
) -> int:
    """Propose une décision motivée ; au-delà du seuil, un autre contrôleur l'approuve."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.conflicts import render
        from sons_tracker.api.schemas import conflicts as schemas
        from sons_tracker.api.strict import validate
        from sons_tracker.operations import conflict_decisions

        body = {
            "outcome": outcome, "refused": refused or [], "template": template, "motivation": motivation,
            "version": version,
        }  # fmt: skip
        proposal = schemas.proposal(validate(body, schemas.ConflictDecisionIn))
        return await conflict_decisions.propose(actor, case, proposal, law.load().law, at, key, render)

    request = (outcome, template, motivation, version, tuple(refused or ()))
    return _on_case("decide", conflict, request, act, token, key, as_json)


@app.command("approve")
def approve(conflict: Conflict, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Approuve la décision qu'un autre contrôleur a proposée."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_decisions

        return await conflict_decisions.approve(actor, case, at, key, render)

    return _on_case("approve", conflict, (), act, token, key, as_json)


@app.command("withdraw")
def withdraw(
    conflict: Conflict, reason: _Reason, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Retire une décision qui n'est pas exécutée, avec son motif."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_decisions

        return await conflict_decisions.withdraw(actor, case, _why(reason), at, key, render)

    return _on_case("withdraw", conflict, (reason,), act, token, key, as_json)


@app.command("execute")
def execute(conflict: Conflict, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Exécute la décision : ESSMS libérés, sommes à recouvrer, commande retenue à leur place."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker import law
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_decisions

        return await conflict_decisions.execute(actor, case, law.load().law, at, key, render)

    return _on_case("execute", conflict, (), act, token, key, as_json)


@app.command("close")
def close(conflict: Conflict, token: Token = None, key: KeyName = None, as_json: Json = False) -> int:
    """Clôt un dossier exécuté."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_decisions

        return await conflict_decisions.close(actor, case, at, key, render)

    return _on_case("close", conflict, (), act, token, key, as_json)


@app.command("reopen")
def reopen(
    conflict: Conflict, reason: _Reason, token: Token = None, key: KeyName = None, as_json: Json = False
) -> int:
    """Rouvre un dossier clos, avec son motif."""

    async def act(actor: Actor, case: UUID, at: datetime, key: Key) -> Answer:
        from sons_tracker.api.conflicts import render
        from sons_tracker.operations import conflict_decisions

        return await conflict_decisions.reopen(actor, case, _why(reason), at, key, render)

    return _on_case("reopen", conflict, (reason,), act, token, key, as_json)


@app.command("templates")
def templates(conflict: Conflict, token: Token = None, as_json: Json = False) -> int:
    """Montre les modèles de motivation d'un dossier ; sans jeton, comme l'administrateur."""

    async def reading(actor: Actor, at: datetime) -> Any:
        from sons_tracker.api.schemas.conflicts import templates_out
        from sons_tracker.operations.conflict_reading import find_conflict
        from sons_tracker.rules.motivations import templates_of

        return templates_out(templates_of((await find_conflict(actor, _wanted(conflict), at)).family))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: show_templates(console, body))
    return YES


def _on_case(
    command: str,
    conflict: str,
    request: tuple[object, ...],
    act: Callable[[Actor, UUID, datetime, Key], Awaitable[Answer]],
    token: str | None,
    key: str | None,
    as_json: bool,
) -> int:
    """An act on a case that is named by its number or its identifier."""

    async def found(actor: Actor, at: datetime, key: Key) -> Answer:
        from sons_tracker.operations.conflict_reading import find_conflict

        return await act(actor, (await find_conflict(actor, _wanted(conflict), at)).id, at, key)

    return perform(f"conflict {command}", (conflict, *request), found, show_conflict, token, key, as_json)


def _wanted(conflict: str) -> UUID | str:
    return conflict if conflict.startswith("CF-") else identifier(conflict)


def _why(reason: str) -> str:
    """A reason, read as the API reads it."""
    from sons_tracker.api.schemas.conflicts import ConflictReasonIn
    from sons_tracker.api.strict import validate

    return validate({"reason": reason}, ConflictReasonIn).reason
