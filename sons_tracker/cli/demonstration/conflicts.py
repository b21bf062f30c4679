"""The stories of double funding: held while it is signed, found, explained, settled by procedure."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID

from sons_tracker.cli.demonstration.lives import Play
from sons_tracker.cli.demonstration.steps import one, step
from sons_tracker.cli.demonstration.stories import Scene, Told, deposit, request_of
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import World, enrol
from sons_tracker.operations import (
    alerts,
    audit,
    clock,
    conflict_decisions,
    conflict_steps,
    explanations,
    reservations,
    simulations,
    successions,
)
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.conflict_decisions import Proposal
from sons_tracker.operations.conflict_reading import ConflictView, find_conflict
from sons_tracker.operations.conflict_steps import Asked, Given
from sons_tracker.operations.evidence import export
from sons_tracker.operations.registers import import_register
from sons_tracker.operations.requests import RequestedEssms
from sons_tracker.operations.reservations import ReservationRequest
from sons_tracker.rules.families import FAMILIES, PATTERNS
from sons_tracker.rules.french import count_fr, instant_fr
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.lifecycle import ORDER_WORDS
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.parameters import required
from sons_tracker.settings import resource

_TWICE = "simultanée, "
_HELD = Scene("beta", "DUI-BETA", "019001452", (5, 6, 7))
_GRANTS = (
    "grant_reference;finess_geographique;call_year;project;call;porteur;components;solution;dui_referenced;"
    "state;requested_on;agreed_on;first_paid_on;usage_eur;equipment_eur\n"
    "ESMS-2022-FICTIF-9;{finess};2022;acquisition;regional;PORTEUR DE DÉMONSTRATION (FICTIF);usage+equipment;"
    "DUI-GAMMA;oui;agreed;2022-07-01;2022-09-15;;7000.00;14500.00\n"
)
_REGISTER = "etalab-cs1100502-stock-20220103-0000-synthetique.csv"


async def reservation(world: World, teller: LifeTeller) -> Told:
    """ESSMS are held while the order is being signed; the order takes them over."""
    at = await clock.now()
    request = await request_of(_HELD)
    numbers = tuple(line.finess for line in request.essms)
    asked = ReservationRequest("MS1-V1", request.og, numbers, request.solution_version)
    held = await step(reservations.reserve, world.suppliers["beta"], asked, world.law, at)
    teller.say(
        f"Bêta réserve {count_fr(len(numbers), 'ESSMS', 'ESSMS')} ({held.number}) jusqu'au"
        f" {instant_fr(held.expires_at)} ; l'organisme gestionnaire en est averti."
    )
    rival = await request_of(Scene("alpha", "DUI-ALPHA", "019001452", (5,)))
    simulated = await simulations.simulate(world.suppliers["alpha"], rival, world.law, at)
    r05 = next(v for v in simulated.verdicts if v.rule == "R05")
    teller.say(f"Alpha simule une commande sur l'un d'eux : {r05.message}")
    order = await deposit(world, _HELD, "Bêta signe")
    state = await one("select state from reservation where id = $1", held.id)
    teller.say("Bêta dépose la commande signée : elle reprend les ESSMS, sans un instant où les perdre.")
    right = (r05.outcome, order.decision, state) == ("fail", "accepted", "converted")
    return Told("Réserver pendant que l'on signe", (order.decision,), (), (), right)


async def signed_twice(world: World, teller: LifeTeller) -> Told:
    """A client signed two orders: the refused one is contested, everyone is heard, the client chooses."""
    at = await clock.now()
    rows = await one(
        "select array_agg(id order by received_at, state desc) from purchase_order"
        " where og_finess_juridique = '019001189'"
    )
    orders: dict[str, tuple[UUID, Actor]] = {}
    for order_id in rows:
        state = await one("select state from purchase_order where id = $1", order_id)
        supplier = await one("select supplier_id from purchase_order where id = $1", order_id)
        actor = next(a for a in world.suppliers.values() if a.organisation_id == supplier)
        orders["refused" if state == "rejected" else "held"] = (order_id, actor)
    og = await enrol(at, "og", "OG 019001189 (fictif)", "og", None, finess="019001189")
    refused_id, challenger = orders["refused"]
    opened = await step(
        conflict_steps.contest, challenger, refused_id, "Le client a résilié l'autre.", world.law, at
    )
    case = opened.id
    teller.say(f"{opened.number} : l'éditeur refusé conteste. Il n'apprend ni qui, ni combien.")
    reviewer = world.reviewer
    await step(conflict_steps.ask_precisions, reviewer, case, Asked("Que voulait le client ?"), world.law, at)
    for actor in (orders["held"][1], challenger):
        mine = await find_conflict(actor, case, at)
        given = Given("Le client nous a choisis.", "maintained")
        await step(conflict_steps.answer, actor, case, mine.questions[0].id, given, at)
    asked = await find_conflict(reviewer, case, at)
    teller.say(
        f"Les deux éditeurs ont jusqu'au {instant_fr(asked.questions[0].answer_due_at or at)} pour répondre ;"
        " les deux maintiennent."
    )
    teller.source(asked.questions[0].delay_source or "")
    await step(conflict_steps.ask_choice, reviewer, case, Asked("Laquelle gardez-vous ?"), world.law, at)
    view = await find_conflict(og, case, at)
    question = next(q for q in view.questions if q.kind == "choice")
    await step(conflict_steps.answer, og, case, question.id, Given("La seconde.", chosen_side=2), at)
    teller.say("Le client, qui a signé deux fois, choisit la seconde.")
    done = await _decide(
        world, case, Proposal("one_refused", (1,), "client_choice", "Le client l'a écrit.", 0)
    )
    states = [
        await one("select state from purchase_order where id = $1", orders[which][0])
        for which in ("held", "refused")
    ]
    decided = "Décidé à deux" if done.decisions[-1].four_eyes else "Décidé"
    teller.say(
        f"{decided}, puis exécuté en une transaction : la première commande est {ORDER_WORDS[states[0]]},"
        f" la seconde {ORDER_WORDS[states[1]]} ; les ESSMS ont changé de main sans être libres un instant."
    )
    teller.source(done.decisions[-1].sources)
    right = (done.state, *states) == ("executed", "rejected", "submitted")
    return Told("Un client qui a signé deux fois", tuple(states), (), (), right)


async def grant_learnt_later(world: World, teller: LifeTeller) -> Told:
    """A list of grants comes: what it touches is audited in the import, and explained."""
    at = await clock.now()
    finess = str((await request_of(_HELD)).essms[0].finess)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "esms_grant-20230228.csv"
        file.write_text(_GRANTS.format(finess=finess), "utf-8")
        await import_register(
            LOCAL_ADMIN, file, nomenclature={}, extracted_on=date(2023, 2, 28), scope="extrait", at=at
        )
    case = await one(
        "select c.id from conflict c join conflict_essms e on e.conflict_id = c.id"
        " where c.family = 'order_grant' and e.finess_geographique = $1",
        finess,
    )
    view = await find_conflict(world.reviewer, case, at)
    finding = view.findings[0]
    teller.say(f"{view.number}, ouvert par l'import, pour l'ESSMS {finess} : {finding.message}")
    teller.source(finding.source)
    number = view.sides[0].order_number or view.sides[1].order_number
    question = explanations.Question(parse_geographique(finess), order=number, mode="today")
    told = await explanations.explain(world.reviewer, question, world.law, at)
    difference = told.orders[0].difference
    changed = () if difference is None else tuple(change.rule for change in difference.rules)
    teller.say(
        f"Explication rejouable : au dépôt rien ne l'empêchait ; aujourd'hui, {' et '.join(changed)}"
        " répondraient autrement. La décision prise reste : un fait appris plus tard ouvre un dossier, il ne"
        " défait rien."
    )
    order_side = next(side for side in view.sides if side.kind == "order")
    await step(
        conflict_steps.ask_precisions, world.reviewer, case, Asked("Quel DUI est en place ?"), world.law, at
    )
    supplier = world.suppliers["beta"]
    mine = await find_conflict(supplier, case, at)
    given = Given("Notre DUI ; le client renonce à son projet.", "maintained")
    await step(conflict_steps.answer, supplier, case, mine.questions[0].id, given, at)
    motivation = "Le client renonce par écrit au financement, que l'ARS retire."
    done = await _decide(world, case, Proposal("maintained", (), "later_act", motivation, 0))
    state = await one("select state from purchase_order where id = $1", order_side.order_id)
    content = await export(world.reviewer, case, world.law, at)
    teller.say(
        f"Décision motivée : la commande est maintenue ({ORDER_WORDS[state]}). Le dossier de preuve tient en"
        f" un ZIP de {len(content.content) // 1024} Kio : rapport PDF accessible, faits, graphe, journal."
    )
    right = finding.rule == "R26" and bool(changed) and done.state == "executed"
    return Told("Un financement appris après coup", (state,), (), (finding.rule,), right)


async def two_numbers(world: World, teller: LifeTeller) -> Told:
    """An establishment comes back under another number: presumed, confirmed, and not financed twice."""
    at = await clock.now()
    held = [str(line.finess) for line in (await request_of(_HELD)).essms]
    old, new = held[1], "019999994"
    source = (resource("fixtures") / "demonstration" / _REGISTER).read_text("utf-8")
    text = source.replace("2022;2022-01-03\n", "2023;2023-01-03\n", 1).replace(f";{old};", f";{new};")
    nomenclature = {
        code: category.aggregate
        for code, category in required(world.law.register.nomenclature.in_force(at.date(), at.date())).items()
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "etalab-cs1100502-stock-20230103-0000-synthetique.csv"
        file.write_text(text, "utf-8")
        await import_register(
            LOCAL_ADMIN, file, nomenclature=nomenclature, extracted_on=None, scope="stock", at=at
        )
    page = await successions.list_successions(world.reviewer, None, None, old, None, 10)
    found = page.successions[0]
    teller.say(
        f"L'extraction du 3 janvier 2023 n'a plus {old} et découvre {new} : changement de numéro présumé,"
        f" {found.score} points sur 100."
    )
    await step(successions.settle_succession, world.reviewer, found.id, True, "Même établissement.", at)
    asked = await request_of(Scene("alpha", "DUI-ALPHA", "019001452", (5,), signed_on=date(2023, 2, 1)))
    line = RequestedEssms(parse_geographique(new), None, "DUI-ALPHA")
    asked = replace(asked, essms=(line,))
    told = await simulations.simulate(world.suppliers["alpha"], asked, world.law, at)
    r05 = next(v for v in told.verdicts if v.rule == "R05")
    teller.say(f"Confirmé par un contrôleur. Alpha simule une commande sur le nouveau numéro : {r05.message}")
    return Told("Un établissement, deux numéros", (r05.outcome,), (), ("R05",), r05.outcome == "fail")


async def national_audit(world: World, teller: LifeTeller) -> Told:
    """The whole nation at once: what is found again is not doubled; patterns are alerts."""
    at = await clock.now()
    result = await audit.run(LOCAL_ADMIN, world.law, at)
    raised = await alerts.raise_all(LOCAL_ADMIN, world.law, at)
    found = " ; ".join(f"{FAMILIES[one.family].label} : {one.found}" for one in result.families if one.found)
    at_stake = sum(tally.at_stake_ttc_cents for tally in result.families)
    teller.say(
        f"{count_fr(result.lines, 'ligne financée', 'lignes financées')} contre"
        f" {count_fr(result.grants, 'financement')} ESMS numérique. {found}. {euros_fr(at_stake)} en jeu."
    )
    patterns = " ; ".join(f"{PATTERNS[code].label} : {n}" for code, n in raised.open.items() if n)
    teller.say(f"Les alertes se lisent et ne décident de rien. {patterns or 'Aucune'}.")
    again = await audit.run(LOCAL_ADMIN, world.law, at)
    right = result.found == again.found and again.opened == 0
    return Told("L'audit de toutes les lignes", (), (), (), right)


async def _decide(world: World, case: UUID, proposal: Proposal) -> ConflictView:
    """Proposes on the case as it is now, approves by a second reviewer where it takes one, executes."""
    at = await clock.now()
    version = (await find_conflict(world.reviewer, case, at)).version
    wanted = Proposal(proposal.outcome, proposal.refused, proposal.template, proposal.motivation, version)
    told = await step(conflict_decisions.propose, world.reviewer, case, wanted, world.law, at)
    if told.state != "decided":
        agency = "Agence de contrôle et de paiement (fictive)"
        second = await enrol(at, "agency", agency, "reviewer", None, person="Second contrôleur (fictif)")
        await step(conflict_decisions.approve, second, case, at)
    done: ConflictView = await step(conflict_decisions.execute, world.reviewer, case, world.law, at)
    return done


CONFLICTS: tuple[tuple[str, str, Play], ...] = (
    (
        "Réserver pendant que l'on signe",
        "Une réservation tient les ESSMS quelques jours ; elle expire seule, ne s'accumule pas, et"
        " l'organisme gestionnaire la voit.",
        reservation,
    ),
    (
        "Un client qui a signé deux fois",
        "Procédure contradictoire : chacun est entendu, le client choisit, un contrôleur motive (R05, C17) ;"
        " au-delà d'un montant il en faut deux.",
        signed_twice,
    ),
    (
        "Un financement appris après coup",
        "Un fait nouveau ouvre un conflit, expliqué et rejouable ; il ne défait pas seul une décision (R25,"
        " R26, C13).",
        grant_learnt_later,
    ),
    (
        "Un établissement, deux numéros",
        "Un changement de numéro est présumé par ses indices, confirmé par une personne, puis tenu par la"
        " base.",
        two_numbers,
    ),
    (
        "L'audit de toutes les lignes",
        "Toutes les règles de cumul, en ensembles, à toute date ; refait, il ne double rien.",
        national_audit,
    ),
)
