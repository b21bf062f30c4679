"""Conflicts over HTTP: contested, read by each party as it may, led by a reviewer to an executed decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker import law
from sons_tracker.api import conflict_examples as examples
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may
from sons_tracker.api.pages import decode_after, encode_next
from sons_tracker.api.requests import UNKNOWN_ORDER
from sons_tracker.api.schemas import conflicts as schemas
from sons_tracker.api.security import Caller
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, conflict_reading, conflict_steps
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.conflict_reading import ConflictView
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.rules.motivations import templates_of

UNKNOWN_CONFLICT = "Aucun dossier de conflit visible ne porte cet identifiant."
_UNKNOWN_QUESTION = "Aucune question visible ne porte cet identifiant."
_TAG = "Conflits"
CONFLICT = "/api/v1/conflicts/{conflict_id:str}"
_QUESTION = f"{CONFLICT}/questions/{{question_id:str}}"
_ID = {"conflict_id": "Identifiant du dossier de conflit."}
_QUESTION_ID = {**_ID, "question_id": "Identifiant de la question."}
Body = Request[Any, Any, Any]


def contract_of_act(
    action: str,
    summary: str,
    description: str,
    shown: tuple[Example, ...],
    body: Any = None,
    path: dict[str, str] | None = None,
    status: int = 200,
) -> dict[str, Any]:
    """The contract of an act on a case: all of them answer the case as it stands after."""
    return Contract(
        may(action),
        summary,
        tag=_TAG,
        description=description,
        path=path or _ID,
        headers=KEY_HEADER,
        body=body,
        answers={status: Answer("Le dossier après cet acte.", schemas.ConflictOut)},
        errors=(*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
        examples=shown,
    ).opt


def parse_conflict(conflict_id: str) -> UUID:
    """The identifier of a case.

    Raises:
        SonsError: `NOT_FOUND` for what is no identifier.
    """
    return parse_id(conflict_id, UNKNOWN_CONFLICT)


@get(
    "/api/v1/conflicts",
    opt=Contract(
        may("conflict.read"),
        "Lister les dossiers de conflit",
        tag=_TAG,
        description="Ceux que votre rôle peut lire, du plus récent au plus ancien. La file des contrôleurs,"
        " triée par risque, est « /api/v1/queue ».",
        query=schemas.ConflictsQuery,
        answers={200: Answer("Une page.", schemas.ConflictsOut)},
        errors=(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
        examples=examples.LISTS,
    ).opt,
)
async def list_all(request: Body, actor: Caller) -> schemas.ConflictsOut:
    """The cases that the actor may see."""
    query = read_query(request, schemas.ConflictsQuery)
    after = decode_after(query.after)
    page = await conflict_reading.list_conflicts(actor, query.state, after, query.limit)
    return schemas.conflicts_out(page, encode_next(page.following))


@get(
    CONFLICT,
    opt=Contract(
        may("conflict.read"),
        "Lire un dossier de conflit",
        tag=_TAG,
        description="L'organisme gestionnaire et les agences lisent tout ; un fournisseur, sa commande, ses"
        " questions et ce qui est décidé d'elle, jamais l'autre partie ni un montant ; une ARS, ce qui lui"
        " est demandé.",
        path=_ID,
        answers={200: Answer("Le dossier, et ce qui peut être fait maintenant.", schemas.ConflictOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.READS,
    ).opt,
)
async def find(actor: Caller, conflict_id: FromPath[str]) -> schemas.ConflictOut:
    """One case; an unknown one and another organisation's answer the same 404."""
    return schemas.conflict_out(
        await conflict_reading.find_conflict(actor, parse_conflict(conflict_id), await clock.now())
    )


@get(
    f"{CONFLICT}/templates",
    opt=Contract(
        may("motivation.read"),
        "Lire les modèles de motivation d'un dossier",
        tag=_TAG,
        description="Chacun avec ses sources ; la motivation elle-même est à écrire.",
        path=_ID,
        answers={200: Answer("Les modèles de sa famille.", schemas.TemplatesOut)},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE),
        examples=examples.TEMPLATES,
    ).opt,
)
async def templates(actor: Caller, conflict_id: FromPath[str]) -> schemas.TemplatesOut:
    """The templates of motivation that fit a case."""
    view = await conflict_reading.find_conflict(actor, parse_conflict(conflict_id), await clock.now())
    return schemas.templates_out(templates_of(view.family))


@post(
    "/api/v1/orders/{order_id:str}/contest",
    status_code=201,
    opt=contract_of_act(
        "conflict.contest",
        "Contester le refus d'une commande",
        "Quand elle a été refusée parce qu'une autre engage l'ESSMS (R05). Le premier dépôt entier l'emporte"
        " par défaut ; un contrôleur entend les parties et décide.",
        examples.CONTESTS,
        schemas.ContestIn,
        {"order_id": "Identifiant de la commande refusée."},
        201,
    ),
)
async def contest(request: Body, actor: Caller, order_id: FromPath[str]) -> Response[bytes]:
    """Contests the refusal of an order."""
    key = await act_key(request, "POST /api/v1/orders/{order_id}/contest")
    body = await decode(request, schemas.ContestIn)
    wanted, at = parse_id(order_id, UNKNOWN_ORDER), await clock.now()
    return as_response(
        await conflict_steps.contest(actor, wanted, body.reason, law.load().law, at, key, render_new)
    )


@post(
    f"{CONFLICT}/assignment",
    status_code=200,
    opt=contract_of_act(
        "conflict.assign",
        "Attribuer un dossier",
        "À un contrôleur, ou à personne.",
        examples.ASSIGNMENTS,
        schemas.AssignIn,
    ),
)
async def assign(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Gives a case to a reviewer."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/assignment")
    body = await decode(request, schemas.AssignIn)
    person = None if body.person_id is None else UUID(body.person_id)
    return as_response(
        await conflict_steps.assign(
            actor, parse_conflict(conflict_id), person, await clock.now(), key, render
        )
    )


@post(
    f"{CONFLICT}/precisions",
    status_code=200,
    opt=contract_of_act(
        "question.ask",
        "Demander des précisions aux fournisseurs",
        "Chacun a le délai que fixe le droit, en jours ouvrés, pour maintenir sa commande, reconnaître une"
        " erreur de périmètre ou se retirer.",
        examples.PRECISIONS,
        schemas.ConflictQuestionIn,
    ),
)
async def ask_precisions(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Invites the suppliers to explain themselves."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/precisions")
    question = schemas.asked(await decode(request, schemas.ConflictQuestionIn))
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(
        await conflict_steps.ask_precisions(actor, wanted, question, law.load().law, at, key, render)
    )


@post(
    f"{CONFLICT}/choice",
    status_code=200,
    opt=contract_of_act(
        "question.ask",
        "Demander au client de choisir",
        "Quand il a signé les deux commandes.",
        examples.CHOICES,
        schemas.ConflictQuestionIn,
    ),
)
async def ask_choice(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Asks the OG which order it keeps."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/choice")
    question = schemas.asked(await decode(request, schemas.ConflictQuestionIn))
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(
        await conflict_steps.ask_choice(actor, wanted, question, law.load().law, at, key, render)
    )


@post(
    f"{CONFLICT}/opinion",
    status_code=200,
    opt=contract_of_act(
        "question.ask",
        "Demander l'avis d'une ARS",
        "Rien n'attend cet avis.",
        examples.OPINIONS,
        schemas.OpinionIn,
    ),
)
async def ask_opinion(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Asks an ARS for its opinion."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/opinion")
    body = await decode(request, schemas.OpinionIn)
    wanted, at, ars = parse_conflict(conflict_id), await clock.now(), UUID(body.ars_id)
    question = conflict_steps.Asked(body.text)
    return as_response(
        await conflict_steps.ask_opinion(actor, wanted, ars, question, law.load().law, at, key, render)
    )


@post(
    f"{CONFLICT}/correction",
    status_code=200,
    opt=contract_of_act(
        "question.ask",
        "Demander la correction d'une réponse",
        "Incomplète ou inexacte, et ce qui manque. Rien n'est décidé, et l'horloge du dossier s'arrête,"
        " jusqu'à la réponse.",
        examples.CORRECTIONS,
        schemas.ConflictCorrectionIn,
    ),
)
async def ask_correction(request: Body, actor: Caller, conflict_id: FromPath[str]) -> Response[bytes]:
    """Says what an answer lacks."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/correction")
    question = schemas.correction(await decode(request, schemas.ConflictCorrectionIn))
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(
        await conflict_steps.ask_correction(actor, wanted, question, law.load().law, at, key, render)
    )


@post(
    f"{_QUESTION}/answer",
    status_code=200,
    opt=contract_of_act(
        "question.answer",
        "Répondre à une question",
        "Par l'organisation à qui elle est posée, une fois. Une réponse tardive est gardée tant que rien"
        " n'est décidé.",
        examples.ANSWERS,
        schemas.ConflictAnswerIn,
        _QUESTION_ID,
    ),
)
async def answer(
    request: Body, actor: Caller, conflict_id: FromPath[str], question_id: FromPath[str]
) -> Response[bytes]:
    """Answers a question."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/questions/{question_id}/answer")
    told = schemas.given(await decode(request, schemas.ConflictAnswerIn))
    question = parse_id(question_id, _UNKNOWN_QUESTION)
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_steps.answer(actor, wanted, question, told, at, key, render))


@post(
    f"{_QUESTION}/withdrawal",
    status_code=200,
    opt=contract_of_act(
        "question.withdraw",
        "Retirer une question",
        "Tant qu'elle n'a pas de réponse. Sans corps.",
        examples.WITHDRAWALS,
        path=_QUESTION_ID,
    ),
)
async def withdraw_question(
    request: Body, actor: Caller, conflict_id: FromPath[str], question_id: FromPath[str]
) -> Response[bytes]:
    """Takes a question back."""
    key = await act_key(request, "POST /api/v1/conflicts/{conflict_id}/questions/{question_id}/withdrawal")
    question = parse_id(question_id, _UNKNOWN_QUESTION)
    wanted, at = parse_conflict(conflict_id), await clock.now()
    return as_response(await conflict_steps.withdraw_question(actor, wanted, question, at, key, render))


def render(outcome: ConflictView | Refused, status: int = 200) -> Kept:
    """The answer to an act on a case: the case after it, or a problem."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(schemas.conflict_out(outcome)))


def render_new(outcome: ConflictView | Refused) -> Kept:
    """The answer to one that is new."""
    return render(outcome, 201)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_all, find, templates, contest, assign, ask_precisions, ask_choice, ask_opinion, ask_correction,
    answer, withdraw_question,
)  # fmt: skip
