"""The examples of the routes of payments, lots, recoveries and ledger; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example
from sons_tracker.exchanges.return_file import COLUMNS

_NOBODY = "00000000-0000-4000-8000-000000000001"
_LOT, _RECOVERY, _ORDER = {"lot_id": _NOBODY}, {"recovery_id": _NOBODY}, {"order_id": _NOBODY}
_KEY = {"Idempotency-Key": "paiements-2023-03-01"}
_RETURN = "\n".join(
    (
        f"sons-retour-1;LOT-2023-0001;1;876.00;{'0f' * 32}",
        ";".join(COLUMNS),
        "LOT-2023-0001-00001;BC-2023-000001;BQ-20230302-1;paid;2023-03-02T12:00:00+01:00;876.00;",
    )
)

LISTS = (Example("a_approuver", "Ceux qui attendent une approbation", 200, query={"state": "prepared"},
                 role="payer"),)  # fmt: skip
PREPARATIONS = (
    Example("rien", "Aucun versement n'est dû", 409, body={}, headers=_KEY, role="payer"),
    Example("inconnu", "Un versement inconnu", 404, body={"payments": [_NOBODY]}, headers=_KEY, role="payer"),
)
READS = (Example("inconnu", "Un lot inconnu", 404, path=_LOT, role="pilot"),)
DECISIONS = (Example("inconnu", "Un lot inconnu", 404, path=_LOT, headers=_KEY, role="payer"),)
DROPS = (
    Example(
        "inconnu", "Un lot inconnu", 404, body={"reason": "Préparé deux fois."}, path=_LOT, headers=_KEY,
        role="payer",
    ),
)  # fmt: skip
FILES = (
    Example("controleur", "Les comptes ne sont pas à tous", 403, path=_LOT, role="reviewer"),
    Example("inconnu", "Un lot inconnu", 404, path=_LOT, query={"format": "csv"}, role="payer"),
)
PAYMENTS = (Example("dus", "Les versements dus", 200, query={"state": "due"}, role="payer"),)
REPRESENTATIONS = (
    Example("inconnu", "Un versement inconnu", 404, path={"payment_id": _NOBODY}, headers=_KEY, role="payer"),
)
RETURNS = (
    Example("altere", "Un fichier modifié en route", 409, body={"content": _RETURN}, headers=_KEY,
            role="payer"),
)  # fmt: skip
RECOVERIES = (
    Example("anciens", "Émis, et vieux de plus de 90 jours", 200,
            query={"state": "issued", "older_than": "90"}, role="payer"),
)  # fmt: skip
RECOVERY_READS = (Example("inconnu", "Un recouvrement inconnu", 404, path=_RECOVERY, role="editor"),)
ISSUES = (Example("inconnu", "Un recouvrement inconnu", 404, path=_RECOVERY, headers=_KEY, role="payer"),)
REPAYMENTS = (
    Example(
        "inconnu", "Un recouvrement inconnu", 404,
        body={"bank_reference": "BQ-20240502-7", "received_at": "2024-05-02T10:00:00+02:00",
              "amount_ttc": "876.00"},
        path=_RECOVERY, headers=_KEY, role="payer",
    ),
)  # fmt: skip
STEPS = (
    Example(
        "inconnu", "Un recouvrement inconnu", 404, body={"kind": "reminder", "text": "Première relance."},
        path=_RECOVERY, headers=_KEY, role="payer",
    ),
)  # fmt: skip
LEDGERS = (Example("inconnue", "Une commande inconnue", 404, path=_ORDER, role="editor"),)
