"""`audit explain`: why an ESSMS is refused, engaged or in conflict, to be read in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sons_tracker.cli.acts import Token, read
from sons_tracker.cli.frame import YES, Json, choice, day_option, emit, run
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.lifecycle import CONFLICT_WORDS, ORDER_WORDS

if TYPE_CHECKING:
    from datetime import datetime

    from sons_tracker.operations.actors import Actor

_MODES = ("decided", "today", "known")
_MODE_WORDS = {
    "decided": "ce qui a été décidé au dépôt",
    "today": "les faits et le droit d'aujourd'hui",
    "known": "les faits d'aujourd'hui, sous le droit connu le {day}",
}
_OUTCOMES = {
    "fail": "refus",
    "review": "à examiner",
    "unknown": "inconnu",
    "warn": "attention",
    "pass": "oui",
}  # nosec B105 # words that are shown
_KINDS = {
    "register": "Répertoire", "order": "Commande", "claim": "Engagement", "reservation": "Réservation",
    "grant": "ESMS numérique", "succession": "Succession", "conflict": "Conflit", "decision": "Décision",
}  # fmt: skip
_FINANCING = {"free": "libre", "reserved": "réservé", "engaged": "engagé"}


def explain(
    finess: Annotated[str, typer.Argument(metavar="FINESS", help="FINESS géographique de l'ESSMS.")],
    vague: Annotated[
        str | None, typer.Option("--vague", metavar="VAGUE", help="Une vague seulement.")
    ] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="NUMÉRO", help="Une commande seulement.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            parser=choice(*_MODES),
            metavar="MODE",
            help="decided : décidé au dépôt ; today : aujourd'hui ; known : droit connu le jour --known-on.",
        ),
    ] = "decided",
    known_on: Annotated[date | None, day_option("Jour où le droit était connu (mode known).")] = None,
    against: Annotated[
        str, typer.Option(parser=choice(*_MODES), metavar="MODE", help="À quel mode comparer la réponse.")
    ] = "decided",
    token: Token = None,
    as_json: Json = False,
) -> int:
    """Explique un ESSMS : faits, verdicts, sources, remèdes ; et ce qui changerait."""
    from sons_tracker import law
    from sons_tracker.api.schemas.explanations import explanation_out
    from sons_tracker.operations import explanations
    from sons_tracker.operations.explanations import Question

    number = parse_geographique(finess, "FINESS")

    async def reading(actor: Actor, at: datetime) -> Any:
        question = Question(number, vague, order, mode, known_on, against)
        return explanation_out(await explanations.explain(actor, question, law.load().law, at))

    body = run(read(reading, token))
    emit(body, as_json, lambda console: _show(console, body))
    return YES


def _show(console: Console, body: Any) -> None:
    def say(text: str = "", *, bold: bool = False) -> None:
        console.print(text, markup=False, style="bold" if bold else None)

    states = ", ".join(f"{vague} : {_FINANCING[state]}" for vague, state in body["financing"].items())
    say(f"ESSMS {body['finess']} – {states}", bold=True)
    say(f"Répond d'après {_MODE_WORDS[body['mode']].format(day=_day(body['known_on']))}.")
    say()
    say(f"Faits ({count_fr(len(body['facts']), 'fait')})", bold=True)
    for fact in body["facts"]:
        until = "" if fact["until"] is None else f" (jusqu'au {_day(fact['until'])})"
        say(f"  {_day(fact['on'])} · {_KINDS[fact['kind']]} · {fact['text']}{until}")
    for order in body["orders"]:
        say()
        _show_order(say, order)
    if body["pairs"]:
        say()
        say("Face aux financements ESMS numérique", bold=True)
        for pair in body["pairs"]:
            say(f"  {pair['order']} et {pair['grant']} :")
            _show_verdict(say, pair["verdict"], "    ")
    for case in body["conflicts"]:
        say()
        label = "" if case["label"] is None else f" : {case['label']}"
        say(f"Dossier {case['number']}{label} – {CONFLICT_WORDS[case['state']]}", bold=True)
        if case["outcome"] is not None:
            say(f"  Décidé le {_day(case['decided_on'])} : {case['outcome']}.")


def _show_order(say: Any, order: Any) -> None:
    replay = order["replay"]
    state = ORDER_WORDS[order["state"]]
    say(f"{order['number']} ({state}) : {_OUTCOMES[replay['outcome']]} pour cet ESSMS", bold=True)
    shown = [verdict for verdict in replay["verdicts"] if verdict["outcome"] != "pass"]
    for verdict in shown:
        _show_verdict(say, verdict, "  ")
    passed = len(replay["verdicts"]) - len(shown)
    say(f"  {count_fr(passed, 'autre règle respectée', 'autres règles respectées')}.")
    if order["difference"] is not None:
        _show_difference(say, order["difference"])


def _show_verdict(say: Any, verdict: Any, margin: str) -> None:
    say(f"{margin}{_OUTCOMES[verdict['outcome']].upper()} · {verdict['rule']} · {verdict['message']}")
    if verdict["facts"].get("holder"):
        say(f"{margin}    Détenteur : {verdict['facts']['holder']}")
    say(f"{margin}    Source : {verdict['source']}")
    if verdict["remedy"]:
        say(f"{margin}    Remède : {verdict['remedy']}")


def _show_difference(say: Any, found: Any) -> None:
    say(f"  Différence : de « {found['before']} » à « {found['after']} »", bold=True)
    if not found["rules"]:
        say("    Aucune règle ne répond autrement.")
    for rule in found["rules"]:
        was, now = (_OUTCOMES.get(rule[name], "sans réponse") for name in ("before", "after"))
        say(f"    {rule['rule']} : {was} → {now}")
        if rule["message_after"]:
            say(f"      {rule['message_after']}")
        for fact in rule["facts"]:
            say(f"      Fait en cause : {fact['text']}")
        _show_versions(say, rule["versions"], "      ")
    others = [one for one in found["versions"] if all(one not in rule["versions"] for rule in found["rules"])]
    if others:
        say("    Valeurs du droit changées sans effet sur ces verdicts :")
        _show_versions(say, others, "      ")


def _show_versions(say: Any, versions: Sequence[Any], margin: str) -> None:
    for one in versions:
        was, now = (_version(one[name]) for name in ("before", "after"))
        say(f"{margin}{one['name']} : {was} → {now}")


def _version(one: Any) -> str:
    if one is None:
        return "aucune version"
    return f"version du {_day(one['depuis'])}, publiée le {_day(one['publie_le'])}"


def _day(text: str) -> str:
    return date_fr(date.fromisoformat(text))
