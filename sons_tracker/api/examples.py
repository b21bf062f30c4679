"""The examples of the documentation; the tests play each of them.

They run on the synthetic register of the demonstration: fictitious OG, ESSMS and solution.
"""

from __future__ import annotations

from sons_tracker.api.contract import Example

_ORDER = {
    "dispositif": "MS1-V1",
    "og": "990000010",
    "essms": ["990000028", {"finess": "990000036", "unit_ttc": "2500.00", "dui_in_place": "DUI-EXEMPLE"}],
    "solution_version": "DUI-EXEMPLE-3",
    "signed_on": "2022-06-01",
    "already_equipped": True,
    "dui_in_place": "DUI-EXEMPLE",
    "supplier_reference": "DEVIS-2022-117",
}
_WRONG = {**_ORDER, "og": "990000014", "essms": ["12345678"], "unit": 3}
_KEY = {"Idempotency-Key": "devis-2022-117-v1"}

SIMULATIONS = (
    Example("anonyme", "Sans jeton : ce que les textes suffisent à dire", 200, body=_ORDER),
    Example("editeur", "Par un éditeur", 200, body=_ORDER, role="editor"),
    Example("mal_forme", "Trois défauts, tous signalés", 422, body=_WRONG),
)
DEPOSITS = (
    Example("sans_cle", "Sans clé d'idempotence", 400, body=_ORDER, role="editor"),
    Example("sans_jeton", "Sans jeton", 401, body=_ORDER, headers=_KEY),
    Example(
        "refus",
        "Refusée, et gardée",
        409,
        body={**_ORDER, "already_equipped": False},
        headers=_KEY,
        role="editor",
    ),
)
BULK = (
    Example(
        "deux",
        "Une commande refusée et une mal formée",
        200,
        body={"orders": [{**_ORDER, "already_equipped": False}, {"dispositif": "MS1-V1"}]},
        headers={"Idempotency-Key": "envoi-2022-06"},
        role="editor",
    ),
)
