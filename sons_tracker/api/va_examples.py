"""The examples of the VA and of the solde; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example
from sons_tracker.rules.va_statement import VA_CONSENT

_NOBODY = {"order_id": "00000000-0000-4000-8000-000000000001"}
_LINE = {
    "finess": "990000028", "dui_deployed": True, "tbb1_supplied": True, "accompanied": 60, "active": 56,
    "with_project": 50, "with_event": 54,
}  # fmt: skip
_SIGNATURE = {
    "statement_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "consent": VA_CONSENT,
    "signer_name": "Camille Exemple",
    "signer_function": "Directrice générale",
}
_AMOUNTS = {"ht": "2433.33", "vat": "486.67", "ttc": "2920.00"}
_SOLDE = {
    "invoice": {
        "number": "F-2023-118",
        "document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "issued_on": "2023-02-20",
        "og": "990000010",
        "signatory_name": "Camille Exemple",
        "share_percent": 100,
        "vat_rate_percent": 20,
        "lines": [{"finess": "990000028", **_AMOUNTS}],
        "total": _AMOUNTS,
    }
}
_UNKNOWN = "Une commande d'une autre organisation, ou aucune"

PREPARATIONS = (
    Example(
        "inconnue", _UNKNOWN, 404, body={"lines": [_LINE]}, path=_NOBODY,
        headers={"Idempotency-Key": "va-1"}, role="editor",
    ),
    Example(
        "mal_formee", "Un numéro et un nombre mal écrits", 422,
        body={"lines": [{**_LINE, "finess": "12", "active": -1}]}, path=_NOBODY,
        headers={"Idempotency-Key": "va-2"}, role="editor",
    ),
)  # fmt: skip
READS = (Example("inconnue", _UNKNOWN, 404, path=_NOBODY, role="og"),)
SIGNATURES = (
    Example(
        "inconnue", _UNKNOWN, 404, body=_SIGNATURE, path=_NOBODY, headers={"Idempotency-Key": "signature-1"},
        role="og",
    ),
    Example(
        "autre_phrase", "Un consentement qui n'est pas la phrase demandée", 422,
        body={**_SIGNATURE, "consent": "D'accord."}, path=_NOBODY,
        headers={"Idempotency-Key": "signature-2"}, role="og",
    ),
    Example(
        "fournisseur", "Le fournisseur ne signe pas", 403, body=_SIGNATURE, path=_NOBODY,
        headers={"Idempotency-Key": "signature-3"}, role="editor",
    ),
)  # fmt: skip
SOLDES = (
    Example(
        "inconnue", _UNKNOWN, 404, body=_SOLDE, path=_NOBODY, headers={"Idempotency-Key": "solde-1"},
        role="editor",
    ),
)  # fmt: skip
REFILINGS = (
    Example(
        "inconnue", _UNKNOWN, 404, body={"answer": "Le nom du signataire est corrigé.", "solde": _SOLDE},
        path=_NOBODY, headers={"Idempotency-Key": "solde-2"}, role="editor",
    ),
)  # fmt: skip
