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


def well_formed(column: str) -> str:
    """Whether a column holds a FINESS number; the regular expression is for Corsica, it costs more."""
    return (
        f"coalesce((length({column}) = 9 and translate({column}, '0123456789', '') = '')"
        f" or {column} ~ '^2[AB][0-9]{{7}}$', false)"
    )


def as_integer(column: str) -> str:
    """The nine digits with A→1 and B→2; null when the number is not well formed."""
    return f"case when {well_formed(column)} then translate({column}, 'AB', '12')::int end"


def key_is_wrong(number: str) -> str:
    """Whether the Luhn sum of a nine-digit integer column is no multiple of ten."""
    terms = []
    for index in range(9):
        digit = f"({number} / {10 ** (8 - index)} % 10)"
        terms.append(digit if index % 2 == 0 else f"2 * {digit} - case when {digit} > 4 then 9 else 0 end")
    return f"({' + '.join(terms)}) % 10 <> 0"


def digits(column: str, length: int) -> str:
    return f"coalesce(length({column}) = {length} and translate({column}, '0123456789', '') = '', false)"


def dated(column: str) -> str:
    """A date, null where it is unknown: the files write 1900-01-01 or 1901-01-01 then."""
    return f"case when {column} in ('1900-01-01', '1901-01-01') then null else {column}::date end"


def date_is_malformed(column: str) -> str:
    # like the cast: only the form is looked at here; the 30th of February fails the cast itself
    return f"coalesce({column} not like '____-__-__' or translate({column}, '0123456789', '') <> '--', false)"


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
    or not {digits("categetab", 3)} or {date_is_malformed("dateouv")} as refused,
  {flag(BAD_KEY, key_is_wrong("et_number"))} + {flag(BAD_OTHER_KEY, key_is_wrong("ej_number"))}
    + {flag(BAD_IDENTITY, f"siret is not null and not {digits('siret', 14)}")}
    + {flag(UNKNOWN_CATEGORY, "n.code is null")} as flags,
  nofinesset as finess_geographique, nofinessej as finess_juridique,
  coalesce(rs, rslongue) as name, rslongue as long_name,
  categetab as category,
  coalesce(n.aggregate, case when {digits("categagretab", 4)} then left(categagretab, 2) || '00' end)
    as aggregate,
  departement, {COMMUNE} as commune, {ADDRESS} as address, ligneacheminement as postal_line,
  case when {digits("siret", 14)} then siret end as siret, true as in_service,
  case when not {date_is_malformed("dateouv")} then {dated("dateouv")} end as opened_on,
  null::date as closed_on
from (select *, {as_integer("nofinesset")} as et_number, {as_integer("nofinessej")} as ej_number
      from finess_raw offset 0) raw
left join nomenclature n on n.code = categetab
"""

ENTITIES_SQL = f"""
create temp table incoming on commit drop as
select line,
  structureej is distinct from 'structureej' or ej_number is null or coalesce(rs, rslongue) is null
    or {date_is_malformed("datecrea")} as refused,
  {flag(BAD_KEY, key_is_wrong("ej_number"))}
    + {flag(BAD_IDENTITY, f"siren is not null and not {digits('siren', 9)}")} as flags,
  nofiness as finess_juridique, coalesce(rs, rslongue) as name, rslongue as long_name,
  case when {digits("siren", 9)} then siren end as siren, statutjuridique as legal_status, departement,
  ligneacheminement as postal_line,
  case when not {date_is_malformed("datecrea")} then {dated("datecrea")} end as created_on,
  null::date as closed_on
from (select *, {as_integer("nofiness")} as ej_number from finess_raw offset 0) raw
"""

COUNT_SQL = f"""
select count(*) as rows, count(*) filter (where refused) as refused,
  {", ".join(f"count(*) filter (where flags & {value} <> 0) as flag_{value}" for value in FLAGS)}
from incoming
"""
