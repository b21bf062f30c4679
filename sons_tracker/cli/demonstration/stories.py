"""The stories: what is ordered, by whom, and what must come of it. One that ends otherwise fails the demo."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date

from sons_tracker.cli.demonstration.telling import Teller
from sons_tracker.cli.demonstration.world import World
from sons_tracker.db.engine import transaction
from sons_tracker.operations import clock, order_reading, orders, simulations
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import OrderRequest, RequestedEssms
from sons_tracker.operations.views import OrderView
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique
from sons_tracker.rules.money import euros

_REGISTER = date(2022, 1, 3)
_SIGNED = date(2022, 6, 1)
_VERSIONS = {"DUI-ALPHA": "DUI-ALPHA-3", "DUI-BETA": "DUI-BETA-7", "DUI-GAMMA": "DUI-GAMMA-1"}


@dataclass(frozen=True, slots=True)
class Told:
    """How a story ended: decisions, totals in euros (two decimals), and whether that was expected."""

    title: str
    decisions: tuple[str, ...]
    totals_ttc: tuple[str | None, ...]
    failed_rules: tuple[str, ...]
    as_expected: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """One order on an OG of the synthetic register: `taken` are the positions of its ESSMS, None for all."""

    supplier: str
    solution: str
    og: str
    taken: tuple[int, ...] | None = None
    signed_on: date = _SIGNED


@dataclass(frozen=True, slots=True)
class Story:
    """A title, its lesson in a sentence, and how it is played."""

    title: str
    lesson: str
    play: Callable[[World, Teller], Awaitable[Told]]


async def request_of(scene: Scene) -> OrderRequest:
    """The order of a scene, valid but for what the scene is about."""
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        rows = await con.fetch(
            "select finess_geographique from establishment where finess_juridique = $1 and valid_from = $2"
            " order by 1",
            scene.og,
            _REGISTER,
        )
    numbers = [row["finess_geographique"] for row in rows]
    chosen = numbers if scene.taken is None else [numbers[position] for position in scene.taken]
    return OrderRequest(
        dispositif="MS1-V1",
        og=parse_juridique(scene.og),
        essms=tuple(RequestedEssms(parse_geographique(n), None, scene.solution) for n in chosen),
        solution_version=_VERSIONS[scene.solution],
        signed_on=scene.signed_on,
        already_equipped=True,
        supplier_reference=None,
        order_document_sha256=None,
    )


async def deposit(world: World, scene: Scene, key: str) -> OrderView:
    """Deposits the order of a scene under a key, now; the view is what the supplier is told."""
    request = await request_of(scene)
    told: list[OrderView] = []

    def render(view: OrderView) -> Answer:
        told.append(view)
        return Answer(409 if view.decision == "refused" else 201, b"{}")

    digest = hashlib.sha256(repr(request).encode()).digest()
    await orders.submit(
        world.suppliers[scene.supplier],
        request,
        world.law,
        await clock.now(),
        Key(key, "demo", digest),
        render,
    )
    return told[-1]


def _deposited(
    title: str, lesson: str, scene: Scene, decision: str, total: str | None, *failed: str
) -> Story:
    """A story of one deposit, with its expected end."""

    async def play(world: World, teller: Teller) -> Told:
        view = await deposit(world, scene, title)
        world.orders[title] = view
        teller.order(view, scene.supplier)
        if any(v.rule == "R25" and v.outcome in {"fail", "review"} for v in view.verdicts):
            assert view.identity is not None
            teller.seen_by_reviewer(await order_reading.find_order(world.reviewer, view.identity.id))
        told = _told(title, view)
        expected = (decision,), (total,), failed
        return _judged(told, (told.decisions, told.totals_ttc, told.failed_rules) == expected)

    return Story(title, lesson, play)


def _told(title: str, *views: OrderView) -> Told:
    return Told(
        title,
        tuple(view.decision for view in views),
        tuple(None if v.total_ttc_cents is None else euros(v.total_ttc_cents) for v in views),
        tuple(sorted({v.rule for view in views for v in view.verdicts if v.outcome == "fail"})),
        False,
    )


def _judged(told: Told, as_expected: bool) -> Told:
    return Told(told.title, told.decisions, told.totals_ttc, told.failed_rules, as_expected)


async def _two_at_once(world: World, teller: Teller) -> Told:
    title = "Deux commandes au même instant sur un même ESSMS"
    views = await asyncio.gather(
        deposit(world, Scene("alpha", "DUI-ALPHA", "019001189"), "simultanée, Alpha"),
        deposit(world, Scene("beta", "DUI-BETA", "019001189"), "simultanée, Bêta"),
    )
    for supplier, view in zip(("alpha", "beta"), views, strict=True):
        teller.order(view, supplier)
    told = _told(title, *views)
    return _judged(told, sorted(told.decisions) == ["accepted", "refused"] and told.failed_rules == ("R05",))


async def _replayed(world: World, teller: Teller) -> Told:
    title = "La même demande, rejouée"
    scene = Scene("alpha", "DUI-ALPHA", "019000009")
    request = await request_of(scene)
    digest = hashlib.sha256(repr(request).encode()).digest()
    answer = await orders.submit(
        world.suppliers["alpha"],
        request,
        world.law,
        world.at,
        Key(FIRST, "demo", digest),
        lambda _: Answer(500, b""),
    )
    teller.replay(FIRST, answer)
    return Told(title, (), (), (), answer.replayed and answer.status == 201)


async def _without_extraction(world: World, teller: Teller) -> Told:
    title = "Ce qu'une extraction absente ne peut pas dire"
    request = await request_of(Scene("alpha", "DUI-ALPHA", "019001346", signed_on=date(2023, 2, 1)))
    view = await simulations.simulate(world.suppliers["alpha"], request, world.law, world.at)
    teller.order(view, "alpha")
    unknown = {v.rule for v in view.verdicts if v.outcome == "unknown"}
    told = _told(title, view)
    return _judged(told, told.decisions == ("to_review",) and {"R09", "R14", "R36"} <= unknown)


FIRST = "Une commande de 35 ESSMS"

STORIES: tuple[Story, ...] = (
    _deposited(
        FIRST,
        "La tranche se lit à la taille de l'OG (20 à 99 : E), le taux s'applique à chaque ESSMS (S0:1304).",
        Scene("alpha", "DUI-ALPHA", "019000009"),
        "accepted",
        "43120.00",
    ),
    Story(
        "La même demande, rejouée",
        "Sous la même clé d'idempotence, la même réponse : rien n'est déposé deux fois.",
        _replayed,
    ),
    _deposited(
        "Une commande de 72 ESSMS",
        "Même tranche E, autre éditeur (S0:1326).",
        Scene("beta", "DUI-BETA", "019000363"),
        "accepted",
        "88704.00",
    ),
    _deposited(
        "Une commande de 8 ESSMS, par un distributeur",
        "Tranche C (5 à 10) ; le distributeur officiel de la solution est payé comme l'éditeur (S0:1470,"
        " R01).",
        Scene("delta", "DUI-ALPHA", "019001098"),
        "accepted",
        "17520.00",
    ),
    _deposited(
        "Une commande sur une partie d'un OG",
        "4 ESSMS sur 11 : la tranche reste celle de l'OG entier (D), pas celle de la commande (R14).",
        Scene("alpha", "DUI-ALPHA", "019001452", (0, 1, 2, 3)),
        "accepted",
        "6572.00",
    ),
    _deposited(
        "Une seconde commande sur un ESSMS déjà financé",
        "Un ESSMS n'est financé qu'une fois par vague (R05). Le refus est gardé, motivé, contestable ;"
        " l'éditeur n'apprend pas qui l'a devancé.",
        Scene("beta", "DUI-BETA", "019000009", (0,)),
        "refused",
        "1232.00",
        "R05",
    ),
    Story(
        "Deux commandes au même instant sur un même ESSMS",
        "C'est un index unique de PostgreSQL qui départage : une seule l'emporte, l'autre est refusée et"
        " gardée.",
        _two_at_once,
    ),
    _deposited(
        "ESMS numérique : équipement pour un DUI référencé",
        "Un ESSMS financé à l'équipement pour un DUI référencé n'est pas éligible (R25, S0:1529).",
        Scene("alpha", "DUI-ALPHA", "019001239", (0,)),
        "refused",
        "2920.00",
        "R25",
    ),
    _deposited(
        "ESMS numérique : usage du même logiciel",
        "Le SONS et un financement à l'usage du même logiciel se cumulent (R27).",
        Scene("alpha", "DUI-ALPHA", "019001239", (1,)),
        "accepted",
        "2920.00",
    ),
    _deposited(
        "Une commande sous condition de référencement",
        "La version est candidate : rien n'est versé avant son référencement, et le dossier complet est à"
        " soumettre dans les 120 jours calendaires (R11, R12).",
        Scene("gamma", "DUI-GAMMA", "019001205", signed_on=date(2022, 12, 15)),
        "accepted",
        "5840.00",
    ),
    _deposited(
        "Une commande à instruire",
        "Équipement accordé pour ce DUI alors qu'il n'était pas référencé : les textes ne tranchent pas (C8)."
        " La commande tient ses ESSMS, mais rien n'est dû avant la décision motivée d'un contrôleur.",
        Scene("alpha", "DUI-ALPHA", "019001288"),
        "to_review",
        "10950.00",
    ),
    Story(
        "Ce qu'une extraction absente ne peut pas dire",
        "Une commande signée en février 2023 se réfère à l'extraction de janvier 2023, qui n'est pas chargée"
        " : ni rattachement ni tranche, la réponse est « inconnu », jamais une valeur par défaut (C14).",
        _without_extraction,
    ),
)
