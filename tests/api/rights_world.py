"""One of each thing, owned by three suppliers and three OG: what the matrix of rights asks for.

`mine` of an editor is `other` of a distributor and of another editor. Agencies see everything, so that their
`mine` and `other` differ only where an object belongs to an organisation whoever it is: webhooks, notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from sons_tracker import law
from sons_tracker.api.contract import ROLES
from sons_tracker.db.engine import transaction
from sons_tracker.operations import actors, alerts, audit, conflict_steps, feeds, reservations, samples
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER, Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.conflict_steps import Asked
from sons_tracker.operations.reservations import ReservationRequest
from sons_tracker.operations.samples import Criteria
from tests import factories_delegations as delegated
from tests import factories_disputes as disputes
from tests import factories_endings as endings
from tests import factories_life as lives
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_outbox as outbox
from tests import factories_registers as registers
from tests import factories_solde as solde
from tests import factories_successions as successions
from tests import factories_suppliers as suppliers
from tests.api.rights_matrix import INVITERS
from tests.factories import AT, Account, a_finess, an_account
from tests.factories_life import Life, Told

LAW = law.load().law
NIGHT = AT + timedelta(hours=13, minutes=30)
NOW = solde.LATER + timedelta(days=1)
"""The instant of the sandbox while the matrix is asked: after everything that happened."""
RECEIVER = "http://127.0.0.1:9/receveur"
FUNDED_ON = date(2022, 1, 3)

Objects = Mapping[str, str]
"""The name of an object, as `rights_matrix` writes it → its identifier."""


@dataclass(frozen=True, slots=True)
class World:
    """`accounts` has one account per role; `objects[role]` what is its own; `others[role]` what is not."""

    accounts: Mapping[str, Account]
    objects: Mapping[str, Objects]
    others: Mapping[str, Objects]
    shared: Objects

    def headers(self, role: str) -> dict[str, str]:
        return self.accounts[role].headers if role in self.accounts else {}


@dataclass(slots=True)
class _Side:
    """A supplier and an OG, and everything that one order of theirs led to."""

    supplier: Account
    og: Account
    objects: dict[str, str]
    questions: Mapping[str, str]
    ars: Account


async def make_world(folder: Path) -> World:
    """Fills the database; the engine is started. About fifteen seconds."""
    await make.prepare_instance()
    owner = make.Everything()
    shared = await _register(folder)
    first, second, third = [await _a_side(owner, role) for role in ("editor", "editor", "distributor")]
    reviewer = await an_account("reviewer")
    shared |= await _agencies(owner, reviewer)
    accounts = {role: await an_account(role) for role in ROLES - {"editor", "distributor", "og", "ars"}}
    accounts |= {"editor": first.supplier, "distributor": third.supplier, "og": first.og, "ars": first.ars}
    sides = dict.fromkeys(ROLES, first) | {"distributor": third}
    objects = {role: await _own(accounts[role], sides[role]) for role in sorted(ROLES)}
    strangers = {"supplier": second.supplier, "og": second.og, "ars": second.ars}
    theirs = {kind: await _own(account, second) for kind, account in strangers.items()}
    others = {role: theirs[role if role in theirs else "supplier"] for role in ROLES}
    shared["calendar"] = objects["og"]["calendar"]  # whoever knows the address reads it
    await owner.execute("update sons.instance set clock_at = $1", NOW)
    return World(accounts, objects, others, shared)


async def _register(folder: Path) -> dict[str, str]:
    """The register, and an import of grants that left something aside."""
    number = a_finess()
    lines = [registers.establishment_line(number)]
    await registers.imported(registers.establishments_file(folder, FUNDED_ON, lines))
    rows = [registers.a_grant(number, call_year=2023)]
    path = registers.rows_file(folder, "grants", rows)
    await registers.importing(path, extracted_on=date(2023, 2, 1), partial=True)
    await make.an_extraction(make.Everything(), on=date(2023, 1, 3))
    found = await make.Everything().fetchval("select id from sons.grant_import")
    return {"import": str(found), "finess": number}


async def _a_side(owner: make.Everything, role: str) -> _Side:
    """Orders of one supplier with one OG: one with a VA, one ending, one in a dispute, one recovered."""
    main = await _deposited(owner, role)
    objects: dict[str, str] = {"order": str(main.order_id)}
    main = await lives.with_advance_asked(main)
    await lives.validate_advance(main)
    objects["request"] = str(main.advance_id)
    await solde.pay(owner, main, "advance")
    objects["payment"] = str(await endings.the_payment(owner, main))
    _done(await solde.prepare(main))
    _done(await solde.sign(main))
    ending = await _deposited(owner, role, main)
    _done(await endings.ask(ending, "renunciation", by=ending.og))
    objects["ending"] = str(ending.order_id)
    shrinking = await _deposited(owner, role, main)
    proposed = _done(await endings.propose(shrinking, shrinking.essms[:1]))
    objects |= {"shrinking": str(shrinking.order_id), "amendment": str(proposed.id)}
    held = await _deposited(owner, role, main)
    dispute = await disputes.a_dispute(owner, holder=held)
    _done(await disputes.ask_precisions(dispute))
    objects |= {"conflict": str(dispute.conflict_id), "contested": str(held.order_id)}
    ars = await an_account("ars")
    questions = await _questions(dispute, ars)
    objects["recovery"] = str(await _recovered(owner, role, main))
    objects["reservation"] = str(await _reserved(owner, main))
    objects["supplier"] = str(suppliers.organisation_of(main.editor))
    change = (await suppliers.change_asked(main.editor, at=AT)).view.changes[0]
    objects |= {"change": str(change.id), "essms": main.essms[0]}
    return _Side(main.editor, main.og, objects, questions, ars)


async def _questions(dispute: disputes.Dispute, ars: Account) -> dict[str, str]:
    """The open question of each party of a case, and of the ARS that is asked its opinion."""
    reviewer, case = dispute.reviewer.actor, dispute.conflict_id
    assert ars.actor.organisation_id is not None
    asked, told = Asked("Qu'en dites-vous ?"), Told()
    await conflict_steps.ask_choice(reviewer, case, asked, LAW, AT, make.a_key(), told)
    _done(told)
    region = ars.actor.organisation_id
    await conflict_steps.ask_opinion(reviewer, case, region, asked, LAW, AT, make.a_key(), told)
    _done(told)
    seen = {"supplier": dispute.holder.editor, "og": dispute.holder.og, "ars": ars}
    return {
        who: str((await disputes.view_of(dispute, account)).questions[0].id) for who, account in seen.items()
    }


async def _deposited(owner: make.Everything, role: str, like: Life | None = None) -> Life:
    """An order, of a new supplier and OG, or of those of another order and of new ESSMS."""
    if like is None and role == "editor":
        return await lives.a_deposited_order(owner, 2)
    if like is None:
        supplier = await an_account(role)
        enrolled = await suppliers.enrol(supplier)
        sold = make.ASolution(enrolled.solution, f"{enrolled.solution}-1", "")
        og_number, numbers = await make.an_og(owner, 2)
        request = make.a_request(og_number, numbers, sold)
        og, reviewer = await an_account("og", finess_juridique=og_number), await an_account("reviewer")
    else:
        supplier, og, reviewer = like.editor, like.og, like.reviewer
        numbers = await _more_essms(owner, str(like.request.og))
        in_place = like.request.essms[0].dui_in_place
        sold = make.ASolution(str(in_place), like.request.solution_version, "")
        request = make.a_request(str(like.request.og), numbers, sold)
    view = await make.deposit(supplier.actor, request)
    assert view.identity is not None
    assert view.decision == "accepted", view.verdicts
    return Life(view.identity.id, view.identity.number, supplier, og, reviewer, request)


async def _more_essms(owner: make.Everything, og: str) -> tuple[str, ...]:
    numbers = tuple(sorted(a_finess() for _ in range(2)))
    await owner.execute(
        "insert into sons.establishment (finess_geographique, valid_from, finess_juridique, name, category,"
        " aggregate, departement, in_service)"
        " select n, $2, $3, 'ESSMS de test (fictif)', '500', '4400', '75', true from unnest($1::text[]) as n",
        list(numbers),
        make.REFERENCE,
        og,
    )
    return numbers


async def _recovered(owner: make.Everything, role: str, like: Life) -> UUID:
    """An order whose advance was paid, then asked back."""
    life = await lives.with_advance_asked(await _deposited(owner, role, like))
    await lives.validate_advance(life)
    await solde.pay(owner, life, "advance")
    await endings.lapse(life, solde.LATER)
    found: UUID = await owner.fetchval("select id from recovery where order_id = $1", life.order_id)
    return found


async def _reserved(owner: make.Everything, like: Life) -> UUID:
    numbers = await _more_essms(owner, str(like.request.og))
    wanted = ReservationRequest("MS1-V1", like.request.og, numbers, like.request.solution_version)  # type: ignore[arg-type]
    told = Told()
    await reservations.reserve(like.editor.actor, wanted, LAW, AT, make.a_key(), told)
    found: UUID = _done(told).id
    return found


async def _agencies(owner: make.Everything, reviewer: Account) -> dict[str, str]:
    """What only the agencies know: a lot, a run, an alert, a sample, a succession."""
    life = await lives.an_order_with_due_advance(owner)
    payers = await bank.two_payers()
    lot = await bank.an_approved_lot(payers, [await endings.the_payment(owner, life)])
    night = await _deposited(owner, "editor")
    og, _ = await make.an_og(owner, 2)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.deposit(editor.actor, make.a_request(og, (await _more_essms(owner, og)), solution), NIGHT)
    await audit.run(LOCAL_ADMIN, LAW, AT, night.essms)
    await alerts.raise_all(SCHEDULER, LAW, NOW)
    told = Told()
    criteria = Criteria("line", "paid", NOW, 1, at_least_one=False)
    await samples.draw_sample(reviewer.actor, criteria, "graine", LAW, NOW, make.a_key(), told)
    follows = await successions.a_succession(owner, a_finess(), a_finess())
    return {
        "lot": str(lot.id),
        "audit": str(await owner.fetchval("select id from sons.audit_run limit 1")),
        "alert": str(await owner.fetchval("select id from sons.alert limit 1")),
        "sample": str(_done(told).id),
        "succession": str(follows),
    }


async def _own(account: Account, side: _Side) -> dict[str, str]:
    """What belongs to an account, on that side."""
    actor = account.actor
    question = side.questions.get(actor.role, side.questions["supplier"])
    objects = {**side.objects, "question": question}
    objects["webhook"] = str((await outbox.a_webhook(actor, RECEIVER)).id)
    told_of = await outbox.announced(actor)
    objects["notice"] = str(
        await make.Everything().fetchval("select id from sons.outbox where object_id = $1", told_of)
    )
    if actor.role in {"editor", "distributor", "og"}:
        objects |= await _a_feed(actor)
    if actor.role == "og":
        colleague = await delegated.a_member(account)
        held = await delegated.given(account, colleague, until_on=date(2023, 4, 15))
        objects |= {"colleague": str(delegated.person_of(colleague)), "delegation": str(held.id)}
    return objects | await _account_of(actor)


async def _account_of(actor: Actor) -> dict[str, str]:
    """A session, two more tokens and an invitation of an actor's person."""
    assert actor.person_id is not None
    assert actor.organisation_id is not None
    async with transaction(LOCAL_ADMIN.context) as con:  # nobody's session is ended by who may end anyone's
        person = await con.fetchval("insert into person (name) values ('Sans session') returning id")
    objects = {"person": str(person)}
    for name in ("rotated", "revoked"):
        made = await actors.create_token(
            LOCAL_ADMIN,
            at=AT,
            person_id=actor.person_id,
            organisation_id=actor.organisation_id,
            role=actor.role,
        )
        objects[name] = str(made.token_id)
    who = (actor.person_id, actor.organisation_id, actor.role)
    async with transaction(actor.context) as con:
        objects["session"] = str(await con.fetchval(_A_SESSION, *who))
        objects["identity"] = str(await con.fetchval(_AN_IDENTITY, actor.person_id))
        if actor.role in INVITERS:
            objects["invitation"] = str(await con.fetchval(_AN_INVITATION, *who))
    return objects


_A_SESSION = """
insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at, last_seen_at,
  expires_at, address_sha256)
select i, sha256(i::text::bytea), $1, $2, $3, 'password_totp', now(), now(), now() + interval '1 d',
  sha256('a') from gen_random_uuid() as i returning id
"""
_AN_IDENTITY = """
insert into sons.identity select i, 'https://identite.test', i::text, $1, now() from gen_random_uuid() as i
returning id
"""
_AN_INVITATION = """
insert into sons.invitation (id, sha256, kind, organisation_id, organisation_kind, role, email, invited_by,
  created_at, expires_at)
select i, sha256(i::text::bytea), 'join', o.id, o.kind, $3, i || '@example.org', $1, now(),
  now() + interval '1 d' from gen_random_uuid() as i, sons.organisation o where o.id = $2 returning id
"""


async def _a_feed(actor: Actor) -> dict[str, str]:
    """A feed, and the last part of its secret address."""
    shown = await feeds.create(actor, AT, outbox.a_key(), outbox.kept)
    made = msgspec.json.decode(shown.answer.body)
    return {"feed": made["id"], "calendar": f"{shown.secret}.ics"}


def _done(told: Told) -> Any:
    """What an act answered; a refusal would leave the world without its object."""
    assert told.outcome is not None
    assert not isinstance(told.outcome, Refused), told.outcome
    return told.outcome
