"""The attacks on the guards of delegations, and of the capacity in which an OG signs (migration 0027)."""

from __future__ import annotations

ADDED = {
    "membership": {"membership_responsible_of_an_og", "membership_gone_is_not_responsible"},
    "invitation": {"invitation_responsible_of_an_og", "invitation_responsible"},
    "va_signature": {
        "va_signature_delegation_fkey", "va_signature_capacity_whole", "va_signature_by_who_may",
    },
    "cancellation_piece": {
        "cancellation_piece_delegation_fkey", "cancellation_piece_capacity_whole",
        "cancellation_piece_by_who_may",
    },
    "amendment": {
        "amendment_proposed_delegation_fkey", "amendment_closed_delegation_fkey",
        "amendment_proposed_capacity_whole", "amendment_closed_capacity_whole", "amendment_by_who_may",
    },
}  # fmt: skip
"""Guards that this migration adds to the tables of before: attacked here, not with their tables."""
