"""The pairs of the audit that hold a grant: order and grant, cancelled order and acquisition, two grants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sons_tracker.operations.audit_detectors import (
    BETWEEN,
    CURRENT,
    DAY,
    GRANT_FIELDS,
    Arguments,
    Detector,
    Known,
    Told,
    beside,
    grant_fields,
    grant_of,
    known,
    law_day,
    signature,
    solutions,
    starts,
)
from sons_tracker.rules.case import SonsOrder
from sons_tracker.rules.crossing import grant_state, phase_of
from sons_tracker.rules.crossing_pair import pair_finding, situations
from sons_tracker.rules.double_funding import acquisition_after, second_grant
from sons_tracker.rules.verdicts import severity

# An order that lives holds its claims. One that is over still holds them while money is out, and when the
# ordre de recouvrement is issued lets go of them before the money is back: both are an order with an advance
# to recover. A claim that follows a succession has its order in `holder_id` alone.
_HELD = """
select c.vague, c.finess_geographique, c.holder_id from claim c
where c.released_at is null and c.holder_kind <> 'reservation'
union all
select c.vague, c.finess_geographique, c.holder_id from recovery r
join claim c on c.order_id = r.order_id and c.release_reason = 'recovered'
where r.recovered_at is null
"""
_SAME_AS_ORDER = "g.solution = o.solution"


def _sign(day: str) -> str:
    return f"sign({day} - o.signed_on)::int"


_CROSSED = signature(
    "c.vague",
    *grant_fields("g"),
    _SAME_AS_ORDER,
    "s.live",
    _sign("g.agreed_on"),
    _sign("least(g.first_paid_on, g.paid_on)"),
    _sign("g.requested_on"),
    law_day("greatest(o.signed_on, g.agreed_on)", "$4"),
    law_day("greatest(o.signed_on, g.requested_on)", "$4"),
)
_ORDER_GRANT = f"""
select 'order_grant' as family, c.vague, o.id as order_a, null::text as grant_a, null::uuid as order_b,
       g.grant_reference as grant_b, c.finess_geographique as finess, null::text as counterpart,
       {_CROSSED} as signature
from ({_HELD}) c
join purchase_order o on o.id = c.holder_id
join order_state s on s.state = o.state
join esms_grant g on g.finess_geographique = c.finess_geographique and {CURRENT}
where 'order_grant' = any($1::text[]) and c.vague = any($3) {{scope}}
"""  # noqa: S608 # nosec B608 # constants of this module


def _crossing_starts(asked: Known) -> list[date]:
    tables = [p for vague in asked.law.vagues.values() for p in (vague.crossing_order, vague.crossing_grant)]
    return starts(*tables, known_on=asked.on)


def _crossed(asked: Known, text: str) -> Iterable[Told]:
    """The worst component of a grant before an order (C8, C13), whichever came first."""
    vague, *fields = text.split(BETWEEN)
    same, live, agreed, paid, requested, on, asked_on = fields[GRANT_FIELDS:]
    ours, theirs = solutions(same)
    order = SonsOrder(
        number="",
        solution=ours,
        signed_on=DAY,
        live=live == "true",
        va_deposited_at=None,
        cancelled_at=None,
        for_acquisition=None,
        advance_to_recover=live != "true",
    )
    grant = grant_of(fields[:GRANT_FIELDS], "", theirs, beside(agreed), beside(paid))
    phase = phase_of(asked.law.calls, grant.year, asked.on)
    day = date.fromisoformat(asked_on if grant_state(grant) == "demande" else on)
    answers = [
        (*pair_finding(asked.law.vagues[vague], situation, day, asked.on), situation.first == "grant")
        for situation in situations(order, grant, beside(requested), phase)
    ]
    yield Told(*max(answers, key=lambda answer: severity(answer[1].outcome)))


ORDER_GRANT = Detector(
    ("order_grant",),
    _ORDER_GRANT,
    "c.finess_geographique = any({0})",
    lambda asked: (asked.on, asked.vagues, _crossing_starts(asked)),
    _crossed,
)

# The acquisition motive says by itself what the cancellation is made for, as at the cancellation (R29).
_AFTER = signature(
    "o.vague",
    *grant_fields("g"),
    "o.solution",
    "o.signed_on",
    "k.cancelled_at",
    "(select min(r.received_at) from financing_request r where r.order_id = o.id and r.kind = 'solde')",
    "k.motive = 'acquisition' or k.for_acquisition",
    "least(g.first_paid_on, g.paid_on)",
    "coalesce(g.requested_on, g.agreed_on)",
)
_CANCELLED = f"""
select distinct 'cancelled_then_acquisition' as family, o.vague, o.id as order_a, null::text as grant_a,
       null::uuid as order_b, g.grant_reference as grant_b, c.finess_geographique as finess,
       null::text as counterpart, {_AFTER} as signature
from cancellation k
join purchase_order o on o.id = k.order_id
join claim c on c.order_id = o.id and c.release_reason is distinct from 'removed_from_perimeter'
join esms_grant g on g.finess_geographique = c.finess_geographique and g.project = 'acquisition' and {CURRENT}
where 'cancelled_then_acquisition' = any($1::text[]) and k.state = 'carried_out' and o.vague = any($3)
  and greatest(g.requested_on, g.agreed_on) >= (k.cancelled_at at time zone 'Europe/Paris')::date {{scope}}
"""  # noqa: S608 # nosec B608 # constants of this module


def _after(asked: Known, text: str) -> Iterable[Told]:
    vague, *fields = text.split(BETWEEN)
    solution, signed, cancelled, va, for_acquisition, paid, on = fields[GRANT_FIELDS:]
    order = SonsOrder(
        number="",
        solution=solution or None,
        signed_on=date.fromisoformat(signed),
        live=False,
        va_deposited_at=datetime.fromisoformat(va) if va else None,
        cancelled_at=datetime.fromisoformat(cancelled),
        for_acquisition=known(for_acquisition),
        advance_to_recover=False,
    )
    paid_on = date.fromisoformat(paid) if paid else None
    grant = grant_of(fields[:GRANT_FIELDS], "", None, None, paid_on)
    answer = acquisition_after(asked.law, vague, order, grant, date.fromisoformat(on), asked.on)
    return () if answer is None else (Told(*answer),)


CANCELLED_THEN_ACQUISITION = Detector(
    ("cancelled_then_acquisition",),
    _CANCELLED,
    "c.finess_geographique = any({0})",
    lambda asked: (asked.on, asked.vagues),
    _after,
)

_TWO = signature(
    *grant_fields("a"),
    *grant_fields("b"),
    "a.solution = b.solution",
    "a.paid_first_on is not null",
    "b.paid_first_on is not null",
    law_day("coalesce(nullif(b.act_on, 'infinity'), $2)", "$3"),
)
_TWO_GRANTS = f"""
with current as (
  select g.*, least(g.first_paid_on, g.paid_on) as paid_first_on,
         coalesce(g.agreed_on, g.first_paid_on, g.paid_on, g.requested_on, 'infinity') as act_on
  from esms_grant g where {CURRENT} {{scope}}
)
select 'two_grants' as family, $4::text as vague, null::uuid as order_a, a.grant_reference as grant_a,
       null::uuid as order_b, b.grant_reference as grant_b, a.finess_geographique as finess,
       null::text as counterpart, {_TWO} as signature
from current a
join current b on b.finess_geographique = a.finess_geographique
  and (a.act_on, a.grant_reference) < (b.act_on, b.grant_reference)
where 'two_grants' = any($1::text[]) and a.grant_reference <> b.grant_reference
"""  # noqa: S608 # nosec B608 # constants of this module


def _any_vague(asked: Known) -> str:
    """R28 is of every vague; its case, and the file that the rule reads, need one."""
    return asked.vagues[0]


def _two_grants_arguments(asked: Known) -> Arguments:
    return (asked.on, starts(asked.law.crossing_grants, known_on=asked.on), _any_vague(asked))


def _two(asked: Known, text: str) -> Iterable[Told]:
    fields = text.split(BETWEEN)
    same, earlier_paid, later_paid, on = fields[2 * GRANT_FIELDS :]
    first, second = solutions(same)
    earlier = grant_of(fields[:GRANT_FIELDS], "A", first, None, DAY if known(earlier_paid) else None)
    later = grant_of(
        fields[GRANT_FIELDS : 2 * GRANT_FIELDS], "B", second, None, DAY if known(later_paid) else None
    )
    day = date.fromisoformat(on)
    yield Told(*second_grant(asked.law, _any_vague(asked), earlier, later, day, asked.on))


TWO_GRANTS = Detector(
    ("two_grants",), _TWO_GRANTS, "g.finess_geographique = any({0})", _two_grants_arguments, _two
)
