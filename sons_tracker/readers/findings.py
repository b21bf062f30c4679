"""The closed list of what is found in a file: its code, how grave, its French sentence, what to do.

The process apart names a code and what it counted; the sentence is ours. Standard library only: both sides
import it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warn"]

# Bounds of a piece. A dossier holds some tens of pages; an archive of pieces, some tens of files.
MOST_BYTES: Final = 20 << 20
MOST_PAGES: Final = 2_000
MOST_OBJECTS: Final = 50_000
MOST_MEMBERS: Final = 1_000
MOST_UNPACKED: Final = 200 << 20
MOST_RATIO: Final = 100
MOST_DEPTH: Final = 100
MOST_ELEMENTS: Final = 200_000
MOST_SHEETS: Final = 50
MOST_ROWS: Final = 200_000
MOST_COLUMNS: Final = 256


class Kind(NamedTuple):
    """One entry: `error` keeps a file from being a piece, `warn` is told and accepted."""

    severity: Severity
    message: str
    remedy: str


_AGAIN = "Récupérer le fichier à sa source, vérifier qu'il s'ouvre, puis le présenter à nouveau."
_SPLIT = "Répartir le contenu en plusieurs fichiers."
_PRINT = "L'imprimer vers un nouveau PDF, qui ne garde que ce qui se lit, puis présenter celui-ci."
_FLAT = "Présenter les pièces une par une, sans archive dans l'archive."
_REPACK = "Refaire l'archive avec un outil courant, à partir des pièces elles-mêmes."
_VALUES = (
    "Copier la feuille, coller les valeurs seules dans un nouveau classeur « .xlsx », puis le présenter."
)

FINDINGS: Final[dict[str, Kind]] = {
    "empty": Kind("error", "Le fichier est vide.", _AGAIN),
    "too_large": Kind("error", "Le fichier dépasse la taille permise.", _SPLIT),
    "unknown_kind": Kind(
        "error",
        "Le fichier n'est ni un PDF, ni une archive ZIP, ni un classeur XLSX, ni du XML.",
        "Convertir la pièce en PDF, puis la présenter à nouveau.",
    ),
    "other_kind": Kind(
        "error",
        "Le contenu n'est pas du type annoncé.",
        "Annoncer le type véritable du fichier, et lui donner l'extension qui convient.",
    ),
    "old_office": Kind(
        "error",
        "Le fichier est un document d'un ancien format, ou un classeur protégé par un mot de passe.",
        "Retirer la protection, enregistrer en « .xlsx » ou en PDF, puis présenter ce fichier.",
    ),
    "truncated": Kind("error", "Le fichier est tronqué : sa fin manque.", _AGAIN),
    "unreadable": Kind("error", "Le fichier est endommagé : il ne peut pas être lu en entier.", _AGAIN),
    "too_long": Kind("error", "La lecture a été arrêtée : elle demandait trop de temps.", _SPLIT),
    "too_heavy": Kind("error", "La lecture a été arrêtée : elle demandait trop de mémoire.", _SPLIT),
    "stopped": Kind(
        "error", "La lecture s'est arrêtée brusquement : le fichier est endommagé ou démesuré.", _AGAIN
    ),
    "pdf_encrypted": Kind(
        "error",
        "Le PDF est chiffré ou protégé par un mot de passe.",
        "L'enregistrer sans protection : personne ne pourrait le relire plus tard.",
    ),
    "pdf_javascript": Kind("error", "Le PDF contient du JavaScript.", _PRINT),
    "pdf_launch": Kind("error", "Le PDF demande de lancer un programme.", _PRINT),
    "pdf_sends": Kind("error", "Le PDF contient une action qui envoie ou importe des données.", _PRINT),
    "pdf_embedded_files": Kind(
        "error", "Le PDF contient des fichiers joints.", "Présenter chaque fichier joint comme une pièce."
    ),
    "pdf_einvoice": Kind(
        "warn",
        "Le PDF est une facture électronique : il porte ses données en XML (Factur-X).",
        "Rien à faire : la pièce convient ; les données jointes ne sont pas lues ici.",
    ),
    "pdf_xfa": Kind(
        "error", "Le PDF est un formulaire dynamique (XFA), que peu de lecteurs montrent.", _PRINT
    ),
    "pdf_media": Kind("error", "Le PDF contient du son, de la vidéo ou de la 3D.", _PRINT),
    "pdf_too_many_pages": Kind("error", f"Le PDF compte plus de {MOST_PAGES} pages.", _SPLIT),
    "pdf_no_page": Kind("error", "Le PDF ne contient aucune page.", _AGAIN),
    "pdf_cyclic": Kind("error", "Les pages du PDF se renvoient les unes aux autres sans fin.", _PRINT),
    "pdf_too_many_objects": Kind(
        "error", f"Le PDF compte plus de {MOST_OBJECTS} objets : il n'a pas été lu en entier.", _PRINT
    ),
    "pdf_repaired": Kind(
        "warn",
        "Le PDF comporte des défauts, contournés ici : un autre lecteur peut montrer autre chose.",
        _PRINT,
    ),
    "pdf_leading": Kind("warn", "Le PDF est précédé d'autres octets.", _PRINT),
    "zip_empty": Kind("error", "L'archive ne contient aucun fichier.", _REPACK),
    "zip_encrypted": Kind(
        "error", "L'archive contient un fichier chiffré.", "Refaire l'archive sans mot de passe."
    ),
    "zip_nested": Kind("error", "L'archive contient une autre archive, ou un classeur.", _FLAT),
    "zip_traversal": Kind("error", "Un nom de l'archive mène hors de son dossier.", _REPACK),
    "zip_link": Kind("error", "L'archive contient un lien, et non un fichier.", _REPACK),
    "zip_repeated": Kind("error", "Deux fichiers de l'archive portent le même nom.", _REPACK),
    "zip_overlap": Kind("error", "Des fichiers de l'archive se recouvrent.", _REPACK),
    "zip_ratio": Kind(
        "error", f"Un fichier de l'archive, décompressé, dépasse {MOST_RATIO} fois sa taille.", _REPACK
    ),
    "zip_unpacked": Kind("error", "L'archive, décompressée, dépasse la taille permise.", _SPLIT),
    "zip_too_many_members": Kind("error", f"L'archive compte plus de {MOST_MEMBERS} fichiers.", _SPLIT),
    "zip_office": Kind(
        "error",
        "Le fichier est un document de bureautique, qui peut changer d'aspect d'un poste à l'autre.",
        "L'enregistrer en PDF, puis présenter celui-ci.",
    ),
    "zip_no_register": Kind(
        "error",
        "L'archive ne contient aucun fichier CSV ou JSON.",
        "Présenter l'archive d'un registre, ou le CSV ou le JSON lui-même.",
    ),
    "zip_several_registers": Kind(
        "error",
        "L'archive contient plusieurs fichiers CSV ou JSON.",
        "Présenter chaque registre à part : un import parle d'un seul.",
    ),
    "xml_dtd": Kind(
        "error",
        "Le XML contient une déclaration de type (DTD) ou d'entité.",
        "Retirer la ligne « <!DOCTYPE … > » : un fichier de données n'en a pas besoin.",
    ),
    "xml_include": Kind(
        "error", "Le XML demande d'inclure un autre fichier (XInclude).", "Retirer l'inclusion."
    ),
    "xml_malformed": Kind("error", "Le XML est mal formé ou tronqué.", _AGAIN),
    "xml_too_deep": Kind("error", f"Le XML est imbriqué sur plus de {MOST_DEPTH} niveaux.", _AGAIN),
    "xml_too_many": Kind("error", f"Le XML compte plus de {MOST_ELEMENTS} éléments.", _SPLIT),
    "xlsx_macros": Kind("error", "Le classeur contient des macros.", _VALUES),
    "xlsx_embedded": Kind("error", "Le classeur contient un fichier incorporé ou un contrôle.", _VALUES),
    "xlsx_external": Kind("warn", "Le classeur se réfère à un autre fichier ou à une base.", _VALUES),
    "xlsx_formulas": Kind(
        "warn", "Le classeur contient des formules : leur dernière valeur enregistrée est lue.", _VALUES
    ),
    "xlsx_uncomputed": Kind(
        "error",
        "Le classeur contient des formules sans valeur enregistrée.",
        "L'ouvrir dans un tableur, l'enregistrer, puis le présenter à nouveau.",
    ),
    "xlsx_too_many_sheets": Kind("error", f"Le classeur compte plus de {MOST_SHEETS} feuilles.", _SPLIT),
    "xlsx_too_many_cells": Kind(
        "error",
        f"Une feuille s'étend sur plus de {MOST_ROWS} lignes ou de {MOST_COLUMNS} colonnes.",
        "Supprimer les lignes et les colonnes inutiles, y compris celles qui paraissent vides.",
    ),
    "xlsx_no_sheet": Kind("error", "Le classeur ne contient aucune feuille visible.", _AGAIN),
    "xlsx_line_break": Kind(
        "error",
        "Une cellule contient un retour à la ligne ou un caractère de contrôle.",
        "L'écrire sur une seule ligne.",
    ),
}
