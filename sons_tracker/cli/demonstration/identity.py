"""A story of the accounts: a director comes in through a provider of identity, by the routes of the API."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import httpx

from sons_tracker.app import create_app
from sons_tracker.cli.demonstration.lives import Play
from sons_tracker.cli.demonstration.openid_provider import Present, Provider, configured
from sons_tracker.cli.demonstration.steps import life_of, one
from sons_tracker.cli.demonstration.stories import FIRST, Told
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import World
from sons_tracker.delivery.openid import OpenIdClient
from sons_tracker.operations import actors, clock
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.rules.french import count_fr
from sons_tracker.settings import DEMONSTRATION_KEY, Settings

_TITLE = "Se connecter par Pro Santé Connect"
_OTHERS = "Une commande de 72 ESSMS"
_SERVICE = "https://sons.demonstration.test"
_VISIT = "/api/v1/session/oidc"
_NOTED = """
select facts ->> 'finess_check' from journal where action = 'session.opened' order by id desc limit 1"""


async def director(world: World, teller: LifeTeller) -> Told:
    """An OG invites its director; the provider says who she is; she reads what is her OG's, and no more."""
    own, foreign = (_order_id(world, title) for title in (FIRST, _OTHERS))
    og = (await life_of(world.suppliers["alpha"], world.orders[FIRST], "Dominique Exemple")).og
    works_at = (str(world.orders[FIRST].og),)
    provider = Provider(Present("sujet-fictif", "Camille", "Exemple", "899700000001", works_at))
    settings = replace(
        Settings.from_env(os.environ),
        instance="sandbox",
        account_key=DEMONSTRATION_KEY,
        public_url=_SERVICE,
        identity_providers=(configured(),),
    )
    here: Any = create_app(settings, connect=False)
    there: Any = provider.app
    here.state.openid = OpenIdClient(_SERVICE, httpx.ASGITransport(app=there))
    try:
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app=here), base_url=_SERVICE) as browser,
            httpx.AsyncClient(transport=httpx.ASGITransport(app=there)) as elsewhere,
        ):
            refused = await _sign_in(browser, elsewhere, {"provider": "psc"})
            invitation = await _invite(og, browser)
            entered = await _sign_in(browser, elsewhere, {"provider": "psc", "invitation": invitation})
            me = (await browser.get("/api/v1/session")).json()
            read = {order["id"] for order in (await browser.get("/api/v1/orders")).json()["orders"]}
            hidden = await browser.get(f"/api/v1/orders/{foreign}")
            left = await browser.delete("/api/v1/session", headers={"x-csrf-token": me["csrf_token"]})
    finally:
        await here.state.openid.aclose()
    level, check = await one("select acr from session_proof"), await one(_NOTED)
    teller.say(
        "Le fournisseur (fictif, dans ce programme) identifie une directrice que personne n'a invitée :"
        f" {refused.json()['detail']}"
    )
    teller.say(
        f"Invitée par son OG, elle revient identifiée au niveau {level} ; la signature, le destinataire et le"
        " nonce du jeton sont vérifiés. Le FINESS juridique que donne le fournisseur"
        f" {'est' if check == 'matches' else 'n’est pas'} celui de l'OG : c'est noté, jamais une condition."
    )
    teller.say(
        f"Elle lit {count_fr(len(read), 'commande')} de son OG ; celle d'un autre OG répond"
        f" {hidden.status_code}, comme si elle n'existait pas. Elle se déconnecte : la session est close."
    )
    statuses = [answer.status_code for answer in (refused, entered, hidden, left)]
    right = statuses == [401, 303, 404, 204] and (me["auth_level"], check) == ("oidc", "matches")
    return Told(_TITLE, (), (), (), right and own in read and foreign not in read)


async def _sign_in(
    browser: httpx.AsyncClient, elsewhere: httpx.AsyncClient, body: dict[str, Any]
) -> httpx.Response:
    visit = await browser.post(_VISIT, json=body)
    sent = await elsewhere.get(visit.json()["address"])
    return await browser.get(sent.headers["location"])


async def _invite(og: Actor, http: httpx.AsyncClient) -> str:
    assert og.person_id is not None
    assert og.organisation_id is not None
    token = await actors.create_token(
        LOCAL_ADMIN,
        at=await clock.now(),
        person_id=og.person_id,
        organisation_id=og.organisation_id,
        role="og",
    )
    headers = {"authorization": f"Bearer {token.secret}", "idempotency-key": "demonstration-directrice"}
    body = {"email": "directrice@demonstration.test"}
    made = await http.post("/api/v1/invitations", json=body, headers=headers)
    secret: str = made.json()["secret"]
    return secret


def _order_id(world: World, title: str) -> str:
    identity = world.orders[title].identity
    assert identity is not None
    return str(identity.id)


IDENTITY: tuple[tuple[str, str, Play], ...] = (
    (
        _TITLE,
        "Un fournisseur dit qui est là, l'invitation dit pour qui ; ni un nom ni une adresse n'ouvrent rien"
        " (R17).",
        director,
    ),
)
