"""The registers and what their extractions were (migration 0002).

Rows are valid on [valid_from, valid_to), an axis of extraction dates.
"""

from piccolo.columns import UUID, Array, BigInt, Boolean, Bytea, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table


class Extraction(Table, tablename="extraction", schema="sons"):
    """One import of a register file: which extraction, which file, what it changed."""

    id = UUID(primary_key=True, default=None)
    register = Text(default=None)
    extracted_on = Date(default=None)
    scope = Text(default=None)
    format = Text(default=None)
    file_name = Text(default=None)
    file_sha256 = Bytea(default=None)
    rows_read = Integer(default=None)
    rows_new = Integer(default=None)
    rows_changed = Integer(default=None)
    rows_absent = Integer(default=None)
    rows_warned = Integer(default=None)
    imported_at = Timestamptz(default=None)
    imported_by = UUID(default=None, null=True)


class ExtractMention(Table, tablename="extract_mention", schema="sons"):
    """The rows that an extrait named."""

    register = Text(primary_key=True, default=None)
    extracted_on = Date(default=None)
    row_key = Array(base_column=Text(), default=None)


class Establishment(Table, tablename="establishment", schema="sons"):
    """An establishment as the extractions told it on [valid_from, valid_to)."""

    finess_geographique = Text(primary_key=True, default=None)
    valid_from = Date(default=None)
    valid_to = Date(default=None, null=True)
    finess_juridique = Text(default=None, null=True)
    name = Text(default=None)
    long_name = Text(default=None, null=True)
    category = Text(default=None)
    aggregate = Text(default=None, null=True)
    departement = Text(default=None, null=True)
    commune = Text(default=None, null=True)
    address = Text(default=None, null=True)
    postal_line = Text(default=None, null=True)
    siret = Text(default=None, null=True)
    in_service = Boolean(default=None)
    opened_on = Date(default=None, null=True)
    closed_on = Date(default=None, null=True)


class LegalEntity(Table, tablename="legal_entity", schema="sons"):
    """A legal entity; `stub` when establishments name it and no register has told it yet."""

    finess_juridique = Text(primary_key=True, default=None)
    valid_from = Date(default=None)
    valid_to = Date(default=None, null=True)
    name = Text(default=None)
    long_name = Text(default=None, null=True)
    siren = Text(default=None, null=True)
    legal_status = Text(default=None, null=True)
    departement = Text(default=None, null=True)
    postal_line = Text(default=None, null=True)
    created_on = Date(default=None, null=True)
    closed_on = Date(default=None, null=True)
    stub = Boolean(default=None)


class Referencing(Table, tablename="referencing", schema="sons"):
    """A solution version in the ANS list, by dispositif."""

    solution_version = Text(primary_key=True, default=None)
    dispositif = Text(default=None)
    valid_from = Date(default=None)
    valid_to = Date(default=None, null=True)
    version_label = Text(default=None)
    solution = Text(default=None)
    solution_name = Text(default=None)
    solution_kind = Text(default=None)
    editor_siren = Text(default=None)
    editor_name = Text(default=None)
    status = Text(default=None)
    complete_file_on = Date(default=None, null=True)
    referenced_from = Date(default=None, null=True)
    referenced_to = Date(default=None, null=True)


class Distributor(Table, tablename="distributor", schema="sons"):
    """Who distributes a solution officially, since when."""

    solution = Text(primary_key=True, default=None)
    distributor_siren = Text(default=None)
    distributes_from = Date(default=None)
    valid_from = Date(default=None)
    valid_to = Date(default=None, null=True)
    distributor_name = Text(default=None)
    distributes_to = Date(default=None, null=True)


class EsmsGrant(Table, tablename="esms_grant", schema="sons"):
    """An ESMS numérique grant of one ESSMS."""

    grant_reference = Text(primary_key=True, default=None)
    finess_geographique = Text(default=None)
    valid_from = Date(default=None)
    valid_to = Date(default=None, null=True)
    call_year = SmallInt(default=None)
    project = Text(default=None)
    call = Text(default=None, null=True)
    porteur = Text(default=None, null=True)
    components = Array(base_column=Text(), default=None)
    solution = Text(default=None, null=True)
    dui_referenced = Boolean(default=None, null=True)
    state = Text(default=None)
    requested_on = Date(default=None, null=True)
    agreed_on = Date(default=None, null=True)
    first_paid_on = Date(default=None, null=True)
    vsr_on = Date(default=None, null=True)
    paid_on = Date(default=None, null=True)
    rejected_on = Date(default=None, null=True)
    abandoned_on = Date(default=None, null=True)
    withdrawn_on = Date(default=None, null=True)
    recovered_on = Date(default=None, null=True)
    usage_cents = BigInt(default=None, null=True)
    equipment_cents = BigInt(default=None, null=True)
    hardware_cents = BigInt(default=None, null=True)
    amoa_cents = BigInt(default=None, null=True)
