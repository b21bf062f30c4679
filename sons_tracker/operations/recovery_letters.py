"""The letter of an ordre de recouvrement: what its supplier reads, as data, frozen at its issue (R22)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from sons_tracker.operations.requests import known_on
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.french import PARIS, date_fr
from sons_tracker.rules.ledger import Move
from sons_tracker.rules.money import euros, euros_fr

APPEAL = "Les voies et délais de recours sont ceux que fixe l'organisme qui exploite ce service."
_KINDS = {"advance": "l'avance", "solde": "le solde"}
_WHY = {
    "cancelled": "Cette commande a été annulée : ce qui a été versé est à rembourser.",
    "cloture": "La prestation n'a pas été réalisée à la clôture : ce qui a été versé est à rembourser.",
    "over_advance": "Ce qui a été versé dépasse ce qui est dû au vu de la facture et du périmètre de la"
    " commande : la différence est à rembourser.",
    "reclaimed": "Après instruction, ce qui a été versé ne vous reste pas acquis et est à rembourser.",
    "decided": "Par décision motivée, ce qui a été versé est à rembourser.",
}
_PARTIES = """
select s.name as supplier, s.siren, g.name as og, g.finess_juridique, o.number, o.dispositif, o.signed_on,
  p.kind, p.paid_at, p.due_ttc_cents
from recovery r join purchase_order o on o.id = r.order_id join payment p on p.id = r.payment_id
join organisation s on s.id = r.supplier_id join organisation g on g.id = r.og_id
where r.id = $1
"""


async def write_letter(
    con: asyncpg.Connection, recovery: Any, moves: Sequence[Move], appeal: str, at: datetime
) -> None:
    """Freezes the letter of a recovery that is issued at `at`; `moves` say what each ESSMS gives back."""
    facts = await con.fetchrow(_PARTIES, recovery["id"])
    await con.execute(
        "insert into recovery_letter (recovery_id, supplier_id, og_id, issued_at, content)"
        " values ($1, $2, $3, $4, $5)",
        recovery["id"],
        recovery["supplier_id"],
        recovery["og_id"],
        at,
        _content(recovery, facts, moves, appeal, at),
    )


def _content(recovery: Any, facts: Any, moves: Sequence[Move], appeal: str, at: datetime) -> dict[str, Any]:
    amount, paid_on = recovery["amount_ttc_cents"], known_on(facts["paid_at"])
    text = [
        f"Le {date_fr(paid_on)}, {euros_fr(facts['due_ttc_cents'])} TTC vous ont été versés pour"
        f" {_KINDS[facts['kind']]} de la commande {facts['number']}, signée le {date_fr(facts['signed_on'])}"
        f" avec {facts['og']}.",
        _WHY[recovery["reason"]],
        f"Vous devez rembourser {euros_fr(amount)} TTC, en citant le numéro {recovery['number']}.",
    ]
    return {
        "number": recovery["number"],
        "issued_on": known_on(at).isoformat(),
        "supplier": {"name": facts["supplier"], "siren": facts["siren"]},
        "og": {"name": facts["og"], "finess_juridique": facts["finess_juridique"]},
        "order": {
            "number": facts["number"],
            "dispositif": facts["dispositif"],
            "signed_on": facts["signed_on"].isoformat(),
        },
        "payment": {
            "kind": facts["kind"],
            "paid_at": facts["paid_at"].astimezone(PARIS).isoformat(timespec="seconds"),
            "amount_ttc": euros(facts["due_ttc_cents"]),
        },
        "amount_ttc": euros(amount),
        "lines": [
            {"finess": move.finess, "amount_ttc": euros(move.recovered)} for move in moves if move.recovered
        ],
        "reason": recovery["reason"],
        "text": text,
        "rule": "R22",
        "sources": list(dict.fromkeys((recovery["source"], str(RULES["R22"].source)))),
        "appeal": appeal,
    }
