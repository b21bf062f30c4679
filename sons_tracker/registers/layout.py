"""The five registers: their table, their key and their columns, which the generated SQL is made of.

A register row is a statement of an extraction: the columns here are all that two extractions are
compared by. A column that would change at each extraction without meaning anything to the scheme
(the date of the last administrative update, a telephone number) is left out on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Scope = Literal["stock", "extrait"]


class Kind(StrEnum):
    """The registers, by the name that the table `extraction` gives them."""

    ESTABLISHMENT = "establishment"
    LEGAL_ENTITY = "legal_entity"
    REFERENCING = "referencing"
    DISTRIBUTOR = "distributor"
    ESMS_GRANT = "esms_grant"


@dataclass(frozen=True, slots=True)
class Register:
    """`keys` and `values` map a column to its SQL type, in the order of the table."""

    kind: Kind
    label: str
    keys: dict[str, str]
    values: dict[str, str]
    # A register whose rows may also be placeholders, which no extraction has stated.
    has_stubs: bool = False

    @property
    def table(self) -> str:
        return self.kind.value

    @property
    def columns(self) -> dict[str, str]:
        return self.keys | self.values


ESTABLISHMENT = Register(
    Kind.ESTABLISHMENT,
    "établissements du FINESS",
    {"finess_geographique": "text"},
    {
        "finess_juridique": "text",
        "name": "text",
        "long_name": "text",
        "category": "text",
        "aggregate": "text",
        "departement": "text",
        "commune": "text",
        "address": "text",
        "postal_line": "text",
        "siret": "text",
        "in_service": "boolean",
        "opened_on": "date",
        "closed_on": "date",
    },
)

LEGAL_ENTITY = Register(
    Kind.LEGAL_ENTITY,
    "entités juridiques du FINESS",
    {"finess_juridique": "text"},
    {
        "name": "text",
        "long_name": "text",
        "siren": "text",
        "legal_status": "text",
        "departement": "text",
        "postal_line": "text",
        "created_on": "date",
        "closed_on": "date",
    },
    has_stubs=True,
)

REFERENCING = Register(
    Kind.REFERENCING,
    "versions référencées par l'ANS",
    {"solution_version": "text", "dispositif": "text"},
    {
        "version_label": "text",
        "solution": "text",
        "solution_name": "text",
        "solution_kind": "text",
        "editor_siren": "text",
        "editor_name": "text",
        "status": "text",
        "complete_file_on": "date",
        "referenced_from": "date",
        "referenced_to": "date",
    },
)

DISTRIBUTOR = Register(
    Kind.DISTRIBUTOR,
    "distributeurs officiels",
    {"solution": "text", "distributor_siren": "text", "distributes_from": "date"},
    {"distributor_name": "text", "distributes_to": "date"},
)

ESMS_GRANT = Register(
    Kind.ESMS_GRANT,
    "financements ESMS numérique",
    {"grant_reference": "text", "finess_geographique": "text"},
    {
        "call_year": "smallint",
        "project": "text",
        "call": "text",
        "porteur": "text",
        "components": "text[]",
        "solution": "text",
        "dui_referenced": "boolean",
        "state": "text",
        "requested_on": "date",
        "agreed_on": "date",
        "first_paid_on": "date",
        "vsr_on": "date",
        "paid_on": "date",
        "rejected_on": "date",
        "abandoned_on": "date",
        "withdrawn_on": "date",
        "recovered_on": "date",
        "usage_cents": "bigint",
        "equipment_cents": "bigint",
        "hardware_cents": "bigint",
        "amoa_cents": "bigint",
    },
)

REGISTERS: dict[Kind, Register] = {
    register.kind: register
    for register in (ESTABLISHMENT, LEGAL_ENTITY, REFERENCING, DISTRIBUTOR, ESMS_GRANT)
}
