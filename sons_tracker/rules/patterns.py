"""Usual patterns: what a reviewer wants to see. A sighting is an alert; it never decides.

Each judge reads facts that were gathered in sets and the thresholds of the law (`alertes`, to be confirmed).
Sources: the tranches S0:1575-1582, the two applications S3:150-154; no text fixes the other thresholds.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sons_tracker.rules.french import PARIS, count_fr, date_fr, instant_fr
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.tariff import tranche_of
from sons_tracker.rules.texts import AlertTerms, Bareme
from sons_tracker.rules.working_days import is_working_day


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a pattern saw. `key` names the subject within the pattern; `ogs` are FINESS juridiques,
    `suppliers` identifiers; `subjects` the acts, as (kind, number or identifier); `facts` is JSON, amounts in
    cents."""

    pattern: str
    key: str
    message: str
    ogs: tuple[str, ...]
    suppliers: tuple[str, ...]
    subjects: tuple[tuple[str, str], ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PricedOg:
    """The orders of an OG under one dispositif and one extraction: `count` ESSMS of the OG, `unasked` lines
    at the ceiling, `asked` the amounts in cents TTC of the lines that ask for an amount of their own."""

    og: str
    dispositif: str
    extraction_on: date
    count: int
    unasked: int
    asked: tuple[int, ...]
    orders: tuple[str, ...]
    suppliers: tuple[str, ...]

    def total(self, rate_cents: int) -> int:
        """What the same lines would be worth at another rate, in cents TTC."""
        return self.unasked * rate_cents + sum(min(asked, rate_cents) for asked in self.asked)


@dataclass(frozen=True, slots=True)
class CountedOg:
    """How many ESSMS an OG with live orders has in each reference extraction, oldest first."""

    og: str
    dispositif: str
    counts: tuple[tuple[date, int], ...]
    orders: tuple[str, ...]
    suppliers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A name under an act of an OG: a VA, an attestation de renonciation, an amendment."""

    name: str
    og: str
    kind: str
    act: str


@dataclass(frozen=True, slots=True)
class SharedAccount:
    """A bank account that several suppliers gave: its first record, its last four characters, and each
    supplier with its SIREN."""

    account: str
    ending: str
    suppliers: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class ReceivedOrder:
    """When an order was signed and received; `holidays`: those of the department of its OG."""

    number: str
    og: str
    supplier: str
    signed_on: date
    received_at: datetime
    holidays: frozenset[date]


@dataclass(frozen=True, slots=True)
class EarlyOrder:
    """An order, and the day on which the register says that its OG was created."""

    number: str
    og: str
    supplier: str
    signed_on: date
    created_on: date


@dataclass(frozen=True, slots=True)
class Application:
    """An application to a call of ESMS numérique, neither rejected, withdrawn, abandoned nor repaid."""

    reference: str
    call: str
    year: int
    finess: str
    og: str | None


def tranche_threshold(og: PricedOg, bareme: Bareme, terms: AlertTerms) -> Sighting | None:
    """An OG whose tranche would change with `terms.margin` ESSMS more or less, and the sum of its orders too.

    The totals are not monotone: either side may cost more (S0:1575-1582).
    """
    here = tranche_of(bareme, og.count)
    paid = og.total(here.ttc_cents)
    for distance in range(1, terms.margin + 1):
        for other_count in (og.count - distance, og.count + distance):
            if other_count < 1:
                continue
            there = tranche_of(bareme, other_count)
            other = og.total(there.ttc_cents)
            if there.code == here.code or other == paid:
                continue
            message = (
                f"L'organisme gestionnaire compte {og.count} ESSMS (tranche {here.code}) ; avec"
                f" {other_count}, la tranche serait {there.code} et ses commandes vaudraient"
                f" {euros_fr(other)} au lieu de {euros_fr(paid)}."
            )
            facts = {
                "count": og.count, "tranche": here.code, "total_ttc_cents": paid, "other_count": other_count,
                "other_tranche": there.code, "other_total_ttc_cents": other, "margin": terms.margin,
                "extraction_on": og.extraction_on.isoformat(), "dispositif": og.dispositif,
            }  # fmt: skip
            key = f"{og.og}|{og.dispositif}|{og.extraction_on}|{og.count}"
            return Sighting(
                "tranche_threshold", key, message, (og.og,), og.suppliers, _orders(og.orders), facts
            )
    return None


def tranche_changes(og: CountedOg, bareme: Bareme) -> Sighting | None:
    """An OG that two reference extractions put in two tranches (R09, R14); one that a stock does not know
    is not compared."""
    known = [(day, count, tranche_of(bareme, count).code) for day, count in og.counts if count > 0]
    for (first, before, old), (second, after, new) in pairwise(known):
        if old != new:
            message = (
                f"L'organisme gestionnaire compte {before} ESSMS à l'extraction du"
                f" {date_fr(first)} (tranche {old}) et {after} à celle du {date_fr(second)} (tranche {new})."
            )
            facts = {
                "dispositif": og.dispositif,
                "counts": [
                    {"extraction_on": day.isoformat(), "count": count, "tranche": code}
                    for day, count, code in known
                ],
            }
            key = f"{og.og}|{og.dispositif}"
            return Sighting(
                "tranche_changes", key, message, (og.og,), og.suppliers, _orders(og.orders), facts
            )
    return None


def plain_name(name: str) -> str:
    """A name without case, accents nor hyphens: « Élodie Saint-Jean » is « elodie saint jean »."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in bare.casefold())
    return " ".join(words.split())


def one_signer_many_og(signatures: Iterable[Signature], terms: AlertTerms) -> Iterator[Sighting]:
    """One name under acts of several OG. Two persons may bear one name: a person looks; the name itself stays
    with the acts that bear it."""
    by_name: dict[str, list[Signature]] = {}
    for signature in signatures:
        if plain := plain_name(signature.name):
            by_name.setdefault(plain, []).append(signature)
    for plain, found in by_name.items():
        ogs = tuple(sorted({one.og for one in found}))
        if len(ogs) < terms.signer_ogs:
            continue
        acts = tuple(sorted({(one.kind, one.act) for one in found}))
        message = f"Un même nom figure sous des actes de {len(ogs)} organismes gestionnaires."
        yield Sighting(
            "one_signer_many_og",
            hashlib.sha256(plain.encode()).hexdigest(),
            message,
            ogs,
            (),
            acts,
            {"ogs": len(ogs), "acts": len(acts), "from": terms.signer_ogs},
        )


def one_account_two_suppliers(account: SharedAccount, terms: AlertTerms) -> Sighting | None:
    """One account for several companies; an editor and a distributor of one SIREN are one company."""
    companies = {siren or supplier for supplier, siren in account.suppliers}
    if len(companies) < terms.account_suppliers:
        return None
    message = (
        f"Le compte bancaire qui finit par {account.ending} est celui de"
        f" {count_fr(len(companies), 'entreprise')}."
    )
    suppliers = tuple(sorted(supplier for supplier, _ in account.suppliers))
    facts = {"ending": account.ending, "companies": len(companies)}
    return Sighting("one_account_two_suppliers", account.account, message, (), suppliers, (), facts)


def out_of_hours(order: ReceivedOrder, terms: AlertTerms) -> Sighting | None:
    """An order received at night, or received or signed on a day when nobody works (hours of Paris, public
    holidays of the department of the OG)."""
    local = order.received_at.astimezone(PARIS)
    seen = []
    if not terms.opens <= local.time() < terms.closes:
        seen.append("received_at_night")
    if not is_working_day(local.date(), order.holidays):
        seen.append("received_on_day_off")
    if not is_working_day(order.signed_on, order.holidays):
        seen.append("signed_on_day_off")
    if not seen:
        return None
    told = []
    if seen != ["signed_on_day_off"]:
        told.append(f"reçue le {instant_fr(local)}")
    if "signed_on_day_off" in seen:
        told.append(f"signée le {date_fr(order.signed_on)}")
    message = f"La commande {order.number} est {' et '.join(told)}, hors des jours et heures ouvrés."
    facts = {
        "seen": seen, "received_at": order.received_at.isoformat(), "signed_on": order.signed_on.isoformat(),
        "opens": f"{terms.opens:%H:%M}", "closes": f"{terms.closes:%H:%M}",
    }  # fmt: skip
    return Sighting(
        "out_of_hours", order.number, message, (order.og,), (order.supplier,), _orders((order.number,)), facts
    )


def before_og_existed(order: EarlyOrder) -> Sighting | None:
    """An order signed before the day on which the register says that its OG was created; that day counts."""
    if order.signed_on >= order.created_on:
        return None
    message = (
        f"La commande {order.number} est signée le {date_fr(order.signed_on)}, avant la création de"
        f" l'organisme gestionnaire, le {date_fr(order.created_on)} d'après le répertoire FINESS."
    )
    facts = {"signed_on": order.signed_on.isoformat(), "created_on": order.created_on.isoformat()}
    return Sighting(
        "before_og_existed",
        order.number,
        message,
        (order.og,),
        (order.supplier,),
        _orders((order.number,)),
        facts,
    )


def two_applications(applications: Iterable[Application]) -> Iterator[Sighting]:
    """A regional and a national application of one year for one ESSMS: one or the other (S3:150-154).

    A pilot and then its generalisation are of two years (S1:607-612) and are no alert.
    """
    by_essms: dict[tuple[str, int], list[Application]] = {}
    for application in applications:
        by_essms.setdefault((application.finess, application.year), []).append(application)
    pairs: dict[tuple[str, str], list[tuple[Application, Application]]] = {}
    for found in by_essms.values():
        for regional in found:
            for national in found:
                if (regional.call, national.call) == ("regional", "national"):
                    pairs.setdefault((regional.reference, national.reference), []).append(
                        (regional, national)
                    )
    for (regional_ref, national_ref), both in pairs.items():
        if regional_ref == national_ref:
            continue
        essms = sorted({regional.finess for regional, _ in both})
        ogs = sorted({one.og for pair in both for one in pair if one.og is not None})
        year = both[0][0].year
        message = (
            f"En {year}, {len(essms)} ESSMS à la fois dans une candidature régionale"
            f" ({regional_ref}) et nationale ({national_ref}) : c'est l'une ou l'autre."
        )
        subjects = (
            ("grant", regional_ref),
            ("grant", national_ref),
            *(("essms", number) for number in essms),
        )
        facts = {"year": year, "essms": len(essms), "source": "S3:150-154"}
        key = f"{regional_ref}|{national_ref}|{year}"
        yield Sighting("two_applications", key, message, tuple(ogs), (), subjects, facts)


def _orders(numbers: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple(("order", number) for number in sorted(numbers))
