"""The providers of OpenID Connect that an instance trusts, any of them by configuration.

`SONS_OIDC` lists their short names; each has its variables, e.g. for `psc`: `SONS_OIDC_PSC_CLIENT_ID`. Read
from the environment by `settings.py`, which nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from sons_tracker.errors import Fault

ClientAuth = Literal["client_secret_basic", "client_secret_post"]
SignatureKind = Literal["psc", "eidas_simple"]
PRO_SANTE_CONNECT = "pro-sante-connect"
CALLBACK = "/api/v1/session/oidc/callback"
"""Where a provider sends the browser back, below the public address of the instance."""
ROLES = ("editor", "distributor", "og", "ars", "reviewer", "payer", "pilot", "admin")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,500}")
_LONGEST_AGE = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A provider: where it is, who we are to it, what is asked of it and whom it may vouch for.

    `acr`: the levels of authentication that are asked for, the floor first; `acr_accepted`: those that are
    taken, any when empty. `max_age`: seconds since the person gave a proof, or None. `roles`: those that a
    session opened by it may take. `name_id_claim`: the claim of the national identifier, if it has one.
    `signature_kind`: what a signature given in such a session is, in the list of R17.
    """

    name: str
    label: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    client_auth: ClientAuth
    scope: str
    acr: tuple[str, ...]
    acr_accepted: tuple[str, ...]
    max_age: int | None
    roles: frozenset[str]
    name_id_claim: str | None
    signature_kind: SignatureKind


# The values of Pro Santé Connect are its publisher's (shared notes, « Pro Santé Connect »): eidas1 is the
# floor, what is above passes too. It vouches for who signs for an OG, and for nobody else here.
_PRESETS: dict[str, dict[str, str]] = {
    PRO_SANTE_CONNECT: {
        "LABEL": "Pro Santé Connect",
        "ISSUER": "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet",
        "SCOPE": "openid scope_all",
        "ACR": "eidas1",
        "ACR_ACCEPTED": "eidas1 eidas2 eidas3",
        "ROLES": "og",
        "NAME_ID_CLAIM": "SubjectNameID",
    },
    "": {"SCOPE": "openid profile"},
}
_WORDS = (
    *("PRESET", "LABEL", "ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_AUTH"),
    *("SCOPE", "ACR", "ACR_ACCEPTED", "MAX_AGE", "ROLES", "NAME_ID_CLAIM"),
)


def read(given: Mapping[str, str], faults: list[Fault]) -> tuple[IdentityProvider, ...]:
    """The providers that the environment names; what is wrong is added to `faults`."""
    names = tuple(one.strip() for one in given.get("SONS_OIDC", "").split(",") if one.strip())
    if len(set(names)) < len(names) or not all(_NAME.fullmatch(name) for name in names):
        faults.append(Fault("SONS_OIDC", "Des noms courts et distincts, « psc,agence », sans majuscules."))
        return ()
    known = {"SONS_OIDC", *(_variable(name, word) for name in names for word in _WORDS)}
    faults += [
        Fault(stray, "Cette variable ne règle aucun des fournisseurs que SONS_OIDC nomme.")
        for stray in sorted(name for name in given if name.startswith("SONS_OIDC") and name not in known)
    ]
    return tuple(_provider(name, given, faults) for name in names)


def _variable(name: str, word: str) -> str:
    return f"SONS_OIDC_{name.upper().replace('-', '_')}_{word}"


def _provider(name: str, given: Mapping[str, str], faults: list[Fault]) -> IdentityProvider:
    preset = given.get(_variable(name, "PRESET"), "")
    if preset not in _PRESETS:
        faults.append(
            Fault(_variable(name, "PRESET"), f"Le seul préréglage connu est « {PRO_SANTE_CONNECT} ».")
        )
    defaults = _PRESETS.get(preset, {})

    def value(word: str, default: str = "") -> str:
        return given.get(_variable(name, word), defaults.get(word, default))

    def refuse(word: str, message: str) -> None:
        faults.append(Fault(_variable(name, word), message))

    for word in ("CLIENT_ID", "CLIENT_SECRET"):
        if not _PRINTABLE.fullmatch(value(word)):
            refuse(word, "Ce que le fournisseur a donné à cette instance manque, ou est mal formé.")
    if not _is_https(value("ISSUER")):
        refuse("ISSUER", "L'adresse du fournisseur commence par « https:// », sans paramètre.")
    client_auth = value("CLIENT_AUTH", "client_secret_basic")
    if client_auth not in get_args(ClientAuth):
        refuse("CLIENT_AUTH", "Les valeurs possibles sont « client_secret_basic » et « client_secret_post ».")
    if "openid" not in value("SCOPE").split():
        refuse("SCOPE", "La portée demandée contient « openid ».")
    roles = frozenset(value("ROLES").replace(",", " ").split())
    if not roles or not roles <= set(ROLES):
        refuse("ROLES", f"Les rôles qu'il peut ouvrir, parmi {', '.join(ROLES)}.")
    if preset == PRO_SANTE_CONNECT and roles != {"og"}:
        refuse("ROLES", "Pro Santé Connect ouvre le rôle « og » : il identifie les signataires des OG.")
    return IdentityProvider(
        name=name,
        label=value("LABEL", name)[:80],
        issuer=value("ISSUER"),
        client_id=value("CLIENT_ID"),
        client_secret=value("CLIENT_SECRET"),
        client_auth=cast(ClientAuth, client_auth),
        scope=value("SCOPE"),
        acr=tuple(value("ACR").split()),
        acr_accepted=tuple(value("ACR_ACCEPTED", value("ACR")).split()),
        max_age=_seconds(name, value("MAX_AGE"), faults),
        roles=roles,
        name_id_claim=value("NAME_ID_CLAIM") or None,
        signature_kind="psc" if preset == PRO_SANTE_CONNECT else "eidas_simple",
    )


def _is_https(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        return False


def _seconds(name: str, text: str, faults: list[Fault]) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _LONGEST_AGE:
        return int(text)
    faults.append(Fault(_variable(name, "MAX_AGE"), f"Un nombre de secondes, de 1 à {_LONGEST_AGE}."))
    return None
