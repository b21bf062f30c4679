"""The transition tables of an order, of a request and of a payment: the only way their states change.

Mirrored in the database (`order_transition`, `request_transition`, `payment_transition`, read by triggers)
and printed into docs/cycle-de-vie.md; a test holds the three together. Sources: the order and its two
requests S0:1595-1639, the delay S0:1602, the recovery S0:1666.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER_STATES = (
    "draft", "submitted", "waiting_referencing", "to_review", "to_correct",
    "validated", "rejected", "lapsed", "cancelled", "settled",
)  # fmt: skip
# In these states the order holds its ESSMS. A cancelled or lapsed order keeps what it held until its paid
# advance is under an ordre de recouvrement: nobody is financed on an ESSMS whose money is still out.
LIVE_STATES = frozenset(
    {"submitted", "waiting_referencing", "to_review", "to_correct", "validated", "settled"}
)
REQUEST_STATES = ("requested", "to_correct", "validated", "paid", "inadmissible")
PAYMENT_STATES = ("planned", "due", "in_lot", "paid", "returned", "to_recover", "recovered")
VA_STATES = ("prepared", "signed", "withdrawn")

SUPPLIER = ("editor", "distributor")
PARTIES = (*SUPPLIER, "og")
_ENDS = (*SUPPLIER, "og", "reviewer", "scheduler")
# Not over yet: it can still be cancelled, and the clôture meets it.
OPEN_STATES = ("submitted", "waiting_referencing", "to_review", "to_correct", "validated")

# Why a claim may be released, and the states of its order that allow it. `decided`: a conflict's decision
# swaps claims whatever the state; `removed_from_perimeter`: the order itself goes on (C10). `expired` and
# `converted` are those of a reservation: it is over, or an order of the same supplier took the ESSMS.
RELEASE_REASONS: dict[str, frozenset[str]] = {
    "rejected": frozenset({"rejected"}),
    "lapsed": frozenset({"lapsed"}),
    "cancelled": frozenset({"cancelled"}),
    "recovered": frozenset({"cancelled", "lapsed"}),
    "expired": frozenset(),
    "removed_from_perimeter": frozenset({"submitted", "waiting_referencing", "to_correct", "validated"}),
    "decided": frozenset(ORDER_STATES),
    "converted": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge: from, to, the event that moves it, and the roles that may cause the event."""

    before: str
    after: str
    event: str
    roles: tuple[str, ...]


def _edges(before: tuple[str, ...], after: str, event: str, *roles: str) -> tuple[Transition, ...]:
    return tuple(Transition(state, after, event, roles) for state in before)


ORDER_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "submitted", "deposit", SUPPLIER),
    Transition("draft", "waiting_referencing", "deposit", SUPPLIER),
    Transition("draft", "to_review", "deposit", SUPPLIER),
    Transition("draft", "rejected", "deposit", SUPPLIER),
    Transition("waiting_referencing", "submitted", "referencing_learnt", ("scheduler", "admin")),
    Transition("waiting_referencing", "lapsed", "delay_passed", ("scheduler",)),
    Transition("lapsed", "waiting_referencing", "submission_learnt", ("scheduler", "admin")),
    Transition("to_review", "submitted", "review_settled", ("reviewer",)),
    Transition("to_review", "waiting_referencing", "review_settled", ("reviewer",)),
    Transition("to_review", "rejected", "review_settled", ("reviewer",)),
    Transition("submitted", "to_correct", "correction_asked", ("reviewer",)),
    Transition("to_correct", "submitted", "corrected", SUPPLIER),
    Transition("submitted", "validated", "advance_validated", ("reviewer",)),
    Transition("validated", "settled", "solde_paid", ("payer",)),
    Transition("validated", "settled", "solde_validated", ("reviewer",)),
    Transition("settled", "validated", "payment_returned", ("payer",)),
    *_edges(OPEN_STATES, "cancelled", "cancelled", *SUPPLIER, "og", "reviewer"),
    *_edges(OPEN_STATES, "lapsed", "cloture", "scheduler"),
    Transition("validated", "to_review", "cloture", ("scheduler",)),
    # a solde declared inadmissible after the clôture leaves what the clôture would have met
    Transition("validated", "to_review", "solde_refused", ("reviewer",)),
    Transition("validated", "lapsed", "solde_refused", ("reviewer",)),
    Transition("to_review", "settled", "advance_kept", ("reviewer",)),
    Transition("to_review", "lapsed", "advance_reclaimed", ("reviewer",)),
    # a conflict that is decided: the order that loses, and the one that takes its place (C17)
    *_edges((*OPEN_STATES, "settled"), "rejected", "conflict_lost", "reviewer"),
    Transition("rejected", "submitted", "conflict_won", ("reviewer",)),
    Transition("rejected", "waiting_referencing", "conflict_won", ("reviewer",)),
    Transition("rejected", "to_review", "conflict_won", ("reviewer",)),
    Transition("lapsed", "waiting_referencing", "conflict_won", ("reviewer",)),  # C16
)

REQUEST_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "requested", "request", SUPPLIER),
    Transition("draft", "inadmissible", "request", SUPPLIER),
    Transition("requested", "to_correct", "correction_asked", ("reviewer",)),
    Transition("to_correct", "requested", "corrected", SUPPLIER),
    Transition("requested", "validated", "validated", ("reviewer",)),
    *_edges(("requested", "to_correct"), "inadmissible", "declared_inadmissible", "reviewer"),
    *_edges(("requested", "to_correct", "validated"), "inadmissible", "order_ended", *_ENDS),
    Transition("validated", "paid", "bank_paid", ("payer",)),
    Transition("paid", "validated", "bank_returned", ("payer",)),
)

PAYMENT_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "planned", "deposit", SUPPLIER),
    Transition("draft", "planned", "conflict_won", ("reviewer",)),
    Transition("planned", "due", "validated", ("reviewer",)),
    Transition("due", "in_lot", "lot_prepared", ("payer",)),
    Transition("in_lot", "due", "bank_rejected", ("payer",)),
    Transition("in_lot", "due", "lot_dropped", ("payer",)),
    Transition("in_lot", "paid", "bank_paid", ("payer",)),
    Transition("paid", "returned", "bank_returned", ("payer",)),
    Transition("returned", "due", "represented", ("payer",)),
    *_edges(("due", "returned"), "planned", "order_ended", *_ENDS, "payer"),
    Transition("paid", "to_recover", "reclaimed", (*_ENDS, "payer")),
    Transition("to_recover", "recovered", "recovered", ("payer",)),
)

# A VA is prepared again until it is signed; a signed one is replaced only while no solde rests on it.
VA_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "prepared", "prepared", SUPPLIER),
    Transition("prepared", "signed", "signed", ("og",)),
    *_edges(("prepared", "signed"), "withdrawn", "replaced", *SUPPLIER),
)

# `carried_out` ends the order in the same transaction; `refused` by a reviewer, or by the OG that was asked.
CANCELLATION_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "open", "asked", PARTIES),
    Transition("open", "carried_out", "completed", PARTIES),
    Transition("open", "to_settle", "held", PARTIES),
    *_edges(("open", "to_settle"), "carried_out", "settled", "reviewer"),
    *_edges(("open", "to_settle"), "refused", "settled", "reviewer"),
    Transition("open", "refused", "declined", ("og",)),
    *_edges(("open", "to_settle"), "dropped", "dropped", *PARTIES),
)
AMENDMENT_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "proposed", "proposed", PARTIES),
    Transition("proposed", "agreed", "agreed", PARTIES),
    Transition("proposed", "refused", "refused", PARTIES),
    Transition("proposed", "withdrawn", "withdrawn", PARTIES),
)

# A case of double funding. It is decided by an approved decision; executed, no refused order holds its ESSMS.
CONFLICT_STATES = ("open", "precisions_asked", "og_choice", "decided", "executed", "closed")
FINDERS = ("reviewer", "admin", "scheduler")
CONFLICT_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "open", "found", FINDERS),
    Transition("draft", "open", "contested", PARTIES),
    Transition("open", "precisions_asked", "precisions_asked", ("reviewer",)),
    *_edges(("open", "precisions_asked"), "og_choice", "choice_asked", "reviewer"),
    *_edges(("open", "precisions_asked", "og_choice"), "decided", "decided", "reviewer"),
    Transition("decided", "open", "reconsidered", ("reviewer",)),
    Transition("decided", "executed", "executed", ("reviewer",)),
    Transition("executed", "closed", "closed", ("reviewer",)),
    Transition("closed", "open", "reopened", ("reviewer",)),
    Transition("closed", "open", "found_again", FINDERS),
)

# ESSMS held while an order is being signed. One whose ESSMS all went into orders is `converted`; what no
# order took expires, or is dropped.
RESERVATION_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "active", "made", SUPPLIER),
    Transition("active", "converted", "converted", SUPPLIER),
    Transition("active", "expired", "expired", ("scheduler",)),
    Transition("active", "dropped", "dropped", SUPPLIER),
)

# The agencies' words for people (practice.md); one state, one word, on every screen and in every message.
ORDER_WORDS = {
    "draft": "en préparation", "submitted": "déposée", "waiting_referencing": "en attente de référencement",
    "to_review": "à instruire", "to_correct": "à modifier", "validated": "validée", "rejected": "rejetée",
    "lapsed": "caduque", "cancelled": "annulée", "settled": "soldée",
}  # fmt: skip
REQUEST_WORDS = {
    "requested": "déposée", "to_correct": "à modifier", "validated": "validée",
    "paid": "décidée et payée", "inadmissible": "irrecevable",
}  # fmt: skip
PAYMENT_WORDS = {
    "planned": "prévu", "due": "dû", "in_lot": "en lot de paiement", "paid": "payé",
    "returned": "retourné par la banque", "to_recover": "à recouvrer", "recovered": "recouvré",
}  # fmt: skip
VA_WORDS = {"prepared": "à signer", "signed": "signée", "withdrawn": "remplacée"}
CANCELLATION_WORDS = {
    "open": "en attente de pièces", "to_settle": "à instruire", "carried_out": "effectuée",
    "refused": "refusée", "dropped": "retirée",
}  # fmt: skip
AMENDMENT_WORDS = {
    "proposed": "proposé", "agreed": "accepté", "refused": "refusé", "withdrawn": "retiré",
}  # fmt: skip

CONFLICT_WORDS = {
    "open": "à instruire", "precisions_asked": "précisions demandées", "og_choice": "choix du client demandé",
    "decided": "décidé", "executed": "exécuté", "closed": "clos",
}  # fmt: skip
RESERVATION_WORDS = {
    "active": "en cours", "converted": "convertie en commande", "expired": "expirée", "dropped": "levée",
}  # fmt: skip


def deposit_state(decision: str, conditional: bool) -> str:
    """The state in which a deposit leaves an order: by its decision, and whether it is conditional (R11)."""
    if decision == "refused":
        return "rejected"
    if decision == "to_review":
        return "to_review"
    return "waiting_referencing" if conditional else "submitted"
