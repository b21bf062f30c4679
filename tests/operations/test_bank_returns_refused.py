"""Files of a bank that are refused: whole, with every defect at its place, nothing changed, journaled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sons_tracker.exchanges.return_file import ReturnLine
from sons_tracker.operations.bank_returns import MOST_REASONS
from sons_tracker.operations.lot_views import LotLineView, LotView
from tests import factories_lots as bank
from tests import factories_orders as make
from tests import factories_suppliers as suppliers
from tests.databases import Database
from tests.factories_life import an_order_with_due_advance
from tests.operations.test_bank_returns import everything
from tests.operations.test_lots import payment_of

owner = make.Everything()


@dataclass(frozen=True, slots=True)
class World:
    """An approved lot of three transfers, another that was paid, and one that is only prepared."""

    payers: bank.Payers
    lot: LotView
    lines: tuple[LotLineView, ...]
    paid: LotView
    paid_lines: tuple[LotLineView, ...]
    paid_reference: str
    prepared: LotView

    @property
    def answers(self) -> list[ReturnLine]:
        return [bank.an_answer(line) for line in self.lines]


@pytest.fixture(scope="module")
async def world(module_database: Database) -> World:
    await make.prepare_instance()
    payers = await bank.two_payers()

    async def payments(count: int) -> list:
        return [await payment_of(await an_order_with_due_advance(owner)) for _ in range(count)]

    lot = await bank.an_approved_lot(payers, await payments(3))
    paid = await bank.an_approved_lot(payers, await payments(1))
    paid_lines = await bank.lines_of(payers, paid)
    answer = bank.an_answer(paid_lines[0])
    await bank.imported(payers, bank.csv_of(paid.number, [answer]))
    prepared = (await bank.prepared(payers, await payments(1))).lot
    lines = await bank.lines_of(payers, lot)
    return World(payers, lot, lines, paid, paid_lines, answer.bank_reference, prepared)


def changed(world: World, rank: int = 1, **changes: object) -> bytes:
    """The file of the whole lot, one line but for what `changes` says, its control made to agree."""
    answers = world.answers
    answers[rank] = replace(answers[rank], **changes)  # type: ignore[arg-type]
    return bank.csv_of(world.lot.number, answers)


def whole(world: World, answers: Sequence[ReturnLine] | None = None, **control: object) -> bytes:
    return bank.csv_of(world.lot.number, world.answers if answers is None else answers, **control)


# Name → the file, and what must be said of it.
REFUSED: dict[str, tuple[Callable[[World], bytes], tuple[str, ...]]] = {
    "empty": (lambda _: b"\n", ("fichier : Une ligne de contrôle",)),
    "garbage": (lambda _: b"\x00\x01;2;3", ("Une ligne de contrôle",)),
    "not utf-8": (lambda w: whole(w).replace(b"paid", b"pay\xe9"), ("pas d'UTF-8",)),
    "a byte order mark": (lambda w: b"\xef\xbb\xbf" + whole(w), ("ligne 1 : format",)),
    "other columns": (lambda w: whole(w).replace(b"end_to_end;order", b"order;end_to_end"), ("titres",)),
    "cut in a line": (
        lambda w: whole(w)[:-60],
        ("ligne 5 : 7 champs sont attendus", "la ligne est tronquée"),
    ),
    "cut between lines": (
        lambda w: b"\n".join(whole(w).splitlines()[:-1]) + b"\n",
        ("3 lignes annoncées, 2 lues", "Le total annoncé", "L'empreinte annoncée"),
    ),
    "cut in the control": (lambda w: whole(w)[:30], ("Une ligne de contrôle",)),
    "json cut": (lambda w: bank.json_of(w.lot.number, w.answers)[:-20], ("pas du JSON, ou il est tronqué",)),
    "json without lines": (lambda w: b'{"format": "sons-retour-1"}', ("n'a pas de lignes",)),
    "json with a member twice": (
        lambda w: bank.json_of(w.lot.number, w.answers).replace(b'{"format"', b'{"lot": "x", "format"'),
        ("donné plusieurs fois",),
    ),
    "json with an unknown member": (
        lambda w: bank.json_of(w.lot.number, w.answers, bank="X"),
        ("seuls format, lot, count, total_ttc, sha256 sont admis",),
    ),
    "a line too many": (
        lambda w: whole(w, [*w.answers, bank.an_answer(w.paid_lines[0])], count=3),
        ("3 lignes annoncées, 4 lues",),
    ),
    "a total that is off": (lambda w: whole(w, total_ttc="1.00"), ("Le total annoncé est de 1,00",)),
    "a digest that is off": (lambda w: whole(w, sha256="0" * 64), ("L'empreinte annoncée",)),
    "a line twice": (
        lambda w: whole(w, [*w.answers, bank.an_answer(w.lines[0])]),
        ("ligne 6 : end_to_end : ce virement figure déjà (ligne 3)",),
    ),
    "a reference twice": (
        lambda w: whole(w, [replace(line, bank_reference="BQ-SAME") for line in w.answers]),
        ("ligne 4 : bank_reference : cette référence bancaire figure déjà (ligne 3)", "ligne 5 : bank_ref"),
    ),
    "a word that is none": (lambda w: whole(w).replace(b";paid;", b";payed;"), ("ligne 3 : outcome : les",)),
    "an instant without offset": (lambda w: whole(w).replace(b"+00:00", b""), ("ligne 3 : executed_at",)),
    "a day that does not exist": (
        lambda w: whole(w).replace(b"2023-03-02T", b"2023-02-30T"),
        ("cet instant n'existe pas",),
    ),
    "an amount with a comma": (lambda w: whole(w).replace(b"1752.00;", b"1752,00;"), ("amount_ttc",)),
    "a negative amount": (lambda w: whole(w).replace(b";1752.00;", b";-1752.00;"), ("amount_ttc",)),
    "a reason for what is paid": (
        lambda w: changed(w, reason_code="AC04"),
        ("ligne 4 : reason_code : un rejet ou un retour a un motif",),
    ),
    "a rejection without reason": (
        lambda w: changed(w, outcome="rejected"),
        ("ligne 4 : reason_code",),
    ),
    "an unknown lot": (
        lambda w: bank.csv_of("LOT-1999-0001", w.answers),
        ("Aucun lot ne porte le numéro LOT-1999-0001",),
    ),
    "a lot that is not approved": (
        lambda w: bank.csv_of(w.prepared.number, w.answers),
        ("n'est pas approuvé",),
    ),
    "an unknown transfer": (
        lambda w: changed(w, end_to_end="LOT-1999-0001-00001"),
        ("ligne 4 : LOT-1999-0001-00001 n'est le virement d'aucun lot",),
    ),
    "a transfer of another lot": (
        lambda w: changed(w, end_to_end=w.paid_lines[0].end_to_end),
        ("est un virement du lot",),
    ),
    "a transfer paid to another order": (
        lambda w: changed(w, order=w.lines[0].order_number),
        ("ligne 4 : le virement payait la commande",),
    ),
    "two transfers crossed": (
        lambda w: whole(
            w,
            [
                replace(w.answers[0], order=w.lines[1].order_number),
                replace(w.answers[1], order=w.lines[0].order_number),
            ],
        ),
        ("ligne 3 : le virement payait", "ligne 4 : le virement payait"),
    ),
    "a cent too much": (
        lambda w: changed(w, amount_ttc_cents=w.lines[1].amount_ttc_cents + 1),
        ("ligne 4 : le virement était de 1\u202f752,00\u202f€, la ligne dit 1\u202f752,01\u202f€",),
    ),
    "a cent too little": (
        lambda w: changed(w, amount_ttc_cents=w.lines[1].amount_ttc_cents - 1),
        ("la ligne dit 1\u202f751,99\u202f€",),
    ),
    "executed tomorrow": (
        lambda w: changed(w, executed_at=bank.RETURNED_AT + timedelta(seconds=1)),
        ("postérieure à l'instant de l'intégration",),
    ),
    "executed before the approval": (
        lambda w: changed(w, executed_at=bank.APPROVED_AT - timedelta(seconds=1)),
        ("précède l'approbation",),
    ),
    "returned and never paid": (
        lambda w: changed(w, outcome="returned", reason_code="AC04", executed_at=bank.RETURNED_AT),
        ("seul un virement payé peut être retourné",),
    ),
    "paid already": (
        lambda w: bank.csv_of(w.paid.number, [bank.an_answer(w.paid_lines[0])]),
        ("ce virement est déjà payé",),
    ),
    "rejected after it was paid": (
        lambda w: bank.csv_of(w.paid.number, [bank.an_answer(w.paid_lines[0], "rejected")]),
        ("ce virement est déjà payé",),
    ),
    "returned before it was paid": (
        lambda w: bank.csv_of(
            w.paid.number,
            [bank.an_answer(w.paid_lines[0], "returned", executed_at=bank.EXECUTED_AT - timedelta(1))],
        ),
        ("le retour précède le paiement",),
    ),
    "a reference of another file": (
        lambda w: changed(w, bank_reference=w.paid_reference),
        ("cette référence bancaire a déjà été intégrée",),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_file_is_refused_whole(world: World, name: str) -> None:
    make_file, sentences = REFUSED[name]
    before = await everything()
    told = await bank.imported(world.payers, make_file(world))
    for sentence in sentences:
        assert sentence in told.messages
    assert all(reason.remedy for reason in told.refused.reasons)
    assert await everything() == before
    kept = await owner.fetchrow("select action, object_kind, facts from journal order by id desc limit 1")
    assert kept["action"] == "bank_return.refused"
    assert len(kept["facts"]["reasons"]) == len(told.refused.reasons)


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_each_defect_is_told_with_its_place(world: World, form: str) -> None:
    answers = world.answers
    answers[0] = replace(answers[0], amount_ttc_cents=1)
    answers[1] = replace(answers[1], order=world.lines[0].order_number, executed_at=bank.PREPARED_AT)
    answers[2] = replace(answers[2], end_to_end="LOT-1-1")
    write = bank.csv_of if form == "csv" else bank.json_of
    told = await bank.imported(world.payers, write(world.lot.number, answers))
    places = ["ligne 3", "ligne 4", "ligne 4", "ligne 5"]
    if form == "json":
        places = ["$.lines[0]", "$.lines[1]", "$.lines[1]", "$.lines[2]"]
    assert [reason.message.split(" : ")[0] for reason in told.refused.reasons] == places


async def test_what_stands_in_a_wrong_column_is_never_repeated(world: World) -> None:
    iban = suppliers.an_iban()
    for field in (b"LOT-", b";BC-", b";BQ0", b";paid;", b";1752.00;"):
        content = whole(world).replace(
            field, b";" + iban.encode() + b";" if field[:1] == b";" else iban.encode()
        )
        told = await bank.imported(world.payers, content)
        assert iban not in told.messages
        kept = await owner.fetchval("select facts::text from journal order by id desc limit 1")
        assert iban not in kept


async def test_a_file_of_nothing_but_defects_is_told_within_bounds(world: World) -> None:
    lines = [bank.an_answer(world.lines[0], end_to_end=f"LOT-X-{n:05d}") for n in range(MOST_REASONS + 500)]
    told = await bank.imported(world.payers, bank.csv_of(world.lot.number, lines))
    assert len(told.refused.reasons) == MOST_REASONS + 1
    assert told.refused.reasons[-1].message == "500 autres défauts ne sont pas énumérés."


async def test_a_lot_that_was_dropped_takes_no_return(world: World) -> None:
    payment = await payment_of(await an_order_with_due_advance(owner))
    lot = (await bank.prepared(world.payers, [payment])).lot
    line = (await bank.lines_of(world.payers, lot))[0]
    await bank.dropped(world.payers, lot)
    told = await bank.imported(world.payers, bank.csv_of(lot.number, [bank.an_answer(line)]))
    assert "n'est pas approuvé" in told.messages


async def test_the_refusal_is_answered_again_under_its_key(world: World) -> None:
    key, content = make.a_key(), whole(world, sha256="0" * 64)
    first = await bank.imported(world.payers, content, key=key)
    second = await bank.imported(world.payers, content, key=key)
    assert first.refused.reasons
    assert second.outcome is None
    assert json.loads(bank.json_of(world.lot.number, world.answers))["count"] == 3
