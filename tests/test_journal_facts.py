"""What the rows of the journal hold: each name of a fact is listed here with its kind, and what a person
types is `Said` wherever it is written. A new name is a question to ask: can it hold what a person wrote?

The names are read in the source, where a fact is written out; `record` refuses at run time a sentence that
comes from elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from sons_tracker.db.journal import WORDED

OPERATIONS = Path(__file__).parents[1] / "sons_tracker" / "operations"
TELLERS = {
    "record", "Entry", "tell", "tell_all", "tell_step", "step", "tell_parties", "Ending", "_tell",
}  # fmt: skip
NAMES = {"facts", "said", "entry", "why"}

KINDS: dict[str, set[str]] = {
    "identifier": {
        "amendment_id", "cancellation_id", "correction_id", "end_to_end", "essms", "essms_taken",
        "event_id", "host", "invitation_id", "lot", "lot_id", "new_token_id", "number", "object_id",
        "of_question", "order_id", "order_number", "organisation_id", "payment_id", "person_id",
        "predecessor", "question_id", "request_id", "sessions", "successor", "supplier_id", "va_id",
    },
    "code": {
        "cause", "channel", "chosen_side", "decision", "deliver", "dispositif", "failed_rules", "family",
        "fields", "kind", "lacking", "mode", "motive", "outcome", "position", "reason_code",
        "refused", "role", "rule", "scope", "scopes", "settled_rules", "state", "status",
    },
    "count": {
        "absent", "anomalies", "ceased", "changed", "count", "days", "deadlines_moved",
        "deliveries", "essms_freed", "events", "found", "journal_rows", "kept_days", "left",
        "left_due", "left_out", "lines", "lost", "new", "numbers", "opened", "orders_moved",
        "overlap_seconds", "paid", "population", "read", "rejected", "reopened", "returned", "rows",
        "score", "seq", "set_aside", "size", "stubs", "successions", "warned",
    },
    "cents": {"amount_ttc_cents", "due_ttc_cents", "total_ttc_cents"},
    "date": {
        "due_at", "executed_at", "extracted_on", "from", "received_at", "referenced_on", "since",
        "stamped_at", "takes_effect_at", "to", "until", "vat_from_on",
    },
    "digest": {"erased", "file_sha256", "hash", "law_digest", "replaced_sha256", "statement_sha256"},
    "flag": {"four_eyes", "late", "loss_accepted", "responsible", "vat_liable"},
    "words": set(WORDED),
    "said": {"motivation", "reason", "reasons", "seed", "text"},
    "several": {"moves", "settled"},
}  # fmt: skip
# What stands under such a name and was not typed by a person.
NOT_TYPED = {
    "'asked'": "a code of webhook_endpoint_disabled_reason_known",
    "reason": "open_recovery: a code of its callers; deliveries: a code of the same list",
    "ending.reason": "a code: cancelled, lapsed, decided, …",
    "[asdict(reason) for reason in refused.reasons]": "the software's sentences, under `message`",
    "[{'message': reason}]": "a rule's sentence",
}


def test_each_fact_has_a_kind_and_what_is_typed_is_said() -> None:
    found = [fact for file in sorted(OPERATIONS.glob("*.py")) for fact in facts_of(file)]
    assert len(found) > 150
    known = {name: kind for kind, names in KINDS.items() for name in names}
    assert sum(map(len, KINDS.values())) == len(known), "a name has one kind"
    unknown = {f"{where}: {name} = {value}" for where, name, value in found if name not in known}
    assert not unknown, "give these names a kind, and `Said` to what a person types"
    typed = [(where, value) for where, name, value in found if known[name] == "said"]
    assert len([value for _, value in typed if "Said(" in value]) > 15
    plain = {(where, value) for where, value in typed if not value.lstrip("[").startswith("Said(")}
    assert {value for _, value in plain} <= set(NOT_TYPED), plain


def test_no_kind_is_left_over() -> None:
    written = {name for file in OPERATIONS.glob("*.py") for _, name, _ in facts_of(file)}
    listed = set().union(*KINDS.values()) - WORDED
    assert listed - written == set()


def facts_of(file: Path) -> Iterator[tuple[str, str, str]]:
    """Where a fact is written out, its name and its value, as source text."""
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _tells(function):
            for node in ast.walk(function):
                for name, value in _pairs(node):
                    yield f"{file.name}:{value.lineno}", name, ast.unparse(value)


def _tells(function: ast.AST) -> bool:
    return any(_called(node) in TELLERS for node in ast.walk(function) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The facts written by an assignment, an item set, or in a call that tells."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in NAMES and node.value is not None:
                yield from _inside(node.value)
            elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                of = target.value
                if isinstance(of, ast.Name) and of.id in NAMES and node.value is not None:
                    yield str(target.slice.value), node.value
    elif isinstance(node, ast.Call) and _called(node) in TELLERS:
        for argument in node.args:
            yield from _inside(argument)
        if _called(node) == "tell_step":
            yield from ((word.arg, word.value) for word in node.keywords if word.arg is not None)


def _inside(value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(value):
        if isinstance(node, ast.Dict):
            for key, one in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, one
