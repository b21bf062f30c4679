"""The contradictory procedure of a conflict: what can be done with a case now, and why not the rest.

Sources: the public pages of the paying agency for the precisions, the ten working days and the client's
choice (a_confirmer); C17 for the default, the first whole deposit wins. A refusal is never decided before the
supplier that it hits was heard, or let its delay pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.french import instant_fr
from sons_tracker.rules.lifecycle import CONFLICT_WORDS, OPEN_STATES, ORDER_WORDS

UNDECIDED = ("open", "precisions_asked", "og_choice")
OUTCOMES = ("maintained", "one_refused", "both_refused", "dismissed")
OUTCOME_WORDS = {
    "maintained": "maintien", "one_refused": "une partie refusée", "both_refused": "les deux refusées",
    "dismissed": "sans suite",
}  # fmt: skip
QUESTION_WORDS = {
    "precisions": "précisions", "choice": "choix du client", "correction": "correction de la réponse",
    "opinion": "avis",
}  # fmt: skip
POSITIONS = {
    "precisions": ("maintained", "perimeter_error", "withdrawn"),
    "correction": ("maintained", "perimeter_error", "withdrawn"),
    "opinion": ("favourable", "unfavourable"),
    "choice": (),
}
POSITION_WORDS = {
    "maintained": "maintient sa commande", "perimeter_error": "reconnaît une erreur de périmètre",
    "withdrawn": "se retire", "favourable": "favorable", "unfavourable": "défavorable",
}  # fmt: skip
_PRACTICE = "Conflits entre éditeurs, pages publiques de l'ASP (valeur à confirmer)"


@dataclass(frozen=True, slots=True)
class CaseSide:
    """One of the two acts. Of an order: its number, state and parties, whether it holds ESSMS of the case,
    has lost some by a decision that was executed, has a payment with the bank; of a grant, its reference."""

    side: int
    kind: str
    order_id: UUID | None
    order_number: str | None
    order_state: str | None
    supplier_id: UUID | None
    og_id: UUID | None
    grant_reference: str | None
    holds: bool
    lost: bool
    in_lot: bool


@dataclass(frozen=True, slots=True)
class CaseQuestion:
    """What was asked of an organisation; `answer_due_at` and the source of its delay are None when none runs.
    Instants aware."""

    id: UUID
    kind: str
    organisation_id: UUID
    side: int | None
    of_question: UUID | None
    lacking: str | None
    text: str
    asked_at: datetime
    answer_due_at: datetime | None
    delay_source: str | None
    answered_at: datetime | None
    position: str | None
    chosen_side: int | None
    answer: str | None
    withdrawn_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.answered_at is None and self.withdrawn_at is None

    def heard(self, at: datetime) -> bool:
        """Whether it was answered, or its delay has passed at the instant `at`."""
        return self.answered_at is not None or (self.answer_due_at is not None and at > self.answer_due_at)


@dataclass(frozen=True, slots=True)
class CaseDecision:
    """The decision that stands: proposed, then approved; `refused` are the sides that lose."""

    id: UUID
    outcome: str
    refused: tuple[int, ...]
    four_eyes: bool
    proposed_by: UUID | None
    approved_at: datetime | None
    case_version: int


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case as its actions are judged."""

    id: UUID
    number: str
    family: str
    state: str
    version: int
    vague: str
    og_id: UUID | None
    og_finess: str | None
    at_stake_ttc_cents: int
    essms: tuple[str, ...]
    sides: tuple[CaseSide, ...]
    questions: tuple[CaseQuestion, ...]
    decision: CaseDecision | None

    @property
    def orders(self) -> tuple[CaseSide, ...]:
        return tuple(side for side in self.sides if side.kind == "order")

    def side(self, number: int) -> CaseSide | None:
        return next((side for side in self.sides if side.side == number), None)


Judge = Callable[[CaseFile, datetime], Iterable[Reason]]


def in_state(*states: str) -> Judge:
    """The case is in one of these states."""

    def judge(case: CaseFile, _at: datetime) -> Iterable[Reason]:
        if case.state not in states:
            wanted = " ou ".join(f"« {CONFLICT_WORDS[state]} »" for state in states)
            yield Reason(
                f"Le dossier est « {CONFLICT_WORDS[case.state]} » ; il faudrait qu'il soit {wanted}."
            )

    return judge


def no_open_correction(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    """A correction blocks the next step until it is answered."""
    if any(question.is_open and question.kind == "correction" for question in case.questions):
        yield Reason(
            "Une correction est demandée à une partie et attend sa réponse.",
            "Attendre la réponse, ou retirer la demande de correction.",
        )


def nothing_proposed(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    if case.decision is not None:
        yield Reason(
            "Une décision est déjà proposée ou approuvée dans ce dossier.", "L'approuver, ou la retirer."
        )


def something_to_hear(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    """An order side whose supplier was not asked yet."""
    asked = {q.side for q in case.questions if q.kind == "precisions" and q.withdrawn_at is None}
    if not case.orders:
        yield Reason("Aucun fournisseur n'est partie à ce dossier.", "Demander un avis à l'ARS.")
    elif {side.side for side in case.orders} <= asked:
        yield Reason("Les fournisseurs ont déjà été invités à s'expliquer.")


def client_signed_twice(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    """The client settles it where it signed both orders (public pages of the agency)."""
    if len(case.orders) < 2 or len({side.og_id for side in case.orders}) != 1:
        yield Reason(
            "Le choix revient au client quand il a signé deux commandes sur le même périmètre : ce n'est pas"
            " le cas ici.",
            None,
            "C17",
            _PRACTICE,
        )
    if any(q.kind == "choice" and q.withdrawn_at is None for q in case.questions):
        yield Reason("Le choix a déjà été demandé au client.")


def an_answer_to_correct(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    answered = [q for q in case.questions if q.kind in ("precisions", "opinion", "choice") and q.answered_at]
    if not answered:
        yield Reason("Aucune réponse n'est au dossier : il n'y a rien à faire corriger.")


def proposed(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    if case.decision is None:
        yield Reason("Aucune décision n'est proposée.", "Proposer d'abord une décision motivée.")
    elif case.decision.approved_at is not None:
        yield Reason("La décision est déjà approuvée.")


def to_withdraw(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    if case.decision is None:
        yield Reason("Aucune décision n'est proposée ni approuvée.")


def nothing_with_the_bank(case: CaseFile, _at: datetime) -> Iterable[Reason]:
    """While a payment is with the bank nobody knows what there is to recover."""
    refused = () if case.decision is None else case.decision.refused
    for side in case.orders:
        if side.side in refused and side.in_lot:
            yield Reason(
                f"Un versement de la commande {side.order_number} est dans un lot de paiement.",
                "Attendre le retour de la banque, puis exécuter la décision.",
            )


def all_of(*judges: Judge) -> Judge:
    def judge(case: CaseFile, at: datetime) -> Iterable[Reason]:
        for one in judges:
            yield from one(case, at)

    return judge


@dataclass(frozen=True, slots=True)
class CaseDeed:
    """One action of a reviewer on a case."""

    code: str
    label: str
    judge: Judge


_ALIVE = in_state(*UNDECIDED)
DEEDS: dict[str, CaseDeed] = {
    deed.code: deed
    for deed in (
        CaseDeed("assign", "Attribuer le dossier", in_state(*UNDECIDED, "decided", "executed")),
        CaseDeed(
            "ask_precisions",
            "Demander des précisions aux fournisseurs",
            all_of(in_state("open", "precisions_asked"), nothing_proposed, something_to_hear),
        ),
        CaseDeed(
            "ask_choice",
            "Demander au client de choisir",
            all_of(
                in_state("open", "precisions_asked"),
                nothing_proposed,
                no_open_correction,
                client_signed_twice,
            ),
        ),
        CaseDeed(
            "ask_correction",
            "Demander la correction d'une réponse",
            all_of(_ALIVE, no_open_correction, an_answer_to_correct),
        ),
        CaseDeed("ask_opinion", "Demander l'avis d'une ARS", _ALIVE),
        CaseDeed(
            "propose_decision",
            "Proposer une décision motivée",
            all_of(_ALIVE, no_open_correction, nothing_proposed),
        ),
        CaseDeed("approve_decision", "Approuver la décision", all_of(_ALIVE, no_open_correction, proposed)),
        CaseDeed(
            "withdraw_decision",
            "Retirer la décision avant son exécution",
            all_of(in_state(*UNDECIDED, "decided"), to_withdraw),
        ),
        CaseDeed(
            "execute", "Exécuter la décision", all_of(in_state("decided"), nothing_with_the_bank)
        ),
        CaseDeed("close", "Clore le dossier", in_state("executed")),
        CaseDeed("reopen", "Rouvrir le dossier", in_state("closed")),
    )
}  # fmt: skip


def reasons(code: str, case: CaseFile, at: datetime) -> tuple[Reason, ...]:
    """Why the action cannot be done now; empty when it can.

    Raises:
        KeyError: no such action.
    """
    return tuple(DEEDS[code].judge(case, at))


def case_actions(case: CaseFile, at: datetime) -> tuple[Action, ...]:
    """Every action of a reviewer on the case, with what stands against those not possible now."""
    return tuple(Action(deed.code, deed.label, reasons(deed.code, case, at)) for deed in DEEDS.values())


def decision_reasons(
    case: CaseFile, outcome: str, refused: tuple[int, ...], at: datetime
) -> tuple[Reason, ...]:
    """Why this decision cannot be taken: it must name sides of the case, and hear whom it hits."""
    return tuple(_against_decision(case, outcome, refused, at))


def _against_decision(
    case: CaseFile, outcome: str, refused: tuple[int, ...], at: datetime
) -> Iterable[Reason]:
    wanted = {"one_refused": 1, "both_refused": 2}.get(outcome, 0)
    if len(set(refused)) != wanted or any(case.side(number) is None for number in refused):
        yield Reason(
            "Les parties refusées ne sont pas celles que cette issue demande.",
            f"Nommer {wanted} partie(s) du dossier." if wanted else "Ne nommer aucune partie refusée.",
        )
        return
    for kept in case.orders if wanted == 1 else ():
        if kept.side not in refused and kept.lost and not kept.holds:
            yield Reason(
                f"La commande {kept.order_number} a perdu ces ESSMS par une décision exécutée : elle ne peut"
                " les reprendre, et personne ne les tiendrait.",
                "Refuser les deux, ou maintenir ; le fournisseur dépose alors une nouvelle commande.",
                "C17",
            )
    for question in case.questions:
        if question.kind == "choice" and question.is_open and not question.heard(at):
            yield Reason(
                "Le client a été invité à choisir, et son délai court encore.",
                "Attendre sa réponse, ou la fin du délai.",
                source=_PRACTICE,
            )
    for number in refused:
        side = case.side(number)
        if side is None or side.kind != "order":
            continue
        asked = [
            q
            for q in case.questions
            if q.kind == "precisions" and q.side == number and q.withdrawn_at is None
        ]
        if not asked:
            yield Reason(
                f"Le fournisseur de la commande {side.order_number} n'a pas été invité à s'expliquer.",
                "Demander d'abord des précisions.",
                source=_PRACTICE,
            )
        elif not any(question.heard(at) for question in asked):
            until = max(question.answer_due_at or at for question in asked)
            yield Reason(
                f"Le fournisseur de la commande {side.order_number} peut répondre jusqu'au"
                f" {instant_fr(until)}.",
                "Attendre sa réponse, ou la fin du délai.",
                source=_PRACTICE,
            )


def loses(side: CaseSide) -> bool:
    """Whether refusing this side takes something from it: a live order that holds ESSMS of the case."""
    return side.kind == "order" and side.order_state in (*OPEN_STATES, "settled") and side.holds


def takes_over(case: CaseFile) -> CaseSide | None:
    """The order that takes the ESSMS once the other is refused: it was rejected for them (C17), or lapsed and
    could not reopen (C16); None when there is none."""
    if case.decision is None or case.decision.outcome != "one_refused":
        return None
    return next(
        (
            side
            for side in case.orders
            if side.side not in case.decision.refused and side.order_state in ("rejected", "lapsed")
        ),
        None,
    )


def state_fr(state: str | None) -> str:
    """The word of an order's state, for a sentence."""
    return "" if state is None else f"« {ORDER_WORDS[state]} »"
