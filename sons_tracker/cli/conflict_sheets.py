"""A conflict on the terminal: understood in a minute, every sentence with its source."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from sons_tracker.cli.acts import money
from sons_tracker.rules.french import count_fr, date_fr, instant_fr


def show_list(console: Console, body: Any) -> None:
    """Prints a page of cases."""
    if not body["conflicts"]:
        console.print("Aucun dossier de conflit.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("Numéro", "Famille", "État", "ESSMS", "En jeu", "Ouvert le"):
        table.add_column(name, justify="right" if name in ("ESSMS", "En jeu") else "left")
    for line in body["conflicts"]:
        table.add_row(
            line["number"],
            line["family"],
            line["state_label"],
            str(line["essms"]),
            "—" if line["at_stake_ttc"] is None else money(line["at_stake_ttc"]),
            date_fr(datetime.fromisoformat(line["opened_at"]).date()),
        )
    console.print(table)


def show_conflict(console: Console, body: Any) -> None:
    """Prints a case: who, what, why, what was asked and answered, what can be done."""
    console.print(f"{body['number']} — {body['family_label']} : {body['state_label']}", markup=False)
    stake = "" if body["at_stake_ttc"] is None else f", {money(body['at_stake_ttc'])} en jeu"
    numbers = ", ".join(body["essms"][:5]) + (" …" if len(body["essms"]) > 5 else "")
    console.print(
        f"{count_fr(len(body['essms']), 'ESSMS', 'ESSMS')} ({numbers}){stake} ; version {body['version']}",
        markup=False,
    )
    for side in body["sides"]:
        name = f"financement {side['grant']}" if side["grant"] else f"commande {side['order']}"
        state = "" if side["order_state_label"] is None else f" ({side['order_state_label']})"
        console.print(f"Partie {side['side']} : {name}{state}", markup=False)
    for finding in body["findings"]:
        console.print(f"{finding['rule']} : {finding['message']}", markup=False)
        console.print(f"  Source : {finding['source']}", markup=False)
    for question in body["questions"]:
        _question(console, question)
    for decision in body["decisions"]:
        approved = "approuvée" if decision["approved_at"] else "proposée"
        fate = f"retirée : {decision['drop_reason']}" if decision["dropped_at"] else approved
        console.print(f"Décision {fate} — {decision['label']}", markup=False)
        console.print(f"  {decision['motivation'] or decision['notice']}", markup=False)
        console.print(f"  Sources : {decision['sources']}", markup=False)
    possible = [action["label"] for action in body["actions"] if action["possible"]]
    if possible:
        console.print(f"Possible maintenant : {' ; '.join(possible)}.", markup=False)


def _question(console: Console, question: Any) -> None:
    console.print(f"Demande ({question['label']}) : {question['text']}", markup=False)
    if question["answered_at"] is not None:
        position = question["position_label"] or (
            f"choisit la partie {question['chosen_side']}" if question["chosen_side"] else "répond"
        )
        console.print(f"  {position} : {question['answer']}", markup=False)
    elif question["withdrawn_at"] is not None:
        console.print("  retirée")
    elif question["answer_due_at"] is not None:
        until = instant_fr(datetime.fromisoformat(question["answer_due_at"]))
        console.print(f"  réponse attendue au plus tard le {until} (question {question['id']})", markup=False)
        console.print(f"  Source du délai : {question['delay_source']}", markup=False)


def show_templates(console: Console, body: Any) -> None:
    """Prints the templates of a motivation."""
    for template in body["templates"]:
        console.print(f"{template['code']} — {template['label']} ({', '.join(template['outcomes'])})")
        console.print(f"  {template['text']}", markup=False)
        console.print(f"  Sources : {template['sources']}", markup=False)
