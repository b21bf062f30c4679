"""The pairs of the audit that are of orders alone: two orders, two numbers, a perimeter that moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sons_tracker.operations.audit_detectors import (
    BETWEEN,
    Detector,
    Known,
    Told,
    known,
    law_day,
    signature,
    starts,
)
from sons_tracker.rules.double_funding import (
    PlaceNow,
    one_place_two_numbers,
    perimeter_now,
    second_order,
)

# An order that another rule refused as well would not take the ESSMS if the holder let go of it: no conflict.
# The ESSMS are those that R05 named at the deposit and that another order still holds.
_TWO_ORDERS = """
select case when h.state = 'settled' then 'already_financed' else 'two_orders' end as family, o.vague,
       h.id as order_a, null::text as grant_a, o.id as order_b, null::text as grant_b,
       l.finess_geographique as finess, null::text as counterpart, (h.state = 'settled')::text as signature
from purchase_order o
join order_line l on l.order_id = o.id
join claim c on c.vague = o.vague and c.finess_geographique = l.finess_geographique
  and c.released_at is null and c.holder_kind <> 'reservation'
join purchase_order h on h.id = c.holder_id and h.id <> o.id
where case when h.state = 'settled' then 'already_financed' else 'two_orders' end = any($1::text[])
  and o.state = 'rejected' and o.decision = 'refused'
  and not jsonb_path_exists(o.verdicts, '$[*] ? (@.outcome == "fail" && @.rule != "R05")')
  and exists (select from jsonb_array_elements(o.verdicts) v where v ->> 'rule' = 'R05'
              and v ->> 'outcome' = 'fail' and v -> 'essms' ? l.finess_geographique) {scope}
"""


def _two(_asked: Known, text: str) -> Iterable[Told]:
    yield Told(*second_order(text == "true"))


TWO_ORDERS = Detector(
    ("two_orders", "already_financed"),
    _TWO_ORDERS,
    "l.finess_geographique = any({0})",
    lambda _: (),
    _two,
)

# Of several numbers that became one, each old one is a line of the case; of one that became several, each
# new one.
_TWO_NUMBERS = f"""
select 'two_numbers' as family, p.vague,
       case when p.id < n.id then p.order_id else n.order_id end as order_a, null::text as grant_a,
       case when p.id < n.id then n.order_id else p.order_id end as order_b, null::text as grant_b,
       case s.kind when 'split' then s.successor else s.predecessor end as finess,
       case s.kind when 'split' then s.predecessor else s.successor end as counterpart,
       {signature("s.kind", "s.state = 'confirmed'")} as signature
from succession s
join claim p on p.vague = any($2) and p.finess_geographique = s.predecessor
  and p.released_at is null and p.holder_kind = 'order'
join claim n on n.vague = p.vague and n.finess_geographique = s.successor
  and n.released_at is null and n.holder_kind = 'order'
where 'two_numbers' = any($1::text[]) and s.state <> 'dismissed' {{scope}}
"""  # noqa: S608 # nosec B608 # constants of this module


def _numbers(_asked: Known, text: str) -> Iterable[Told]:
    kind, confirmed = text.split(BETWEEN)
    yield Told(*one_place_two_numbers(kind, confirmed == "true"))


TWO_NUMBERS = Detector(
    ("two_numbers",),
    _TWO_NUMBERS,
    "(s.predecessor = any({0}) or s.successor = any({0}))",
    lambda asked: (asked.vagues,),
    _numbers,
)

_PLACE = signature(
    "o.dispositif",
    "coalesce(e.valid_from, (select max(x.valid_to) from establishment x"
    " where x.finess_geographique = c.finess_geographique and x.valid_to <= $3))",
    "e.finess_geographique is not null",
    "e.in_service",
    "case when e.finess_juridique <> o.og_finess_juridique then e.finess_juridique end",
    "e.category",
    "e.aggregate",
    law_day("o.signed_on", "$4"),
)
# A row that is valid since the order's own extraction says what it said then: only the others are looked at.
_PERIMETER = f"""
select 'perimeter_differs' as family, o.vague, o.id as order_a, null::text as grant_a, null::uuid as order_b,
       null::text as grant_b, c.finess_geographique as finess, null::text as counterpart,
       {_PLACE} as signature
from claim c
join purchase_order o on o.id = c.order_id
join order_state s on s.state = o.state and s.live
left join establishment e on e.finess_geographique = c.finess_geographique
  and e.valid_from <= $3 and (e.valid_to is null or e.valid_to > $3)
where 'perimeter_differs' = any($1::text[]) and c.vague = any($2) and c.released_at is null
  and c.holder_kind = 'order' and $3::date is not null and (o.extraction_on < $3) is not false
  and (e.valid_from <= o.extraction_on) is not true {{scope}}
"""  # noqa: S608 # nosec B608 # constants of this module


def _place(asked: Known, text: str) -> Iterable[Told]:
    dispositif, changed, present, in_service, elsewhere, category, aggregate, signed = text.split(BETWEEN)
    place = PlaceNow(
        changed_on=date.fromisoformat(changed) if changed else None,
        present=present == "true",
        in_service=known(in_service) is not False,
        elsewhere=elsewhere or None,
        category=category,
        aggregate=aggregate or None,
    )
    answers = perimeter_now(asked.law, dispositif, place, date.fromisoformat(signed), asked.on)
    return [Told(*answer) for answer in answers]


def _places_starts(asked: Known) -> list[date]:
    categories = [dispositif.categories for dispositif in asked.law.dispositifs.values()]
    return starts(*categories, asked.law.register.domaines, known_on=asked.on)


PERIMETER_DIFFERS = Detector(
    ("perimeter_differs",),
    _PERIMETER,
    "c.finess_geographique = any({0})",
    lambda asked: (asked.vagues, asked.stock_on, _places_starts(asked)),
    _place,
)
