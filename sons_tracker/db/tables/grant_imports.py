"""Imports of files of grants, and their anomalies (migration 0017)."""

from piccolo.columns import UUID, Bytea, Date, Integer, Text, Timestamptz
from piccolo.table import Table


class GrantImport(Table, tablename="grant_import", schema="sons"):
    """What one import of grants read and set aside."""

    id = UUID(primary_key=True, default=None)
    extracted_on = Date(default=None)
    scope = Text(default=None)
    file_name = Text(default=None)
    file_sha256 = Bytea(default=None)
    imported_at = Timestamptz(default=None)
    rows_read = Integer(default=None)
    rows_set_aside = Integer(default=None)
    anomalies = Integer(default=None)


class GrantAnomaly(Table, tablename="grant_anomaly", schema="sons"):
    """One anomaly of one line, as it was told."""

    import_id = UUID(primary_key=True, default=None)
    rank = Integer(default=None)
    line = Integer(default=None)
    severity = Text(default=None)
    code = Text(default=None)
    message = Text(default=None)
    grant_reference = Text(default=None, null=True)
    finess_geographique = Text(default=None, null=True)
