"""The attacks on alerts, saved views and samples: one per guard, or more, each what only it refuses.

The rows of the world: the alerts `open` and `dismissed`; the views `kept` and `removed`; the sample `drawn`,
with its line.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("alert", "saved_view", "sample", "sample_line")
NOBODY, NEW = str(UUID(int=1)), str(UUID(int=2))
EARLIER, LATER = "2000-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
STAYS, OWNED = "alert_stays_its_subject", "saved_view_stays_its_owners"
SUM, DRAWN = "sample_is_its_lines", "sample_has_its_lines"


def _alert(
    guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", note: str = "", **changes: Any
) -> Attack:
    """Another alert, about another subject."""
    new = {"id": NEW, "number": "AL-2099-000001", "subject_key": "another", **changes}
    return Attack(guard, sqlstate, by, "alert open", new, note=note)


def _view(guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", **changes: Any) -> Attack:
    """Another view of the same person."""
    return Attack(guard, sqlstate, by, "saved_view kept", {"id": NEW, "name": "Une autre", **changes})


def _sample(guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", **changes: Any) -> Attack:
    """Another sample, without its lines."""
    new = {"id": NEW, "number": "EC-2099-000001", **changes}
    return Attack(guard, sqlstate, by, "sample drawn", new, lifted=(DRAWN,))


def _line(guard: str, sqlstate: str = CHECK, *, by: str = "reviewer", **changes: Any) -> Attack:
    """A line too many, of the other ESSMS of the order."""
    new = {"rank": 9, "finess_geographique": Of("order_line other", "finess_geographique"), **changes}
    return Attack(guard, sqlstate, by, "sample_line drawn", new, lifted=(SUM,))


def _done(
    guard: str, sqlstate: str | None, statement: str, *, by: str | None = None, lifted: tuple[str, ...] = (),
    note: str = "",
) -> Attack:  # fmt: skip
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=note)


def _kept(table: str, where: str, *children: str) -> tuple[Attack, ...]:
    """What is written is neither deleted nor truncated, whoever asks."""
    return (
        _done(f"{table}_never_deleted", "SN010", f"delete from sons.{table} where {where}", lifted=children),
        _done(f"{table}_never_truncated", "SN010", f"truncate sons.{table}", lifted=children),
    )


def _seen(table: str, where: str, by: str) -> Attack:
    return _done(f"{table}_seen", None, f"select count(*) from sons.{table} where {where}", by=by)


DISMISSAL = {"dismissed_at": LATER, "dismissed_by": Of("person", "id"), "dismiss_reason": "Vu."}
ALERTS = (
    _alert("alert_pkey", UNIQUE, id=Of("alert open", "id")),
    _alert("alert_number_unique", UNIQUE, number=Of("alert open", "number")),
    _alert("alert_number_form", number="AL-1"),
    _alert("alert_once_per_subject", UNIQUE, subject_key=Of("alert open", "subject_key")),
    _alert("alert_pattern_known", pattern="dreamt"),
    _alert("alert_said", message=" "),
    _alert("alert_said", subject_key=" ", note="nothing"),
    _alert("alert_subjects_array", subjects={}),
    _alert("alert_facts_object", facts=[]),
    _alert("alert_score_bounded", score=101),
    _alert("alert_in_order", last_raised_at=EARLIER),
    _alert("alert_in_order", ceased_at=EARLIER, note="ceased"),
    _alert("alert_in_order", **{**DISMISSAL, "dismissed_at": EARLIER}, note="dismissed"),
    _alert("alert_dismissal_whole", dismiss_reason="Vu."),
    _alert("alert_dismissal_motivated", **{**DISMISSAL, "dismiss_reason": " "}),
    _alert("alert_dismissed_by_fkey", FOREIGN, **{**DISMISSAL, "dismissed_by": NOBODY}),
    _alert("alert_written", HIDDEN, by="payer"),
    _seen("alert", "id = {alert open}", "editor"),
    _done(
        "alert_moved", None, "update sons.alert set ceased_at = last_raised_at where id = {alert open}",
        by="payer",
    ),
    _done(STAYS, "SN180", "update sons.alert set pattern = 'out_of_hours' where id = {alert open}"),
    _done(
        STAYS, "SN180", f"update sons.alert set last_raised_at = '{EARLIER}' where id = {{alert open}}",
        lifted=("alert_in_order",), note="past",
    ),
    _done(
        STAYS, "SN180",
        f"update sons.alert set dismissed_at = '{LATER}', dismiss_reason = 'Vu.', dismissed_by ="
        " (select dismissed_by from sons.alert where id = {alert dismissed}) where id = {alert open}",
        by="admin", note="by_another",
    ),
    *_kept("alert", "id = {alert open}"),
)  # fmt: skip
VIEWS = (
    _view("saved_view_pkey", UNIQUE, id=Of("saved_view kept", "id")),
    _view("saved_view_person_fkey", FOREIGN, person_id=NOBODY),
    _view("saved_view_named", name=" "),
    _view("saved_view_filters_object", filters=[]),
    _view("saved_view_in_order", removed_at=EARLIER),
    _view("one_view_per_name", UNIQUE, name=Of("saved_view kept", "name")),
    _view("saved_view_written", HIDDEN, by="payer"),
    _seen("saved_view", "id = {saved_view kept}", "payer"),
    _done(
        "saved_view_moved", None, "update sons.saved_view set filters = '{}' where id = {saved_view kept}",
        by="payer", lifted=("saved_view_seen",),
    ),
    _done(OWNED, "SN181", "update sons.saved_view set name = 'Autre' where id = {saved_view kept}"),
    _done(
        OWNED, "SN181", "update sons.saved_view set filters = '{}' where id = {saved_view removed}",
        note="removed",
    ),
    *_kept("saved_view", "id = {saved_view kept}"),
)  # fmt: skip
SAMPLES = (
    _sample("sample_pkey", UNIQUE, id=Of("sample drawn", "id")),
    _sample("sample_number_unique", UNIQUE, number=Of("sample drawn", "number")),
    _sample("sample_number_form", number="EC-1"),
    _sample("sample_unit_known", unit="dream"),
    _sample("sample_seed_given", seed=" "),
    _sample("sample_criteria_object", criteria=[]),
    _sample("sample_strata_array", strata={}),
    _sample("sample_of_its_population", size=0),
    _sample("sample_of_money", population_ttc_cents=0),
    _sample("sample_digest_length", digest="\\x00"),
    _sample("sample_drawn_by_fkey", FOREIGN, drawn_by=NOBODY),
    _sample("sample_written", HIDDEN, by="payer"),
    _seen("sample", "id = {sample drawn}", "editor"),
    _done("sample_append_only", "SN010", "update sons.sample set seed = 'autre' where id = {sample drawn}"),
    Attack(DRAWN, "SN182", "reviewer", "sample drawn", {"id": NEW, "number": "EC-2099-000001"}),
    *_kept("sample", "id = {sample drawn}", "sample_line_sample_fkey"),
    _line("sample_line_pkey", UNIQUE, rank=Of("sample_line drawn", "rank")),
    _line(
        "sample_line_once", UNIQUE, finess_geographique=Of("sample_line drawn", "finess_geographique")
    ),
    _line("sample_line_sample_fkey", FOREIGN, sample_id=NOBODY),
    _line("sample_line_order_fkey", FOREIGN, og_id=NOBODY, finess_geographique=None),
    _line("sample_line_line_fkey", FOREIGN, finess_geographique="010000016"),
    _line("sample_line_rank_positive", rank=0),
    _line("sample_line_received", received_ttc_cents=0),
    _line("sample_line_written", HIDDEN, by="payer"),
    _seen("sample_line", "sample_id = {sample drawn}", "editor"),
    _done(
        "sample_line_append_only", "SN010",
        "update sons.sample_line set rank = 8 where sample_id = {sample drawn}",
    ),
    Attack(SUM, "SN182", "reviewer", "sample_line drawn",
           {"rank": 9, "finess_geographique": Of("order_line other", "finess_geographique")}),
    *_kept("sample_line", "sample_id = {sample drawn}"),
)  # fmt: skip
ATTACKS = (*ALERTS, *VIEWS, *SAMPLES)
