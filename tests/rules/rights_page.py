"""The page `docs/droits.md`, written from the table of rights.

`python -m tests.rules.rights_page > docs/droits.md`
"""

# ruff: noqa: E501 - rows of tables

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sons_tracker.rules.rights import (
    ACCOUNT_ROLES,
    REACH_SENTENCES,
    REACH_WORDS,
    RIGHTS,
    ROLE_WORDS,
    ROLES,
    Reach,
    reach,
)

_COLUMNS = {
    "editor": "éditeur", "distributor": "distrib.", "og": "OG", "ars": "ARS", "reviewer": "contrôleur",
    "payer": "paiement", "pilot": "pilotage", "admin": "admin.", "scheduler": "horloge",
    "anonymous": "sans compte",
}  # fmt: skip
_INTRODUCTION = """\
# Qui peut faire quoi

Page écrite à partir de `sons_tracker/rules/rights_table.py` ; un test la compare au tableau. Pour la refaire :
`python -m tests.rules.rights_page > docs/droits.md`. Le même tableau : `GET /api/v1/rights`, et
`sons-tracker rights`.

Une ligne par action, une colonne par rôle. « – » : le rôle n'a pas l'action. Sinon, jusqu'où il va :
"""
_AFTER = """
Le tableau est lu trois fois : par le garde de chaque adresse, avant que le corps de la demande soit lu ; par
l'opération elle-même, que le terminal et l'horloge appellent sans passer par le garde ; et il est dit une seconde
fois, autrement, par la sécurité par ligne de PostgreSQL, qui ne montre à une organisation que ses lignes. Des tests
comparent les trois. Ce que l'état d'un dossier permet *maintenant* est une autre question : voir
[Les états et leurs transitions](cycle-de-vie.md).

| la demande | la réponse |
|---|---|
| sans compte, pour une action qui en veut un | 401 |
| d'un rôle qui n'a pas l'action | 403 : le rôle, l'action et qui l'a ; rien de l'objet, qui n'est pas lu |
| d'un objet inconnu, ou qui n'est pas à portée | 404, la même phrase dans les deux cas |
| d'un objet à portée, dont l'état ou le droit ne permet pas l'acte | 409, avec ses raisons (voir plus bas) |
"""
_REFUSALS = """\
## Ce qu'un refus peut dire

Un 409 dit pourquoi : les verdicts défavorables, leur source, ce qui permettrait de régulariser. Un verdict porte deux
phrases, l'une avec les faits, l'autre sans (voir [la décision](decisions/what-an-editor-is-told.md)) ; chaque rôle lit
la sienne, dans une simulation, un dépôt, une explication et un dossier de conflit.

| rôle | les faits d'un verdict | un dossier de conflit |
|---|---|---|
"""
_FACTS = {
    Reach.ALL: "tous : par quelle commande l'ESSMS est tenu, quel financement s'y oppose",
    Reach.OWN: "ceux des ESSMS que le répertoire lui rattache ; pour les autres, la phrase discrète",
    None: "aucun : que l'ESSMS est engagé ou qu'un financement s'y oppose, jamais par qui ni pour combien",
}
_SIDES = {
    Reach.ALL: "entier",
    Reach.PARTY: "entier quand il n'oppose que ses propres établissements ; sinon, son côté",
    None: "son côté s'il en a un, ses questions, ce qui a été décidé de sa commande ; ni l'autre partie, ni une somme",
}


def page() -> str:
    """The whole page, in French."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    *first, last = [f"- **{REACH_WORDS[one]}** : {REACH_SENTENCES[one]}" for one in Reach]
    yield " ;\n".join(first) + f" ;\n{last}."
    yield _AFTER
    for section, rights in groupby(RIGHTS.values(), lambda right: right.section):
        yield f"## {section}\n"
        yield f"| action | {' | '.join(_COLUMNS[role] for role in ROLES)} |"
        yield f"|---|{'---|' * len(ROLES)}"
        for right in rights:
            cells = [REACH_WORDS[right.reaches[role]] if role in right.reaches else "–" for role in ROLES]
            yield f"| {right.label} (`{right.action}`) | {' | '.join(cells)} |"
        yield ""
    yield _REFUSALS.rstrip("\n")
    for role in ACCOUNT_ROLES:
        sides = _SIDES[reach(role, "side.read")] if reach(role, "conflict.read") else "–"
        yield f"| {ROLE_WORDS[role]} | {_FACTS[reach(role, 'fact.read')]} | {sides} |"


if __name__ == "__main__":
    print(page(), end="")
