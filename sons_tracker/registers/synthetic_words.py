"""What the synthetic register is written with: real codes and departments, invented words.

Labels and aggregates come from the nomenclature in `fixtures/finess`; weights are orders of
magnitude of ours. One table per text, entries apart by `|`.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import NamedTuple

from sons_tracker.settings import resource

NOMENCLATURE = "finess/categories_etab_agregats_20250526.csv"


class Category(NamedTuple):
    """`weight`: establishments of that category in a register of about 105 000."""

    code: str
    label: str
    aggregate_3: str
    aggregate_3_label: str
    weight: int
    word: str

    @property
    def is_essms(self) -> bool:
        return self.aggregate_3[:2] in {"41", "43", "44", "45", "46"}


class Departement(NamedTuple):
    """`code` as the register's column says it, `prefix` as numbers start, `postal` as postcodes start."""

    code: str
    prefix: str
    postal: str
    weight: int
    label: str


def _entries(table: str) -> list[str]:
    return [entry.strip() for entry in table.replace("\n", " ").split("|")]


@cache
def categories() -> tuple[Category, ...]:
    """The categories drawn from, ESSMS first, with what the nomenclature says of each."""
    with (resource("fixtures") / NOMENCLATURE).open(encoding="utf-8", newline="") as file:
        known = {row["code"]: row for row in csv.DictReader(file)}
    found = []
    for entry in _entries(_CATEGORIES):
        code, weight, word = entry.split(" ", 2)
        row = known[code]
        found.append(Category(code, row["libelle"], row["codeagr3"], row["libelleagr3"], int(weight), word))
    return tuple(found)


def _departement(entry: str) -> Departement:
    code, prefix, postal, weight, label = entry.split(" ", 4)
    return Departement(code, prefix, postal, int(weight), label)


# code, weight, word of the name
_CATEGORIES = """
500 7500 EHPAD | 501 60 EHPA | 502 250 EHPA | 202 2300 RESIDENCE AUTONOMIE | 207 350 ACCUEIL DE JOUR |
381 60 PETITE UNITE DE VIE | 354 2100 SSIAD | 460 7400 SERVICE D'AIDE A DOMICILE |
209 600 SERVICE AUTONOMIE | 183 1300 IME | 182 1900 SESSAD | 186 430 ITEP | 188 190 EEAP | 189 520 CMPP
| 190 340 CAMSP | 192 130 IEM | 194 40 IDV | 195 110 IDA | 390 20 ACCUEIL TEMPORAIRE |
377 60 UNITE EXPERIMENTALE | 246 1500 ESAT | 247 700 ENTREPRISE ADAPTEE | 249 100 ESRP |
252 1300 FOYER D'HEBERGEMENT | 382 1800 FOYER DE VIE | 255 720 MAS | 437 300 FAM | 448 1000 EAM |
449 600 EANM | 445 480 SAMSAH | 446 1150 SAVS | 177 1350 MECS | 175 240 FOYER DE L'ENFANCE |
172 90 POUPONNIERE | 166 110 CENTRE MATERNEL | 159 60 CENTRE PARENTAL | 236 150 PLACEMENT FAMILIAL |
295 420 AEMO | 286 320 CLUB DE PREVENTION | 344 90 SERVICE DELEGUE | 241 110 FOYER EDUCATIF |
453 70 REPARATION PENALE | 165 330 ACT | 178 160 CAARUD | 180 190 LHSS | 213 70 LAM | 197 520 CSAPA |
214 920 CHRS | 219 700 CENTRE D'ACCUEIL | 442 200 CPH | 443 470 CADA | 340 420 SERVICE MJPM |
341 60 SERVICE MASP | 342 40 SOUTIEN AUX TUTEURS | 258 1150 PENSION DE FAMILLE | 257 650 FJT |
259 950 RESIDENCE SOCIALE | 462 850 LIEU DE VIE | 463 330 CLIC | 609 101 MDPH | 620 20500 PHARMACIE |
611 4300 LABORATOIRE | 124 2600 CENTRE DE SANTE | 355 1700 CENTRE HOSPITALIER | 101 200 CHU |
292 450 HOPITAL SPECIALISE | 365 1000 CLINIQUE | 156 2900 CMP | 425 1000 CATTP | 223 4300 PMI |
228 1000 CENTRE DE SANTE SEXUELLE | 146 1000 AUTODIALYSE | 603 2200 MAISON DE SANTE | 604 550 CPTS |
629 200 PHARMACIE MUTUALISTE | 127 300 HAD | 109 700 SOINS DE SUITE | 128 500 CHIRURGIE |
300 120 ECOLE PARAMEDICALE | 698 300 STRUCTURE | 699 500 ENTITE AUTORISEE | 697 150 GCS
"""

# code, prefix of the numbers, prefix of the postcodes, weight, label
_DEPARTEMENTS = """
01 01 01 65 AIN | 02 02 02 53 AISNE | 03 03 03 33 ALLIER | 04 04 04 17 ALPES HTE PROVENCE |
05 05 05 14 HAUTES ALPES | 06 06 06 110 ALPES MARITIMES | 07 07 07 33 ARDECHE | 08 08 08 27 ARDENNES |
09 09 09 15 ARIEGE | 10 10 10 31 AUBE | 11 11 11 37 AUDE | 12 12 12 28 AVEYRON |
13 13 13 205 BOUCHES DU RHONE | 14 14 14 70 CALVADOS | 15 15 15 14 CANTAL | 16 16 16 35 CHARENTE |
17 17 17 66 CHARENTE MARITIME | 18 18 18 30 CHER | 19 19 19 24 CORREZE | 2A 2A 20 16 CORSE DU SUD |
2B 2B 20 18 HAUTE CORSE | 21 21 21 53 COTE D'OR | 22 22 22 60 COTES D'ARMOR | 23 23 23 12 CREUSE |
24 24 24 41 DORDOGNE | 25 25 25 54 DOUBS | 26 26 26 52 DROME | 27 27 27 60 EURE |
28 28 28 43 EURE ET LOIR | 29 29 29 92 FINISTERE | 30 30 30 76 GARD | 31 31 31 143 HAUTE GARONNE |
32 32 32 19 GERS | 33 33 33 166 GIRONDE | 34 34 34 120 HERAULT | 35 35 35 110 ILLE ET VILAINE |
36 36 36 22 INDRE | 37 37 37 61 INDRE ET LOIRE | 38 38 38 128 ISERE | 39 39 39 26 JURA |
40 40 40 42 LANDES | 41 41 41 33 LOIR ET CHER | 42 42 42 77 LOIRE | 43 43 43 23 HAUTE LOIRE |
44 44 44 145 LOIRE ATLANTIQUE | 45 45 45 68 LOIRET | 46 46 46 17 LOT | 47 47 47 33 LOT ET GARONNE |
48 48 48 8 LOZERE | 49 49 49 82 MAINE ET LOIRE | 50 50 50 50 MANCHE | 51 51 51 57 MARNE |
52 52 52 17 HAUTE MARNE | 53 53 53 31 MAYENNE | 54 54 54 73 MEURTHE ET MOSELLE | 55 55 55 18 MEUSE |
56 56 56 77 MORBIHAN | 57 57 57 105 MOSELLE | 58 58 58 20 NIEVRE | 59 59 59 261 NORD | 60 60 60 83 OISE
| 61 61 61 28 ORNE | 62 62 62 146 PAS DE CALAIS | 63 63 63 66 PUY DE DOME |
64 64 64 69 PYRENEES ATLANTIQUES | 65 65 65 23 HAUTES PYRENEES | 66 66 66 49 PYRENEES ORIENTALES |
67 67 67 115 BAS RHIN | 68 68 68 77 HAUT RHIN | 69 69 69 189 RHONE | 70 70 70 23 HAUTE SAONE |
71 71 71 55 SAONE ET LOIRE | 72 72 72 57 SARTHE | 73 73 73 44 SAVOIE | 74 74 74 84 HAUTE SAVOIE |
75 75 75 214 PARIS | 76 76 76 125 SEINE MARITIME | 77 77 77 144 SEINE ET MARNE | 78 78 78 145 YVELINES |
79 79 79 37 DEUX SEVRES | 80 80 80 57 SOMME | 81 81 81 39 TARN | 82 82 82 26 TARN ET GARONNE |
83 83 83 110 VAR | 84 84 84 56 VAUCLUSE | 85 85 85 70 VENDEE | 86 86 86 44 VIENNE |
87 87 87 37 HAUTE VIENNE | 88 88 88 36 VOSGES | 89 89 89 33 YONNE | 90 90 90 14 TERRITOIRE DE BELFORT |
91 91 91 131 ESSONNE | 92 92 92 163 HAUTS DE SEINE | 93 93 93 166 SEINE SAINT DENIS |
94 94 94 141 VAL DE MARNE | 95 95 95 126 VAL D'OISE | 9A 9701 971 38 GUADELOUPE |
9B 9702 972 36 MARTINIQUE | 9C 9703 973 29 GUYANE | 9D 9704 974 86 LA REUNION | 9F 9805 976 28 MAYOTTE
"""

# Words that any home could bear; beside the mark « (FICTIF) » none designates a real one.
_PLACES = """
LES TILLEULS | LES GLYCINES | LES MIMOSAS | LES CHARMILLES | LES HIRONDELLES | LE CLOS FLEURI |
LES ACACIAS | LES BRUYERES | LE GRAND CEDRE | LES QUATRE VENTS | LA ROSERAIE | LES COQUELICOTS |
LE BELVEDERE | LES MARRONNIERS | LA PRAIRIE | LES LAVANDES | LE MOULIN BLEU | LES ALIZES |
LA FONTAINE CLAIRE | LES PEUPLIERS | LE VAL FLEURI | LES NOISETIERS | LA COLLINE | LES ROSSIGNOLS |
LE PRE VERT | LES ORMEAUX | LA SOURCE VIVE | LES GENETS D'OR | LE CHENE ROND | LES AUBEPINES |
LA CLAIRIERE | LES SAULES | LE BOIS JOLI | LES VIOLETTES | LA PASSERELLE | LES CAMELIAS | L'ESCALE |
L'ETOILE DU MATIN | L'ARC EN CIEL | LA BELLE ETOILE | LES MÉSANGES | LES ÉRABLES | LE PHARE | LA HALTE |
LES JARDINS D'ÉOLE | LA CANOPÉE | LES TROIS RIVIÈRES | LE TRAIT D'UNION
"""

# Invented town names: a real one beside an invented home could be taken for an address.
_TOWNS = """
VILLEFICTIVE | BOURG LES FABLES | SAINT EXEMPLE | MONTFICTIF | VALMIRAGE | PONT DES CONTES |
ROCHE L'INVENTEE | SAINTE HYPOTHESE | CHATEAUSONGE | FONTAINE LES ESSAIS | LA FEINTE |
MARAIS LES CHIMERES
"""

_STREETS = """
DE LA FONTAINE | DES ECOLES | DU MOULIN | DE LA GARE | DES LILAS | DU LAVOIR | DE LA REPUBLIQUE |
DES VIGNES | DU STADE | DE L'EGLISE | DES PRES | DU CHATEAU D'EAU | DE LA MAIRIE | DES ARTISANS |
DU PONT NEUF | DE BELLEVUE | DES CERISIERS | DU MARCHE
"""

DEPARTEMENTS = tuple(map(_departement, _entries(_DEPARTEMENTS)))
PLACES = tuple(_entries(_PLACES))
TOWNS = tuple(_entries(_TOWNS))
STREETS = tuple(_entries(_STREETS))
OG_WORDS = tuple(
    _entries("ASSOCIATION|FONDATION|MUTUELLE|ASSOCIATION DE GESTION|UNION|GROUPEMENT|SOCIETE|ENTRAIDE")
)
FIRST_NAMES = tuple(
    _entries(
        "AMELIE|BASTIEN|CAPUCINE|DAMIEN|ELOISE|FELICIEN|GARANCE|HONORINE|ISAURE|JOACHIM|"
        "LEOPOLDINE|MATHURIN|NOEMIE|OCTAVE|PRUNE|ROMUALD|SIDONIE|TANCREDE|URSULE|VICTOIRE"
    )
)
# code and label of the statut juridique
LEGAL_STATUSES = (
    ("60", "Ass.L.1901 non R.U.P"),
    ("61", "Ass.L.1901 R.U.P"),
    ("63", "Fondation"),
    ("17", "Centre Communal d'Action Sociale"),
    ("47", "Société Mutualiste"),
    ("72", "Société A Responsabilité Limitée (S.A.R.L.)"),
    ("95", "Société par Actions Simplifiée (S.A.S.)"),
)
# code and label of the mode de fixation des tarifs
TARIFFS = (
    ("01", "Etablissement Tarif Libre"),
    ("08", "Président du Conseil Départemental"),
    ("30", "Préfet de région"),
    ("45", "ARS/PCD, Tarif partiel, habilité aide sociale sans PUI"),
    ("57", "DGS ARS & hébergement PCD - sous CPOM"),
    ("99", "Indéterminé"),
)
