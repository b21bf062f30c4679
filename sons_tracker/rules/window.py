"""When an order may be placed and received: R10 (opening) and R20 (fermeture)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sons_tracker.rules.case import OrderedEssms
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import Context
from sons_tracker.rules.french import date_fr, until_fr
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.texts import Opening
from sons_tracker.rules.verdicts import Finding, Outcome

Judge = Callable[[OrderedEssms], Finding]
Openings = Version[tuple[Opening, ...]]


def _opening(version: Openings | None, domaines: tuple[str, ...]) -> Opening | None:
    """The opening that covers all these domaines, if one is known."""
    found = () if version is None else required(version)
    return next((o for o in found if set(domaines) <= set(o.domaines)), None)


def r10_opening(ctx: Context) -> Judge:
    """R10 (S0:1531, S0:1649-1650) read with C4 and C5: signed from the opening and the publication on.

    The opening day itself counts. Couloirs open domaine by domaine: for a domaine without a known date the
    answer is `unknown`; between a forecast and the date that replaced it, `review`.
    """
    current = ctx.dispositif.ouverture.find(ctx.known_on, ctx.known_on)
    publication = ctx.dispositif.publication.find(ctx.known_on, ctx.known_on)
    # what was known on the day of the signature: a forecast may have stood there
    announced = ctx.dispositif.ouverture.find(ctx.on, ctx.on)
    code = ctx.dispositif.code

    @cache
    def judged(domaines: tuple[str, ...]) -> Finding:
        opening, published = _opening(current, domaines), _opening(publication, domaines)
        forecast = _opening(announced, domaines)
        who = f"{code} ({', '.join(domaines)})"
        signed = ("signed_on", ctx.on.isoformat())
        if opening is None or current is None:
            return Finding(
                Outcome.UNKNOWN,
                f"Aucune date d'ouverture n'est connue pour {who}.",
                RULES["R10"].source if current is None else current.source,
                "Attendre qu'une version du droit donne cette date.",
                (signed,),
                ("C4",),
            )
        if opening.forecast:
            early = ctx.on < opening.on
            return Finding(
                Outcome.FAIL if early else Outcome.REVIEW,
                f"L'ouverture de {who} n'est qu'annoncée pour le {date_fr(opening.on)}"
                + (" : la commande lui est antérieure." if early else " : l'arrêté n'est pas publié."),
                current.source,
                f"Signer la commande après la publication de l'arrêté de {code}.",
                (signed, ("forecast", opening.on.isoformat())),
                ("C4",),
                True,
            )
        if published is None or publication is None:
            return Finding(
                Outcome.UNKNOWN,
                f"Aucune publication d'arrêté n'est connue pour {who}.",
                current.source,
                "Attendre qu'une version du droit donne cette date.",
                (signed,),
                ("C4",),
            )
        start, confirm = max(opening.on, published.on), current.a_confirmer or publication.a_confirmer
        facts = (signed, ("ouverture", start.isoformat()))
        if ctx.on >= start:
            return Finding(
                Outcome.PASS,
                f"Commande signée le jour de l'ouverture de {who}, le {date_fr(start)}, ou après.",
                current.source,
                None,
                facts,
                ("C5",),
                confirm,
            )
        if forecast is not None and forecast.forecast and ctx.on >= forecast.on:
            return Finding(
                Outcome.REVIEW,
                f"Commande signée après l'ouverture annoncée de {who}, le {date_fr(forecast.on)}, mais avant"
                f" la publication de l'arrêté, le {date_fr(start)}.",
                current.source,
                "Attendre la décision d'un contrôleur, ou faire signer une nouvelle commande.",
                facts,
                ("C4",),
                confirm,
            )
        return Finding(
            Outcome.FAIL,
            f"Commande signée le {date_fr(ctx.on)}, avant l'ouverture de {who}, le {date_fr(start)}.",
            current.source,
            f"Faire signer une commande à compter du {date_fr(start)}.",
            facts,
            ("C5",),
            confirm,
        )

    def judge(line: OrderedEssms) -> Finding:
        domaine = ctx.domaine(line)
        if domaine is not None and domaine in ctx.dispositif.domaines:
            return judged((domaine,))
        # another couloir's, or unknown: only a date common to the whole dispositif can answer
        return judged(ctx.dispositif.domaines)

    return judge


def r20_fermeture(ctx: Context) -> Finding:
    """R20 (S0:1633-1637, S0:1656-1659) read with C5: signed and received before the fermeture.

    A reception passes until the last instant; a signature on the last day passes with a warning.
    """
    version, received = ctx.fermeture, ctx.case.received_at
    if version is None:
        return Finding(
            Outcome.UNKNOWN,
            f"Aucune date de fermeture n'est connue pour {ctx.dispositif.code}.",
            RULES["R20"].source,
            "Attendre qu'une version du droit donne cette date.",
        )
    limit = required(version)
    facts = (
        ("signed_on", ctx.on.isoformat()),
        ("received_at", received.isoformat(timespec="seconds")),
        ("fermeture", limit.at.isoformat(timespec="seconds")),
    )
    day = until_fr(limit)
    if ctx.on > limit.on or received > limit.at:
        what = "signée" if ctx.on > limit.on else "reçue"
        return Finding(
            Outcome.FAIL,
            f"Commande {what} après la fermeture, le {day} : elle est irrecevable.",
            version.source,
            "Aucune régularisation n'est possible après la fermeture.",
            facts,
            ("C5",),
            version.a_confirmer,
        )
    if ctx.on == limit.on:
        return Finding(
            Outcome.WARN,
            f"Commande signée le jour même de la fermeture, le {day}.",
            version.source,
            "Déposer sans attendre la demande d'avance.",
            facts,
            ("C5",),
            True,
        )
    return Finding(
        Outcome.PASS,
        f"Commande signée et reçue avant la fermeture, le {day}.",
        version.source,
        f"Déposer la demande d'avance au plus tard le {day}.",
        facts,
        ("C5",),
        version.a_confirmer,
    )
