"""The examples of conflicts; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example

_NOBODY = {"conflict_id": "00000000-0000-4000-8000-000000000001"}
_QUESTION = {**_NOBODY, "question_id": "00000000-0000-4000-8000-000000000002"}
_SOMEONE = "00000000-0000-4000-8000-000000000003"
_UNKNOWN = "Un dossier d'une autre organisation, ou aucun"
_TEXT = {"text": "Précisez quelle commande le client a voulue."}
_DECISION = {
    "outcome": "one_refused",
    "refused": [2],
    "template": "first_deposit",
    "motivation": "Le client confirme avoir voulu la première commande.",
    "version": 4,
}


def _act(name: str, body: object = None) -> tuple[Example, ...]:
    headers = {"Idempotency-Key": f"conflit-{name}"}
    return (
        Example("inconnu", _UNKNOWN, 404, body=body, path=_NOBODY, headers=headers, role="reviewer"),
        Example("fournisseur", "Un fournisseur ne tient pas le dossier", 403, body=body, path=_NOBODY,
                headers=headers, role="editor"),
    )  # fmt: skip


LISTS = (
    Example("tous", "Les dossiers que votre rôle peut lire", 200, role="reviewer"),
    Example("etat", "Un état qui n'existe pas", 422, query={"state": "perdu"}, role="reviewer"),
)
READS = (Example("inconnu", _UNKNOWN, 404, path=_NOBODY, role="og"),)
TEMPLATES = (Example("inconnu", _UNKNOWN, 404, path=_NOBODY, role="reviewer"),)
CONTESTS = (
    Example(
        "inconnue", "Une commande d'une autre organisation, ou aucune", 404,
        body={"reason": "Le client a résilié la première commande."},
        path={"order_id": "00000000-0000-4000-8000-000000000001"},
        headers={"Idempotency-Key": "conflit-contestation-1"}, role="editor",
    ),
    Example(
        "sans_motif", "Une contestation sans motif", 422, body={"reason": ""},
        path={"order_id": "00000000-0000-4000-8000-000000000001"},
        headers={"Idempotency-Key": "conflit-contestation-2"}, role="editor",
    ),
)  # fmt: skip
ASSIGNMENTS = _act("attribution", {"person_id": None})
PRECISIONS = _act("precisions", _TEXT)
CHOICES = _act("choix", _TEXT)
OPINIONS = _act("avis", {"ars_id": _SOMEONE, **_TEXT})
CORRECTIONS = _act("correction", {"of_question": _SOMEONE, "lacking": "incomplete", **_TEXT})
WITHDRAWALS = (
    Example(
        "inconnue", "Une question qui n'est pas de ce dossier", 404, path=_QUESTION,
        headers={"Idempotency-Key": "conflit-question-1"}, role="reviewer",
    ),
)  # fmt: skip
ANSWERS = (
    Example(
        "inconnue", "Une question posée à une autre organisation, ou aucune", 404,
        body={"text": "Le client nous a choisis.", "position": "maintained"}, path=_QUESTION,
        headers={"Idempotency-Key": "conflit-reponse-1"}, role="editor",
    ),
)  # fmt: skip
DECISIONS = (
    *_act("decision", _DECISION),
    Example(
        "sans_motivation", "Une décision sans motivation", 422, body={**_DECISION, "motivation": ""},
        path=_NOBODY, headers={"Idempotency-Key": "conflit-decision-3"}, role="reviewer",
    ),
)  # fmt: skip
APPROVALS = _act("approbation")
RECONSIDERATIONS = _act("retrait", {"reason": "Une pièce nouvelle est arrivée."})
EXECUTIONS = _act("execution")
CLOSINGS = _act("cloture")
REOPENINGS = _act("reouverture", {"reason": "Des faits nouveaux sont établis."})
