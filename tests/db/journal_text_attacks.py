"""The attacks on the texts beside the journal: one per guard, or more, each what only it refuses.

The rows of the world: `journal_text kept` is a text of the editor's, `fresh` one that it could still say: its
row of the journal has the digest, and no text came with it.
"""

from __future__ import annotations

from typing import Any

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("journal_text",)
SALT = "\\x" + "01" * 32

IS_THE_ROWS, ONLY_ERASED, TOLD = (
    "journal_text_is_the_rows", "journal_text_only_erased", "journal_text_erasure_told",
)  # fmt: skip
_ERASED = "update sons.journal_text set text = null, salt = null, erased_at = '2023-03-01Z'"


def _own(text: str, *, row_of: str = "editor", digest_of: str = "oui", salt: str = SALT) -> tuple[str, str]:
    """A row of the editor's journal with the digest of a text, and a text beside it."""
    organisation = "(select sons.current_organisation())"
    digest = f"sha256('{SALT}'::bytea || convert_to('{digest_of}', 'UTF8'))"
    return (
        "insert into sons.journal (at, person_id, organisation_id, role, auth_level, action, object_kind,"
        f" object_id, facts) select '2023-03-01Z', null, {organisation}, '{row_of}', 'token', 'test.said',"
        f" 'test', 'own', jsonb_build_object('reason', jsonb_build_object('said', encode({digest}, 'hex')))",
        "insert into sons.journal_text (journal_id, field, organisation_id, digest, salt, text)"
        f" select max(id), 'reason', {organisation}, {digest}, '{salt}', '{text}' from sons.journal"
        " where object_id = 'own'",
    )


RIGHT = _own("oui")
_OF_ANOTHER = (
    RIGHT[1].replace("(journal_id", "(person_id, journal_id").replace("max(", "gen_random_uuid(), max(")
)


def _said(guard: str, sqlstate: str, *, by: str | None = "editor", note: str = "", **changes: Any) -> Attack:
    """The text that could still be said, but for `changes`."""
    return Attack(guard, sqlstate, by, "journal_text fresh", changes, lifted=(IS_THE_ROWS,), note=note)


def _done(
    guard: str, sqlstate: str | None, *statements: str, by: str | None, note: str = "", lifted: str = ""
) -> Attack:
    return Attack(guard, sqlstate, by, statements=statements, note=note, lifted=(lifted,) if lifted else ())


ATTACKS = (
    _said("journal_text_pkey", UNIQUE, journal_id=Of("journal_text kept", "journal_id")),
    _said("journal_text_row_fkey", FOREIGN, journal_id=10**12),
    _said("journal_text_salted", CHECK, salt="\\x01"),
    _said("journal_text_erased_whole", CHECK, by=None, text=None, note="words"),
    _said("journal_text_erased_whole", CHECK, by=None, erased_at="2023-03-01T00:00:00Z", note="date"),
    Attack(IS_THE_ROWS, "SN310", "editor", "journal_text fresh", note="later"),
    _done(IS_THE_ROWS, "SN310", *_own("non"), by="editor", note="words"),
    _done(IS_THE_ROWS, "SN310", *_own("oui", salt="\\x" + "02" * 32), by="editor", note="salt"),
    _done(IS_THE_ROWS, "SN310", RIGHT[0], RIGHT[1].replace("'reason'", "'motif'"), by="editor", note="field"),
    _done(IS_THE_ROWS, "SN310", RIGHT[0], _OF_ANOTHER, by="editor", note="person"),
    _done(ONLY_ERASED, "SN311", "update sons.journal_text set text = 'autre'", by="admin", note="words",
          lifted=TOLD),
    _done(ONLY_ERASED, "SN311", _ERASED, "update sons.journal_text set erased_at = '2024-01-01Z'", by="admin",
          note="again", lifted=TOLD),
    _done(ONLY_ERASED, "SN311", _ERASED + ", person_id = null", by=None, note="person", lifted=TOLD),
    _done(TOLD, "SN312", _ERASED, by="admin"),
    _done("journal_text_never_deleted", "SN010", "delete from sons.journal_text", by=None),
    _done("journal_text_never_truncated", "SN010", "truncate sons.journal_text", by=None),
    _done("journal_text_seen", None, "select count(*) from sons.journal_text", by="other"),
    Attack("journal_text_said", HIDDEN, "other", "journal_text fresh", lifted=(IS_THE_ROWS,)),
    _done("journal_text_erased", None, _ERASED, by="editor", lifted=TOLD),
    _done("journal_text_erased", None, _ERASED, by="pilot", note="pilot", lifted=TOLD),
)  # fmt: skip
