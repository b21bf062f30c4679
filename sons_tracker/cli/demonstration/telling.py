"""What the demonstration prints: French, readable on a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sons_tracker.operations.idempotency import Answer
from sons_tracker.operations.views import OrderView, VerdictView
from sons_tracker.rules.french import PARIS, count_fr, date_fr
from sons_tracker.rules.money import euros_fr

if TYPE_CHECKING:
    from sons_tracker.operations.registers import ImportReport

_SUPPLIERS = {
    "alpha": "Éditions Alpha",
    "beta": "Bêta Logiciels",
    "gamma": "Gamma Numérique",
    "delta": "Delta Distribution",
}
_DECISIONS = {
    "accepted": ("recevable", "bold green"),
    "to_review": ("à instruire", "bold yellow"),
    "refused": ("refusée", "bold red"),
}
_OUTCOMES = {"fail": "refus", "review": "à décider", "unknown": "inconnu", "warn": "attention", "pass": "oui"}  # nosec B105 # words that are shown
_KINDS = {"advance": "Avance", "solde": "Solde"}
_SHOWN_ESSMS = 3
_NARROWEST = 9
_BEFORE_LABEL = 36  # margin, "Échéance", an instant, and the spaces between


@dataclass(frozen=True, slots=True)
class RealRow:
    """A real row of the register and what the law says of its category."""

    finess_geographique: str
    finess_juridique: str | None
    name: str
    category: str
    aggregate: str | None
    domaine: str | None
    dispositif: str | None
    in_vague: bool


class Ended(Protocol):
    """What the last page needs of a story."""

    @property
    def title(self) -> str: ...
    @property
    def as_expected(self) -> bool: ...


class Teller:
    """Prints the demonstration on one console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Shows that something takes time."""
        with self._console.status(f"{what}…"):
            yield

    def opening(self) -> None:
        """What this is, and what it is not."""
        self._console.print(Rule("sons_tracker : la démonstration", style="bold"))
        self._say(
            "Le dispositif SONS paie l'éditeur d'un dossier usager informatisé (DUI) pour chaque"
            " établissement social ou médico-social (ESSMS) que commande un organisme gestionnaire (OG). Les"
            " organismes, les ESSMS, les éditeurs et les financements joués ici sont fictifs."
        )

    def clock(self, at: datetime, digest: str) -> None:
        """The instant that everything is dated by, and the law that is applied."""
        local = at.astimezone(PARIS)
        self._say(
            f"Horloge de l'instance d'essai : {date_fr(local.date())}, {local:%H h %M}. Droit appliqué :"
            f" empreinte {digest[:12]}…"
        )

    def imports(self, reports: Sequence[ImportReport]) -> None:
        """What was imported."""
        table = self._table("Registres importés", "Fichier", "Extraction", "Portée", "Lignes")
        table.columns[-1].justify = "right"
        for report in reports:
            table.add_row(
                report.file_name,
                f"{report.extracted_on:%d/%m/%Y}",
                report.scope,
                f"{report.read}",
            )
        self._console.print(table)

    def real_rows(self, rows: Sequence[RealRow]) -> None:
        """What real rows of the register teach."""
        self._console.print(Rule("Ce qu'enseignent de vraies lignes du FINESS", style="bold"))
        table = self._table(
            "Lignes réelles (FINESS, Licence Ouverte 2.0)",
            "Établissement",
            "FINESS",
            "Catégorie",
            "Agrégat",
            "Domaine",
            "Dispositif",
        )
        for row in rows:
            table.add_row(
                row.name,
                row.finess_geographique,
                row.category,
                row.aggregate or "?",
                row.domaine or "—",
                row.dispositif or ("à décider" if row.in_vague else "hors SONS"),
            )
        self._console.print(table)
        lost = sum(1 for row in rows if row.finess_juridique is None)
        self._say(
            "Le fichier porte l'agrégat de niveau 3 (4401) ; la règle se lit au niveau 2 (4400). L'agrégat"
            " 4600 mêle plusieurs couloirs : c'est le code de catégorie qui donne le domaine, et un code sans"
            " domaine connu (462, lieux de vie) attend une décision. Les numéros d'outre-mer commencent par"
            " 97 ou 98, un numéro peut commencer par 0 : un FINESS n'est jamais un nombre."
        )
        self._say(
            "Ces fichiers sont des extraits : une absence n'y prouve rien, et on n'y compte pas les ESSMS"
            f" d'un OG, donc aucune tranche. {count_fr(lost, 'ligne')} du nouveau format ne"
            f" {'disent' if lost > 1 else 'dit'} pas à quel OG l'établissement est rattaché."
        )

    def heading(self, number: int, title: str, lesson: str) -> None:
        """The title of a story."""
        self._console.print()
        self._console.print(Rule(f"{number}. {title}", style="bold", align="left"))
        self._say(lesson)

    def order(self, view: OrderView, supplier: str | None) -> None:
        """An order, its amounts, what keeps it from being plain, its schedule."""
        word, style = _DECISIONS[view.decision]
        name = "Simulation" if view.identity is None else view.identity.number
        parts = [
            name,
            *([_SUPPLIERS[supplier]] if supplier else []),
            count_fr(view.ordered, "ESSMS", "ESSMS"),
        ]
        line = Text(" · ".join(parts) + " · ")
        line.append(word, style)
        if view.conditional and view.decision != "refused":
            line.append(", sous condition de référencement", "yellow")
        self._console.print(Padding(line, (0, 0, 0, 2)))
        if view.total_ttc_cents is not None:
            unit = view.unit_ttc_cents
            each = "" if unit is None else f"{view.ordered} × {euros_fr(unit)} = "
            self._say(
                f"OG de {view.essms_of_og} ESSMS, tranche {view.tranche} :"
                f" {each}{euros_fr(view.total_ttc_cents)} TTC"
            )
            self._source(next(v.source for v in view.verdicts if v.rule == "R13"))
        for verdict in view.verdicts:
            if verdict.outcome != "pass":
                self._verdict(verdict)
        if view.decision != "refused":
            self._schedule(view)

    def seen_by_reviewer(self, view: OrderView) -> None:
        """The facts that the supplier was not told."""
        self._say("Ce que le contrôleur voit en plus :")
        for verdict in view.verdicts:
            if verdict.outcome != "pass" and "grant" in verdict.facts:
                facts = verdict.facts
                self._say(
                    f"{verdict.rule} : financement {facts['grant']}, appel {facts['year']}, logiciel"
                    f" {facts['software']}, référencé à l'accord : {facts['dui_referenced']}."
                )

    def replay(self, key: str, answer: Answer) -> None:
        """A replayed answer."""
        self._say(f"Clé « {key} » : réponse {answer.status}, rejouée à l'identique.")

    def closing(self, told: Sequence[Ended]) -> None:
        """How it ended."""
        self._console.print()
        self._console.print(Rule(style="bold"))
        wrong = [story.title for story in told if not story.as_expected]
        if wrong:
            self._say("Des histoires ne finissent pas comme prévu : " + " ; ".join(wrong))
            return
        self._say(
            f"{count_fr(len(told), 'histoire')}, toutes finies comme prévu. Pour aller plus loin :"
            " « make serve » lance le service et donne l'adresse de sa documentation ;"
            " « sons-tracker --help » liste les commandes."
        )

    def _verdict(self, verdict: VerdictView) -> None:
        said = f"{verdict.rule} {_OUTCOMES[verdict.outcome]}"
        self._paragraph(f"{said}{_essms(verdict.essms)} : {verdict.message}", 4, bold=len(said))
        self._source(verdict.source, 6)
        if verdict.remedy:
            self._paragraph(f"Remède : {verdict.remedy}", 6)

    def _source(self, source: str, margin: int = 4) -> None:
        self._paragraph(f"Source : {source}", margin, style="dim")

    def _schedule(self, view: OrderView) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column()
        table.add_column(justify="right", no_wrap=True)
        table.add_column()
        for payment in view.payments:
            condition = self._wrapped(payment.condition, _BEFORE_LABEL)
            table.add_row(_KINDS[payment.kind], euros_fr(payment.amount_ttc_cents), condition)
        for deadline in view.deadlines:
            local = deadline.at.astimezone(PARIS)
            confirm = " (à confirmer)" if deadline.a_confirmer else ""
            what = Text.assemble(
                self._wrapped(deadline.label + confirm, _BEFORE_LABEL),
                ("\n" + self._wrapped(deadline.source, _BEFORE_LABEL), "dim"),
            )
            table.add_row("Échéance", f"{local:%d/%m/%Y %H:%M:%S}", what)
        self._console.print(Padding(table, (0, 0, 0, 4)))

    def _say(self, sentence: str) -> None:
        self._paragraph(sentence, 2)

    def _paragraph(self, sentence: str, margin: int, *, style: str = "", bold: int = 0) -> None:
        """A sentence wrapped after a margin; its first `bold` characters are bold."""
        text = Text(self._wrapped(sentence, margin), style)
        text.stylize("bold", 0, bold)
        self._console.print(Padding(text, (0, 0, 0, margin)))

    def _wrapped(self, sentence: str, margin: int) -> str:
        # not rich's wrapping: it takes the no-break spaces of French for spaces
        width = max(self._console.width - margin, _NARROWEST)
        return textwrap.fill(typeset(sentence), width, break_on_hyphens=False, break_long_words=False)

    def _table(self, title: str, *columns: str) -> Table:
        """A table whose first column gives way to the others on a narrow terminal."""
        table = Table(title=title, title_justify="left", title_style="bold", expand=True)
        table.add_column(columns[0], no_wrap=True, overflow="ellipsis", ratio=1)
        for column in columns[1:]:
            table.add_column(column, no_wrap=True, width=max(len(column), _NARROWEST))
        return table


def typeset(sentence: str) -> str:
    """French no-break spaces: a terminal then never starts a line with « : » or « » »."""
    for mark in (":", "»", "%"):
        sentence = sentence.replace(f" {mark}", f"\u00a0{mark}")
    for mark in (";", "!", "?"):
        sentence = sentence.replace(f" {mark}", f"\u202f{mark}")
    return sentence.replace("« ", "«\u00a0")


def _essms(numbers: tuple[str, ...]) -> str:
    if not numbers:
        return ""
    shown = ", ".join(numbers[:_SHOWN_ESSMS])
    more = f" et {len(numbers) - _SHOWN_ESSMS} autres" if len(numbers) > _SHOWN_ESSMS else ""
    return f" ({shown}{more})"
