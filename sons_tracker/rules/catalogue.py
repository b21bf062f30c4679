"""Every rule R and reading C of the scheme: its stage, its scope, its source.

`order`: asked when an order is simulated or deposited. `grant`: asked when an ESMS numérique grant meets
an order. `advance`, `va`, `solde`, `cancellation`: asked later in the life of the money. `information`:
what people must know and no fact of a file can decide. Every rule of a stage answers exactly once per
its scope: for the order, or for each ESSMS.
"""

# ruff: noqa: E501 - one rule a line: the file reads like the table that it is

from __future__ import annotations

from dataclasses import dataclass

from sons_tracker.rules.parameters import Source

ORDER, ADVANCE, VA, SOLDE, CANCELLATION, GRANT, INFORMATION = (
    "order", "advance", "va", "solde", "cancellation", "grant", "information",
)  # fmt: skip
ON_ORDER, ON_ESSMS = "order", "essms"


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule: its number, what it says in one French sentence, where it is asked, and its source."""

    code: str
    title: str
    stages: tuple[str, ...]
    scope: str
    source: Source


@dataclass(frozen=True, slots=True)
class Reading:
    """How this project reads a contradiction or a silence, and the rules that follow it."""

    code: str
    title: str
    followed_by: tuple[str, ...]


_AF = "Appel à financement SONS (arrêté du 2 février 2022), présenté en avril 2022"
_AAP = "Appel à projets ESMS numérique 2022"
_FAQ = "Questions-réponses ESMS numérique et SONS, septembre 2022"
_GUIDE = "Guide « pas à pas » de candidature à ESMS numérique"
_AAP_2025 = "Appel à projets ESMS numérique 2025"
_2025 = "Instruction DNS/DGCS/CNSA/2025/40 du 16 avril 2025"


def _rule(
    code: str, title: str, text: str, reference: str, *stages: str, scope: str = ON_ORDER
) -> tuple[str, Entry]:
    return code, Entry(code, title, stages, scope, Source(text, reference))


RULES: dict[str, Entry] = dict(
    (
        _rule("R01", "L'argent va à l'éditeur de la solution référencée ou à son distributeur officiel, pour un ESSMS déjà équipé.", _AF, "S0:240-241, S0:276, S0:1484, S1:285-286, S1:308-312, S3:319-333", ORDER),
        _rule("R02", "Le client est l'organisme gestionnaire, connu par son FINESS juridique.", _AF, "S0:240, S0:1511", ORDER),
        _rule("R03", "Une commande porte sur un ou plusieurs ESSMS, chacun connu par son FINESS géographique.", _AF, "S0:1515", ORDER),
        _rule("R04", "Un OG peut passer plusieurs commandes si elles portent sur des FINESS géographiques différents.", _AF, "S0:1519, S3:315-317", ORDER),
        _rule("R05", "Un ESSMS n'est financé qu'une fois par vague.", _AF, "S0:1525", ORDER, scope=ON_ESSMS),
        _rule("R06", "Une commande unique par OG et par DUI est fortement recommandée.", _AF, "S0:1525", ORDER),
        _rule("R07", "L'unité comptée est le FINESS géographique.", _FAQ, "S3:85-97, S3:382-386", INFORMATION),
        _rule("R08", "La catégorie FINESS de l'ESSMS est éligible au dispositif.", _AF, "S0:240, S2:364-366, S2:406", ORDER, scope=ON_ESSMS),
        _rule("R09", "Les numéros FINESS sont ceux de l'extraction de référence.", _AF, "S0:1523", ORDER),
        _rule("R10", "Seules les commandes passées après la publication de l'arrêté et l'ouverture sont finançables.", _AF, "S0:1531, S0:1649-1650", ORDER, scope=ON_ESSMS),
        _rule("R11", "Seules les versions référencées par l'ANS donnent lieu à financement.", _AF, "S0:1482, S0:1584, S0:1602, S1:308-311", ORDER, ADVANCE),
        _rule("R12", "Commande sous condition : le dossier complet est soumis dans le délai.", _AF, "S0:1602", ORDER, ADVANCE),
        _rule("R13", "Le montant d'un ESSMS est plafonné au barème de la tranche, en € TTC.", _AF, "S0:1575-1582", ORDER, scope=ON_ESSMS),
        _rule("R14", "La tranche se lit au nombre d'ESSMS de l'organisme gestionnaire.", _AF, "S0:1575", ORDER),
        _rule("R15", "L'avance est versée sur le bon de commande validé par l'OG.", _AF, "S0:1595-1601", ADVANCE),
        _rule("R16", "Le solde est versé sur la facture et l'attestation de VA.", _AF, "S0:1606-1613", SOLDE),
        _rule("R17", "La VA est signée électroniquement par le responsable de l'OG.", _AF, "S0:1617, S0:1601", VA),
        _rule("R18", "La VA atteste, pour chaque ESSMS, le déploiement et les indicateurs.", _AF, "S0:1618-1621", VA, scope=ON_ESSMS),
        _rule("R19", "Les mentions obligatoires sont celles du guide pratique SONS.", _AF, "S0:1623", INFORMATION),
        _rule("R20", "La commande et la demande sont reçues avant la fermeture.", _AF, "S0:1633-1637, S0:1656-1659", ORDER, ADVANCE),
        _rule("R21", "La VA est signée et le solde demandé avant la clôture.", _AF, "S0:1639, S0:1662-1668", VA, SOLDE),
        _rule("R22", "L'éditeur rembourse l'avance si la prestation n'est pas réalisée à la clôture.", _AF, "S0:1666", SOLDE),
        _rule("R23", "La prestation n'est conditionnée ni à un réengagement ni à une option.", _AF, "S0:1585-1587, S1:290-294, S1:314-315", INFORMATION),
        _rule("R24", "Ce que la prestation couvre, et ce qu'elle ne couvre pas.", _AF, "S0:1545-1563, S3:355-370, S3:388-395, S3:611-613", INFORMATION),
        _rule("R25", "Un ESSMS financé à l'équipement pour un DUI référencé n'est pas éligible.", _AF, "S0:1529", ORDER, GRANT, scope=ON_ESSMS),
        _rule("R26", "Pas de financement ESMS numérique pour un autre DUI que celui du SONS.", _AAP, "S1:337-339", ORDER, GRANT, scope=ON_ESSMS),
        _rule("R27", "SONS et financement à l'usage se cumulent pour le même logiciel.", _AF, "S0:267-270, S2:511-514, S3:331-333, S3:348-349, S3:428-430", ORDER, GRANT, scope=ON_ESSMS),
        _rule("R28", "Pas deux financements ESMS numérique pour un même ESSMS.", _AAP, "S1:333-335", GRANT, scope=ON_ESSMS),
        _rule("R29", "Passé le verrou, une commande ne s'annule plus pour demander une acquisition.", _2025, "S2:500, S2:516-519", GRANT, CANCELLATION, scope=ON_ESSMS),
        _rule("R30", "Avant toute sélection ESMS numérique, les financements Ségur déjà obtenus sont vérifiés.", _FAQ, "S3:156-157", GRANT, scope=ON_ESSMS),
        _rule("R31", "Une mise en conformité de 2025 suppose la version Ségur de la vague 1.", _AAP_2025, "S2:379-387, S2:404-406", GRANT, scope=ON_ESSMS),
        _rule("R32", "Le SONS seul ne demande pas de groupement de quinze ESSMS.", _FAQ, "S3:335-339", INFORMATION),
        _rule("R33", "L'OG décide du périmètre et valide la fin du projet.", _FAQ, "S3:312-317, S0:1625", INFORMATION),
        _rule("R34", "Couloirs : MS1 = PA, PH, DOM ; MS2 = PDE, PDS ; MS3 = AHI, PJM.", _AF, "S0:1649-1654, S0:1670", INFORMATION),
        _rule("R35", "L'ANS référence, l'ASP paie, la CNSA pilote ESMS numérique, ARS et GRADeS accompagnent.", _GUIDE, "S4:268-329, S1:308-312", INFORMATION),
        _rule("R36", "L'ESSMS figure dans l'extraction applicable, rattaché à l'OG.", _AF, "S0:1511-1523, S3:76-77", ORDER, scope=ON_ESSMS),
        _rule("R37", "Le couloir de l'ESSMS et le référencement sont ceux du dispositif.", _AF, "S0:1649-1654, S1:296-304", ORDER, scope=ON_ESSMS),
        _rule("R38", "Ce qui est commandé est la version Ségur du DUI en place.", _FAQ, "S3:57-64, S0:1562", ORDER, scope=ON_ESSMS),
        _rule("R39", "La liste des solutions référencées paraît chaque semaine ; candidat n'est pas référencé.", _AF, "S0:1537, S3:436-443", INFORMATION),
        _rule("R40", "Un DUI fait en interne ou un module n'est financé que s'il est lui-même référencé.", _FAQ, "S3:116-122, S3:407-412", ORDER),
    )
)  # fmt: skip

READINGS: dict[str, Reading] = {
    reading.code: reading
    for reading in (
        Reading("C1", "Les catégories éligibles sont des données datées, par dispositif.", ("R08",)),
        Reading("C2", "Le délai est en jours calendaires et court jusqu'à la soumission du dossier complet.", ("R12",)),
        Reading("C3", "Le calendrier prolongé reste un projet tant qu'il n'est pas confirmé.", ("R20", "R21")),
        Reading("C4", "Une prévision n'est pas une ouverture ; sans date, la réponse est « inconnu ».", ("R10",)),
        Reading("C5", "Le jour d'ouverture compte ; une signature le dernier jour passe, avec un avertissement.", ("R10", "R20", "R21")),
        Reading("C6", "La tranche compte les ESSMS de l'OG dans les catégories de la vague.", ("R14",)),
        Reading("C7", "Le barème est un plafond TTC ; l'avance est arrondie au centime inférieur.", ("R13",)),
        Reading("C8", "Équipement pour un DUI non référencé, puis SONS pour le même : un contrôleur décide.", ("R25",)),
        Reading("C9", "Solde = le plus petit de la facture et de la commande, moins l'avance.", ("R16",)),
        Reading("C10", "Un ESSMS peut être retiré du périmètre au solde ; son avance est compensée.", ("R16", "R18")),
        Reading("C11", "La prestation couvre six dimensions.", ("R24",)),
        Reading("C12", "La moyenne de 2 413 € n'est pas utilisée.", ("R13",)),
        Reading("C13", "Le non-cumul se lit dans les deux sens : l'acte le plus tardif est refusé.", ("R26",)),
        Reading("C14", "L'extraction applicable dépend du jour de la signature.", ("R09", "R36")),
        Reading("C15", "VA à temps et solde demandé tard : le solde est perdu, l'avance est examinée.", ("R21", "R22")),
        Reading("C16", "Une commande échue rouvre si un dépôt dans le délai est appris.", ("R12",)),
        Reading("C17", "Le premier dépôt entier l'emporte ; le refus est gardé et contestable.", ("R05",)),
    )
}  # fmt: skip


def of_stage(stage: str, scope: str) -> tuple[str, ...]:
    """The rules that a stage asks in a scope (`order` or `essms`), in their order."""
    return tuple(code for code, rule in RULES.items() if stage in rule.stages and rule.scope == scope)
