"""Answers about imports of grants and their anomalies."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.lots import After
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Count, Strict
from sons_tracker.operations.grant_imports import AnomalyPage, GrantImport
from sons_tracker.registers.anomalies import KINDS, Anomaly

AnomalyCode = Annotated[
    str, Meta(pattern=f"^({'|'.join(KINDS)})(?!\\n)$", examples=["above_ceiling"], max_length=40)
]


class GrantImportsQuery(Strict, frozen=True, kw_only=True):
    """Page d'une liste d'imports ; « after » est le « next » de la page précédente."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class AnomaliesQuery(Strict, frozen=True, kw_only=True):
    """Filtre et page des anomalies d'un import ; « after » est le « next » de la page précédente."""

    severity: Literal["error", "warn"] | None = None
    code: AnomalyCode | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    after: Count = 0


class GrantImportOut(msgspec.Struct, frozen=True):
    """Un import de financements ESMS numérique qui a été enregistré, en entier ou en partie."""

    id: str
    extracted_on: str
    scope: str
    file_name: str
    file_sha256: str
    imported_at: str
    rows_read: int
    rows_set_aside: int
    anomalies: int


class GrantImportsOut(msgspec.Struct, frozen=True):
    """Une page d'imports, du plus récent au plus ancien ; « next » mène à la suivante."""

    imports: list[GrantImportOut]
    next: str | None


class AnomalyOut(msgspec.Struct, frozen=True):
    """Une anomalie d'une ligne ; la ligne 1, celle des titres, porte ce qui vaut pour tout le fichier.

    « error » : la ligne n'est pas importée ; « warn » : elle l'est, avec un doute.
    """

    line: int
    severity: str
    code: str
    label: str
    message: str
    remedy: str
    grant_reference: str | None
    finess_geographique: str | None


class AnomaliesOut(msgspec.Struct, frozen=True):
    """Un import et une page de ses anomalies, dans l'ordre du fichier ; « next » mène à la suivante."""

    of: GrantImportOut
    anomalies: list[AnomalyOut]
    next: int | None


def grant_import_out(one: GrantImport) -> GrantImportOut:
    """An import as JSON shows it."""
    return GrantImportOut(
        str(one.id),
        one.extracted_on.isoformat(),
        one.scope,
        one.file_name,
        one.file_sha256.hex(),
        paris_text(one.imported_at),
        one.rows_read,
        one.rows_set_aside,
        one.anomalies,
    )


def anomaly_out(one: Anomaly) -> AnomalyOut:
    """An anomaly as JSON shows it, with what to do about it."""
    return AnomalyOut(
        one.line,
        one.kind.severity,
        one.code,
        one.kind.label,
        one.message,
        one.kind.remedy,
        one.grant_reference,
        one.finess_geographique,
    )


def anomalies_out(page: AnomalyPage) -> AnomaliesOut:
    """A page of anomalies as JSON shows it."""
    return AnomaliesOut(
        grant_import_out(page.of), [anomaly_out(one) for one in page.anomalies], page.next_after
    )
