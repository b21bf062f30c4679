"""The examples of the routes of suppliers; the tests play each of them. Names and numbers are fictitious."""

from __future__ import annotations

from sons_tracker.api.contract import Example

_ME = {"supplier_id": "me"}
_NOBODY = "00000000-0000-4000-8000-000000000001"
_FILE = {
    "certificate_reference": "ANS-2022-0117",
    "solution": "DUI-EXEMPLE",
    "representative": {"name": "Camille Exemple", "function": "Présidente"},
    "vat": {"liable": True, "from_on": "2022-01-01"},
    "pieces": {"referencing_certificate": "0f" * 32},
}
_ACCOUNT = {"iban": "FR14 2004 1010 0505 0001 3M02 606", "bic": "PSSTFRPPXXX", "statement_sha256": "a1" * 32}

LISTS = (
    Example("attente", "Ceux dont le dossier attend", 200, query={"state": "submitted"}, role="reviewer"),
)
READS = (
    Example("soi", "Sa propre organisation", 200, path=_ME, role="editor"),
    Example("inconnu", "Un autre fournisseur, ou aucun", 404, path={"supplier_id": _NOBODY}, role="editor"),
)
FILES = (
    Example(
        "sans_mandat",
        "Par qui n'est ni le représentant légal ni son mandataire",
        409,
        body=_FILE,
        path=_ME,
        headers={"Idempotency-Key": "enrolement-1"},
        role="editor",
    ),
    Example(
        "piece_absente",
        "Sans TVA, et sans l'attestation qui le prouve",
        422,
        body={**_FILE, "vat": {"liable": False, "from_on": "2022-01-01"}},
        path=_ME,
        headers={"Idempotency-Key": "enrolement-2"},
        role="editor",
    ),
)
VALIDATIONS = (
    Example(
        "inconnu",
        "Un fournisseur inconnu",
        404,
        body={"number": 1},
        path={"supplier_id": _NOBODY},
        headers={"Idempotency-Key": "validation-1"},
        role="reviewer",
    ),
)
CORRECTIONS = (
    Example(
        "sans_motif",
        "Sans dire ce qui est à modifier",
        422,
        body={"number": 1, "reasons": []},
        path={"supplier_id": _NOBODY},
        headers={"Idempotency-Key": "renvoi-1"},
        role="payer",
    ),
)
ACCOUNTS = (
    Example(
        "demande",
        "Le premier compte",
        201,
        body=_ACCOUNT,
        path=_ME,
        headers={"Idempotency-Key": "compte-1"},
        role="editor",
    ),
    Example(
        "cle_fausse",
        "Un IBAN mal recopié",
        422,
        body={**_ACCOUNT, "iban": "FR15 2004 1010 0505 0001 3M02 606"},
        path=_ME,
        headers={"Idempotency-Key": "compte-2"},
        role="editor",
    ),
)
UNKNOWN_CHANGES = (
    Example(
        "inconnu",
        "Un changement inconnu, ou d'un autre fournisseur",
        404,
        path={**_ME, "change_id": _NOBODY},
        headers={"Idempotency-Key": "compte-3"},
        role="editor",
    ),
)
