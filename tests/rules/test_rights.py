"""The table of rights: how it is read, its page, and what the other tables say of who does what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sons_tracker.rules import rights
from sons_tracker.rules.conflicts import DEEDS as CASE_DEEDS
from sons_tracker.rules.deeds import DEEDS
from sons_tracker.rules.lifecycle import SUPPLIER
from sons_tracker.rules.rights import ACCOUNT_ROLES, RIGHTS, ROLE_WORDS, ROLES, Reach, parse, reach, roles_of
from sons_tracker.rules.rights_table import TABLE
from tests.rules import lifecycle_page
from tests.rules.lifecycle_page import THINGS, Thing
from tests.rules.rights_page import page

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sons_tracker"
# How an action is named: by a contract, by an operation, by a rule.
ASKED_BY = {"may", "public", "require", "allowed", "sees_all", "reach", "roles_of", "right"}
AGENCIES = ("reviewer", "payer", "pilot", "admin")


# --- the table itself ----------------------------------------------------------------------------------


def test_the_page_is_the_table() -> None:
    written = (ROOT / "docs" / "droits.md").read_text("utf-8")
    assert written == page(), "python -m tests.rules.rights_page > docs/droits.md"


def test_the_roles_are_those_of_the_other_tables() -> None:
    assert set(ROLE_WORDS) == set(ROLES)
    assert set(lifecycle_page.ROLES) == set(ROLES) - {rights.ANONYMOUS}
    assert {role: ROLE_WORDS[role] for role in lifecycle_page.ROLES} == lifecycle_page.ROLES
    assert set(rights.REACH_WORDS) == set(rights.REACH_SENTENCES) == set(Reach)


def test_every_role_and_every_reach_is_of_use() -> None:
    used = {
        role: {right.reaches[role] for right in RIGHTS.values() if role in right.reaches} for role in ROLES
    }
    assert all(used.values())
    assert set().union(*used.values()) == set(Reach)


def test_labels_are_french_and_each_is_one() -> None:
    labels = [right.label for right in RIGHTS.values()]
    assert len(set(labels)) == len(labels)
    assert all(label[0].isupper() and not label.endswith(".") for label in labels)


def test_who_only_reads_does_nothing() -> None:
    """A pilot and an ARS act on no order, no case and no money; an ARS answers what it is asked."""
    reads = ("read", "list", "compare", "export", "run", "open", "inspect")
    own = (
        "session",
        "token",
        "webhook",
        "notice",
        "invitation",
        "identity",
        "account",
        "saved_view",
        "member",
    )
    for role in ("pilot", "ars"):
        acts = {
            action
            for action, right in RIGHTS.items()
            if role in right.reaches and action.partition(".")[2] not in reads
        }
        assert {action for action in acts if action.partition(".")[0] not in own} == (
            {"question.answer"} if role == "ars" else set()
        )


def test_editors_and_distributors_have_the_same_rights() -> None:
    assert all(reach("editor", action) is reach("distributor", action) for action in RIGHTS)


def test_a_party_never_reaches_everything_that_an_organisation_owns() -> None:
    """What a supplier, an OG or an ARS reads whole is public, or narrowed inside the answer."""
    whole = {
        action
        for action, right in RIGHTS.items()
        if rights.ANONYMOUS not in right.reaches
        and any(right.reaches.get(role) is Reach.ALL for role in ("editor", "og", "ars"))
    }
    assert whole == {"essms.read", "piece.inspect"}


def _table(*changes: tuple[str, str]) -> str:
    table = TABLE
    for before, after in changes:
        assert before in table
        table = table.replace(before, after, 1)
    return table


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((("editor ", "editeur "),), id="a misspelt role"),
        pytest.param((("og ", ""),), id="a column less"),
        pytest.param((("party", "parti"),), id="a misspelt reach"),
        pytest.param((("va.sign ", "vasign "),), id="no verb"),
        pytest.param((("va.sign ", "va.read "),), id="an action twice"),
        pytest.param((("Signer la VA\n", "\n"),), id="no label"),
        pytest.param((("## Le service et le droit\n", ""),), id="no section"),
    ],
)
def test_a_table_that_is_not_one_is_refused_at_import(changes: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(_table(*changes))


def test_what_does_not_exist_is_refused_when_asked() -> None:
    with pytest.raises(ValueError, match="unknown action"):
        roles_of("va.sing")
    with pytest.raises(ValueError, match="unknown action"):
        reach("og", "va.sing")
    with pytest.raises(ValueError, match="unknown role"):
        reach("chef", "va.sign")


# --- the code asks the table, and nothing beside it --------------------------------------------------------


def _asked() -> Iterator[tuple[str, str]]:
    """Each action that the code names: where, and which."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if name in ASKED_BY and file.name != "rights.py":
                yield from ((file.name, word) for word in words)
            # the contract of an act, an action of a list: the first word that is written like one
            yield from ((file.name, word) for word in words[:1] if word in RIGHTS)


def test_the_code_asks_for_actions_of_the_table_and_for_each_of_them() -> None:
    asked = {action for _, action in _asked()}
    assert asked - set(RIGHTS) == set(), "no such action"
    assert set(RIGHTS) - asked == set(), "nobody asks for it"


def _sets_of_roles(tree: ast.AST) -> Iterator[frozenset[str]]:
    """Two roles or more, written together; not those of a type, which open nothing."""
    types = {
        id(node.slice)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.Set | ast.List) and id(node) not in types and len(node.elts) > 1:
            words = {one.value for one in node.elts if isinstance(one, ast.Constant)}
            if len(words) == len(node.elts) and words <= set(ROLES):
                yield frozenset(words)


def test_no_set_of_roles_stands_beside_the_table() -> None:
    """It would be a second table: what it says of an actor is asked by `require`, `allowed`, `sees_all`."""
    beside = {
        (file.name, words)
        for room in ("operations", "api", "cli", "delivery")
        for file in sorted((PACKAGE / room).rglob("*.py"))
        for words in _sets_of_roles(ast.parse(file.read_text("utf-8")))
    }
    assert beside == {(file, frozenset(words)) for file, words in NO_RIGHTS}


NO_RIGHTS = (
    ("actors.py", AGENCIES),  # which roles a member of an agency may be given
    ("actors.py", ("reviewer", "pilot", "admin")),  # and a member of a ministry
    ("cases.py", SUPPLIER),  # whether the asker would be the supplier of what it simulates
    ("simulations.py", SUPPLIER),  # whose simulations are counted
)


def _called(node: ast.AST) -> set[str]:
    return {
        call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    }


def test_every_use_case_requires_its_action() -> None:
    """The terminal and the clock come without the guard of the API: who opens a transaction for an actor
    asks the table, or calls who does."""
    silent = {
        f"{file.stem}.{node.name}"
        for file in sorted((PACKAGE / "operations").glob("*.py"))
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
        and any(one.arg == "actor" for one in (*node.args.args, *node.args.kwonlyargs))
        and _called(node) & {"transaction", "perform"}
        and not _called(node) & {"require", "examine"}
    }  # fmt: skip
    # the frames in which acts run, after they have asked
    assert silent == {"acts.perform", "conflict_acts.on_case", "idempotency.reserve_key"}


# --- the other tables, held to this one ---------------------------------------------------------------------

CANCELLING = ("cancellation.ask", "cancellation.attest", "cancellation.state", "cancellation.settle")
ENDING = (*CANCELLING, "deadline.fire")
# By which actions each event of a life comes about: the roles of its edges are those of the actions.
CAUSES: dict[str, dict[str, tuple[str, ...]]] = {
    "order": {
        "deposit": ("order.deposit",),
        "referencing_learnt": ("register.import", "deadline.fire"),
        "submission_learnt": ("register.import", "deadline.fire"),
        "delay_passed": ("deadline.fire",),
        "review_settled": ("order.review",),
        "correction_asked": ("correction.ask",),
        "corrected": ("correction.answer",),
        "advance_validated": ("request.validate",),
        "solde_validated": ("request.validate",),
        "solde_paid": ("bank_return.import",),
        "payment_returned": ("bank_return.import",),
        "cancelled": CANCELLING,
        "cloture": ("deadline.fire",),
        "solde_refused": ("request.refuse",),
        "advance_kept": ("advance.settle",),
        "advance_reclaimed": ("advance.settle",),
        "conflict_lost": ("conflict.execute",),
        "conflict_won": ("conflict.execute",),
    },
    "request": {
        "request": ("advance.request", "solde.request"),
        "correction_asked": ("correction.ask",),
        "corrected": ("correction.answer",),
        "validated": ("request.validate",),
        "declared_inadmissible": ("request.refuse",),
        "order_ended": (*ENDING, "conflict.execute"),
        "bank_paid": ("bank_return.import",),
        "bank_returned": ("bank_return.import",),
    },
    "payment": {
        "deposit": ("order.deposit",),
        "conflict_won": ("conflict.execute",),
        "validated": ("request.validate",),
        "lot_prepared": ("lot.prepare",),
        "bank_rejected": ("bank_return.import",),
        "lot_dropped": ("lot.drop",),
        "bank_paid": ("bank_return.import",),
        "bank_returned": ("bank_return.import",),
        "represented": ("payment.represent",),
        "order_ended": (*ENDING, "conflict.execute", "bank_return.import"),
        "reclaimed": (*ENDING, "conflict.execute", "bank_return.import"),
        "recovered": ("recovery.repay",),
    },
    "va": {"prepared": ("va.prepare",), "signed": ("va.sign",), "replaced": ("va.prepare",)},
    "cancellation": {
        "asked": ("cancellation.ask",),
        "completed": ("cancellation.ask", "cancellation.attest", "cancellation.state"),
        "held": ("cancellation.ask", "cancellation.attest", "cancellation.state"),
        "settled": ("cancellation.settle",),
        "declined": ("cancellation.decline",),
        "dropped": ("cancellation.drop",),
    },
    "amendment": {
        "proposed": ("amendment.propose",),
        "agreed": ("amendment.agree",),
        "refused": ("amendment.refuse",),
        "withdrawn": ("amendment.withdraw",),
    },
    "conflict": {
        "found": ("audit.run",),
        "contested": ("conflict.contest",),
        "precisions_asked": ("question.ask",),
        "choice_asked": ("question.ask",),
        "decided": ("conflict.decide", "conflict.approve"),
        "reconsidered": ("conflict.reconsider",),
        "executed": ("conflict.execute",),
        "closed": ("conflict.close",),
        "reopened": ("conflict.reopen",),
        "found_again": ("audit.run",),
    },
    "reservation": {
        "made": ("reservation.make",),
        "converted": ("order.deposit",),
        "expired": ("deadline.fire",),
        "dropped": ("reservation.drop",),
    },
}
# By which action each thing of the lists « ce qui peut être fait maintenant » is done.
DONE_BY = {
    "request_advance": "advance.request", "correct": "correction.answer", "settle_review": "order.review",
    "settle_advance": "advance.settle", "ask_order_correction": "correction.ask",
    "ask_advance_correction": "correction.ask", "ask_solde_correction": "correction.ask",
    "validate_advance": "request.validate", "validate_solde": "request.validate",
    "refuse_advance": "request.refuse", "refuse_solde": "request.refuse", "prepare_va": "va.prepare",
    "sign_va": "va.sign", "request_solde": "solde.request", "refile_solde": "solde.request",
    "cancel": "cancellation.ask", "state_cancellation": "cancellation.state",
    "attest_cancellation": "cancellation.attest", "decline_cancellation": "cancellation.decline",
    "drop_cancellation": "cancellation.drop", "settle_cancellation": "cancellation.settle",
    "propose_amendment": "amendment.propose", "agree_amendment": "amendment.agree",
    "refuse_amendment": "amendment.refuse", "withdraw_amendment": "amendment.withdraw",
    "contest": "conflict.contest",
}  # fmt: skip


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_who_moves_a_state_has_the_right_to_the_act_that_moves_it(thing: Thing) -> None:
    assert set(CAUSES[thing.name]) == set(thing.events)
    for move in thing.transitions:
        may = {role for action in CAUSES[thing.name][move.event] for role in roles_of(action)}
        assert set(move.roles) == may, (move.event, "the edge, then the table")


def test_who_is_shown_an_action_has_the_right_to_it() -> None:
    shown: dict[str, set[str]] = {}
    for deed in DEEDS:
        shown.setdefault(deed.code, set()).update(deed.roles)
    assert set(shown) == set(DONE_BY)
    for code, roles in shown.items():
        assert roles == set(roles_of(DONE_BY[code])), code


def test_the_acts_on_a_case_are_shown_to_who_decides_it() -> None:
    """One list for all of them: `conflict.decide` shows it, so that all of them have the same roles."""
    acts = [action for action in RIGHTS if action.startswith("conflict.")]
    led = [a for a in acts if a not in ("conflict.read", "conflict.contest")] + [
        "question.ask", "question.withdraw", "motivation.read",
    ]  # fmt: skip
    assert {roles_of(action) for action in led} == {("reviewer",)}
    assert len(CASE_DEEDS) >= len(led) - 2


def test_two_persons_are_of_the_same_role() -> None:
    for first, second in (
        ("lot.prepare", "lot.approve"),
        ("bank_account.ask", "bank_account.confirm"),
        ("conflict.decide", "conflict.approve"),
    ):
        assert roles_of(first) == roles_of(second)


def test_only_a_payer_handles_money_and_only_a_reviewer_decides() -> None:
    money = (
        "lot.prepare", "lot.approve", "lot.drop", "lot.export", "bank_return.import", "payment.represent",
        "recovery.issue", "recovery.repay", "recovery.follow",
    )  # fmt: skip
    assert {roles_of(action) for action in money} == {("payer",)}
    decided = (
        "order.review", "request.validate", "request.refuse", "advance.settle", "correction.ask",
        "cancellation.settle", "conflict.decide", "succession.settle",
    )  # fmt: skip
    assert {roles_of(action) for action in decided} == {("reviewer",)}


def test_the_agencies_are_who_reads_every_order() -> None:
    every = [role for role in ACCOUNT_ROLES if reach(role, "order.read") is Reach.ALL]
    assert tuple(every) == AGENCIES
