"""The actions of the review, of the advance, and of the corrections."""

from __future__ import annotations

from sons_tracker.rules.life import (
    Deed,
    advance_under_review,
    all_of,
    enrolled,
    has_amounts,
    in_state,
    no_open_correction,
    no_pending_end,
    no_request,
    open_correction,
    open_review,
    request_in,
)
from sons_tracker.rules.lifecycle import SUPPLIER

DEEDS: tuple[Deed, ...] = (
    Deed(
        "request_advance", "Demander l'avance", SUPPLIER,
        all_of(in_state("submitted", "waiting_referencing"), no_request("advance"), no_open_correction,
               no_pending_end),
    ),
    Deed(
        "correct", "Répondre à la demande de correction", SUPPLIER,
        all_of(open_correction, in_state("submitted", "waiting_referencing", "to_correct", "validated")),
    ),
    Deed(
        "settle_review", "Régler les verdicts en attente", ("reviewer",),
        all_of(in_state("to_review"), open_review),
    ),
    Deed(
        "settle_advance", "Décider du sort de l'avance", ("reviewer",),
        all_of(in_state("to_review"), advance_under_review),
    ),
    Deed(
        "ask_order_correction", "Demander une correction de la commande", ("reviewer",),
        all_of(in_state("submitted"), no_open_correction),
    ),
    Deed(
        "ask_advance_correction", "Demander une correction de la demande d'avance", ("reviewer",),
        all_of(request_in("advance", "requested"), no_open_correction),
    ),
    Deed(
        "ask_solde_correction", "Demander une correction de la demande de solde", ("reviewer",),
        all_of(request_in("solde", "requested"), no_open_correction),
    ),
    Deed(
        "validate_advance", "Valider la demande d'avance", ("reviewer",),
        all_of(in_state("submitted"), request_in("advance", "requested"), no_open_correction, no_pending_end,
               has_amounts, enrolled),
    ),
    Deed(
        "refuse_advance", "Déclarer irrecevable la demande d'avance", ("reviewer",),
        request_in("advance", "requested", "to_correct"),
    ),
    Deed(
        "refuse_solde", "Déclarer irrecevable la demande de solde", ("reviewer",),
        request_in("solde", "requested", "to_correct"),
    ),
)  # fmt: skip
