"""The page `docs/regles.md`, written from the catalogue.

`python -m tests.rules.catalogue_page > docs/regles.md`
"""

# ruff: noqa: E501 - rows of tables

from __future__ import annotations

from collections.abc import Iterator

from sons_tracker.rules.catalogue import (
    ADVANCE,
    CANCELLATION,
    GRANT,
    INFORMATION,
    ON_ESSMS,
    ORDER,
    READINGS,
    RULES,
    SOLDE,
    VA,
)

_STAGES = {
    ORDER: "La commande est simulée ou déposée",
    ADVANCE: "L'avance est demandée",
    VA: "La vérification d'aptitude est remise",
    SOLDE: "Le solde est demandé",
    CANCELLATION: "La commande est annulée",
    GRANT: "Un financement ESMS numérique est demandé",
    INFORMATION: "À savoir, sans question posée à un dossier",
}
_INTRODUCTION = """\
# Les règles et les lectures

Page écrite à partir de `sons_tracker/rules/catalogue.py` ; un test la compare au catalogue. Pour la refaire :
`python -m tests.rules.catalogue_page > docs/regles.md`.

Chaque règle d'une étape répond une fois, et une seule, pour la commande ou pour chaque ESSMS. Sa réponse porte une
phrase, les faits utilisés, la source et ce qui permettrait de régulariser.

| réponse | en français | effet |
|---|---|---|
| `pass` | favorable | rien ne s'oppose |
| `warn` | avertissement | montré ; n'empêche rien |
| `unknown` | inconnu | un fait manque : le dossier est déposé et tient ses ESSMS, rien n'est dû avant qu'une personne ait tranché |
| `review` | à examiner | les textes ne tranchent pas : mêmes effets |
| `fail` | défavorable | la commande est refusée ; le refus est gardé et peut être contesté |

Après le dépôt, `fail` refuse l'acte demandé (l'avance, la VA, le solde, l'annulation) et la commande reste ce qu'elle
est ; une demande reçue après la fermeture (R20) ou la clôture (R21) est gardée comme irrecevable.

Une réponse qui repose sur une valeur à confirmer le dit. « S0:1575 » est la ligne 1575 du premier document source
(voir [Le droit en fichiers](droit.md)) ; « C7 » est une lecture, en bas de page.
"""


def page() -> str:
    """The whole page, in French."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    for stage, title in _STAGES.items():
        yield f"## {title}\n"
        yield "| règle | ce qu'elle dit | pour | source |"
        yield "|---|---|---|---|"
        for rule in RULES.values():
            if stage in rule.stages:
                scope = "chaque ESSMS" if rule.scope == ON_ESSMS else "la commande"
                scope = "–" if stage == INFORMATION else scope
                yield f"| {rule.code} | {rule.title} | {scope} | {rule.source} |"
        yield ""
    yield "## Les lectures\n"
    yield "Où les sources se taisent ou se contredisent, ce que ce projet lit, et les règles qui le suivent.\n"
    yield "| lecture | ce que nous lisons | règles |"
    yield "|---|---|---|"
    for reading in READINGS.values():
        yield f"| {reading.code} | {reading.title} | {', '.join(reading.followed_by)} |"


if __name__ == "__main__":
    print(page(), end="")
