"""The templates of a conflict's motivation: a beginning with its sources, that the reviewer completes.

`notice` is what the parties are told: it names no other party and no amount.
"""

from __future__ import annotations

from dataclasses import dataclass

from sons_tracker.rules.catalogue import READINGS, RULES

_PAGES = "pages publiques de l'ASP (valeur à confirmer)"


@dataclass(frozen=True, slots=True)
class Template:
    """A beginning of motivation: `families` and `outcomes` say where it fits, `sources` what it rests on."""

    code: str
    label: str
    families: tuple[str, ...]
    outcomes: tuple[str, ...]
    text: str
    notice: str
    sources: str


def _of_rule(*codes: str) -> str:
    return " ; ".join(f"{code} ({RULES[code].source})" for code in codes)


_ORDERS = ("two_orders", "already_financed", "two_numbers")
_GRANTS = ("order_grant", "two_grants", "cancelled_then_acquisition")
_ALL = (*_ORDERS, *_GRANTS, "perimeter_differs")
_LOST = "Un conflit de financement a été instruit : votre commande n'est pas retenue pour ces ESSMS."

TEMPLATES: dict[str, Template] = {
    template.code: template
    for template in (
        Template(
            "first_deposit", "La première déposée l'emporte", _ORDERS, ("maintained", "one_refused"),
            "Un ESSMS n'est financé qu'une fois dans la vague. Aucune des parties n'établit que la commande"
            " déposée la première ne reflète pas la volonté du client : elle est maintenue.",
            "Un conflit de financement a été instruit : la commande déposée la première est maintenue.",
            f"{_of_rule('R05')} ; lecture C17 : {READINGS['C17'].title}",
        ),
        Template(
            "client_choice", "Le client a choisi", _ORDERS, ("maintained", "one_refused"),
            "Le client a signé deux commandes sur le même périmètre ; invité à choisir, il a retenu l'une"
            " d'elles. L'autre ne peut être financée.",
            "Un conflit de financement a été instruit selon le choix du client.",
            f"{_of_rule('R05', 'R33')} ; conflits entre éditeurs, {_PAGES}",
        ),
        Template(
            "perimeter_error", "Erreur de périmètre reconnue", (*_ORDERS, "perimeter_differs"),
            ("one_refused", "both_refused"),
            "Le fournisseur reconnaît que ces ESSMS ne relevaient pas du périmètre de sa commande.",
            _LOST,
            f"{_of_rule('R03', 'R36')} ; conflits entre éditeurs, {_PAGES}",
        ),
        Template(
            "withdrawn", "Retrait d'une partie", _ORDERS, ("one_refused", "both_refused"),
            "Le fournisseur retire sa commande pour ces ESSMS.",
            _LOST,
            f"{_of_rule('R05')} ; conflits entre éditeurs, {_PAGES}",
        ),
        Template(
            "later_act", "Le plus tardif des deux actes est refusé", ("order_grant",),
            ("one_refused", "maintained"),
            "Le financement ESMS numérique et la commande SONS de cet ESSMS ne se cumulent pas ; le plus"
            " tardif des deux actes est refusé.",
            "Le cumul avec un autre programme a été instruit pour ces ESSMS.",
            f"{_of_rule('R25', 'R26')} ; lecture C13 : {READINGS['C13'].title}",
        ),
        Template(
            "allowed_together", "Cumul permis", _GRANTS, ("maintained", "dismissed"),
            "Les pièces établissent que les deux financements portent sur le même logiciel et que leur cumul"
            " est permis.",
            "Le cumul avec un autre programme a été instruit : il est permis.",
            _of_rule("R27"),
        ),
        Template(
            "second_grant", "Second financement ESMS numérique", ("two_grants",),
            ("one_refused", "maintained"),
            "Deux financements ESMS numérique portent sur le même ESSMS ; le second est signalé à l'ARS.",
            "Un double financement ESMS numérique a été signalé à l'ARS.",
            _of_rule("R28"),
        ),
        Template(
            "after_the_lock", "Acquisition après le verrou", ("cancelled_then_acquisition",),
            ("one_refused", "maintained"),
            "La commande SONS a été annulée pour demander une acquisition, après le verrou des annulations.",
            "Une acquisition demandée après le verrou des annulations a été signalée à l'ARS.",
            _of_rule("R29"),
        ),
        Template(
            "same_establishment", "Un même établissement", ("two_numbers",), ("one_refused",),
            "Les deux numéros désignent un même établissement : il n'est financé qu'une fois.",
            _LOST,
            _of_rule("R05", "R07"),
        ),
        Template(
            "register_changed", "Registre modifié depuis", ("perimeter_differs",),
            ("maintained", "one_refused"),
            "Le registre a changé depuis la commande ; l'extraction applicable à sa signature fait foi.",
            "L'écart entre le périmètre commandé et le registre a été instruit.",
            f"{_of_rule('R09', 'R36')} ; lecture C14 : {READINGS['C14'].title}",
        ),
        Template(
            "no_conflict", "Pas de conflit", _ALL, ("dismissed",),
            "L'instruction montre que les faits constatés ne forment pas un conflit.",
            "Le dossier est classé sans suite.",
            _of_rule("R05"),
        ),
    )
}  # fmt: skip


def templates_of(family: str, outcome: str | None = None) -> tuple[Template, ...]:
    """The templates that fit a family, and an outcome where one is named."""
    return tuple(
        template
        for template in TEMPLATES.values()
        if family in template.families and (outcome is None or outcome in template.outcomes)
    )
