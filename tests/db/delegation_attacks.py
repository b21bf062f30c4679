"""The attacks on the guards of delegations, and of the capacity in which an OG signs (migration 0027)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.db.attack import CHECK, FOREIGN, HIDDEN, UNIQUE, Attack, Of

TABLES = ("delegation",)
ADDED = {
    "membership": {"membership_responsible_of_an_og", "membership_gone_is_not_responsible"},
    "invitation": {"invitation_responsible_of_an_og", "invitation_responsible"},
    "va_signature": {
        "va_signature_delegation_fkey", "va_signature_capacity_whole", "va_signature_by_who_may",
    },
    "cancellation_piece": {
        "cancellation_piece_delegation_fkey", "cancellation_piece_capacity_whole",
        "cancellation_piece_by_who_may",
    },
    "amendment": {
        "amendment_proposed_delegation_fkey", "amendment_closed_delegation_fkey",
        "amendment_proposed_capacity_whole", "amendment_closed_capacity_whole", "amendment_by_who_may",
    },
}  # fmt: skip
"""Guards that this migration adds to the tables of before: attacked here, not with their tables."""
NOT_ATTACKED = {
    "delegation_holder_unique": "weaker than the primary key: what foreign keys point at",
    "delegation_counted": "read by forget_session_proofs() alone, for the scheduler",
}
NEW, NOBODY = str(UUID(int=3)), str(UUID(int=1))
GIVEN, ALONE, ONCE = "delegation_by_a_responsible", "delegation_one_at_a_time", "delegation_revoked_once"
VA_BY, PIECE_BY, AMENDED_BY = (
    "va_signature_by_who_may", "cancellation_piece_by_who_may", "amendment_by_who_may",
)  # fmt: skip
MEMBER, STRANGER, DIRECTOR = (
    Of("person member", "id"),
    Of("person stranger", "id"),
    Of("person director", "id"),
)
HELD, OVER = Of("delegation held", "id"), Of("delegation over", "id")


def _given(
    guard: str, sqlstate: str = CHECK, *lifted: str, by: str | None = "director", note: str = "",
    **changes: Any,
) -> Attack:  # fmt: skip
    """A delegation that could be given, but for one thing."""
    return Attack(guard, sqlstate, by, "delegation granted", {"id": NEW, **changes}, lifted=lifted, note=note)


def _va(guard: str, sqlstate: str = "SN273", *lifted: str, note: str = "", **changes: Any) -> Attack:
    return Attack(guard, sqlstate, "director", "va_signature ready", changes, lifted=lifted, note=note)


def _piece(guard: str, sqlstate: str = "SN273", *lifted: str, note: str = "", **changes: Any) -> Attack:
    return Attack(
        guard, sqlstate, "renouncing", "cancellation_piece ready", changes, lifted=lifted, note=note
    )


def _proposed(guard: str, sqlstate: str = "SN273", *lifted: str, note: str = "", **changes: Any) -> Attack:
    whole = ("amendment_is_whole", *lifted)
    return Attack(guard, sqlstate, "proposing", "amendment ready", changes, lifted=whole, note=note)


def _agreed(guard: str, sqlstate: str, said: str, *lifted: str, note: str = "") -> Attack:
    """An answer of the OG to what its supplier proposes, with `said` in place of its capacity."""
    statement = (
        "update sons.amendment set state = 'agreed', closed_at = proposed_at, closed_for = og_id,"
        " closed_by = {person agreeing}, closed_role = 'og', closed_auth_level = 'token',"
        " signed_sha256 = document_sha256, signer_name = 'A', signer_function = 'B', consent = 'C',"
        f" {said} where id = {{amendment open}}"
    )
    whole = ("amendment_is_whole", *lifted)
    return Attack(guard, sqlstate, "agreeing", statements=(statement,), lifted=whole, note=note)


_BY_MEMBER = {"person_id": MEMBER, "capacity": "delegation"}

ATTACKS: tuple[Attack, ...] = (
    _given("delegation_pkey", UNIQUE, id=HELD),
    _given("delegation_giver_fkey", FOREIGN, GIVEN, by=None, giver_id=NOBODY),
    _given("delegation_receiver_fkey", FOREIGN, GIVEN, receiver_id=STRANGER),
    _given("delegation_revoker_fkey", FOREIGN, by=None, revoked_by=NOBODY, revoked_at="2023-03-02T09:00:00Z",
           revoked_role="og", revoked_because="revoked"),
    _given("delegation_of_an_og", CHECK, GIVEN, "delegation_giver_fkey", "delegation_receiver_fkey", by=None,
           role="editor"),
    _given("delegation_to_another", receiver_id=DIRECTOR),
    _given("delegation_acts_known", acts=[], note="none"),
    _given("delegation_acts_known", acts=["order"], note="unknown"),
    _given("delegation_acts_known", acts=["va", "va"], note="twice"),
    _given("delegation_acts_known", acts=[None], note="null"),
    _given("delegation_in_order", until_on="2023-05-31"),
    _given("delegation_within_a_year", until_on="2024-06-01"),
    _given("delegation_not_backdated", from_on="2023-02-28"),
    _given("delegation_text_digest", text="Autre chose."),
    _given("delegation_texts_given", consent=" "),
    _given("delegation_revoked_whole", by=None, revoked_at="2023-03-02T09:00:00Z"),
    _given("delegation_revoked_whole", by=None, revoked_by=DIRECTOR, note="by_nobody_yet"),
    _given("delegation_revoked_later", by=None, revoked_at="2023-02-01T09:00:00Z", revoked_role="og",
           revoked_because="revoked"),
    _given("delegation_revoked_because_known", by=None, revoked_at="2023-03-02T09:00:00Z", revoked_role="og",
           revoked_because="tired"),
    _given(GIVEN, "SN270", "delegation_given", giver_id=MEMBER, receiver_id=DIRECTOR, note="by_a_delegate"),
    Attack(
        GIVEN, "SN270", None, note="to_who_left",
        statements=(
            "update sons.membership set removed_at = now() where person_id = {person other}",
            "insert into sons.delegation select (jsonb_populate_record(d, jsonb_build_object('id',"
            f" '{NEW}', 'receiver_id', {{person other}}))).* from sons.delegation d where d.id ="
            " {delegation held}",
        ),
    ),
    _given(ALONE, "SN271", receiver_id=MEMBER, from_on="2023-03-15", until_on="2023-06-30"),
    Attack(ONCE, "SN272", "director", note="revived", statements=(
        "update sons.delegation set revoked_at = null, revoked_by = null, revoked_role = null,"
        " revoked_because = null where id = {delegation revoked}",
    )),
    Attack(ONCE, "SN272", None, note="prolonged", statements=(
        "update sons.delegation set until_on = until_on + 1 where id = {delegation held}",
    )),
    Attack("delegation_never_deleted", "SN010", None, statements=(
        "delete from sons.delegation where id = {delegation revoked}",
    )),
    Attack("delegation_never_truncated", "SN010", None, statements=("truncate sons.delegation",)),
    Attack("delegation_seen", None, "stranger", statements=(
        "select count(*) from sons.delegation where id = {delegation held}",
    )),
    _given("delegation_given", HIDDEN, by="member", note="in_the_name_of_the_director"),
    Attack("delegation_revoked", None, "stranger", lifted=("delegation_seen",), statements=(
        "update sons.delegation set revoked_at = given_at, revoked_role = 'og', revoked_because = 'revoked'"
        " where id = {delegation held}",
    )),
    # who is responsible
    Attack("membership_responsible_of_an_og", CHECK, None, statements=(
        "update sons.membership set responsible = true where role = 'editor'",
    )),
    Attack("membership_gone_is_not_responsible", CHECK, None, statements=(
        "update sons.membership set removed_at = now() where person_id = {person director}",
    )),
    Attack("invitation_responsible_of_an_og", CHECK, None, "invitation open", {
        "id": NEW, "sha256": "\\x" + "ab" * 32, "kind": "reset", "responsible": True,
    }),
    Attack("invitation_responsible", HIDDEN, "member", "invitation granted", {
        "id": NEW, "sha256": "\\x" + "ab" * 32, "responsible": True,
    }),
    # in what capacity something is signed
    _va("va_signature_delegation_fkey", FOREIGN, VA_BY, person_id=DIRECTOR, delegation_id=HELD,
        capacity="delegation"),
    _va("va_signature_capacity_whole", CHECK, VA_BY, capacity="delegation"),
    _va("va_signature_capacity_whole", CHECK, VA_BY, capacity="friend", note="unknown"),
    _va(VA_BY, person_id=MEMBER, note="not_responsible"),
    _va(VA_BY, capacity=None, note="unsaid"),
    _va(VA_BY, **_BY_MEMBER, delegation_id=OVER, note="over"),
    _va(VA_BY, **_BY_MEMBER, delegation_id=Of("delegation revoked", "id"), note="revoked"),
    _va(VA_BY, **_BY_MEMBER, delegation_id=Of("delegation renunciation", "id"), note="of_another_act"),
    _va(VA_BY, **_BY_MEMBER, delegation_id=HELD, signed_at="2023-04-30T22:00:00Z", note="the_day_after"),
    _va(VA_BY, **_BY_MEMBER, delegation_id=HELD, signed_at="2023-03-10T22:59:59Z", note="the_day_before"),
    _piece("cancellation_piece_delegation_fkey", FOREIGN, PIECE_BY, capacity="delegation",
           delegation_id=HELD),
    _piece("cancellation_piece_capacity_whole", CHECK, PIECE_BY, capacity="delegation"),
    _piece(PIECE_BY, capacity=None, note="unsaid"),
    Attack(PIECE_BY, "SN273", "renouncing_supplier", "cancellation_piece statement",
           {"capacity": "responsible"}, note="of_a_supplier"),
    _proposed("amendment_proposed_delegation_fkey", FOREIGN, AMENDED_BY, proposed_capacity="delegation",
              proposed_delegation_id=HELD),
    _proposed("amendment_proposed_capacity_whole", CHECK, AMENDED_BY, proposed_capacity="delegation"),
    _proposed(AMENDED_BY, proposed_capacity=None, note="proposed"),
    _agreed("amendment_closed_delegation_fkey", FOREIGN,
            "closed_capacity = 'delegation', closed_delegation_id = {delegation held}", AMENDED_BY),
    _agreed("amendment_closed_capacity_whole", CHECK, "closed_capacity = 'delegation'", AMENDED_BY),
    _agreed(AMENDED_BY, "SN273", "closed_capacity = null", note="agreed"),
)  # fmt: skip
