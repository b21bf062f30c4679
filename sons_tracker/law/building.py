"""From checked documents to the frozen objects that the rules read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, TypeVar

from sons_tracker.law.documents import Document, Table
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.money import parse_euros
from sons_tracker.rules.parameters import Confiance, Etat, Parameter, Source, Version
from sons_tracker.rules.texts import (
    AlertTerms,
    Bareme,
    Call,
    Category,
    Cell,
    ConflictTerms,
    CountBasis,
    Degressive,
    Dispositif,
    DomaineTable,
    InvoiceRules,
    Law,
    Limit,
    Matching,
    Opening,
    Register,
    RequestSchema,
    ReservationTerms,
    RiskTerms,
    SmallOg,
    Step,
    Tranche,
    Vague,
)

_LAST_INSTANT = time(23, 59, 59, 999999)
T = TypeVar("T")


def build_law(documents: Mapping[str, Document], requests: Mapping[str, Table], digest: str) -> Law:
    """The law of checked documents; `requests` are the schemas of requests by file, `digest` the SHA-256."""
    by_nature: dict[str, dict[str, Table]] = {}
    for key, document in documents.items():
        by_nature.setdefault(document.data["nature"], {})[key] = document.data
    grants = by_nature["esms_numerique"]["esms_numerique"]
    return Law(
        digest=digest,
        dispositifs={key: _dispositif(data) for key, data in by_nature.get("dispositif", {}).items()},
        vagues={key: _vague(data, requests) for key, data in by_nature.get("vague", {}).items()},
        calls=_calls(grants),
        register=_register(by_nature["finess"]["finess"]),
        grant_targets=_parameter("esms_numerique", grants, "cibles_usage", lambda v: dict(v["pourcentages"])),
        crossing_grants=_parameter("esms_numerique", grants, "croisement_financements", cells_of),
        upgrade_years=_parameter(
            "esms_numerique", grants, "version_vague_1", lambda v: frozenset(v["annees"])
        ),
    )


def source_of(table: Table) -> Source:
    return Source(table["source"]["titre"], table["source"]["reference"])


def version_of(table: Table, value: T | None) -> Version[T]:
    """The dated envelope of a value; a repealing table has none."""
    return Version(
        depuis=date.fromisoformat(table["depuis"]),
        publie_le=date.fromisoformat(table["publie_le"]),
        confiance=Confiance(table["confiance"]),
        etat=Etat(table["etat"]),
        source=source_of(table),
        value=None if table.get("abroge") else value,
    )


def _parameter(owner: str, data: Table, name: str, read: Callable[[Table], T]) -> Parameter[T]:
    return Parameter(
        f"{owner}.{name}",
        tuple(version_of(t, None if t.get("abroge") else read(t)) for t in data.get(name, [])),
    )


def _dispositif(data: Table) -> Dispositif:
    code = data["code"]

    def parameter(name: str, read: Callable[[Table], T]) -> Parameter[T]:
        return _parameter(code, data, name, read)

    return Dispositif(
        code=code,
        label=data["libelle"],
        vague=data["vague"],
        couloir=data["couloir"],
        domaines=tuple(data["domaines"]),
        bareme=parameter("bareme", _bareme),
        advance_percent=parameter("avance", lambda v: int(v["pourcentage"])),
        categories=parameter("categories", lambda v: frozenset(v["agregats"])),
        publication=parameter("publication", _openings),
        ouverture=parameter("ouverture", _openings),
        fermeture=parameter("fermeture", _limit),
        cloture=parameter("cloture", _limit),
        referencing_delay_days=parameter("delai_referencement", lambda v: int(v["jours"])),
    )


def _bareme(version: Table) -> Bareme:
    return Bareme(
        tuple(
            Tranche(t["code"], t["min"], parse_euros(t["ttc"]), parse_euros(t["ht"]) if "ht" in t else None)
            for t in version["tranches"]
        )
    )


def _openings(version: Table) -> tuple[Opening, ...]:
    return tuple(
        Opening(tuple(d["domaines"]), date.fromisoformat(d["le"]), bool(d.get("prevision", False)))
        for d in version["dates"]
    )


def _limit(version: Table) -> Limit:
    """Without an hour the whole last day counts, until its last instant in Paris (C5)."""
    day = date.fromisoformat(version["le"])
    hour = time.fromisoformat(version["heure"]) if "heure" in version else _LAST_INSTANT
    return Limit(day, datetime.combine(day, hour, PARIS))


def _vague(data: Table, requests: Mapping[str, Table]) -> Vague:
    code = data["code"]

    def parameter(name: str, read: Callable[[Table], T]) -> Parameter[T]:
        return _parameter(code, data, name, read)

    return Vague(
        code=code,
        label=data["libelle"],
        extraction=parameter("extraction", lambda v: date.fromisoformat(v["le"])),
        count_basis=parameter("base_de_comptage", lambda v: CountBasis(v["code"], frozenset(v["agregats"]))),
        crossing_order=parameter("croisement_commande", cells_of),
        crossing_grant=parameter("croisement_financement", cells_of),
        cancellation_lock=parameter("verrou_annulation", lambda v: _limit(v).at),
        cancellation_pieces=parameter(
            "pieces_annulation", lambda v: {row["motif"]: tuple(row["pieces"]) for row in v["motifs"]}
        ),
        reminder_days=parameter("rappels", lambda v: tuple(v["jours"])),
        answer_working_days=parameter("delai_reponse", lambda v: int(v["jours_ouvres"])),
        reservation=parameter("reservation", _reservation),
        conflict=parameter("traitement_conflit", _conflict),
        alerts=parameter("alertes", _alerts),
        risk=parameter("risque", _risk),
        order_mention=parameter("mention_commande", lambda v: str(v["texte"])),
        invoice=parameter("facture", lambda v: InvoiceRules(v["taux_tva"], v["part"])),
        request_schemas=tuple(_request_schema(v, requests) for v in data["schema_demande"]),
    )


def _reservation(version: Table) -> ReservationTerms:
    return ReservationTerms(
        version["jours"], version["essms_max"], version["renouvellements"], version["carence_jours"]
    )


def _conflict(version: Table) -> ConflictTerms:
    return ConflictTerms(
        version["choix_jours_ouvres"],
        version["avis_jours_ouvres"],
        version["instruction_jours_ouvres"],
        parse_euros(version["seconde_personne_ttc"]),
    )


def _alerts(version: Table) -> AlertTerms:
    return AlertTerms(
        version["ecart_de_seuil"],
        version["og_par_signataire"],
        version["fournisseurs_par_compte"],
        time.fromisoformat(version["ouverture"]),
        time.fromisoformat(version["fermeture"]),
        dict(version["points"]),
    )


def _risk(version: Table) -> RiskTerms:
    def steps(name: str) -> tuple[Step, ...]:
        return tuple(
            Step(one["des"] if isinstance(one["des"], int) else parse_euros(one["des"]), one["points"])
            for one in version[name]
        )

    return RiskTerms(
        dict(version["familles"]),
        dict(version["issues"]),
        steps("enjeu"),
        steps("verse"),
        steps("age"),
        steps("dossiers"),
        version["retard"],
        version["alertes_max"],
    )


def _request_schema(version: Table, requests: Mapping[str, Table]) -> RequestSchema:
    """Without an hour a schema is in force from the first instant of its day in Paris."""
    hour = time.fromisoformat(version["heure"]) if "heure" in version else time.min
    return RequestSchema(
        kind=version["demande"],
        valid_from=datetime.combine(date.fromisoformat(version["depuis"]), hour, PARIS),
        publie_le=date.fromisoformat(version["publie_le"]),
        confiance=Confiance(version["confiance"]),
        etat=Etat(version["etat"]),
        source=source_of(version),
        file=version["fichier"],
        document=requests[version["fichier"]],
    )


def cells_of(version: Table) -> tuple[Cell, ...]:
    """The rows of one version of a crossing table."""
    return tuple(
        Cell(
            component=frozenset(c.get("composante", ())),
            phase=frozenset(c.get("phase", ())),
            state=frozenset(c.get("etat", ())),
            software=frozenset(c.get("logiciel", ())),
            referenced=frozenset(c.get("reference", ())),
            outcome=c["issue"],
            rule=c["regle"],
            readings=tuple(c.get("lectures", ())),
            confiance=Confiance(c["confiance"]),
            source=source_of(c),
            message=c["message"],
            remedy=c.get("remede"),
            if_order_first=c.get("si_commande_anterieure"),
            if_grant_first=c.get("si_financement_anterieur"),
        )
        for c in version["cellules"]
    )


def _calls(data: Table) -> dict[int, Parameter[Call]]:
    years: dict[int, list[Table]] = {}
    for version in data["appel"]:
        years.setdefault(version["annee"], []).append(version)
    return {
        year: _parameter("esms_numerique", {"appel": tables}, "appel", _call)
        for year, tables in years.items()
    }


def _call(version: Table) -> Call:
    def degressive(name: str) -> Degressive | None:
        found = version.get(name)
        return (
            None
            if found is None
            else Degressive(parse_euros(found["premiers"]), parse_euros(found["suivants"]))
        )

    small = version.get("petit_og")

    def ceiling(name: str) -> int | None:
        return None if small is None or name not in small else parse_euros(small[name])

    return Call(
        year=version["annee"],
        phase=version["phase"],
        threshold=version["seuil"],
        max_essms=version.get("essms_max"),
        usage_acquisition=degressive("usage_acquisition"),
        equipment_referenced=degressive("equipement_reference"),
        equipment_not_referenced=degressive("equipement_non_reference"),
        usage_upgrade=degressive("usage_montee"),
        equipment_upgrade=degressive("equipement_montee"),
        sad_domaines=frozenset(version.get("domaines_sad", ())),
        small_og=None
        if small is None
        else SmallOg(
            small["essms_max"],
            parse_euros(small["materiel"]),
            ceiling("amoa_marche"),
            ceiling("amoa_projet"),
        ),
    )


def _register(data: Table) -> Register:
    def nomenclature(version: Table) -> Mapping[str, Category]:
        return {c["code"]: Category(c["code"], c["libelle"], c["agregat"]) for c in version["categories"]}

    def domaines(version: Table) -> DomaineTable:
        rows: list[dict[str, Any]] = version["table"]
        return DomaineTable(
            {code: row["domaine"] for row in rows for code in row.get("categories", ())},
            {code: row["domaine"] for row in rows for code in row.get("agregats", ())},
        )

    def matching(version: Table) -> Matching:
        return Matching(
            version["poids"],
            version["seuil"],
            version["ecart"],
            version["jours"],
            version["bloc_max"],
            version["porteurs_max"],
            frozenset(version["mots_vides"]),
            frozenset(version["mots_courants"]),
        )

    return Register(
        _parameter("finess", data, "nomenclature", nomenclature),
        _parameter("finess", data, "domaines", domaines),
        _parameter("finess", data, "rapprochement", matching),
    )
