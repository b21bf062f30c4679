"""Whether a supplier can be paid: its enrolment, its VAT situation and its bank account at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from sons_tracker.operations.requests import known_on

State = Literal["submitted", "to_correct", "validated"]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The enrolment of a supplier as it stood at an instant.

    `state` is that of the latest file; the one in force is the latest validated, `validated_number`. A new
    file that waits, or was sent back, takes nothing from the one in force. `missing` are French phrases, each
    something to repair before anything is paid. `vat_liable` is None while no situation is in force.
    """

    supplier_id: UUID
    state: State
    number: int
    validated_number: int | None
    vat_liable: bool | None
    bank_account_id: UUID | None

    @property
    def missing(self) -> tuple[str, ...]:
        found = []
        if self.validated_number is None:
            found.append(
                "le dossier d'enrôlement est à modifier"
                if self.state == "to_correct"
                else "le dossier d'enrôlement attend sa validation"
            )
        elif self.vat_liable is None:
            found.append("aucune situation de TVA n'est en vigueur à cette date")
        if self.bank_account_id is None:
            found.append("aucun compte bancaire confirmé n'est en vigueur")
        return tuple(found)

    @property
    def complete(self) -> bool:
        return not self.missing


# $1 suppliers, $2 the instant, $3 its Paris day. The VAT situation in force is that of the newest validated
# file among those whose situation has begun: a file announces a change in advance, and corrects the past.
_ENROLMENTS = """
select s.id as supplier_id, latest.number, coalesce(latest.decision, 'submitted') as state,
  (select max(d.number) from enrolment_decision d
   where d.supplier_id = s.id and d.decision = 'validated' and d.decided_at <= $2) as validated_number,
  (select e.vat_liable from enrolment e join enrolment_decision d using (supplier_id, number)
   where e.supplier_id = s.id and d.decision = 'validated' and d.decided_at <= $2 and e.vat_from_on <= $3
   order by e.number desc limit 1) as vat_liable,
  (select c.id from bank_account_change c
   where c.supplier_id = s.id and c.stopped_at is null and c.takes_effect_at <= $2
   order by c.takes_effect_at desc limit 1) as bank_account_id
from unnest($1::uuid[]) as s (id)
cross join lateral (
  select e.number, d.decision from enrolment e
  left join enrolment_decision d on (d.supplier_id, d.number) = (e.supplier_id, e.number)
    and d.decided_at <= $2
  where e.supplier_id = s.id and e.submitted_at <= $2 order by e.number desc limit 1) latest
"""


async def enrolments_of(
    con: asyncpg.Connection, supplier_ids: Sequence[UUID], at: datetime
) -> dict[UUID, Enrolment]:
    """The enrolments of several suppliers as they stood at the business instant `at`, in one statement.

    A supplier that had submitted nothing is absent; so is one whose enrolment the actor may not see: an OG
    and the pilot see none, a supplier its own, the reviewer, the payer, the administrator and the scheduler
    all.
    """
    rows = await con.fetch(_ENROLMENTS, list(supplier_ids), at, known_on(at))
    return {row["supplier_id"]: Enrolment(**dict(row)) for row in rows}


async def enrolment_of(con: asyncpg.Connection, supplier_id: UUID, at: datetime) -> Enrolment | None:
    """The enrolment of a supplier at `at`; None as in `enrolments_of`: nothing submitted, or nothing seen."""
    return (await enrolments_of(con, [supplier_id], at)).get(supplier_id)
