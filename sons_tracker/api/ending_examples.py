"""The examples of cancellations and amendments; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, RENUNCIATION_CONSENT, STATEMENT_CONSENT

_NOBODY = {"order_id": "00000000-0000-4000-8000-000000000001"}
_NOTHING = {**_NOBODY, "amendment_id": "00000000-0000-4000-8000-000000000002"}
_UNKNOWN = "Une commande d'une autre organisation, ou aucune"
_SIGNER = {"signer_name": "Camille Exemple", "signer_function": "Directrice générale"}
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_STATEMENT = {
    "text": "La commande a été déposée par erreur : l'organisme n'utilise pas ce logiciel.",
    "consent": STATEMENT_CONSENT,
    **_SIGNER,
}
_ATTESTATION = {"document_sha256": _DIGEST, "consent": RENUNCIATION_CONSENT, **_SIGNER}
_AGREEMENT = {"document_sha256": _DIGEST, "consent": AMENDMENT_CONSENT, **_SIGNER}


def _key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


CANCELLATIONS = (
    Example(
        "inconnue", _UNKNOWN, 404, body={"motive": "supplier_error", "statement": _STATEMENT}, path=_NOBODY,
        headers=_key("annulation-1"), role="editor",
    ),
    Example(
        "sans_attestation", "Un fournisseur sans attestation sur l'honneur", 422,
        body={"motive": "supplier_error"}, path=_NOBODY, headers=_key("annulation-2"), role="editor",
    ),
    Example(
        "renonciation", "L'organisme gestionnaire renonce, sur une commande qui n'est pas la sienne", 404,
        body={"motive": "renunciation", "for_acquisition": False}, path=_NOBODY,
        headers=_key("annulation-3"), role="og",
    ),
)  # fmt: skip
READS = (Example("inconnue", _UNKNOWN, 404, path=_NOBODY, role="og"),)
STATEMENTS = (
    Example(
        "inconnue", _UNKNOWN, 404, body=_STATEMENT, path=_NOBODY, headers=_key("attestation-1"), role="editor"
    ),
    Example(
        "autre_phrase", "Un consentement qui n'est pas la phrase demandée", 422,
        body={**_STATEMENT, "consent": "D'accord."}, path=_NOBODY, headers=_key("attestation-2"),
        role="editor",
    ),
)  # fmt: skip
ATTESTATIONS = (
    Example(
        "inconnue", _UNKNOWN, 404, body=_ATTESTATION, path=_NOBODY, headers=_key("renonciation-1"), role="og"
    ),
    Example(
        "fournisseur", "Le fournisseur ne renonce pas à la place de son client", 403, body=_ATTESTATION,
        path=_NOBODY, headers=_key("renonciation-2"), role="editor",
    ),
)  # fmt: skip
REFUSALS = (
    Example(
        "inconnue", _UNKNOWN, 404, body={"reason": "La prestation est attendue."}, path=_NOBODY,
        headers=_key("refus-1"), role="og",
    ),
)  # fmt: skip
DROPS = (Example("inconnue", _UNKNOWN, 404, path=_NOBODY, headers=_key("retrait-1"), role="editor"),)
SETTLEMENTS = (
    Example(
        "inconnue", _UNKNOWN, 404,
        body={"decision": "carry_out", "reason": "Le motif est étranger à une acquisition."}, path=_NOBODY,
        headers=_key("decision-1"), role="reviewer",
    ),
)  # fmt: skip
PROPOSALS = (
    Example(
        "inconnue", _UNKNOWN, 404, body={"remove": ["990000028"], **_SIGNER}, path=_NOBODY,
        headers=_key("avenant-1"), role="editor",
    ),
    Example(
        "mal_formee", "Un numéro mal écrit", 422, body={"remove": ["12"], **_SIGNER}, path=_NOBODY,
        headers=_key("avenant-2"), role="editor",
    ),
)  # fmt: skip
AMENDMENT_READS = (Example("inconnu", _UNKNOWN, 404, path=_NOTHING, role="og"),)
AGREEMENTS = (
    Example(
        "inconnu", _UNKNOWN, 404, body=_AGREEMENT, path=_NOTHING, headers=_key("accord-1"), role="og"
    ),
)  # fmt: skip
AMENDMENT_REFUSALS = (
    Example(
        "inconnu", _UNKNOWN, 404, body={"reason": "Cet ESSMS attend la prestation."}, path=_NOTHING,
        headers=_key("accord-2"), role="og",
    ),
)  # fmt: skip
WITHDRAWALS = (Example("inconnu", _UNKNOWN, 404, path=_NOTHING, headers=_key("accord-3"), role="editor"),)
