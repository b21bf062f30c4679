"""`sons-tracker demo`: the main job, played on synthetic establishments and told in French."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from rich.console import Console

from sons_tracker.cli.demonstration.conflicts import CONFLICTS
from sons_tracker.cli.demonstration.identity import IDENTITY
from sons_tracker.cli.demonstration.journal import JOURNAL
from sons_tracker.cli.demonstration.lives import LIVES
from sons_tracker.cli.demonstration.stories import STORIES, Told
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import build_world, fresh_database
from sons_tracker.cli.frame import REFUSED, YES, Json, emit, run
from sons_tracker.settings import Settings


def demo(as_json: Json = False) -> int:
    """Joue la démonstration : commandes, refus, paiements, recouvrement, sur des établissements fictifs."""
    console = Console(highlight=False, quiet=as_json)
    told = run(_play(Settings.from_env(os.environ), LifeTeller(console)))
    as_expected = all(story.as_expected for story in told)
    if as_json:
        emit([_plain(story) for story in told], True, lambda _: None)
    return YES if as_expected else REFUSED


async def _play(settings: Settings, teller: LifeTeller) -> list[Told]:
    teller.opening()
    told = []
    async with fresh_database(settings, teller):
        world = await build_world(teller)
        for number, story in enumerate(STORIES, start=1):
            teller.heading(number, story.title, story.lesson)
            told.append(await story.play(world, teller))
        lives = (*CONFLICTS, *LIVES, *IDENTITY, *JOURNAL)
        for number, (title, lesson, live) in enumerate(lives, start=len(STORIES) + 1):
            teller.heading(number, title, lesson)
            told.append(await live(world, teller))
    teller.closing(told)
    return told


def _plain(story: Told) -> dict[str, Any]:
    return asdict(story)
