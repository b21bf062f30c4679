"""The story of a delegation of signature: given for a month, used, then over."""

from __future__ import annotations

from datetime import date
from typing import Any

from sons_tracker.cli.demonstration import steps
from sons_tracker.cli.demonstration.steps import Life, step
from sons_tracker.cli.demonstration.stories import Told
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import World, enrol
from sons_tracker.operations import clock, delegations
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.delegations import Asked, DelegationView
from sons_tracker.operations.signatures import Signer
from sons_tracker.operations.va import VaView
from sons_tracker.rules.delegations import DELEGATION_CONSENT, DelegationTerms
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.signatories import DELEGATION

TITLE = "Une délégation de signature"
LESSON = (
    "La VA est signée par le responsable de l'OG (R17), ou par qui tient de lui une délégation en vigueur ce"
    " jour-là."
)
UNTIL_ON = date(2023, 3, 31)


async def head_of_service(life: Life) -> Actor:
    """A member of the OG who is not responsible for it; the same person each time."""
    name = f"OG {life.view.og} (fictif)"
    return await enrol(
        await clock.now(), "og", name, "og", None, person=f"Chef de service de {name}", finess=life.view.og
    )


async def delegated(world: World, teller: LifeTeller, life: Life) -> Told:
    """A director delegates the signature of the VA for the month; the head of service signs one."""
    delegate, at = await head_of_service(life), await clock.now()
    teller.day(at)
    await steps.prepare_va(world, life, life.essms)
    before = await steps.sign_prepared(world, life, delegate)
    assert isinstance(before, Refused), before
    teller.say(f"Un chef de service veut signer la VA. {before.reasons[0].message}")
    terms = DelegationTerms(("va",), at.date(), UNTIL_ON)
    assert delegate.person_id is not None
    asked = Asked(delegate.person_id, terms)
    shown = await delegations.propose_text(life.og, asked, at)
    signer = Signer(life.signer_name, "Direction générale", DELEGATION_CONSENT)
    given: Any = await step(delegations.give, life.og, asked, shown.text_sha256, signer, at)
    assert isinstance(given, DelegationView), given
    teller.say(
        "La direction lui délègue la signature des VA jusqu'au"
        f" {date_fr(given.until_on)}, sur le texte qu'elle a lu : empreinte {given.text_sha256[:16]}…"
    )
    signed = await steps.sign_prepared(world, life, delegate)
    assert isinstance(signed, VaView), signed
    capacity = None if signed.signature is None else signed.signature.capacity
    teller.say(
        f"Le chef de service signe la VA de {count_fr(len(signed.lines), 'ESSMS', 'ESSMS')} ; la signature"
        " garde la délégation qui la permettait."
    )
    return Told(TITLE, ("refused", signed.state), (), (), capacity == DELEGATION)


async def refused_once_over(world: World, life: Life) -> str:
    """What the same person is told when it signs after the last day."""
    told = await steps.sign_prepared(world, life, await head_of_service(life))
    assert isinstance(told, Refused), told
    return told.reasons[0].message
