"""The examples of notices, webhooks and calendars; the tests play each of them."""

from __future__ import annotations

from sons_tracker.api.contract import Example

_NOBODY = "00000000-0000-4000-8000-000000000001"
_HOOK = {"url": "https://editeur.example/sons", "events": ["payment.*", "order.lapsed"]}

EVENTS = (Example("liste", "Ce qui peut être annoncé", 200),)
NOTICES = (
    Example("debut", "Depuis le début", 200, query={"after": "0"}, role="editor"),
    Example("suite", "Là où la lecture s'était arrêtée", 200, query={"after": "118"}, role="og"),
)
NOTICE_REPLAYS = (
    Example(
        "inconnu",
        "Un avis d'une autre organisation, ou aucun",
        404,
        path={"notice_id": _NOBODY},
        headers={"Idempotency-Key": "avis-rejoue-1"},
        role="og",
    ),
)
REGISTRATIONS = (
    Example(
        "editeur",
        "Être prévenu des paiements",
        201,
        body=_HOOK,
        headers={"Idempotency-Key": "webhook-1"},
        role="editor",
    ),
    Example(
        "reseau_prive",
        "Une adresse du réseau interne",
        422,
        body={**_HOOK, "url": "https://192.168.1.10/sons"},
        headers={"Idempotency-Key": "webhook-2"},
        role="editor",
    ),
    Example("sans_cle", "Sans clé d'idempotence", 400, body=_HOOK, role="editor"),
)
LISTS = (Example("les_siens", "Ceux de son organisation", 200, role="editor"),)
DELIVERIES = (
    Example(
        "inconnu",
        "Un webhook d'une autre organisation, ou aucun",
        404,
        path={"webhook_id": _NOBODY},
        query={"state": "dead"},
        role="editor",
    ),
)
ROTATIONS = (
    Example(
        "inconnu",
        "Un webhook inconnu",
        404,
        body={"overlap_hours": 24},
        path={"webhook_id": _NOBODY},
        headers={"Idempotency-Key": "secret-1"},
        role="editor",
    ),
)
REPLAYS = (
    Example(
        "ni_avis_ni_periode",
        "Sans dire quoi rejouer",
        422,
        body={"since": "2023-03-01T00:00:00+01:00"},
        path={"webhook_id": _NOBODY},
        headers={"Idempotency-Key": "rejeu-1"},
        role="editor",
    ),
)
FEEDS = (
    Example(
        "creation",
        "Ses échéances dans son agenda",
        201,
        headers={"Idempotency-Key": "calendrier-1"},
        role="og",
    ),
)
CALENDARS = (Example("inconnu", "Une adresse inconnue ou révoquée", 404, path={"secret": f"{'x' * 43}.ics"}),)
