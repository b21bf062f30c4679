"""The SQL that checks and types the raw lines of a FINESS CSV, one statement per file format.

`refused` says that something is wrong with a line; `FinessCsv` then says what. `flags` are doubts
that a line is accepted with.
"""

# ruff: noqa: S608 - the SQL is made of this module's own constants, never of a value

from __future__ import annotations

BAD_KEY, BAD_OTHER_KEY, BAD_IDENTITY, UNKNOWN_CATEGORY = 1, 2, 4, 8
FLAGS = {
    BAD_KEY: "numéro FINESS dont la clé de contrôle est fausse",
    BAD_OTHER_KEY: "numéro FINESS de rattachement dont la clé de contrôle est fausse",
    BAD_IDENTITY: "SIRET ou SIREN illisible, laissé vide",
    UNKNOWN_CATEGORY: "catégorie absente de la nomenclature",
}


# The expressions below run for every line of a national file: each is the cheapest that is exact.
# `translate` costs five times a cast, a regular expression ten times.


def as_integer(column: str) -> str:
    """A FINESS number as nine digits, with A→1 and B→2 in Corsica; null when it is not well formed."""
    plain = f"octet_length({column}) = 9 and translate({column}, '0123456789', '') = ''"
    return (
        f"case when {plain} then {column}::int"
        f" when {column} ~ '^2[AB][0-9]{{7}}$' then translate({column}, 'AB', '12')::int end"
    )


def key_is_wrong(number: str) -> str:
    """Whether the Luhn sum of a nine-digit integer column is no multiple of ten."""
    terms = []
    for index in range(9):
        digit = f"({number} / {10 ** (8 - index)} % 10)"
        terms.append(digit if index % 2 == 0 else f"2 * {digit} - case when {digit} > 4 then 9 else 0 end")
    return f"({' + '.join(terms)}) % 10 <> 0"


def digits(column: str, length: int) -> str:
    return (
        f"coalesce(octet_length({column}) = {length} and translate({column}, '0123456789', '') = '', false)"
    )


def date_is_malformed(column: str, parsed: str) -> str:
    """Whether the cast understood something else than AAAA-MM-JJ (`today`, `20220103`).

    On what is no date at all the cast itself fails, and the slow pass says where.
    """
    return f"coalesce({parsed}::text <> {column}, false)"


def known(parsed: str) -> str:
    """A date, null where it is unknown: the files write 1900-01-01 or 1901-01-01 then."""
    return f"case when {parsed} not in (date '1900-01-01', date '1901-01-01') then {parsed} end"


def flag(value: int, condition: str) -> str:
    return f"case when {condition} then {value} else 0 end"


ADDRESS = "nullif(concat_ws(' ', numvoie, typvoie, voie, compvoie, lieuditbp), '')"
# The commune as INSEE codes it: overseas the file splits 97123 into 9A and 123.
COMMUNE = """case when departement in ('9A', '9B', '9C', '9D', '9E', '9F') then '97'
  when departement like '9_' and departement > '9F' then '98' else departement end || commune"""

ESTABLISHMENTS_SQL = f"""
create temp table incoming on commit drop as
select line,
  structureet is distinct from 'structureet' or et_number is null
    or (nofinessej is not null and ej_number is null) or coalesce(rs, rslongue) is null
    or (n.code is null and not {digits("categetab", 3)})
    or {date_is_malformed("dateouv", "opened")} as refused,
  {flag(BAD_KEY, key_is_wrong("et_number"))} + {flag(BAD_OTHER_KEY, key_is_wrong("ej_number"))}
    + {flag(BAD_IDENTITY, "siret is not null and not siret_is_digits")}
    + {flag(UNKNOWN_CATEGORY, "n.code is null")} as flags,
  nofinesset as finess_geographique, nofinessej as finess_juridique,
  coalesce(rs, rslongue) as name, rslongue as long_name, categetab as category,
  case when n.code is not null then n.aggregate
       when {digits("categagretab", 4)} then left(categagretab, 2) || '00' end as aggregate,
  departement, {COMMUNE} as commune, {ADDRESS} as address, ligneacheminement as postal_line,
  case when siret_is_digits then siret end as siret, true as in_service,
  {known("opened")} as opened_on, null::date as closed_on
from (select *, {as_integer("nofinesset")} as et_number, {as_integer("nofinessej")} as ej_number,
        dateouv::date as opened, {digits("siret", 14)} as siret_is_digits
      from finess_raw offset 0) raw
left join nomenclature n on n.code = categetab
"""  # nosec B608 # constants

ENTITIES_SQL = f"""
create temp table incoming on commit drop as
select line,
  structureej is distinct from 'structureej' or ej_number is null or coalesce(rs, rslongue) is null
    or {date_is_malformed("datecrea", "created")} as refused,
  {flag(BAD_KEY, key_is_wrong("ej_number"))}
    + {flag(BAD_IDENTITY, f"siren is not null and not {digits('siren', 9)}")} as flags,
  nofiness as finess_juridique, coalesce(rs, rslongue) as name, rslongue as long_name,
  case when {digits("siren", 9)} then siren end as siren, statutjuridique as legal_status, departement,
  ligneacheminement as postal_line, {known("created")} as created_on, null::date as closed_on
from (select *, {as_integer("nofiness")} as ej_number, datecrea::date as created
      from finess_raw offset 0) raw
"""  # nosec B608 # constants

COUNT_SQL = f"""
select count(*) as rows, count(*) filter (where refused) as refused,
  {", ".join(f"count(*) filter (where flags & {value} <> 0) as flag_{value}" for value in FLAGS)}
from incoming
"""  # nosec B608 # constants
