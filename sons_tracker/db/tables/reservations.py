"""ESSMS held while an order is being signed (migration 0016)."""

from piccolo.columns import UUID, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table


class ReservationTransition(Table, tablename="reservation_transition", schema="sons"):
    """The mirror of `rules.lifecycle.RESERVATION_TRANSITIONS`."""

    before = Text(primary_key=True, default=None)
    after = Text(default=None)
    event = Text(default=None)
    role = Text(default=None)


class Reservation(Table, tablename="reservation", schema="sons"):
    """ESSMS of one OG that a supplier holds until an instant, for an order that it will deposit."""

    id = UUID(primary_key=True, default=None)
    number = Text(default=None)
    vague = Text(default=None)
    dispositif = Text(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
    og_finess_juridique = Text(default=None)
    solution_version = Text(default=None)
    essms = Integer(default=None)
    most_essms = Integer(default=None)
    most_renewals = SmallInt(default=None)
    state = Text(default=None)
    version = Integer(default=None)
    reserved_at = Timestamptz(default=None)
    expires_at = Timestamptz(default=None)
    renewed = SmallInt(default=None)
    ended_at = Timestamptz(default=None, null=True)
    law_digest = Text(default=None)


class ReservationLine(Table, tablename="reservation_line", schema="sons"):
    """One reserved ESSMS; its claim says what became of it."""

    reservation_id = UUID(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    supplier_id = UUID(default=None)
    og_id = UUID(default=None)
