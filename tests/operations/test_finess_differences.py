"""The difference between two extractions: what changed, for whom, and what it touches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from sons_tracker import law
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.finess_differences import CHANGES, Difference, Filters, difference
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, a_finess, an_account
from tests.factories_registers import establishment_line, establishments_file, imported

EARLIER, LATER = date(2022, 1, 3), date(2023, 1, 2)


@dataclass(frozen=True, slots=True)
class World:
    """Two OG in two extractions; what each number does from one to the other is its name."""

    og: str
    other_og: str
    numbers: dict[str, str]
    reviewer: Account


@pytest.fixture(scope="module")
async def world(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> World:
    await make.prepare_instance()
    og, other_og = a_finess(), a_finess()
    folder = tmp_path_factory.mktemp("finess")
    names = (*CHANGES, "same", "renumbered", "renumbering")
    numbers = {name: a_finess() for name in names}

    def line(name: str, entity: str = og, **fields: str) -> str:
        told = {"rs": f"MAISON {name.upper()}", "numvoie": "1", "voie": f"RUE {name.upper()}", **fields}
        return establishment_line(numbers[name], entity, **told)

    before = [
        line(name)
        for name in ("absent", "category_changed", "og_changed", "renamed", "moved", "siret_changed", "dated",
                     "same", "renumbered", "closed", "reopened")
    ]  # fmt: skip
    after = [
        line("created", dateouv="2022-06-01"),
        line("category_changed", categetab="354", categagretab="4605"),
        line("og_changed", other_og),
        line("renamed", rs="MAISON NEUVE"),
        line("moved", voie="QUAI NEUF"),
        line("siret_changed", siret="26010004500012"),
        line("dated", dateouv="1991-01-01"),
        line("same"),
        line("closed", rs="MAISON CLOSED BIS"),
        line("reopened", rs="MAISON REOPENED BIS"),
        line("renumbering", rs="MAISON RENUMBERED", voie="RUE RENUMBERED", dateouv="2022-06-01"),
    ]
    await imported(establishments_file(folder, EARLIER, [*before, *_many(60)]))
    await imported(establishments_file(folder, LATER, [*after, *_many(60)]), accept_loss=True)
    # the CSV lists what is in service only; the JSON would have said the two that follow
    owner = await module_database.connect_superuser()
    closing = (
        "update sons.establishment set in_service = false where finess_geographique = $1 and valid_to is"
    )
    await owner.execute(f"{closing} null", numbers["closed"])
    await owner.execute(f"{closing} not null", numbers["reopened"])
    await owner.close()
    return World(og, other_og, numbers, await an_account("reviewer"))


_OTHERS = [a_finess() for _ in range(61)]


def _many(count: int) -> list[str]:
    """Establishments of nobody in particular, so that a stock loses less than a tenth."""
    return [establishment_line(number, _OTHERS[60]) for number in _OTHERS[:count]]


async def found(
    world: World, account: Account | None = None, limit: int = 100, **filters: object
) -> Difference:
    actor = (account or world.reviewer).actor
    return await difference(actor, EARLIER, LATER, Filters(**filters), law.load().law, None, limit)  # type: ignore[arg-type]


async def test_each_change_is_told_once_by_its_name(world: World) -> None:
    seen = {item.finess: item.changes for item in (await found(world)).items}
    wanted = {world.numbers[name]: (name,) for name in CHANGES if name not in {"closed", "reopened"}}
    wanted |= {world.numbers["renumbered"]: ("absent",), world.numbers["renumbering"]: ("created",)}
    wanted |= {world.numbers[name]: (name, "renamed") for name in ("closed", "reopened")}
    assert seen == wanted


async def test_absence_is_no_closure_and_a_closure_is_no_absence(world: World) -> None:
    seen = {item.finess: item for item in (await found(world)).items}
    absent, closed = seen[world.numbers["absent"]], seen[world.numbers["closed"]]
    assert (absent.changes, absent.after) == (("absent",), None)
    assert closed.after is not None
    assert (closed.changes, closed.after.in_service) == (("closed", "renamed"), False)


async def test_a_probable_succession_stands_on_both_numbers_with_its_reasons(world: World) -> None:
    items = {item.finess: item for item in (await found(world)).items}
    old, new = world.numbers["renumbered"], world.numbers["renumbering"]
    for number in (old, new):
        (known,) = items[number].successions
        assert (known.found.predecessor, known.found.successor, known.found.kind) == (old, new, "renumbering")
        assert (known.state, known.id is not None) == ("probable", True)
        assert known.found.score == sum(clue.points for clue in known.found.clues) == 75
    assert all(not item.successions for number, item in items.items() if number not in {old, new})


async def test_it_says_which_orders_vas_and_tranches_it_touches(
    world: World, module_database: Database
) -> None:
    owner = await module_database.connect_superuser()
    solution = await make.a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    numbers = tuple(sorted((world.numbers["og_changed"], world.numbers["same"])))
    view = await make.deposit(editor.actor, make.a_request(world.og, numbers, solution))
    assert view.identity is not None
    await owner.close()
    whole = await found(world)
    items = {item.finess: item for item in whole.items}
    (order,) = items[world.numbers["og_changed"]].orders
    assert (order.number, order.state, order.holds, order.va) == (
        view.identity.number, "submitted", True, None,
    )  # fmt: skip
    assert whole.summary.orders == 1
    assert not items[world.numbers["renamed"]].orders
    # the OG had ten ESSMS in service and has nine; the other had none and has one
    tranches = {one.og: one for one in items[world.numbers["og_changed"]].tranches}
    own, other = tranches[world.og], tranches[world.other_og]
    assert (own.counted_before, own.counted_after, own.tranche_before, own.tranche_after, own.changes) == (
        10, 9, "C", "C", False,
    )  # fmt: skip
    assert (other.counted_before, other.counted_after, other.tranche_before, other.tranche_after) == (
        0, 1, None, "A",
    )  # fmt: skip
    assert other.changes
    assert whole.summary.tranches == 1
    touching = await found(world, touching=True)
    assert [item.finess for item in touching.items] == [world.numbers["og_changed"]]
    assert touching.summary.numbers == 1


async def test_the_summary_counts_what_is_asked_whatever_the_page(world: World) -> None:
    whole = await found(world)
    page = await found(world, limit=2)
    assert page.summary == whole.summary
    assert whole.summary.numbers == len(whole.items) == 12
    assert whole.summary.changes == {
        "absent": 2, "category_changed": 1, "closed": 1, "created": 2, "dated": 1, "moved": 1,
        "og_changed": 1, "renamed": 3, "reopened": 1, "siret_changed": 1,
    }  # fmt: skip
    assert whole.summary.successions == {"renumbering": 1}
    items, after = list(page.items), page.following
    while after is not None:
        page = await difference(world.reviewer.actor, EARLIER, LATER, Filters(), law.load().law, after, 3)
        items += page.items
        after = page.following
    assert items == list(whole.items)


async def test_filters(world: World) -> None:
    moved = await found(world, change="moved")
    assert [item.finess for item in moved.items] == [world.numbers["moved"]]
    of_other = await found(world, og=world.other_og)
    assert [item.finess for item in of_other.items] == [world.numbers["og_changed"]]
    one = await found(world, finess=world.numbers["absent"])
    assert [item.finess for item in one.items] == [world.numbers["absent"]]


async def test_an_og_sees_its_own_and_a_supplier_nothing(world: World) -> None:
    other = await an_account("og", finess_juridique=world.other_og)
    assert [item.finess for item in (await found(world, other)).items] == [world.numbers["og_changed"]]
    assert not (await found(world, await an_account("og"))).items
    for role in ("editor", "distributor", "ars"):
        with pytest.raises(SonsError) as caught:
            await found(world, await an_account(role))
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_what_is_not_loaded_is_said(world: World) -> None:
    with pytest.raises(SonsError) as caught:
        await difference(world.reviewer.actor, date(2021, 1, 1), LATER, Filters(), law.load().law, None, 10)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [fault.where for fault in caught.value.faults] == ["earlier"]
    assert "03/01/2022, 02/01/2023" in caught.value.detail
