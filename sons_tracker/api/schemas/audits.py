"""Questions and answers about the audit of double funding: amounts are strings in euros."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import FinessGeographiqueText, Strict
from sons_tracker.operations.audit import AuditResult
from sons_tracker.operations.audit_reading import AuditPage
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.money import euros


class AuditIn(Strict, frozen=True, kw_only=True):
    """Ce qui est à examiner : « essms », des FINESS géographiques ; sans eux, toute la nation."""

    essms: (
        Annotated[list[FinessGeographiqueText], Meta(min_length=1, max_length=5000, examples=[["010000032"]])]
        | None
    ) = None


class AuditsQuery(Strict, frozen=True, kw_only=True):
    """Une page d'audits, du plus récent au plus ancien."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[str, Meta(max_length=200)] | None = None


class AuditFamilyOut(msgspec.Struct, frozen=True):
    """Ce qu'un audit a donné pour une famille de conflits.

    `found` : les dossiers dont le conflit existe à cet instant ; `opened` et `reopened` : ceux que l'audit a
    ouverts ou rouverts ; `ceased` : ceux dont le conflit n'existe plus. `at_stake_ttc` : l'enjeu des dossiers
    trouvés, en euros.
    """

    family: str
    label: str
    found: int
    opened: int
    reopened: int
    ceased: int
    at_stake_ttc: str


class AuditOut(msgspec.Struct, frozen=True):
    """Un audit : ce qui a été examiné, sous quel droit, et ce qui a été trouvé.

    `cause` : `audit` (demandé), `import`, `law` (nouveau droit), `deposit` ou `succession` (décidée).
    `numbers` : le nombre d'ESSMS examinés, nul pour la nation. `orders`, `lines` et `grants` : les commandes,
    leurs ESSMS et les lignes de financement qui ont été croisés. `stock_on` : l'extraction du registre qui a
    été lue.
    """

    id: str
    at: str
    cause: str
    numbers: int | None
    law_digest: str
    known_on: str
    stock_on: str | None
    orders: int
    grants: int
    lines: int
    took_ms: int
    found: int
    opened: int
    reopened: int
    ceased: int
    families: list[AuditFamilyOut]


class AuditsOut(msgspec.Struct, frozen=True):
    """Une page d'audits ; `next` se redonne dans « after »."""

    audits: list[AuditOut]
    next: str | None


def asked_numbers(body: AuditIn) -> tuple[str, ...] | None:
    """The numbers of a request, checked; None for the nation.

    Raises:
        SonsError: `INVALID_IDENTIFIER` for a wrong key.
    """
    if body.essms is None:
        return None
    return tuple(
        str(parse_geographique(number, f"$.essms[{index}]")) for index, number in enumerate(body.essms)
    )


def audit_out(result: AuditResult) -> AuditOut:
    """A run as JSON shows it."""
    return AuditOut(
        id=str(result.id),
        at=paris_text(result.at),
        cause=result.cause,
        numbers=result.numbers,
        law_digest=result.law_digest,
        known_on=result.known_on.isoformat(),
        stock_on=None if result.stock_on is None else result.stock_on.isoformat(),
        orders=result.orders,
        grants=result.grants,
        lines=result.lines,
        took_ms=result.took_ms,
        found=result.found,
        opened=result.opened,
        reopened=result.reopened,
        ceased=result.ceased,
        families=[
            AuditFamilyOut(
                tally.family,
                FAMILIES[tally.family].label,
                tally.found,
                tally.opened,
                tally.reopened,
                tally.ceased,
                euros(tally.at_stake_ttc_cents),
            )
            for tally in result.families
        ],
    )


def audits_out(page: AuditPage, following: str | None) -> AuditsOut:
    """A page as JSON shows it."""
    return AuditsOut([audit_out(one) for one in page.audits], following)
