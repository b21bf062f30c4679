"""The examples of the routes of the queue, of alerts and of samples; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example

_NOBODY = "00000000-0000-4000-8000-000000000001"
_KEY = {"Idempotency-Key": "file-2023-03-01"}
_ALERT, _SAMPLE = {"alert_id": _NOBODY}, {"sample_id": _NOBODY}
_FILTERS = {"state": "open", "at_stake_from": "1000.00", "sort": "risk"}
_DRAW = {"seed": "audit 2024", "size": 60, "unit": "line", "what": "paid", "couloir": "MS1"}

QUEUES = (
    Example("file", "Les dossiers ouverts, les plus à risque d'abord", 200, query=_FILTERS, role="reviewer"),
    Example("vue", "Une vue que vous ne gardez pas", 404, query={"view": "Mes urgences"}, role="reviewer"),
    Example("couloir", "Un couloir qui n'existe pas", 422, query={"couloir": "MS9"}, role="pilot"),
)
EXPORTS = (Example("fournisseur", "Un fournisseur n'a pas de file", 403, role="editor"),)
VIEWS = (Example("vues", "Vos vues", 200, role="reviewer"),)
SAVED = (
    Example(
        "urgences", "Garder une vue", 200, headers=_KEY, role="reviewer",
        body={"name": "Mes urgences", "filters": {"overdue": True, "assigned": "me"}},
    ),
)  # fmt: skip
REMOVED = (
    Example("inconnue", "Une vue inconnue", 404, body={"name": "Inconnue"}, headers=_KEY, role="pilot"),
)
ALERTS = (
    Example("ouvertes", "Celles que personne n'a écartées", 200, query={"state": "open"}, role="reviewer"),
)
ALERT_EXPORTS = (Example("og", "Les alertes ne sont pas montrées à un OG", 403, role="og"),)
ALERT_READS = (Example("inconnue", "Une alerte inconnue", 404, path=_ALERT, role="payer"),)
DISMISSALS = (
    Example(
        "inconnue", "Une alerte inconnue", 404, path=_ALERT, headers=_KEY, role="reviewer",
        body={"reason": "Le groupe a un seul signataire, vérifié."},
    ),
    Example(
        "payeur", "Un payeur n'écarte rien", 403, path=_ALERT, headers=_KEY, role="payer",
        body={"reason": "Vu."},
    ),
)  # fmt: skip
SAMPLES = (Example("echantillons", "Les derniers", 200, query={"limit": "10"}, role="payer"),)
DRAWS = (
    Example("rien", "Rien n'est encore payé", 409, body=_DRAW, headers=_KEY, role="reviewer"),
    Example("couloir", "Un couloir inconnu", 422, body=_DRAW | {"couloir": "MS9"}, headers=_KEY,
            role="reviewer"),
)  # fmt: skip
SAMPLE_READS = (Example("inconnu", "Un échantillon inconnu", 404, path=_SAMPLE, role="pilot"),)
