"""The page `docs/cycle-de-vie.md`, written from the transition tables.

`python -m tests.rules.lifecycle_page > docs/cycle-de-vie.md`
"""

# ruff: noqa: E501 - rows of tables

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sons_tracker.rules import lifecycle
from sons_tracker.rules.catalogue import READINGS, RULES
from sons_tracker.rules.lifecycle import Transition

PRACTICE = "pratique de l'agence de paiement"
READING = "lecture du projet : ce que les textes ne tranchent pas attend une personne"
ROLES = {
    "editor": "éditeur", "distributor": "distributeur", "og": "organisme gestionnaire",
    "reviewer": "contrôleur", "payer": "agent de paiement", "pilot": "pilotage",
    "admin": "administrateur", "ars": "ARS", "scheduler": "horloge",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """What has a life: its table, the words of its states, and of each event, its sentence and its source.

    A source is a rule (`R15`), a reading (`C16`), or words.
    """

    name: str
    title: str
    transitions: tuple[Transition, ...]
    words: Mapping[str, str]
    events: Mapping[str, tuple[str, str]]
    note: str = ""


THINGS = (
    Thing(
        "order", "La commande", lifecycle.ORDER_TRANSITIONS, lifecycle.ORDER_WORDS,
        {
            "deposit": ("la commande est déposée, et le droit lui est appliqué", "R05"),
            "referencing_learnt": ("la version est référencée", "R11"),
            "delay_passed": ("120 jours sans dossier complet", "R12"),
            "submission_learnt": ("un dossier remis dans le délai est appris, et les ESSMS sont libres", "C16"),
            "review_settled": ("chaque verdict en attente est réglé, avec son motif", READING),
            "correction_asked": ("une correction est demandée", PRACTICE),
            "corrected": ("le fournisseur a répondu", PRACTICE),
            "advance_validated": ("la demande d'avance est validée", "R15"),
            "solde_paid": ("le solde est payé, et rien d'autre n'est à payer", "R16"),
            "solde_validated": ("le solde est validé, et il ne reste rien à payer", "C9"),
            "payment_returned": ("la banque retourne un versement", PRACTICE),
            "cancelled": ("une annulation est effectuée, avec ses pièces", "R29"),
            "cloture": ("la clôture est passée", "R22"),
            "solde_refused": ("un solde est déclaré irrecevable après la clôture", "R22"),
            "advance_kept": ("l'avance est laissée au fournisseur", "C15"),
            "advance_reclaimed": ("l'avance est à rendre", "C15"),
            "conflict_lost": ("un conflit est décidé contre elle : ses ESSMS sont libérés", "C17"),
            "conflict_won": ("un conflit est décidé contre l'autre commande : elle prend les ESSMS", "C17"),
        },
        "« annulée » est sans retour. Une commande rejetée ne revit que par la décision d'un conflit, une commande"
        " caduque que par la lecture C16 ; une commande soldée ne revient à « validée » que si la banque retourne un"
        " versement.",
    ),
    Thing(
        "request", "La demande d'avance ou de solde", lifecycle.REQUEST_TRANSITIONS, lifecycle.REQUEST_WORDS,
        {
            "request": ("la demande est déposée ; en retard, elle est gardée comme irrecevable", "R20"),
            "correction_asked": ("une correction est demandée", PRACTICE),
            "corrected": ("le fournisseur a répondu", PRACTICE),
            "validated": ("la demande est validée", "R16"),
            "declared_inadmissible": ("un contrôleur la déclare irrecevable, avec son motif", "R21"),
            "order_ended": ("la commande a pris fin", "R22"),
            "bank_paid": ("la banque a payé", PRACTICE),
            "bank_returned": ("la banque retourne le versement", PRACTICE),
        },
    ),
    Thing(
        "payment", "Le versement", lifecycle.PAYMENT_TRANSITIONS, lifecycle.PAYMENT_WORDS,
        {
            "deposit": ("la commande est déposée", "R15"),
            "conflict_won": ("un conflit est décidé en faveur de la commande", "C17"),
            "validated": ("la demande est validée", "R16"),
            "lot_prepared": ("un lot de paiement est préparé", PRACTICE),
            "bank_rejected": ("la banque rejette", PRACTICE),
            "lot_dropped": ("le lot est abandonné", PRACTICE),
            "bank_paid": ("la banque a payé", PRACTICE),
            "bank_returned": ("la banque retourne le versement", PRACTICE),
            "represented": ("le versement est présenté de nouveau", PRACTICE),
            "order_ended": ("la commande a pris fin : plus rien n'est dû", "R22"),
            "reclaimed": ("la somme, ou une part, est à rendre", "R22"),
            "recovered": ("le fournisseur a remboursé", "R22"),
        },
        "Un versement payé n'est jamais effacé : ce qui revient est une nouvelle ligne du grand livre.",
    ),
    Thing(
        "va", "La vérification d'aptitude", lifecycle.VA_TRANSITIONS, lifecycle.VA_WORDS,
        {
            "prepared": ("le fournisseur la prépare pour tout le périmètre", "R18"),
            "signed": ("l'organisme gestionnaire la signe", "R17"),
            "replaced": ("une autre la remplace", "R18"),
        },
    ),
    Thing(
        "cancellation", "L'annulation", lifecycle.CANCELLATION_TRANSITIONS, lifecycle.CANCELLATION_WORDS,
        {
            "asked": ("une partie la demande", "R29"),
            "completed": ("les pièces sont réunies", PRACTICE),
            "held": ("les pièces sont réunies, et les textes ne tranchent pas", "R29"),
            "settled": ("un contrôleur décide", "R29"),
            "declined": ("l'organisme gestionnaire refuse", PRACTICE),
            "dropped": ("qui l'a demandée la retire", PRACTICE),
        },
    ),
    Thing(
        "amendment", "L'avenant", lifecycle.AMENDMENT_TRANSITIONS, lifecycle.AMENDMENT_WORDS,
        {
            "proposed": ("une partie propose de retirer des ESSMS", "C10"),
            "agreed": ("l'autre partie l'accepte et le signe", "C10"),
            "refused": ("l'autre partie le refuse", "C10"),
            "withdrawn": ("qui l'a proposé le retire", "C10"),
        },
    ),
    Thing(
        "reservation", "La réservation", lifecycle.RESERVATION_TRANSITIONS, lifecycle.RESERVATION_WORDS,
        {
            "made": ("le fournisseur réserve des ESSMS pendant la signature", "R05"),
            "converted": ("ses commandes ont pris tous les ESSMS réservés", "R05"),
            "expired": ("le terme est passé, ou la fermeture", READING),
            "dropped": ("le fournisseur la lève", READING),
        },
    ),
    Thing(
        "conflict", "Le dossier de conflit", lifecycle.CONFLICT_TRANSITIONS, lifecycle.CONFLICT_WORDS,
        {
            "found": ("une détection le constate", "R05"),
            "contested": ("une partie conteste un refus", "C17"),
            "precisions_asked": ("les fournisseurs sont invités à s'expliquer", PRACTICE),
            "choice_asked": ("le client, qui a signé deux fois, est invité à choisir", PRACTICE),
            "decided": ("la décision motivée est approuvée", READING),
            "reconsidered": ("la décision est retirée avant d'être exécutée, avec son motif", READING),
            "executed": ("la décision est exécutée : ESSMS libérés, sommes à rendre", READING),
            "closed": ("le dossier est clos", READING),
            "reopened": ("un contrôleur le rouvre, avec son motif", READING),
            "found_again": ("des faits nouveaux sont constatés", READING),
        },
        "Une alerte n'est pas un conflit : elle ne décide de rien.",
    ),
)  # fmt: skip

_INTRODUCTION = """\
# Le cycle de vie

Page écrite à partir de `sons_tracker/rules/lifecycle.py` ; un test tient ensemble le code, la base et cette page. Pour
la refaire : `python -m tests.rules.lifecycle_page > docs/cycle-de-vie.md`.

Un état ne change que le long de ces tables : la base refuse tout le reste, quel que soit le rôle. Les mots sont ceux
des agences ; entre parenthèses, le nom de l'état dans les données et dans l'API. « horloge » : une échéance ou un fait
appris, sans que personne agisse. « S0:1602 » est la ligne 1602 du premier document source (voir
[Le droit en fichiers](droit.md)) ; « C16 » est une lecture (voir [Les règles et les lectures](regles.md)).
"""


def page() -> str:
    """The whole page, in French."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    for thing in THINGS:
        yield f"## {thing.title}\n"
        if thing.note:
            yield f"{thing.note}\n"
        yield from _graph(thing)
        yield ""
        yield "| de | à | événement | par | source |"
        yield "|---|---|---|---|---|"
        for move in thing.transitions:
            sentence, source = thing.events[move.event]
            roles = ", ".join(ROLES[role] for role in move.roles)
            yield (
                f"| {_word(thing, move.before)} | {_word(thing, move.after)} | {sentence} | {roles}"
                f" | {_source(source)} |"
            )
        yield ""


def _graph(thing: Thing) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    drawn = {state for move in thing.transitions for state in (move.before, move.after)} - {"draft"}
    for state in thing.words:
        if state in drawn:
            yield f'  state "{thing.words[state]}" as {state}'
    edges: dict[tuple[str, str], list[str]] = {}
    for move in thing.transitions:
        edges.setdefault((move.before, move.after), []).append(thing.events[move.event][0])
    for (before, after), sentences in edges.items():
        yield f"  {'[*]' if before == 'draft' else before} --> {after} : {' ; ou '.join(sentences)}"
    for state in sorted(drawn - {move.before for move in thing.transitions}):
        yield f"  {state} --> [*]"
    yield "```"


def _word(thing: Thing, state: str) -> str:
    return "(début)" if state == "draft" else f"{thing.words[state]} (`{state}`)"


def _source(source: str) -> str:
    if source in RULES:
        return f"{source} ({RULES[source].source.reference})"
    return f"lecture {source}" if source in READINGS else source


if __name__ == "__main__":
    print(page(), end="")
