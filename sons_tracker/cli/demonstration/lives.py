"""The stories of the money: from the enrolment to the last cent, and what time takes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from uuid import UUID

from sons_tracker import law as texts
from sons_tracker.cli.demonstration import delegations, steps
from sons_tracker.cli.demonstration.steps import Life, go_to, life_of, one, step
from sons_tracker.cli.demonstration.stories import FIRST, Scene, Told, deposit
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import World, import_file
from sons_tracker.db.engine import transaction
from sons_tracker.law.proposal import with_projects
from sons_tracker.operations import clock, impact, ledger, recoveries, recovery_reading, reviews
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.recoveries import Repayment
from sons_tracker.operations.recovery_letters import APPEAL
from sons_tracker.operations.requests_filed import RequestView
from sons_tracker.rules.french import PARIS, count_fr, date_fr
from sons_tracker.rules.lifecycle import ORDER_WORDS
from sons_tracker.rules.money import euros, euros_fr
from sons_tracker.rules.schedule import DEADLINE_WORDS

Play = Callable[[World, LifeTeller], Awaitable[Told]]
_SEVENTY_TWO = "Une commande de 72 ESSMS"
_EIGHT = "Une commande de 8 ESSMS, par un distributeur"
_PART = "Une commande sur une partie d'un OG"
_USAGE = "ESMS numérique : usage du même logiciel"
_CONDITIONAL = "Une commande sous condition de référencement"
_SUPPLIERS = {FIRST: "alpha", _SEVENTY_TWO: "beta", _EIGHT: "delta", _PART: "alpha", _USAGE: "alpha",
              _CONDITIONAL: "gamma"}  # fmt: skip


async def _life(world: World, title: str) -> Life:
    return await life_of(world.suppliers[_SUPPLIERS[title]], world.orders[title], "Dominique Exemple")


def _ended(title: str, states: tuple[str, ...], cents: tuple[int, ...], as_expected: bool) -> Told:
    return Told(title, states, tuple(euros(amount) for amount in cents), (), as_expected)


async def _state(life: Life) -> str:
    found: str = await one("select state from purchase_order where id = $1", life.order_id)
    return found


async def _received(life: Life) -> int:
    account = await ledger.find_ledger(LOCAL_ADMIN, life.order_id)
    balance = account.balance
    return balance.paid_ttc_cents + balance.compensated_ttc_cents + balance.recovered_ttc_cents


def _number(life: Life) -> str:
    assert life.view.identity is not None
    return life.view.identity.number


async def enrolment(world: World, teller: LifeTeller) -> Told:
    """Three suppliers enrol; their accounts take effect three whole days later."""
    teller.day(await clock.now())
    for name in ("alpha", "beta", "delta"):
        effect = (await steps.enrol_supplier(world, name)).astimezone(PARIS)
    teller.say(
        "Trois fournisseurs déposent leur dossier (certificat de référencement, représentant légal, situation"
        " de TVA) ; un contrôleur les valide. Une personne donne l'IBAN, une autre le confirme ; il ne vaut"
        f" qu'à compter du {date_fr(effect.date())}, et chaque membre en est averti."
    )
    advanced = await go_to(2023, 3, 6)
    teller.day(advanced.after)
    in_force = await one("select count(*) from outbox where event = 'bank_account.in_force'")
    teller.say(f"{count_fr(in_force, 'compte')} en vigueur : rien n'aurait été versé avant.")
    return _ended("L'enrôlement des fournisseurs", (), (), in_force >= 3)


async def advances(world: World, teller: LifeTeller) -> Told:
    """Four advances of 30 %, in one lot that two persons made."""
    lives = [await _life(world, title) for title in (FIRST, _SEVENTY_TWO, _EIGHT, _USAGE)]
    teller.day(await clock.now())
    for life in lives:
        request = await steps.ask_advance(world, life)
        teller.say(
            f"{_number(life)}, {count_fr(life.view.ordered, 'ESSMS', 'ESSMS')} : demande d'avance validée,"
            f" {euros_fr(life.view.advance_ttc_cents or 0)} dus."
        )
    teller.source(request.verdicts[-1].source)
    prepared, paid = await steps.pay_what_is_due(world)
    teller.say(
        f"{prepared.number} : {count_fr(prepared.lines, 'virement')}, {euros_fr(prepared.total_ttc_cents)} ;"
        " préparé par un payeur, approuvé par un autre."
    )
    teller.day(await clock.now())
    teller.say(
        f"Retour de la banque : {count_fr(paid.paid.count, 'virement')} payé"
        f"{'s' if paid.paid.count > 1 else ''}, {euros_fr(paid.paid.total_ttc_cents)}."
    )
    received = [await _received(life) for life in lives]
    expected = [life.view.advance_ttc_cents for life in lives]
    right = received == expected and prepared.total_ttc_cents == sum(received) == paid.paid.total_ttc_cents
    return _ended("Les avances de 30 %", (paid.state,), (prepared.total_ttc_cents,), right)


async def delay(world: World, teller: LifeTeller) -> Told:
    """A conditional order lapses after its 120 days, and reopens when a submission in time is learnt."""
    life = await _life(world, _CONDITIONAL)
    advanced = await go_to(2023, 4, 15)
    teller.day(advanced.after)
    teller.events(advanced, [life.order_id], {life.order_id: _number(life)})
    lapsed = await _state(life)
    free = await one(
        "select count(*) from claim where order_id = $1 and release_reason = 'lapsed'", life.order_id
    )
    teller.say(
        f"Aucun dossier complet n'est connu : la commande est {ORDER_WORDS[lapsed]}, ses"
        f" {count_fr(free, 'ESSMS', 'ESSMS')} sont libres (R12)."
    )
    await go_to(2023, 5, 2)
    at = await clock.now()
    teller.day(at)
    report = await import_file(
        world.law, at, ("demonstration", "referencing-20230502.csv", date(2023, 5, 2), "stock")
    )
    reopened = await _state(life)
    submitted: date = await one(
        "select complete_file_on from referencing where solution_version = $1 and valid_to is null",
        life.view.solution_version,
    )
    teller.say(
        f"La liste de l'ANS apprend qu'un dossier complet avait été soumis le {date_fr(submitted)}, dans le"
        " délai :"
        f" {count_fr(report.orders_moved, 'commande')} rouverte{'s' if report.orders_moved > 1 else ''}, de"
        f" nouveau {ORDER_WORDS[reopened]} (lecture C16)."
    )
    return _ended("120 jours, puis une bonne nouvelle", (lapsed, reopened), (), (lapsed, reopened, free) == (
        "lapsed", "waiting_referencing", life.view.ordered))  # fmt: skip


async def settlement(world: World, teller: LifeTeller) -> Told:
    """The order of 35 ESSMS to its last cent."""
    life = await _life(world, FIRST)
    await go_to(2023, 6, 15)
    teller.day(await clock.now())
    signed = await steps.sign_va(world, life, life.essms)
    teller.say(
        f"VA signée par l'OG pour {count_fr(len(signed.lines), 'ESSMS', 'ESSMS')} (eIDAS simple) ; empreinte"
        f" du texte montré : {signed.statement_sha256.hex()[:16]}…"
    )
    amounts = {line.finess: line.unit_ttc_cents or 0 for line in life.view.lines}
    first = next(iter(amounts))
    off = await steps.ask_solde(world, life, {**amounts, first: amounts[first] + 6}, "F-2023-000")
    assert isinstance(off, Refused)
    teller.say("Une première facture dépasse la commande :")
    teller.refusal(Refused(off.event, off.object_kind, off.object_id, off.reasons[:1]))
    asked = await steps.ask_solde(world, life, amounts, "F-2023-001")
    assert isinstance(asked, RequestView), asked
    await steps.validate_solde(world, life, asked)
    teller.say("Commande, VA et facture concordent ESSMS par ESSMS, au centime : le solde est validé.")
    await _pay(world, teller)
    await _account(teller, life)
    state, received = await _state(life), await _received(life)
    total = life.view.total_ttc_cents
    return _ended("De la VA au solde", (state,), (received,), (state, received) == ("settled", total))


async def removal(world: World, teller: LifeTeller) -> Told:
    """One ESSMS leaves the perimeter; its advance is compensated in the solde."""
    life = await _life(world, _EIGHT)
    await go_to(2023, 9, 4)
    teller.day(await clock.now())
    removed = life.essms[-1]
    await steps.remove_essms(world, life, removed)
    kept = [number for number in life.essms if number != removed]
    teller.say(f"Avenant accepté par l'OG : l'ESSMS {removed} quitte le périmètre et redevient libre (C10).")
    await steps.prepare_va(world, life, kept)
    why = await delegations.refused_once_over(world, life)
    teller.say(f"Le chef de service, qui avait signé en mars, est refusé. {why}")
    await steps.sign_prepared(world, life, life.og)
    amounts = {line.finess: line.unit_ttc_cents or 0 for line in life.view.lines if line.finess in kept}
    asked = await steps.ask_solde(world, life, amounts, "F-2023-014")
    assert isinstance(asked, RequestView), asked
    await steps.validate_solde(world, life, asked)
    await _pay(world, teller)
    await _account(teller, life)
    state, received = await _state(life), await _received(life)
    return _ended("Un ESSMS retiré du périmètre", (state,), (received,),
                  (state, received) == ("settled", sum(amounts.values()))
                  and date_fr(delegations.UNTIL_ON) in why)  # fmt: skip


async def delegation(world: World, teller: LifeTeller) -> Told:
    """A director lets a head of service sign the VA of the order of 8 ESSMS, in March only."""
    return await delegations.delegated(world, teller, await _life(world, _EIGHT))


async def change_of_editor(world: World, teller: LifeTeller) -> Told:
    """Cancelled by agreement, then ordered from another."""
    life = await _life(world, _PART)
    await go_to(2023, 10, 2)
    teller.day(await clock.now())
    scene = Scene("beta", "DUI-BETA", "019001452", (0, 1, 2, 3))
    before = await deposit(world, scene, "avant l'annulation")
    teller.say(f"Bêta Logiciels dépose une commande sur ces ESSMS : {_word(before.decision)} (R05).")
    await steps.cancel_by_agreement(world, life)
    teller.say(
        "Attestation sur l'honneur du premier fournisseur, attestation de renonciation de l'OG : la commande"
        f" est {ORDER_WORDS[await _state(life)]}, rien n'avait été versé, les ESSMS sont libres."
    )
    after = await deposit(world, scene, "après l'annulation")
    teller.say(
        f"La nouvelle commande est {_word(after.decision)} : {euros_fr(after.total_ttc_cents or 0)} TTC."
    )
    decisions = (before.decision, await _state(life), after.decision)
    return _ended("Changer d'éditeur", decisions, (after.total_ttc_cents or 0,),
                  decisions == ("refused", "cancelled", "accepted"))  # fmt: skip


async def what_a_calendar_would_do(world: World, teller: LifeTeller) -> Told:
    """The extended calendar, before anyone enacts it."""
    await go_to(2024, 1, 10)
    at = await clock.now()
    teller.day(at)
    library = texts.load()
    found: list[impact.OrderImpact] = []
    tally = await impact.impact(
        LOCAL_ADMIN, library.law, with_projects(library).law, at, lambda page, _r, _t: found.extend(page)
    )
    moved = [change for order in found for change in order.changes if change.kind == "deadline"]
    teller.say(
        f"{count_fr(tally.read, 'commande')} en cours relue{'s' if tally.read > 1 else ''} sous le calendrier"
        f" prolongé (projet, à confirmer) : {count_fr(len(moved), 'échéance')} seraient déplacées."
    )
    shown = {(c.name, c.after) for c in moved if isinstance(c, impact.DeadlineChange) and c.after is not None}
    for name, after in sorted(shown):
        local = after.astimezone(PARIS)
        teller.say(
            f"{DEADLINE_WORDS[name].capitalize()} : jusqu'au {date_fr(local.date())}, {local:%H h %M}."
        )
    decided = [c for order in found for c in order.changes if c.kind == "amount"]
    teller.say("Aucun montant décidé ne changerait. Rien n'est écrit : c'est une lecture.")
    return _ended("Ce que ferait un calendrier prolongé", (), (), bool(moved) and not decided)


async def cloture(world: World, teller: LifeTeller) -> Told:
    """The clôture: one order to recover, one for a reviewer, the others without debt."""
    late, lost = await _life(world, _USAGE), await _life(world, _SEVENTY_TWO)
    await go_to(2024, 3, 20)
    teller.day(await clock.now())
    await steps.sign_va(world, late, late.essms)
    teller.say(f"{_number(late)} : la VA est signée à temps, mais le solde n'est pas demandé.")
    advanced = await go_to(2024, 4, 2)
    teller.day(advanced.after)
    teller.events(
        advanced, (late.order_id, lost.order_id),
        {late.order_id: _number(late), lost.order_id: _number(lost)},
    )  # fmt: skip
    request = await steps.ask_solde(
        world, late, {line.finess: line.unit_ttc_cents or 0 for line in late.view.lines}, "F-2024-003"
    )
    assert isinstance(request, RequestView), request
    teller.say(f"{_number(late)} : {request.reason}")
    told = await step(
        reviews.settle_advance, world.reviewer, late.order_id, True,
        "VA signée à temps : la prestation est réalisée.", world.law, await clock.now(),
    )  # fmt: skip
    assert not isinstance(told, Refused), told
    teller.say(
        "Le contrôleur laisse l'avance acquise, avec sa motivation ; le solde est perdu (lecture C15) : la"
        f" commande est {ORDER_WORDS[await _state(late)]} à {euros_fr(await _received(late))}."
    )
    states = (await _state(late), await _state(lost))
    return _ended("La clôture", (request.state, *states), (await _received(late),),
                  (request.state, *states) == ("inadmissible", "settled", "lapsed"))  # fmt: skip


async def recovery(world: World, teller: LifeTeller) -> Told:
    """The advance of the order of 72 ESSMS comes back."""
    life = await _life(world, _SEVENTY_TWO)
    recovery_id: UUID = await one("select id from recovery where order_id = $1", life.order_id)
    await go_to(2024, 4, 15)
    at = await clock.now()
    teller.day(at)
    held = await one("select count(*) from claim where order_id = $1 and released_at is null", life.order_id)
    await step(recoveries.issue, world.payers[0], recovery_id, APPEAL, at)
    issued = await recovery_reading.find_recovery(world.payers[0], recovery_id, at)
    teller.say(
        f"Ordre de recouvrement {issued.summary.number}, {euros_fr(issued.summary.amount_ttc_cents)} : les"
        f" {count_fr(held, 'ESSMS', 'ESSMS')} sont libérés à son émission, pas avant."
    )
    teller.source(issued.summary.source)
    await go_to(2024, 6, 17)
    at = await clock.now()
    teller.day(at)
    await step(recoveries.add_step, world.payers[0], recovery_id, "reminder", "Relance par courrier.", at)
    aged = await recovery_reading.find_recovery(world.payers[0], recovery_id, at)
    teller.say(f"Relance, à {count_fr(aged.summary.age_days, 'jour')}.")
    repaid = Repayment("VIR-2024-0001", at, aged.summary.amount_ttc_cents)
    await step(recoveries.record_repayment, world.payers[0], recovery_id, repaid, at)
    await _account(teller, life)
    received = await _received(life)
    return _ended("Une avance recouvrée", (await _state(life),), (issued.summary.amount_ttc_cents, received),
                  received == 0 and held == life.view.ordered)  # fmt: skip


async def notices(world: World, teller: LifeTeller) -> Told:
    """What the editor was told, without asking."""
    alpha = world.suppliers["alpha"].organisation_id
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        rows = await con.fetch(
            "select event, count(*) as times from outbox where organisation_id = $1 group by event"
            " order by min(number)",
            alpha,
        )
    teller.say("Ce qu'Éditions Alpha a reçu (webhooks signés, courriels, agenda), dans l'ordre :")
    teller.notices([(row["event"], row["times"]) for row in rows])
    told = {row["event"] for row in rows}
    return _ended("Ce qui a été annoncé", (), (), {"payment.paid", "order.settled"} <= told)


async def _pay(world: World, teller: LifeTeller) -> None:
    prepared, _paid = await steps.pay_what_is_due(world)
    teller.say(f"{prepared.number} : {euros_fr(prepared.total_ttc_cents)}, payés le lendemain.")


async def _account(teller: LifeTeller, life: Life) -> None:
    teller.ledger(await ledger.find_ledger(LOCAL_ADMIN, life.order_id))


def _word(decision: str) -> str:
    return {"accepted": "recevable", "refused": "refusée", "to_review": "à instruire"}[decision]


LIVES: tuple[tuple[str, str, Play], ...] = (
    (
        "L'enrôlement des fournisseurs",
        "Rien n'est versé à un fournisseur qui n'est pas enrôlé ; un compte bancaire prend deux personnes et"
        " trois jours pleins.",
        enrolment,
    ),
    (
        "Les avances de 30 %",
        "Dues sur le bon de commande signé et la version référencée (R11, R15) ; payées par des lots que deux"
        " personnes font, sur la seule parole de la banque.",
        advances,
    ),
    (delegations.TITLE, delegations.LESSON, delegation),
    (
        "120 jours, puis une bonne nouvelle",
        "Une commande sous condition est rappelée à l'éditeur, puis caduque ; elle rouvre si l'on apprend"
        " qu'un dossier complet avait été soumis à temps (R12, C16).",
        delay,
    ),
    (
        "De la VA au solde",
        "L'OG signe exactement ce qu'il a lu ; commande, VA et facture sont rapprochées ESSMS par ESSMS ; le"
        " solde est le reste, au centime (R16 à R18, S0:1304).",
        settlement,
    ),
    (
        "Un ESSMS retiré du périmètre",
        "L'avance versée pour l'ESSMS retiré est compensée dans le solde (C10, S0:1470).",
        removal,
    ),
    (
        "Changer d'éditeur",
        "Une nouvelle commande n'est possible qu'une fois la première annulée, pièces à l'appui.",
        change_of_editor,
    ),
    (
        "Ce que ferait un calendrier prolongé",
        "Un projet de texte se lit avant d'être mis en vigueur ; ce qui est décidé ne bouge pas (C3).",
        what_a_calendar_would_do,
    ),
    (
        "La clôture",
        "Ce qui n'est pas réalisé est à recouvrer ; une demande tardive est irrecevable ; une VA signée à"
        " temps va devant un contrôleur (R21, R22, C15).",
        cloture,
    ),
    (
        "Une avance recouvrée",
        "L'ordre de recouvrement libère les ESSMS ; le compte revient à zéro (R22, S0:1666).",
        recovery,
    ),
    ("Ce qui a été annoncé", "Chacun apprend ce qui le concerne, sans rien demander.", notices),
)
