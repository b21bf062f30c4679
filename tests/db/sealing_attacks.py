"""The attacks on the seals of the journal and its heads: one per guard, or more, each what only it refuses.

The rows of the world: `journal_seal last` ends the chain, `next` is the right seal of a row that has none;
`journal_head given` was published, `other` is the same head by the other way; `journal_stamp kept` is the
stamp of that head, `other` that of the first row.
"""

from __future__ import annotations

from typing import Any

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("journal_seal", "journal_head", "journal_stamp")
NOT_ATTACKED = {"journal_seal_head_unique": "weaker than the primary key: what a foreign key points at"}

FOLLOWS, OF_ROW, FINAL = "journal_seal_follows", "journal_seal_is_the_rows", "journal_seal_of_final_row"
ZEROS = "\\x" + "00" * 32
# a row written by the transaction that seals it
_OWN_WRITTEN, _OWN_SEALED = (
    "insert into sons.journal (at, role, auth_level, action, object_kind, object_id, facts)"
    " values ('2023-03-01Z', 'admin', 'local', 'test.written', 'test', 'own', '{}')",
    "insert into sons.journal_seal (seq, journal_id, prev, hash)"
    " select s.seq + 1, j.id, s.hash, sons.journal_hash(s.seq + 1, s.hash, j)"
    " from sons.journal j, (select * from sons.journal_seal order by seq desc limit 1) s"
    " where j.object_id = 'own'",
)

_TOO_LONG = (
    "insert into sons.journal_stamp (seq, hash, token, stamped_at)"
    " select seq, hash, sha256(hash) || convert_to(repeat('x', 65536), 'UTF8'), '2023-03-01Z'"
    " from sons.journal_seal where seq = 1"
)


def _sealed(
    guard: str, sqlstate: str, *lifted: str, by: str = "scheduler", note: str = "", **changes: Any
) -> Attack:
    """The next seal, but for `changes`."""
    return Attack(guard, sqlstate, by, "journal_seal next", changes, lifted=lifted, note=note)


def _given(guard: str, sqlstate: str, *, by: str = "scheduler", **changes: Any) -> Attack:
    """A head given away by the other way, but for `changes`."""
    return Attack(guard, sqlstate, by, "journal_head other", changes)


def _stamped(guard: str, sqlstate: str, *, by: str = "scheduler", **changes: Any) -> Attack:
    """The stamp of the head before, but for `changes`."""
    return Attack(guard, sqlstate, by, "journal_stamp other", changes)


def _done(
    guard: str, sqlstate: str | None, statement: str, *, by: str | None = None, note: str = ""
) -> Attack:
    return Attack(guard, sqlstate, by, statements=(statement,), note=note)


def _kept(table: str, change: str) -> tuple[Attack, ...]:
    """What is written stays, whoever asks."""
    only, deleted = f"{table}_append_only", f"delete from sons.{table}"
    children = ("journal_head_of_chain", "journal_stamp_of_chain") if table == "journal_seal" else ()
    return (
        _done(only, "SN010", f"update sons.{table} set {change}", note="update"),
        Attack(only, "SN010", None, statements=(deleted,), lifted=children, note="delete"),
        _done(f"{table}_never_truncated", "SN010", f"truncate sons.{table}"),
    )


ATTACKS = (
    _sealed("journal_seal_pkey", UNIQUE, FOLLOWS, OF_ROW,
            seq=Of("journal_seal last", "seq"), hash=ZEROS),
    _sealed("journal_seal_once", UNIQUE, OF_ROW, journal_id=Of("journal_seal last", "journal_id")),
    _sealed("journal_seal_row_fkey", FOREIGN, OF_ROW, journal_id=10**12),
    _sealed(FOLLOWS, "SN221", OF_ROW, seq=10**6, note="gap"),
    _sealed(FOLLOWS, "SN221", OF_ROW, prev=ZEROS, note="prev"),
    _sealed(OF_ROW, "SN222", hash=ZEROS, note="hash"),
    _sealed(OF_ROW, "SN222", "journal_seal_once", note="row",
            journal_id=Of("journal_seal last", "journal_id")),
    Attack(FINAL, "SN220", None, statements=(_OWN_WRITTEN, _OWN_SEALED)),
    _sealed("journal_seal_sealed", HIDDEN, by="pilot"),
    _sealed("journal_seal_sealed", HIDDEN, by="admin", note="admin"),
    _done("journal_seal_seen", None, "select count(*) from sons.journal_seal", by="editor"),
    *_kept("journal_seal", "sealed_at = '2000-01-01Z'"),
    _given("journal_head_pkey", UNIQUE, channel=Of("journal_head given", "channel")),
    _given("journal_head_channel_known", CHECK, channel="rumour"),
    _given("journal_head_of_chain", FOREIGN, hash=ZEROS),
    _given("journal_head_published", HIDDEN, by="pilot"),
    _done("journal_head_seen", None, "select count(*) from sons.journal_head", by="editor"),
    *_kept("journal_head", "taken_at = '2000-01-01Z'"),
    _stamped("journal_stamp_pkey", UNIQUE, seq=Of("journal_stamp kept", "seq"),
             hash=Of("journal_stamp kept", "hash"), token=Of("journal_stamp kept", "token")),
    _stamped("journal_stamp_of_chain", FOREIGN, seq=10**6),
    _stamped("journal_stamp_of_its_head", CHECK, token=Of("journal_stamp kept", "token")),
    Attack("journal_stamp_token_size", CHECK, "scheduler", statements=(_TOO_LONG,)),
    _stamped("journal_stamp_kept", HIDDEN, by="admin"),
    _done("journal_stamp_seen", None, "select count(*) from sons.journal_stamp", by="editor"),
    *_kept("journal_stamp", "stamped_at = '2000-01-01Z'"),
)  # fmt: skip
