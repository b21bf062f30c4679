"""The invoice of a solde as it is kept, and order, VA and invoice side by side, ESSMS by ESSMS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.invoice import PieceFinding, match
from sons_tracker.rules.money_case import Invoice, InvoiceLine, OrderedLine


@dataclass(frozen=True, slots=True)
class MatchLine:
    """One ESSMS that the order, the VA or the invoice names; amounts in cents TTC.

    `ordered_ttc_cents` is None when it was not ordered, `attested` and `invoiced_ttc_cents` are None while
    that piece is not there.
    """

    finess: str
    removed: bool
    ordered_ttc_cents: int | None
    attested: bool | None
    invoiced_ttc_cents: int | None
    findings: tuple[PieceFinding, ...]


@dataclass(frozen=True, slots=True)
class MatchView:
    """The three-way match of an order: with its signed VA and the invoice of its solde, if they are there."""

    order_id: UUID
    order_number: str
    va_number: int | None
    invoice_number: str | None
    lines: tuple[MatchLine, ...]


async def vat_liable_on(con: asyncpg.Connection, supplier_id: UUID, on: date, at: datetime) -> bool | None:
    """Whether the supplier was liable to VAT on the day `on`, as its enrolment says at the instant `at`.

    None when no validated enrolment says so, or the actor may not see it.
    """
    found: bool | None = await con.fetchval(
        "select e.vat_liable from enrolment e join enrolment_decision d using (supplier_id, number)"
        " where e.supplier_id = $1 and d.decision = 'validated' and d.decided_at <= $2"
        " and e.vat_from_on <= $3 order by e.number desc limit 1",
        supplier_id,
        at,
        on,
    )
    return found


def ordered_lines(dossier: Dossier) -> tuple[OrderedLine, ...]:
    """The lines of an order as the rules of the solde read them."""
    return tuple(
        OrderedLine(FinessGeographique(line.finess), line.unit_ttc_cents or 0, line.removed)
        for line in dossier.lines
    )


_INSERT = """
insert into invoice (id, order_id, supplier_id, og_id, number, issued_on, og_finess_juridique, signatory_name,
  share_percent, vat_rate_percent, ht_cents, vat_cents, ttc_cents, document_sha256, received_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (supplier_id, number) where withdrawn_at is null do nothing returning id
"""


async def keep_invoice(
    con: asyncpg.Connection, dossier: Dossier, invoice: Invoice, document_sha256: bytes | None, at: datetime
) -> UUID | Reason:
    """Writes an invoice that its rules accept, in place of the one that the order had.

    An invoice has one number and one order: the reason when the supplier already presents that number
    for another.
    """
    await con.execute(
        "update invoice set withdrawn_at = $2 where order_id = $1 and withdrawn_at is null", dossier.id, at
    )
    invoice_id: UUID | None = await con.fetchval(
        _INSERT,
        uuid4(),
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        invoice.number,
        invoice.issued_on,
        invoice.og,
        invoice.signatory_name,
        invoice.share_percent,
        invoice.vat_rate_percent,
        invoice.ht_cents,
        invoice.vat_cents,
        invoice.ttc_cents,
        document_sha256,
        at,
    )
    if invoice_id is None:
        return Reason(
            f"La facture « {invoice.number} » est déjà présentée pour une autre de vos commandes.",
            "Présenter une facture propre à cette commande, sous son propre numéro.",
            "R16",
            str(RULES["R16"].source),
        )
    lines = sorted(invoice.lines, key=lambda line: line.finess)
    await con.execute(
        "insert into invoice_line (invoice_id, finess_geographique, order_id, supplier_id, og_id, ht_cents,"
        " vat_cents, ttc_cents)"
        " select $1, finess, $2, $3, $4, ht, vat, ttc"
        " from unnest($5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) as l (finess, ht, vat, ttc)",
        invoice_id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        [line.finess for line in lines],
        [line.ht_cents for line in lines],
        [line.vat_cents for line in lines],
        [line.ttc_cents for line in lines],
    )
    return invoice_id


async def find_match(actor: Actor, order_id: UUID, at: datetime) -> MatchView:
    """Order, VA and invoice held against each other, for an order that the actor may see.

    Only a signed VA counts, and the invoice of the live request for the solde.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    require(actor, "match.read")
    async with transaction(actor.context, read_only=True) as con:
        dossier = await load_dossier(con, actor, order_id, at)
        row = await con.fetchrow(
            "select i.id, i.number from financing_request r join invoice i on i.id = r.invoice_id"
            " where r.order_id = $1 and r.kind = 'solde' and r.state <> 'inadmissible'",
            order_id,
        )
        invoiced = None if row is None else await _lines(con, row["id"])
        signed = dossier.va is not None and dossier.va.state == "signed"
        attested = dossier.va.essms if dossier.va is not None and signed else None
        va_number = (
            await con.fetchval("select number from va where id = $1", dossier.va.id)
            if dossier.va is not None and signed
            else None
        )
    findings: dict[str, list[PieceFinding]] = {}
    for finding in match(ordered_lines(dossier), attested, invoiced):
        findings.setdefault(finding.finess or "", []).append(finding)
    ordered = {line.finess: line for line in dossier.lines}
    bills = {line.finess: line.ttc_cents for line in invoiced or ()}
    return MatchView(
        order_id=order_id,
        order_number=dossier.number,
        va_number=va_number,
        invoice_number=None if row is None else row["number"],
        lines=tuple(
            MatchLine(
                finess,
                finess in ordered and ordered[finess].removed,
                ordered[finess].unit_ttc_cents if finess in ordered else None,
                None if attested is None else finess in attested,
                bills.get(FinessGeographique(finess)),
                tuple(found),
            )
            for finess, found in findings.items()
        ),
    )


async def _lines(con: asyncpg.Connection, invoice_id: UUID) -> tuple[InvoiceLine, ...]:
    rows = await con.fetch(
        "select finess_geographique, ht_cents, vat_cents, ttc_cents from invoice_line where invoice_id = $1"
        " order by finess_geographique",
        invoice_id,
    )
    return tuple(InvoiceLine(FinessGeographique(row[0]), row[1], row[2], row[3]) for row in rows)
