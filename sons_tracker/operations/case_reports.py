"""The words of a case's report: the dossier as the template of the document names it, in French."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sons_tracker.documents.graph_picture import description, drawn_table
from sons_tracker.documents.words import plain
from sons_tracker.operations.case_dossiers import Dossier
from sons_tracker.operations.conflict_reading import DecisionView, FindingView
from sons_tracker.operations.essms_facts import GRANT_WORDS, grant_day, grant_words
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.conflicts import (
    OUTCOME_WORDS,
    POSITION_WORDS,
    QUESTION_WORDS,
    CaseQuestion,
    CaseSide,
)
from sons_tracker.rules.families import fact_fr, value_fr
from sons_tracker.rules.french import PARIS, count_fr, date_fr, instant_fr
from sons_tracker.rules.lifecycle import CONFLICT_WORDS, ORDER_WORDS
from sons_tracker.rules.money import euros_fr

AUTHOR = "Suivi des doubles financements"
VERDICT_WORDS = {
    "fail": "refus", "review": "à examiner", "unknown": "inconnu", "warn": "attention", "pass": "respectée",
}  # fmt: skip # nosec B105 # words that are shown
FACT_WORDS = {
    "register": "Répertoire", "order": "Commande", "claim": "Engagement", "reservation": "Réservation",
    "grant": "ESMS numérique", "succession": "Succession", "conflict": "Dossier", "decision": "Décision",
}  # fmt: skip
ROLE_WORDS = {
    "reviewer": "contrôleur", "payer": "agent payeur", "pilot": "pilotage", "admin": "administrateur",
    "scheduler": "échéance", "editor": "éditeur", "distributor": "distributeur",
    "og": "organisme gestionnaire", "ars": "ARS",
}  # fmt: skip
EVENT_WORDS = {
    "found": "Conflit constaté", "found_again": "Constaté à nouveau", "contested": "Refus contesté",
    "assigned": "Dossier attribué", "precisions_asked": "Précisions demandées",
    "choice_asked": "Choix demandé au client", "opinion_asked": "Avis demandé à une ARS",
    "correction_asked": "Correction demandée", "answered": "Réponse reçue",
    "answer_expired": "Délai de réponse écoulé", "question_withdrawn": "Demande retirée",
    "decision_proposed": "Décision proposée", "decided": "Décision approuvée",
    "reconsidered": "Décision reprise", "executed": "Décision exécutée", "closed": "Dossier clos",
    "reopened": "Dossier rouvert", "ceased": "Le conflit n'est plus constaté",
}  # fmt: skip
_ORIGINS = {
    "audit": "un audit", "contest": "une contestation", "deposit": "un dépôt", "import": "un import",
    "law": "un changement du droit", "reopening": "une réouverture",
    "succession": "une décision sur une succession",
}  # fmt: skip
_MOST_FACTS, _MOST_LINKS, _MOST_JOURNAL, _MOST_NUMBERS = 120, 200, 200, 4
_NONE = "–"
_SEAL = (
    "Chaque ligne du journal est écrite dans la transaction de ce qu'elle raconte, et n'est jamais modifiée."
    " Les empreintes de l'extrait s'enchaînent (journal.json) et leur dernière figure au manifeste : elles"
    " prouvent que l'extrait n'a pas changé depuis ce dossier de preuves. Le scellement du journal lui-même"
    " n'en fait pas partie."
)


def report_data(dossier: Dossier) -> dict[str, Any]:
    """A dossier in the words of `conflict_report.typ`; what is bounded says so."""
    case = dossier.case
    facts, links, journal = _told_once(dossier), drawn_table(dossier.graph), dossier.journal[:_MOST_JOURNAL]
    rest = _left_out(len(dossier.journal) - len(journal), "ligne", "journal.csv")
    return {
        "title": f"Dossier de conflit {case.number}",
        "author": AUTHOR,
        "number": case.number,
        "label": case.label,
        "made": f"Établi le {instant_fr(dossier.at)}",
        "summary": _summary(dossier),
        "sides": [_side(dossier, side) for side in case.sides],
        "essms": [
            [
                row["finess"],
                row["name"] or "inconnu du répertoire",
                row["og"] or _NONE,
                row["counterpart"] or _NONE,
            ]
            for row in dossier.essms
        ],
        "findings": [_finding(finding) for finding in case.findings],
        "facts": facts[:_MOST_FACTS],
        "facts_left_out": _left_out(len(facts) - _MOST_FACTS, "fait", "faits.csv"),
        "events": [
            [instant_fr(one.at), EVENT_WORDS.get(one.event, one.event), ROLE_WORDS.get(one.role, one.role)]
            for one in case.events
        ],
        "questions": [_question(dossier, question) for question in case.questions],
        "decisions": [_decision(decision) for decision in case.decisions],
        "graph": {
            "alt": description(dossier.graph),
            "path": list(dossier.path),
            "rows": [
                [
                    str(row.number),
                    row.source,
                    row.word,
                    row.target,
                    _NONE if row.on is None else date_fr(row.on),
                ]
                for row in links[:_MOST_LINKS]
            ],
            "left_out": _left_out(len(links) - _MOST_LINKS, "lien", "graphe.csv"),
        },
        "journal_note": f"{_SEAL} {rest}".strip(),
        "journal": [
            [
                str(row["id"]),
                f"{row['at'].astimezone(PARIS):%d/%m/%Y %H:%M:%S}",
                ROLE_WORDS.get(row["role"], row["role"]),
                row["action"],
                f"{row['object_kind']} {row['object_id']}",
            ]
            for row in journal
        ],
    }


def _summary(dossier: Dossier) -> list[list[str]]:
    case = dossier.case
    rows = [
        ["Famille", case.label],
        ["État", CONFLICT_WORDS[case.state]],
        ["Ouvert", f"le {instant_fr(case.opened_at)}, par {_ORIGINS[case.opened_for]}"],
        ["Organisme gestionnaire", case.og or _NONE],
        ["Enjeu", _NONE if case.at_stake_ttc_cents is None else f"{euros_fr(case.at_stake_ttc_cents)} TTC"],
        ["Droit appliqué", f"empreinte {dossier.law_digest[:16]}"],
    ]
    if case.ceased_at is not None:
        rows.append(["Plus constaté depuis", instant_fr(case.ceased_at)])
    return rows


def _side(dossier: Dossier, side: CaseSide) -> dict[str, Any]:
    if side.order_id is not None:
        order = dossier.orders[side.order_id]
        total = order["total_ttc_cents"]
        return {
            "title": f"Partie {side.side} : commande {order['number']}",
            "rows": [
                ["Fournisseur", f"{plain(order['supplier'])}, SIREN {order['siren'] or 'non communiqué'}"],
                ["Client", f"{plain(order['og_name'])}, FINESS {order['og']}"],
                ["Solution", f"{order['solution_version']} ({order['dispositif']})"],
                [
                    "Signée",
                    f"le {date_fr(order['signed_on'])}, déposée le {instant_fr(order['received_at'])}",
                ],
                ["État", ORDER_WORDS[order["state"]]],
                ["Montant", _NONE if total is None else f"{euros_fr(total)} TTC"],
                ["Détient les ESSMS en cause", "oui" if side.holds else "non"],
            ],
        }
    reference = side.grant_reference or ""
    rows = [["Référence", reference]]
    grant = dossier.grants.get(reference)
    if grant is not None:
        rows += [
            ["Nature", grant_words(grant)],
            ["État", f"{GRANT_WORDS[grant['state']]} le {date_fr(grant_day(grant))}"],
            ["Logiciel", grant["solution"] or "non déclaré"],
        ]
    return {"title": f"Partie {side.side} : financement ESMS numérique {reference}", "rows": rows}


def _finding(finding: FindingView) -> dict[str, Any]:
    rows = [
        ["Source", finding.source],
        ["Remède", finding.remedy or _NONE],
        ["Constaté", f"le {instant_fr(finding.found_at)}, droit {finding.law_digest[:16]}"],
    ]
    if finding.readings:
        rows.append(["Lectures suivies", ", ".join(finding.readings)])
    if finding.a_confirmer:
        rows.append(["Réserve", "repose sur une valeur à confirmer"])
    if finding.facts:
        used = (f"{fact_fr(name)} : {_value(value)}" for name, value in sorted(finding.facts.items()))
        rows.append(["Faits lus", " ; ".join(used)])
    return {
        "title": f"{finding.rule} : {VERDICT_WORDS[finding.outcome]}",
        "message": plain(finding.message),
        "rows": [[name, plain(value)] for name, value in rows],
    }


def _value(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else value_fr(str(value))


def _question(dossier: Dossier, question: CaseQuestion) -> dict[str, Any]:
    whom = dossier.organisations.get(question.organisation_id, _NONE)
    rows = [["Demandé", f"le {instant_fr(question.asked_at)}"], ["Demande", question.text]]
    if question.answer_due_at is not None:
        due = known_on(question.answer_due_at)
        rows.append(["Réponse attendue", f"jusqu'au {date_fr(due)} inclus"])
        rows.append(["Source du délai", question.delay_source or _NONE])
    if question.answered_at is not None:
        rows.append(["Répondu", f"le {instant_fr(question.answered_at)}"])
        rows.append(["Réponse", question.answer or _NONE])
    elif question.withdrawn_at is not None:
        rows.append(["Retirée", f"le {instant_fr(question.withdrawn_at)}"])
    else:
        rows.append(["Réponse", "pas encore de réponse"])
    if question.position is not None:
        rows.append(["Position", POSITION_WORDS[question.position]])
    if question.chosen_side is not None:
        rows.append(["Choix", f"partie {question.chosen_side}"])
    return {
        "title": f"{QUESTION_WORDS[question.kind].capitalize()} – {plain(whom)}",
        "rows": [[name, plain(value)] for name, value in rows],
    }


def _decision(decision: DecisionView) -> dict[str, Any]:
    refused = ", ".join(f"partie {side}" for side in decision.refused)
    rows = [
        ["Issue", OUTCOME_WORDS[decision.outcome] + (f" ({refused})" if refused else "")],
        ["Motivation", decision.motivation or _NONE],
        ["Sources", decision.sources],
        ["Notification", decision.notice],
        ["Proposée", f"le {instant_fr(decision.proposed_at)}"],
    ]
    if decision.approved_at is not None:
        second = ", par une seconde personne" if decision.four_eyes else ""
        rows.append(["Approuvée", f"le {instant_fr(decision.approved_at)}{second}"])
    if decision.dropped_at is not None:
        rows.append(["Écartée", f"le {instant_fr(decision.dropped_at)} : {decision.drop_reason}"])
    standing = "Décision" if decision.dropped_at is None else "Décision écartée"
    return {"title": standing, "rows": [[name, plain(value)] for name, value in rows]}


def _told_once(dossier: Dossier) -> list[list[str]]:
    """The facts by date; one that several ESSMS share is told once, with their numbers."""
    shared: dict[tuple[date, str, str], list[str]] = {}
    for number, fact in dossier.facts:
        shared.setdefault((fact.on, fact.kind, plain(fact.text)), []).append(number)
    several = len(dossier.essms) > 1 or bool(dossier.case.counterparts)
    return [
        [date_fr(on), FACT_WORDS[kind], f"{_numbers(numbers)} : {text}" if several else text]
        for (on, kind, text), numbers in shared.items()
    ]


def _numbers(numbers: list[str]) -> str:
    shown, more = numbers[:_MOST_NUMBERS], len(numbers) - _MOST_NUMBERS
    return ", ".join(shown) + (f" et {count_fr(more, 'autre')}" if more > 0 else "")


def _left_out(count: int, word: str, file: str) -> str:
    if count <= 0:
        return ""
    return f"{count_fr(count, f'{word} de plus est', f'{word}s de plus sont')} dans {file}."


def fact_rows(dossier: Dossier) -> Iterable[list[str]]:
    """Every fact of the case as a row: ESSMS, day, until, nature, fact, known since, reference."""
    for number, fact in dossier.facts:
        yield [
            number,
            fact.on.isoformat(),
            _iso(fact.until),
            FACT_WORDS[fact.kind],
            plain(fact.text),
            _iso(fact.learnt_at),
            fact.reference or "",
        ]


def _iso(moment: date | datetime | None) -> str:
    if isinstance(moment, datetime):
        return moment.astimezone(PARIS).isoformat()
    return "" if moment is None else moment.isoformat()
