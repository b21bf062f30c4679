"""Who may do what, printed from the table that the service applies."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sons_tracker.cli.frame import Json, choice, emit
from sons_tracker.rules.rights import (
    ACCOUNT_ROLES,
    ANONYMOUS,
    REACH_SENTENCES,
    REACH_WORDS,
    RIGHTS,
    ROLE_WORDS,
    ROLES,
    Reach,
    Right,
)

_TOGETHER = (
    (frozenset({*ACCOUNT_ROLES, ANONYMOUS}), "chacun, même sans compte"),
    (frozenset(ACCOUNT_ROLES), "chaque rôle qui a un compte"),
)


def rights(
    role: Annotated[
        str | None,
        typer.Option(metavar="RÔLE", parser=choice(*ROLES), help=f"Un seul rôle : {', '.join(ROLES)}."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Qui peut faire quoi : chaque action, les rôles qui l'ont, et jusqu'où."""
    kept = [right for right in RIGHTS.values() if role is None or role in right.reaches]
    data = [
        {"action": one.action, "label": one.label, "section": one.section, "reaches": dict(one.reaches)}
        for one in kept
    ]

    def render(console: Console) -> None:
        for section, lines in groupby(kept, lambda one: one.section):
            table = Table("Action", "Portée" if role else "Rôles, par portée", box=None, title=section)
            table.title_justify, table.title_style = "left", "bold"
            for one in lines:
                table.add_row(one.label, REACH_WORDS[one.reaches[role]] if role else _holders(one))
            console.print(table)
            console.print()
        for reach in Reach:
            console.print(f"« {REACH_WORDS[reach]} » : {REACH_SENTENCES[reach]}.")

    emit(data, as_json, render)


def _holders(right: Right) -> str:
    """The roles of an action, together where they go as far."""
    said = []
    for reach in Reach:
        roles = {role for role in ROLES if right.reaches.get(role) is reach}
        words = []
        for everybody, word in _TOGETHER:
            if everybody <= roles:
                words.append(word)
                roles -= everybody
        words += [ROLE_WORDS[role] for role in ROLES if role in roles]
        if words:
            said.append(f"{REACH_WORDS[reach]} : {', '.join(words)}")
    return " ; ".join(said)
