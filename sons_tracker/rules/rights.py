"""Who may do what: the table of `rights_table.py`, read once and asked everywhere.

The guard of the API, the operations below it and the page `docs/droits.md` ask the same table; row-level
security in the database says it a second time, in its own words, and tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from sons_tracker.rules.rights_table import TABLE

ACCOUNT_ROLES = ("editor", "distributor", "og", "ars", "reviewer", "payer", "pilot", "admin")
"""The roles that a person has in an organisation, and that a token or a session carries."""
SCHEDULER, ANONYMOUS = "scheduler", "anonymous"
ROLES = (*ACCOUNT_ROLES, SCHEDULER, ANONYMOUS)
ROLE_WORDS = {
    "editor": "éditeur", "distributor": "distributeur", "og": "organisme gestionnaire", "ars": "ARS",
    "reviewer": "contrôleur", "payer": "agent de paiement", "pilot": "pilotage",
    "admin": "administrateur", SCHEDULER: "horloge", ANONYMOUS: "sans compte",
}  # fmt: skip
_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
_NOTHING = "-"


class Reach(StrEnum):
    """How far a role goes with an action that it has."""

    ALL = "all"
    """Every object, whoever it belongs to."""
    PARTY = "party"
    """What its organisation is a party to: supplier or OG of an order, side of a case or asked in it."""
    OWN = "own"
    """What belongs to its organisation and to no other."""
    SELF = "self"
    """What is the person's own."""


REACH_WORDS = {
    Reach.ALL: "tout", Reach.PARTY: "partie", Reach.OWN: "organisation", Reach.SELF: "soi-même",
}  # fmt: skip
REACH_SENTENCES = {
    Reach.ALL: "tous les objets, quelle que soit l'organisation à laquelle ils appartiennent",
    Reach.PARTY: "les objets auxquels son organisation est partie : fournisseur ou organisme gestionnaire de"
    " la commande, côté d'un dossier de conflit, destinataire d'une question",
    Reach.OWN: "ce qui appartient à son organisation, et à elle seule",
    Reach.SELF: "ce qui est à la personne elle-même",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Right:
    """One line of the table: an action, its French label, and how far each role goes; a role that is not in
    `reaches` does not have it."""

    action: str
    label: str
    section: str
    reaches: Mapping[str, Reach]


def parse(table: str) -> dict[str, Right]:
    """The lines of a table, by action, in its order.

    Raises:
        ValueError: a role or a reach that does not exist, an action twice, or without role, label or section.
    """
    head, *lines = (line for line in table.splitlines() if line.strip())
    if sorted(head.split()) != sorted(ROLES):
        raise ValueError(f"the columns are not the roles: {head.split()}")
    roles, rights, section = head.split(), dict[str, Right](), ""
    for line in lines:
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
            continue
        action, *cells = line.split(maxsplit=len(roles) + 1)
        if not _ACTION.fullmatch(action) or action in rights:
            raise ValueError(f"not an action, or twice: {action!r}")
        if len(cells) != len(roles) + 1 or not section:
            raise ValueError(f"a cell, a label or a section is missing: {line!r}")
        reaches = {role: Reach(cell) for role, cell in zip(roles, cells, strict=False) if cell != _NOTHING}
        if not reaches:
            raise ValueError(f"nobody has {action!r}")
        rights[action] = Right(action, cells[-1], section, MappingProxyType(reaches))
    return rights


RIGHTS: Mapping[str, Right] = MappingProxyType(parse(TABLE))


def right(action: str) -> Right:
    """The line of an action.

    Raises:
        ValueError: no such action; a misspelt one must not open nor close anything silently.
    """
    found = RIGHTS.get(action)
    if found is None:
        raise ValueError(f"unknown action: {action!r}")
    return found


def reach(role: str, action: str) -> Reach | None:
    """How far a role goes with an action; None when it does not have it.

    Raises:
        ValueError: no such role, or no such action.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role: {role!r}")
    return right(action).reaches.get(role)


def roles_of(action: str) -> tuple[str, ...]:
    """The roles that have an action, in the order of the table's columns.

    Raises:
        ValueError: no such action.
    """
    return tuple(right(action).reaches)
