"""The examples of reservations; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example

_NOBODY = {"reservation_id": "00000000-0000-4000-8000-000000000001"}
_UNKNOWN = "Une réservation d'une autre organisation, ou aucune"
_ASKED = {
    "dispositif": "MS1-V1",
    "og": "990000010",
    "essms": ["990000036"],
    "solution_version": "DUI-EXEMPLE-1",
}


def _key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


RESERVATIONS = (
    Example(
        "reservee", "Rien ne s'oppose à la commande à venir", 201, body=_ASKED,
        headers=_key("reservation-1"), role="editor",
    ),
    Example(
        "mal_formee", "Un numéro FINESS mal écrit", 422, body={**_ASKED, "essms": ["12"]},
        headers=_key("reservation-2"), role="editor",
    ),
    Example(
        "organisme", "Seul le fournisseur réserve", 403, body=_ASKED, headers=_key("reservation-3"), role="og"
    ),
)  # fmt: skip
READS = (Example("inconnue", _UNKNOWN, 404, path=_NOBODY, role="og"),)
RENEWALS = (
    Example("inconnue", _UNKNOWN, 404, path=_NOBODY, headers=_key("renouvellement-1"), role="editor"),
)
DROPS = (Example("inconnue", _UNKNOWN, 404, path=_NOBODY, headers=_key("levee-1"), role="editor"),)
