"""What a JSON Schema cannot say of the law: versions, tables and files held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from sons_tracker.errors import Fault
from sons_tracker.law.building import cells_of
from sons_tracker.law.documents import ENVELOPE, Document, Table, member_of, parameters
from sons_tracker.rules.catalogue import READINGS
from sons_tracker.rules.crossing import GRANT_STATES, ORDER_STATES, uncovered
from sons_tracker.rules.money import parse_euros

# a crossing table: the rules that may answer, the states it must cover, the exception of order it may carry
_CROSSINGS = {
    "croisement_commande": ({"R25", "R26", "R27"}, GRANT_STATES, "si_commande_anterieure"),
    "croisement_financement": ({"R25", "R26", "R27"}, ORDER_STATES, "si_financement_anterieur"),
    "croisement_financements": ({"R28"}, GRANT_STATES, None),
}
_EXCEPTIONS = ("si_commande_anterieure", "si_financement_anterieur")


def version_faults(document: Document) -> Iterator[Fault]:
    """The defects of each value of one document, by version."""
    for name, versions in parameters(document.data):
        seen: set[tuple[object, ...]] = set()
        for index, version in enumerate(versions):
            place = document.place((name, index))
            key = (version["depuis"], version["publie_le"], member_of(version))
            if key in seen:
                yield Fault(
                    place,
                    f"Deux versions de « {name} » ont les mêmes dates depuis {key[0]} et publie_le {key[1]}.",
                )
            seen.add(key)
            for check in _CHECKS:
                for sentence in check(name, version):
                    yield Fault(place, sentence)


def _retroactivity(name: str, version: Table) -> Iterator[str]:
    backwards = date.fromisoformat(version["publie_le"]) > date.fromisoformat(version["depuis"])
    if backwards != bool(version.get("retroactif", False)):
        yield "« retroactif = true » accompagne les versions publiées après leur effet, et elles seules."


def _repeal(name: str, version: Table) -> Iterator[str]:
    values = sorted(set(version) - ENVELOPE - {"annee", "demande"})
    if version.get("abroge") and values:
        yield f"Une version qui abroge n'a pas de valeur ({', '.join(values)})."
    if version.get("abroge") and name == "schema_demande":
        yield "Le schéma d'une demande ne s'abroge pas : le suivant le remplace."


def _tranches(name: str, version: Table) -> Iterator[str]:
    minima = [tranche["min"] for tranche in version.get("tranches", [])]
    codes = [tranche["code"] for tranche in version.get("tranches", [])]
    if minima and (minima[0] != 1 or minima != sorted(set(minima)) or codes != sorted(set(codes))):
        yield "Les tranches commencent à 1 et montent, chacune avec sa lettre, sans répétition."


def _twice(name: str, version: Table) -> Iterator[str]:
    """What would silently lose one of two lines when it is read into a table."""
    rows: list[Table] = version.get("table", [])
    lists: tuple[tuple[str, Iterable[str]], ...] = (
        ("La catégorie", (c["code"] for c in version.get("categories", ()) if isinstance(c, dict))),
        ("Le domaine", (row["domaine"] for row in rows)),
        ("La catégorie", (code for row in rows for code in row.get("categories", ()))),
        ("L'agrégat", (code for row in rows for code in row.get("agregats", ()))),
        ("Le motif", (row["motif"] for row in version.get("motifs", ()))),
        ("Le domaine", (code for opening in version.get("dates", ()) for code in opening["domaines"])),
    )
    for word, codes in lists:
        for code, count in Counter(codes).items():
            if count > 1:
                yield f"{word} « {code} » figure plusieurs fois."


def _reminders(name: str, version: Table) -> Iterator[str]:
    days = version.get("jours") if name == "rappels" else None
    if days and days != sorted(days, reverse=True):
        yield "Les rappels vont du plus lointain au plus proche de l'échéance."


def _steps(name: str, version: Table) -> Iterator[str]:
    for key in ("enjeu", "verse", "age", "dossiers") if name == "risque" else ():
        starts = [
            parse_euros(s["des"]) if isinstance(s["des"], str) else s["des"] for s in version.get(key, ())
        ]
        if starts != sorted(set(starts)):
            yield f"Les paliers de « {key} » montent, sans répétition."


def _hours(name: str, version: Table) -> Iterator[str]:
    if name == "alertes" and "ouverture" in version and version["ouverture"] >= version["fermeture"]:
        yield "L'heure d'ouverture précède celle de fermeture."


def _crossing(name: str, version: Table) -> Iterator[str]:
    if name not in _CROSSINGS or "cellules" not in version:
        return
    rules, states, exception = _CROSSINGS[name]
    for number, cell in enumerate(version["cellules"], start=1):
        if cell["regle"] not in rules:
            allowed = ", ".join(sorted(rules))
            yield f"Cellule {number} : la règle {cell['regle']} n'est pas de ce croisement ({allowed})."
        for reading in cell.get("lectures", ()):
            if reading not in READINGS:
                yield f"Cellule {number} : la lecture {reading} n'existe pas."
        for key in _EXCEPTIONS:
            if key in cell and key != exception:
                yield f"Cellule {number} : la clé « {key} » n'est pas de ce croisement."
    for words in uncovered(cells_of(version), states):
        yield f"Aucune cellule ne répond à la situation {', '.join(words.values())}."


_CHECKS: tuple[Callable[[str, Table], Iterator[str]], ...] = (
    _retroactivity, _repeal, _tranches, _twice, _reminders, _steps, _hours, _crossing,
)  # fmt: skip


def whole_faults(documents: Mapping[str, Document], requests: Mapping[str, Table]) -> Iterator[Fault]:
    """What only the files together can show; `requests` are the schemas of requests, by file."""
    owners: dict[tuple[str, str], str] = {}
    for key, document in documents.items():
        if document.data["nature"] == "dispositif":
            yield from _dispositif_faults(key, document, documents, owners)
        for index, version in enumerate(document.data.get("schema_demande", ())):
            if version["fichier"] not in requests:
                place = document.place(("schema_demande", index))
                yield Fault(place, f"Le fichier « {version['fichier']} » manque.")
    for nature in ("esms_numerique", "finess"):
        if nature not in documents:
            yield Fault("law", f"Aucun fichier de nature « {nature} ».")
    if "finess" in documents:
        yield from _unknown_categories(documents["finess"])


def _dispositif_faults(
    key: str, document: Document, documents: Mapping[str, Document], owners: dict[tuple[str, str], str]
) -> Iterator[Fault]:
    data = document.data
    if documents.get(data["vague"], document).data["nature"] != "vague":
        yield Fault(document.place(("vague",)), f"Aucun fichier ne définit la vague « {data['vague']} ».")
    if key != f"{data['couloir']}-{data['vague']}":
        yield Fault(document.place(("code",)), f"Le code « {key} » n'est pas couloir-vague.")
    for domaine in data["domaines"]:
        other = owners.setdefault((data["vague"], domaine), key)
        if other != key:
            yield Fault(document.place(("domaines",)), f"Le domaine « {domaine} » est déjà celui de {other}.")
    for name in ("publication", "ouverture"):
        for index, version in enumerate(data.get(name, ())):
            for opening in version.get("dates", ()):
                for domaine in sorted(set(opening["domaines"]) - set(data["domaines"])):
                    yield Fault(
                        document.place((name, index)), f"Le domaine « {domaine} » n'est pas de {key}."
                    )


def _unknown_categories(document: Document) -> Iterator[Fault]:
    """A category of the table of the domaines that no edition of the nomenclature knows: a typing error."""
    known = {
        category["code"]
        for version in document.data["nomenclature"]
        for category in version.get("categories", ())
    }
    for index, version in enumerate(document.data["domaines"]):
        for row in version.get("table", ()):
            for code in sorted(set(row.get("categories", ())) - known):
                yield Fault(
                    document.place(("domaines", index)), f"La catégorie « {code} » n'est pas au répertoire."
                )
