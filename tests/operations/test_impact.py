"""What a law would change, before it is enacted: the same files under two laws, and nothing written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import case_files, enactment
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.cases import load_case
from sons_tracker.operations.impact import (
    AmountChange,
    Change,
    DeadlineChange,
    OrderImpact,
    Tally,
    VerdictChange,
    impact,
)
from sons_tracker.operations.requests import OrderRequest, known_on
from sons_tracker.rules.texts import Law
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import AT, Account, a_finess, an_account
from tests.operations.impact_laws import (
    CLOTURE,
    FERMETURE,
    JANUARY,
    LATER_CLOTURE,
    LATER_FERMETURE,
    PACKAGE,
    edited,
    everything_kept,
    extended,
    learn_submission,
    planned,
)
from tests.operations.test_statements import counted, spied

__all__ = ["spied"]


@pytest.fixture
async def owner(database: Database) -> make.Everything:
    await make.prepare_instance()
    return make.Everything()


async def read(after: Law, at: datetime = AT, before: Law = PACKAGE) -> tuple[list[OrderImpact], Tally]:
    """The impact of a law on the orders of this database."""
    orders: list[OrderImpact] = []

    def tell(page: object, done: int, total: int) -> None:
        assert done <= total
        orders.extend(page)  # type: ignore[arg-type]

    tally = await impact(LOCAL_ADMIN, before, after, at, tell)
    assert tally.touched == len(orders)
    return orders, tally


async def changes(after: Law, at: datetime = AT) -> list[Change]:
    """The changes of the one order that there is."""
    orders, _ = await read(after, at)
    return [change for order in orders for change in order.changes]


async def test_the_extended_calendar_is_shown_before_it_is_enacted(owner: make.Everything) -> None:
    _, _, view = await make.an_accepted_order(owner)
    orders, tally = await read(extended(), JANUARY)
    assert view.identity is not None
    assert [(one.id, one.number, one.state) for one in orders] == [
        (view.identity.id, view.identity.number, "submitted")
    ]
    assert orders[0].changes == (
        DeadlineChange("fermeture", FERMETURE, LATER_FERMETURE),
        DeadlineChange("cloture", CLOTURE, LATER_CLOTURE),
    )
    assert (tally.read, tally.touched, dict(tally.by_change)) == (1, 1, {("deadline", "moves"): 1})
    # what was shown is what the enactment does, and then nothing is left to show
    await enactment.enact(LOCAL_ADMIN, extended(), JANUARY)
    assert await planned(owner, orders[0].id, "cloture") == [LATER_CLOTURE]
    assert await read(extended(), JANUARY, extended()) == ([], Tally(1, 0, Counter()))


async def test_the_law_of_the_package_changes_nothing_and_nothing_is_written(owner: make.Everything) -> None:
    for essms in (1, 3):
        await make.an_accepted_order(owner, essms)
    before = await everything_kept(owner)
    assert await changes(PACKAGE) == []
    assert await changes(extended(), JANUARY) != []
    assert await everything_kept(owner) == before


async def test_a_new_rate_shows_amounts_that_are_decided_and_stay(owner: make.Everything) -> None:
    await make.an_accepted_order(owner, 3)  # tranche B, 2 920 € each
    cheaper = edited("ms1_v1.toml", '"2920.00"', '"2900.00"')
    assert await changes(cheaper) == [
        AmountChange("total", 876_000, 870_000, "frozen"),
        AmountChange("advance", 262_800, 261_000, "frozen"),
        AmountChange("solde", 613_200, 609_000, "frozen"),
    ]


async def test_a_rate_below_what_was_asked_refuses_and_leaves_no_amount(owner: make.Everything) -> None:
    og, numbers = await make.an_og(owner, 3)
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(og, numbers, solution, unit_ttc_cents=291_000)
    await make.deposit(editor.actor, request)
    found = await changes(edited("ms1_v1.toml", '"2920.00"', '"2900.00"'))
    assert found[0] == VerdictChange("R13", tuple(sorted(numbers)), "pass", "fail", "frozen")
    assert found[1] == AmountChange("total", 873_000, None, "frozen")


async def test_what_a_reviewer_has_not_decided_is_told_apart(owner: make.Everything) -> None:
    """MS3 has no known opening (C4): its orders wait for a person, who will read the new law."""
    og, numbers = await make.an_og(owner, 1, category="214", aggregate="4600")
    solution = await make.a_solution(owner, dispositif="MS3-V1")
    editor = await an_account("editor", siren=solution.editor_siren)
    view = await make.deposit(editor.actor, make.a_request(og, numbers, solution, dispositif="MS3-V1"))
    assert view.decision == "to_review"
    opened = "".join(
        f"""[[{name}]]
depuis = 2022-05-01
publie_le = 2023-01-01
retroactif = true
confiance = "officiel"
etat = "en_vigueur"
source = {{ titre = "Arrêté de test", reference = "aucun" }}
dates = [{{ domaines = ["AHI", "PJM"], le = 2022-05-01 }}]

"""
        for name in ("publication", "ouverture")
    )
    found = await changes(edited("ms3_v1.toml", "[[avance]]", f"{opened}[[avance]]"))
    assert found == [VerdictChange("R10", numbers, "unknown", "pass", "to_settle")]


async def test_a_verdict_that_changes_for_some_essms_names_them(owner: make.Everything) -> None:
    og, numbers = await make.an_og(owner, 3)
    solution = await make.a_solution(owner)
    await make.a_grant(
        owner, numbers[1], solution=solution.solution, components=("usage",), project="upgrade"
    )
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.deposit(editor.actor, make.a_request(og, numbers, solution))
    stricter = edited(
        "vague_1.toml",
        'issue = "pass"\nregle = "R27"\nconfiance = "officiel"\nsource = { titre = "SONS à l\'éditeur',
        'issue = "fail"\nregle = "R27"\nconfiance = "officiel"\nsource = { titre = "SONS à l\'éditeur',
    )
    assert await changes(stricter) == [VerdictChange("R27", (numbers[1],), "pass", "fail", "frozen")]


async def test_the_register_that_the_new_law_names_is_read_for_it(owner: make.Everything) -> None:
    """C14 and C6: another extraction or another basis of counting gives another tranche."""
    later = date(2022, 4, 1)
    og, numbers = await make.an_og(owner, 4)
    await make.an_extraction(owner, on=later)
    await owner.execute(
        "update sons.establishment set valid_to = $2 where finess_geographique = any($1)",
        list(numbers[2:]),
        later,
    )
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    await make.deposit(editor.actor, make.a_request(og, numbers[:1], solution))
    assert (
        await changes(edited("vague_1.toml", "\nle = 2022-01-03", "\nle = 2022-04-01")) == []
    )  # 4, then 2: tranche B
    await owner.execute(
        "update sons.establishment set valid_to = $2 where finess_geographique = $1", numbers[1], later
    )
    assert await changes(edited("vague_1.toml", "\nle = 2022-01-03", "\nle = 2022-04-01")) == [
        AmountChange("total", 292_000, 400_000, "frozen"),
        AmountChange("advance", 87_600, 120_000, "frozen"),
        AmountChange("solde", 204_400, 280_000, "frozen"),
    ]


async def test_the_list_is_read_as_it_is_known_on_the_day_of_the_question(owner: make.Everything) -> None:
    """C16: a file that was submitted in time and learnt since the deposit no longer depends on the delay."""
    og, numbers = await make.an_og(owner, 1)
    solution = await make.a_solution(owner, status="candidate", referenced_from=None)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = make.a_request(og, numbers, solution, signed_on=date(2022, 12, 15))
    await make.deposit(editor.actor, request)
    shorter = edited("ms1_v1.toml", "jours = 120", "jours = 5")
    assert [c for c in await changes(shorter) if isinstance(c, VerdictChange)] == [
        VerdictChange("R12", (), "warn", "fail", "frozen")
    ]
    await learn_submission(owner, solution.version, date(2023, 3, 6), date(2022, 12, 18))
    assert [c.effect for c in await changes(shorter) if isinstance(c, VerdictChange)] == ["frozen"]
    found = await changes(shorter, AT + timedelta(days=7))
    assert [change for change in found if isinstance(change, VerdictChange)] == []


async def test_a_file_built_again_is_the_file_of_the_deposit(owner: make.Everything) -> None:
    """Every fact that the rules read of an order, but for its own claims and the other orders of its OG."""
    for account, request in await _many_files(owner):
        await make.deposit(account.actor, request)
        async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
            files = await case_files.order_files(con, None, 100)
            facts = await case_files.load_facts(con, files, (PACKAGE, extended()), known_on(AT))
        file = next(one for one in files if one.lines[0].finess in {line.finess for line in request.essms})
        same, again = facts.cases(file, (PACKAGE, extended()))
        assert same is again
        async with transaction(account.actor.context, read_only=True) as con:
            expected = await load_case(con, account.actor, request, PACKAGE, AT)
        lines = sorted(
            (replace(line, engagements=()) for line in expected.lines), key=lambda line: line.finess
        )
        assert same == replace(expected, other_orders=(), lines=tuple(lines))


async def _many_files(owner: make.Everything) -> list[tuple[Account, OrderRequest]]:
    found = []
    solution = await make.a_solution(owner)
    await make.a_solution(owner, dispositif="MS2-V1")
    editor = await an_account("editor", siren=solution.editor_siren)
    distributor = await an_account("distributor")
    await owner.execute(
        "insert into sons.distributor (solution, distributor_siren, distributes_from, valid_from,"
        " distributor_name) values ($1, $2, '2022-01-01', '2022-03-07', 'Distributeur de test (fictif)')",
        solution.solution,
        distributor.siren,
    )
    for account, essms in ((editor, 1), (editor, 5), (distributor, 2)):
        og, numbers = await make.an_og(owner, essms)
        await make.a_grant(
            owner, numbers[0], solution=solution.solution, components=("usage",), project="upgrade"
        )
        asked = numbers if essms < 5 else numbers[:3]
        found.append((account, make.a_request(og, asked, solution, unit_ttc_cents=100_000)))
    # known between the signature and the deposit, and after it
    og, numbers = await make.an_og(owner, 2)
    for number, valid_from in zip(numbers, (date(2022, 12, 1), date(2023, 3, 2)), strict=True):
        await make.a_grant(owner, number, solution=solution.solution, components=("usage",))
        await owner.execute(
            "update esms_grant set valid_from = $2 where finess_geographique = $1", number, valid_from
        )
    found.append((editor, make.a_request(og, numbers, solution)))
    # a fifth ESSMS that is closed: it counts in no tranche
    og, numbers = await make.an_og(owner, 4)
    await owner.execute(
        "insert into establishment (finess_geographique, valid_from, finess_juridique, name, category,"
        " aggregate, departement, in_service) select $2, valid_from, finess_juridique, name, category,"
        " aggregate, departement, false from establishment where finess_geographique = $1",
        numbers[0],
        a_finess(),
    )
    found.append((editor, make.a_request(og, numbers[:1], solution)))
    og, numbers = await make.an_og(owner, 2)
    found.append(
        (editor, make.a_request(og, numbers[::-1], solution, already_equipped=None, dui_in_place=None))
    )
    waiting = await make.a_solution(owner, status="candidate", referenced_from=None)
    og, numbers = await make.an_og(owner, 1)
    account = await an_account("editor", siren=waiting.editor_siren)
    found.append((account, make.a_request(og, numbers, waiting, signed_on=date(2023, 2, 20))))
    return found


async def test_an_order_of_an_extraction_that_is_not_loaded_is_built_again_too(database: Database) -> None:
    owner = make.Everything()
    await make.prepare_instance()
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    og, numbers = await make.an_og(owner, 2)
    # signed after the extraction of January 2023, which nobody has imported
    request = make.a_request(og, numbers, solution, signed_on=date(2023, 2, 1))
    assert (await make.deposit(editor.actor, request)).decision == "to_review"
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        files = await case_files.order_files(con, None, 10)
        facts = await case_files.load_facts(con, files, (PACKAGE,), known_on(AT))
    (case,) = facts.cases(files[0], (PACKAGE,))
    async with transaction(editor.actor.context, read_only=True) as con:
        expected = await load_case(con, editor.actor, request, PACKAGE, AT)
    assert case.extraction == expected.extraction
    assert case.extraction is not None
    assert case.extraction.scope is None
    assert [line.establishment for line in case.lines] == [None, None]


async def test_pages_follow_each_other_without_a_gap(
    owner: make.Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await make.an_accepted_order(owner)
    whole, _ = await read(extended(), JANUARY)
    monkeypatch.setattr("sons_tracker.operations.impact.PAGE", 2)
    paged, tally = await read(extended(), JANUARY)
    assert paged == whole
    assert (tally.read, tally.touched) == (5, 5)


async def test_a_page_runs_as_many_statements_whatever_it_holds(
    owner: make.Everything, spied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for essms in (1, 2, 30):
        await make.an_accepted_order(owner, essms)
    cheaper = edited("ms1_v1.toml", '"2920.00"', '"2900.00"')
    await read(cheaper)  # a new connection asks for the types that it meets, once
    runs: list[list[str]] = []
    for page in (1, 3):
        monkeypatch.setattr("sons_tracker.operations.impact.PAGE", page)
        with counted(spied, runs):
            await read(cheaper)
    per_page = 8
    last = 1  # the page that is empty: its orders, and nothing more
    fixed = len(runs[1]) - per_page - last
    assert len(runs[0]) == fixed + 3 * per_page + last, runs
    assert "READ ONLY" in runs[0][0]


async def test_only_an_administrator_reads_the_impact(owner: make.Everything) -> None:
    for role in ("pilot", "reviewer", "editor"):
        account = await an_account(role)
        with pytest.raises(SonsError) as caught:
            await impact(account.actor, PACKAGE, extended(), AT, lambda *_: None)
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_a_law_that_lost_a_dispositif_is_refused(owner: make.Everything) -> None:
    await make.an_accepted_order(owner)
    without = {code: one for code, one in PACKAGE.dispositifs.items() if code != "MS1-V1"}
    with pytest.raises(SonsError) as caught:
        await read(replace(PACKAGE, dispositifs=without))
    assert caught.value.code is ErrorCode.INVALID_LAW


def test_projects_are_read_as_law_and_nothing_else_changes() -> None:
    differences = law.compare(law.load(), law.proposal.with_projects(law.load()))
    assert {(one.name, one.kind) for one in differences} >= {
        ("MS1-V1.fermeture", "modification"),
        ("MS1-V1.cloture", "modification"),
    }
    for one in differences:
        assert one.before is not None
        assert one.after is not None
        assert {key for key in one.after if one.after[key] != one.before.get(key)} == {"etat"}
    assert law.proposal.known_from(differences) == date(2023, 12, 31)
