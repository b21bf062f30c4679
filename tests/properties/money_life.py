"""One life of orders on the real operations, held against the model of money_model.py.

A life has an OG of its own with three editors that want the same ESSMS: tables are append-only, nothing of an
earlier life is in its way. `live` does one step in both and compares what was answered; `compare` holds the
whole state of the database against the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import SonsError
from sons_tracker.operations import advances, corrections, deadlines, lapses, recoveries, reviews
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.amendments import AmendmentView
from sons_tracker.operations.lot_views import LotView
from sons_tracker.operations.requests import RequestedEssms
from sons_tracker.operations.requests_filed import RequestView
from sons_tracker.rules.identifiers import FinessGeographique
from tests import factories_endings as end
from tests import factories_life as life
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.factories import Account, an_account
from tests.factories_suppliers import enrol
from tests.properties.money_model import ENDED, SIGNED_ON, UNPAID, Model, Order, Step, day

ESSMS = 8
owner = make.Everything()


@dataclass(frozen=True, slots=True)
class Cast:
    """Who acts in every life: the editors and what they sell, a reviewer, two payers."""

    editors: dict[str, Account]
    solutions: dict[str, make.ASolution]
    reviewer: Account
    payers: bank.Payers


async def a_cast() -> Cast:
    """The cast of a run, in a database where nothing was done yet."""
    await make.prepare_instance()
    await make.an_extraction(owner, on=date(2023, 1, 3))  # what applies to what C signs
    solutions = {name: await make.a_solution(owner) for name in "ABC"}
    editors = {name: await an_account("editor", siren=one.editor_siren) for name, one in solutions.items()}
    for account in editors.values():
        await enrol(account)
    return Cast(editors, solutions, await an_account("reviewer"), await bank.two_payers())


@dataclass(slots=True)
class Life:
    """One life: the model, and what the identifiers of its places are in the database."""

    cast: Cast
    numbers: tuple[str, ...]
    og: Account
    candidate: make.ASolution
    model: Model = field(default_factory=lambda: Model(ESSMS))
    orders: list[life.Life] = field(default_factory=list)
    lots: list[LotView] = field(default_factory=list)
    requests: dict[tuple[int, str], UUID] = field(default_factory=dict)
    amendments: dict[int, AmendmentView] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    learnt: date = date(2022, 3, 7)
    reasons: tuple[str, ...] = ()
    lived: int = 0
    offered: dict[str, list[Step]] = field(default_factory=dict)
    """What the model accepts until the next step, by name, as far as it was looked at."""

    @classmethod
    async def begin(cls, cast: Cast) -> Life:
        og_number, numbers = await make.an_og(owner, ESSMS)
        sold = cast.solutions["C"]
        candidate = make.ASolution(sold.solution, f"{sold.version}-{og_number}", sold.editor_siren)
        await owner.execute(
            "insert into referencing (solution_version, dispositif, valid_from, version_label, solution,"
            " solution_name, solution_kind, editor_siren, editor_name, status)"
            " select $2, dispositif, valid_from, version_label, solution, solution_name, solution_kind,"
            " editor_siren, editor_name, 'candidate' from referencing where solution_version = $1",
            sold.version,
            candidate.version,
        )
        return cls(cast, numbers, await an_account("og", finess_juridique=og_number), candidate)

    @property
    def at(self) -> datetime:
        return self.model.now

    def lacks(self, step: Step) -> bool:
        """Whether what the step is about, or its identifier, was never there."""
        order = self.model.orders[step.order]
        kind = str(step.args[0]) if step.args else ""
        pay = order.pays.get(kind)
        if step.name in ("issue", "repay"):
            return pay is None or pay.recovery is None
        return {
            "refuse_request": kind not in order.received,
            "validate_advance": "advance" not in order.received,
            "validate_solde": "solde" not in order.received,
            "answer_amendment": step.order not in self.amendments,
            "represent": pay is None,
        }.get(step.name, False)

    async def live(self, step: Step) -> bool | None:
        """Does the step in both; whether it was accepted; None: the model cannot tell, nothing is done.

        Raises:
            AssertionError: the programme answered something else than the model, or left other traces.
        """
        model, self.reasons = self.model, ()
        self.lived += 1
        self.offered.clear()
        model.now += timedelta(minutes=step.minutes)
        if model.unsure(step):
            return None
        allowed = model.allows(step)
        before = await said()
        try:
            refused = await getattr(self, f"_{step.name}")(step)
        except SonsError as error:
            if step.name != "trespass":
                raise AssertionError(f"{step}: {error!r}") from error
            refused = True
        assert refused is not allowed, f"{step}: refused={refused} {self.reasons}, the model says {allowed}"
        if allowed:
            model.apply(step)
        if step.name == "learn":
            for place in sorted(range(len(self.orders)), key=lambda n: self.orders[n].order_id):
                model.follow(place)
        after = await said()
        journaled, told = after[0] - before[0], after[1] - before[1]
        if step.name == "trespass":
            assert (journaled, told) == (0, 0), step
        elif refused:
            assert (journaled, told) == (1, 0), f"{step}: a refusal wrote {journaled} and told {told}"
        elif step.name not in ("clock", "learn", "again"):
            assert min(journaled, told) >= 1, f"{step}: {journaled} in the journal, {told} told"
        return allowed

    def _is_refused(self, told: Any) -> bool:
        """Whether it was; the reasons are kept for the message of a failure."""
        if isinstance(told.outcome, Refused):
            self.reasons = tuple(reason.message for reason in told.outcome.reasons)
        return isinstance(told.outcome, Refused)

    # -- the steps, on the operations; each says whether it was refused

    async def _deposit(self, step: Step) -> bool:
        editor, pairs, held = step.args
        solution = self.candidate if editor == "C" else self.cast.solutions[str(editor)]
        units: dict[int, int] = dict(pairs)
        in_place = None if held else solution.solution
        request = make.a_request(
            str(self.og.finess_juridique), (), solution, signed_on=SIGNED_ON[str(editor)]
        )
        lines = tuple(
            RequestedEssms(FinessGeographique(self.numbers[essms]), cents, in_place)
            for essms, cents in units.items()
        )
        request = replace(request, essms=lines)
        account = self.cast.editors[str(editor)]
        view = await make.deposit(account.actor, request, self.at)
        if view.decision == "refused":
            return True
        assert view.identity is not None
        self.orders.append(
            life.Life(view.identity.id, view.identity.number, account, self.og, self.cast.reviewer, request)
        )
        return False

    async def _clock(self, step: Step) -> bool:
        await deadlines.tick(self.at)
        return False

    async def _learn(self, step: Step) -> bool:
        complete_on, referenced_from = step.args
        today = day(self.at)
        await make.an_extraction(owner, "referencing", today)
        await owner.execute(
            "with old as (update sons.referencing set valid_to = $2 where solution_version = $1"
            " and valid_to is null returning *)"
            " insert into sons.referencing (solution_version, dispositif, valid_from, version_label,"
            " solution, solution_name, solution_kind, editor_siren, editor_name, status, complete_file_on,"
            " referenced_from) select solution_version, dispositif, $2, version_label, solution,"
            " solution_name, solution_kind, editor_siren, editor_name, $3, $4, $5 from old",
            self.candidate.version,
            today,
            "candidate" if referenced_from is None else "referenced",
            complete_on,
            referenced_from,
        )
        self.learnt = today
        async with transaction(LOCAL_ADMIN.context) as con:
            await lapses.follow_list(con, LOCAL_ADMIN, self.at)
        return False

    async def _trespass(self, step: Step) -> bool:
        order = self.orders[step.order]
        stranger = next(one for one in self.cast.editors.values() if one is not order.editor)
        told = life.Told()
        who = stranger if step.args == ("stranger",) else self.cast.reviewer
        await advances.request_advance(
            who.actor, order.order_id, life.CONTENT, law.load().law, self.at, make.a_key(), told
        )
        return False

    async def _request_advance(self, step: Step) -> bool:
        return self._filed(step, "advance", await life.request_advance(self.orders[step.order], self.at))

    def _filed(self, step: Step, kind: str, told: life.Told) -> bool:
        if isinstance(told.outcome, RequestView):
            self.requests[step.order, kind] = told.outcome.id
        return self._is_refused(told)

    async def _validate_advance(self, step: Step) -> bool:
        order, told = self.orders[step.order], life.Told()
        await advances.validate_advance(
            order.reviewer.actor, self.requests.get((step.order, "advance"), uuid4()), order.order_id,
            "Vu (fictif).", law.load().law, self.at, make.a_key(), told,
        )  # fmt: skip
        return self._is_refused(told)

    async def _refuse_request(self, step: Step) -> bool:
        order, kind, told = self.orders[step.order], str(step.args[0]), life.Told()
        await advances.refuse_request(
            order.reviewer.actor, self.requests.get((step.order, kind), uuid4()), order.order_id, kind,
            "Pièce contraire (fictif).", law.load().law, self.at, make.a_key(), told,
        )  # fmt: skip
        return self._is_refused(told)

    async def _ask_correction(self, step: Step) -> bool:
        order, told = self.orders[step.order], life.Told()
        await corrections.ask_correction(
            order.reviewer.actor, order.order_id, str(step.args[0]), "incorrect", "À corriger (fictif).",
            law.load().law, self.at, make.a_key(), told,
        )  # fmt: skip
        return self._is_refused(told)

    async def _answer_correction(self, step: Step) -> bool:
        order, told = self.orders[step.order], life.Told()
        await corrections.answer_correction(
            order.editor.actor, order.order_id, "Corrigé (fictif).", None, law.load().law, self.at,
            make.a_key(), told,
        )  # fmt: skip
        return self._is_refused(told)

    async def _settle_review(self, step: Step) -> bool:
        order, told = self.orders[step.order], life.Told()
        settlements = (reviews.Settlement("R38", str(step.args[0]), "Constaté sur pièces."),)
        await reviews.settle_review(
            order.reviewer.actor, order.order_id, settlements, law.load().law, self.at, make.a_key(), told
        )
        return self._is_refused(told)

    async def _settle_advance(self, step: Step) -> bool:
        order, told = self.orders[step.order], life.Told()
        await reviews.settle_advance(
            order.reviewer.actor, order.order_id, bool(step.args[0]), "Constaté sur pièces.", law.load().law,
            self.at, make.a_key(), told,
        )  # fmt: skip
        return self._is_refused(told)

    async def _prepare_va(self, step: Step) -> bool:
        kept = sorted(self.model.orders[step.order].kept)
        attested = [self.numbers[essms] for essms in (kept if step.args[0] else kept[1:])]
        order = self.orders[step.order]
        return self._is_refused(await solde.prepare(order, solde.a_declaration(*attested), self.at))

    async def _sign_va(self, step: Step) -> bool:
        order = self.orders[step.order]
        shown = None if step.args[0] and self.model.orders[step.order].va else bytes(32)
        return self._is_refused(await solde.sign(order, self.at, shown=shown))

    def _invoice(self, step: Step) -> dict[str, Any]:
        bills = [solde.a_bill(self.numbers[essms], cents) for essms, cents in step.args[0]]
        day_of = day(self.at).isoformat()
        return {"invoice": solde.an_invoice(self.orders[step.order], bills, issued_on=day_of)}

    async def _request_solde(self, step: Step) -> bool:
        told = await solde.ask(self.orders[step.order], self._invoice(step), self.at)
        return self._filed(step, "solde", told)

    async def _refile_solde(self, step: Step) -> bool:
        return self._is_refused(await solde.refile(self.orders[step.order], self._invoice(step), self.at))

    async def _validate_solde(self, step: Step) -> bool:
        order = self.orders[step.order]
        request_id = self.requests[step.order, "solde"]
        return self._is_refused(await solde.validate(order, request_id, self.at, reason="Vu (fictif)."))

    def _side(self, step: Step) -> Account:
        return self.og if step.args[0] == "og" else self.orders[step.order].editor

    async def _cancel(self, step: Step) -> bool:
        order, motive = self.orders[step.order], str(step.args[1])
        return self._is_refused(
            await end.ask(order, motive, by=self._side(step), for_acquisition=False, at=self.at)
        )

    async def _join(self, step: Step) -> bool:
        order, asked = self.orders[step.order], self.model.orders[step.order].cancelling
        if step.args[0] == "supplier":
            return self._is_refused(await end.give_statement(order, self.at))
        return self._is_refused(await end.attest(order, self.at, sha256=None if asked else bytes(32)))

    async def _decline(self, step: Step) -> bool:
        return self._is_refused(await end.decline(self.orders[step.order], self.at))

    async def _drop(self, step: Step) -> bool:
        return self._is_refused(await end.drop(self.orders[step.order], self.at, by=self._side(step)))

    async def _settle_cancellation(self, step: Step) -> bool:
        decision: Any = step.args[0]
        return self._is_refused(await end.settle(self.orders[step.order], decision, self.at))

    async def _propose(self, step: Step) -> bool:
        removed = [self.numbers[essms] for essms in step.args[1]]
        told = await end.propose(self.orders[step.order], removed, self.at, by=self._side(step))
        if isinstance(told.outcome, AmendmentView):
            self.amendments[step.order] = told.outcome
        return self._is_refused(told)

    async def _answer_amendment(self, step: Step) -> bool:
        order, amendment, by = self.orders[step.order], self.amendments[step.order], self._side(step)
        if step.args[1] == "agree":
            return self._is_refused(await end.agree(order, amendment, self.at, by=by))
        if step.args[1] == "refuse":
            return self._is_refused(await end.refuse(order, amendment.id, self.at, by=by))
        return self._is_refused(await end.withdraw(order, amendment.id, self.at, by=by))

    async def _prepare_lot(self, step: Step) -> bool:
        wanted = [(self.orders[number].order_id, kind) for number, kind in step.args]
        rows = await owner.fetch(
            "select p.id from payment p join unnest($1::uuid[], $2::text[]) as w (order_id, kind)"
            " using (order_id, kind)",
            [order_id for order_id, _ in wanted],
            [kind for _, kind in wanted],
        )
        told = await bank.prepared(self.cast.payers, [row["id"] for row in rows], self.at)
        if isinstance(told.outcome, LotView):
            self.lots.append(told.outcome)
        return self._is_refused(told)

    async def _approve_lot(self, step: Step) -> bool:
        first, second = self.cast.payers.first, self.cast.payers.second
        payers = self.cast.payers if step.args == ("second",) else bank.Payers(second, first)
        return self._is_refused(await bank.approved(payers, self.lots[step.order], self.at))

    async def _drop_lot(self, step: Step) -> bool:
        return self._is_refused(await bank.dropped(self.cast.payers, self.lots[step.order], self.at))

    async def _bank(self, step: Step) -> bool:
        lot, lines = self.lots[step.order], []
        transfers = await bank.lines_of(self.cast.payers, lot)
        by_payment = {(one.order_number, one.kind): one for one in transfers}
        for place, outcome in step.args:
            number, kind = self.model.lots[step.order].lines[place]
            transfer = by_payment[self.orders[number].number, kind]
            lines.append(bank.an_answer(transfer, outcome, executed_at=self.at))
        content = bank.csv_of(lot.number, lines)
        told = await bank.imported(self.cast.payers, content, self.at)
        if not self._is_refused(told):
            self.files[step.order] = content
        return self._is_refused(told)

    async def _again(self, step: Step) -> bool:
        """The file that was read already, under another key."""
        content = self.files.get(step.order)
        if content is None:
            return False
        return self._is_refused(await bank.imported(self.cast.payers, content, self.at))

    async def _payment_of(self, step: Step, table: str = "payment") -> UUID | None:
        of = "p.id" if table == "payment" else "(select r.id from recovery r where r.payment_id = p.id)"
        found: UUID | None = await owner.fetchval(
            f"select {of} from payment p where p.order_id = $1 and p.kind = $2",
            self.orders[step.order].order_id,
            str(step.args[0]),
        )
        return found

    async def _represent(self, step: Step) -> bool:
        payment_id = await self._payment_of(step)
        if payment_id is None:
            return True
        return self._is_refused(await bank.represented(self.cast.payers, payment_id, self.at))

    async def _issue(self, step: Step) -> bool:
        told, found = life.Told(), await self._payment_of(step, "recovery")
        assert found is not None
        await recoveries.issue(
            self.cast.payers.first.actor, found, "Recours (fictif).", self.at, make.a_key(), told
        )
        return self._is_refused(told)

    async def _repay(self, step: Step) -> bool:
        told, found = life.Told(), await self._payment_of(step, "recovery")
        assert found is not None
        recovery = self.model.orders[step.order].pays[str(step.args[0])].recovery
        assert recovery is not None
        amount = recovery[1] + int(str(step.args[1]))
        repayment = recoveries.Repayment(f"RB-{uuid4()}", self.at, amount)
        await recoveries.record_repayment(
            self.cast.payers.first.actor, found, repayment, self.at, make.a_key(), told
        )
        return self._is_refused(told)

    # -- what must be so after every step

    async def compare(self) -> None:
        """The database is what the model says, and keeps the invariants of the money."""
        rows = {row["id"]: row for row in await owner.fetch(_STATE, [o.order_id for o in self.orders])}
        claims: dict[str, int] = {}
        for place, (order, expected) in enumerate(zip(self.orders, self.model.orders, strict=True)):
            row, where = rows[order.order_id], f"order {place} ({expected.editor})"
            claimed = {self.numbers.index(finess) for finess in row["claims"]}
            pays = {
                kind: (pay.state, pay.due, pay.amount, pay.cash, pay.recovered, pay.recovery)
                for kind, pay in expected.pays.items()
            }
            found = {
                kind: (*rest, None if recovery is None else tuple(recovery))
                for kind, (*rest, recovery) in row["pays"].items()
            }
            lines = {self.numbers.index(finess): sums for finess, sums in row["lines"].items()}
            planned = {essms: sums[0] for essms, sums in lines.items() if sums[0]}
            assert row["state"] == expected.state, f"{where}: {row['state']}, not {expected.state}"
            assert found == pays, f"{where}: {found}, not {pays}"
            assert row["requests"] == expected.requests, f"{where}: requests"
            assert claimed == expected.claims, f"{where}: holds {claimed}, not {expected.claims}"
            assert planned == expected.planned, f"{where}: planned {planned}, not {expected.planned}"
            for finess in row["claims"]:
                assert claims.setdefault(finess, place) == place, f"{where}: two orders hold {finess}"
            self._check_money(where, expected, lines)

    def _check_money(self, where: str, order: Order, lines: dict[int, list[int]]) -> None:
        for essms, (_, received) in lines.items():
            assert 0 <= received <= order.units[essms], f"{where}: line {essms} has {received}"
        if order.editor == "C" and any(pay.due for pay in order.pays.values()):
            assert self.model.referenced_from is not None, f"{where}: due before the referencing"
        states = {pay.state for pay in order.pays.values()}
        quiet = not states & {*UNPAID, "in_lot", "to_recover"}
        if (quiet and order.state == "settled") or (order.state in ENDED and not states & {
            "paid", "in_lot", "to_recover"
        }):  # fmt: skip
            off = {essms: sums for essms, sums in lines.items() if sums[0] != sums[1]}
            assert not off, f"{where}: over, and not even: {off}"


_STATE = """
select o.id, o.state,
  coalesce((select jsonb_object_agg(r.kind, r.state) from financing_request r
            where r.order_id = o.id and r.state <> 'inadmissible'), '{}') as requests,
  array(select c.finess_geographique from claim c
        where c.order_id = o.id and c.released_at is null) as claims,
  coalesce((select jsonb_object_agg(p.kind, jsonb_build_array(p.state, p.due_ttc_cents, p.amount_ttc_cents,
      coalesce((select sum(e.amount_ttc_cents) from ledger_entry e where e.order_id = o.id
        and e.payment_id = p.id and e.movement in ('paid', 'compensated')), 0),
      coalesce((select -sum(e.amount_ttc_cents) from ledger_entry e where e.order_id = o.id
        and e.payment_id = p.id and e.movement = 'recovered'), 0),
      (select jsonb_build_array(case when r.recovered_at is not null then 'recovered'
         when r.issued_at is not null then 'issued' else 'opened' end, r.amount_ttc_cents)
       from recovery r where r.payment_id = p.id)))
    from payment p where p.order_id = o.id), '{}') as pays,
  coalesce((select jsonb_object_agg(s.finess, jsonb_build_array(s.planned, s.received)) from (
      select e.finess_geographique as finess,
        coalesce(sum(e.amount_ttc_cents) filter (where e.movement = 'planned'), 0) as planned,
        coalesce(sum(e.amount_ttc_cents) filter (where e.movement <> 'planned'), 0) as received
      from ledger_entry e where e.order_id = o.id group by 1) s), '{}') as lines
from purchase_order o where o.id = any($1)
"""


async def said() -> tuple[int, int]:
    """How much the journal and the outbox hold."""
    row = await owner.fetchrow("select (select count(*) from journal), (select count(*) from outbox)")
    return row[0], row[1]
