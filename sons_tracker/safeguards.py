"""The settings of what protects the service: its log, its limits, its retention; what production refuses.

Read from the environment by `settings.py`, which nothing else does.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from sons_tracker.errors import Fault

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` at once, and as many again every `seconds`."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is of no more use stays, on the machine's clock."""

    idempotency: timedelta
    tokens: timedelta
    """After a token expired or was revoked."""
    sessions: timedelta
    """After a session expired or was closed."""
    invitations: timedelta
    """After an invitation served, was taken back or expired, and after a letter to one person left."""


@dataclass(frozen=True, slots=True)
class Safeguards:
    """A rate of None: no limit. `proxies`: those whose word on the client's address counts."""

    log_level: LogLevel
    log_format: LogFormat
    rate_account: Rate | None
    rate_address: Rate | None
    proxies: tuple[str, ...]
    retention: Retention


# A real instance has limits; a sandbox, on somebody's own machine, has those that it is given.
_RATES = {"SONS_RATE_ACCOUNT": "600/60", "SONS_RATE_ADDRESS": "120/60"}
_RATE_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,5})")
# variable: days by default, and the longest that can be asked
_DAYS = {
    "SONS_KEEP_IDEMPOTENCY_DAYS": (30, 366),
    "SONS_KEEP_TOKENS_DAYS": (365, 3660),
    "SONS_KEEP_SESSIONS_DAYS": (90, 366),
    "SONS_KEEP_INVITATIONS_DAYS": (90, 366),
}


def read(given: Mapping[str, str], faults: list[Fault], *, real: bool) -> Safeguards:
    """The safeguards that the environment asks for; what is wrong is added to `faults`."""
    level = _one_of("SONS_LOG_LEVEL", given, get_args(LogLevel), "info", faults)
    form = _one_of(
        "SONS_LOG_FORMAT", given, get_args(LogFormat), "text" if sys.stderr.isatty() else "json", faults
    )
    account, address = (
        _rate(name, given.get(name, default if real else "0"), faults) for name, default in _RATES.items()
    )
    days = {name: _days(name, given, faults) for name in _DAYS}
    return Safeguards(
        cast(LogLevel, level),
        cast(LogFormat, form),
        account,
        address,
        _proxies(given.get("SONS_PROXIES", ""), faults),
        Retention(
            idempotency=days["SONS_KEEP_IDEMPOTENCY_DAYS"],
            tokens=days["SONS_KEEP_TOKENS_DAYS"],
            sessions=days["SONS_KEEP_SESSIONS_DAYS"],
            invitations=days["SONS_KEEP_INVITATIONS_DAYS"],
        ),
    )


def _one_of(
    name: str, given: Mapping[str, str], known: tuple[str, ...], default: str, faults: list[Fault]
) -> str:
    found = given.get(name, default).lower()
    if found not in known:
        faults.append(Fault(name, f"Les valeurs possibles sont {', '.join(f'« {one} »' for one in known)}."))
    return found


def _rate(name: str, text: str, faults: list[Fault]) -> Rate | None:
    if text == "0":
        return None
    found = _RATE_FORM.fullmatch(text)
    if found is None or 0 in (rate := (int(found[1]), int(found[2]))):
        faults.append(Fault(name, "Une limite s'écrit « demandes/secondes », comme « 600/60 » ; 0 : aucune."))
        return None
    return Rate(*rate)


def _days(name: str, given: Mapping[str, str], faults: list[Fault]) -> timedelta:
    default, longest = _DAYS[name]
    text = given.get(name, str(default))
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= longest:
        return timedelta(days=int(text))
    faults.append(Fault(name, f"Une durée de conservation va de 1 à {longest} jours."))
    return timedelta(days=default)


def _proxies(text: str, faults: list[Fault]) -> tuple[str, ...]:
    found = tuple(one.strip() for one in text.split(",") if one.strip())
    for one in found:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            faults.append(
                Fault("SONS_PROXIES", "Adresses IP ou réseaux des mandataires, séparés par des virgules.")
            )
            break
    return found


# What a demonstration, an example or a default installation gives, and what anyone tries first.
_DEMONSTRATION = frozenset(
    {
        "admin",
        "azerty",
        "azertyuiop",
        "change-me",
        "changeme",
        "changezmoi",
        "default",
        "demo",
        "demonstration",
        "dev",
        "development",
        "example",
        "exemple",
        "motdepasse",
        "password",
        "passw0rd",
        "postgres",
        "root",
        "sample",
        "secret",
        "sons",
        "sons_app",
        "sons_owner",
        "sons_tracker",
        "test",
        "testing",
        "123456",
        "12345678",
        "123456789",
        "1234567890",
    }
)
_SHORTEST_KEY = 32
_SHORTEST_PASSWORD = 12
_LEAST_VARIETY = 8
"""How many different characters a key must have: thirty-two times the same letter is no secret."""
# What is held to be secret, by the end of its name: today DATABASE_URL, DATABASE_APP_URL and SONS_SMTP_URL
# (the password inside), SONS_ACCOUNT_KEY (each key of the ring), SONS_OIDC_…_CLIENT_SECRET, and a password
# inside SONS_TIMESTAMP_URL. A test holds every secret of the settings to it; what a file would hold is not
# seen here: whoever reads the file asks `weakness_of`.
_IS_KEY = re.compile(r"SONS_\w*(?:_KEY|_KEYS|_SECRET|_TOKEN|_PEPPER)")
_IS_PASSWORD = re.compile(r"SONS_\w*_PASSWORD")
_IS_ADDRESS = re.compile(r"SONS_\w*(?:_URL|_ISSUER|_ORIGIN)")
# Names that RFC 2606 and RFC 6761 keep for examples; `bas` is Pro Santé Connect's « bac à sable ».
_EXAMPLE_HOST = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)\.?$")
_SANDBOX_HOST = re.compile(r"(?:^|[.-])(?:bas|sandbox|staging|preprod|demo)(?=[.-])")
# What comes back is signed and nothing secret goes there: most authorities answer in clear.
_SIGNED = frozenset({"SONS_TIMESTAMP_URL"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def refused_in_production(given: Mapping[str, str]) -> list[Fault]:
    """What keeps a real instance from starting: each variable with one French sentence, never its value.

    Variables are recognised by the end of their names, so that a secret which is added tomorrow is looked at.
    """
    return [Fault(name, message) for name in sorted(given) for message in _messages(name, given[name])]


def _messages(name: str, value: str) -> Iterator[str]:
    if name in {"DATABASE_URL", "DATABASE_APP_URL"} or name.endswith("SMTP_URL"):
        yield from _account(name, value)
    elif _IS_ADDRESS.fullmatch(name):
        yield from _address(value, in_clear=name in _SIGNED)
    elif _IS_PASSWORD.fullmatch(name):
        yield from _password(value)
    elif _IS_KEY.fullmatch(name):
        found = (weakness_of(one.strip()) for one in value.split(","))
        yield from dict.fromkeys(message for message in found if message is not None)
    elif name in _RATES and value == "0":
        yield "Une instance réelle limite le nombre des demandes."
    elif name == "SONS_MAIL_FROM" and _EXAMPLE_HOST.search(value.rpartition("@")[2]):
        yield "L'expéditeur est une adresse d'exemple : les réponses ne parviendraient à personne."
    elif name == "SONS_LOG_LEVEL" and value.lower() == "debug":
        yield "Une instance réelle n'écrit pas le détail de mise au point dans son journal technique."


def weakness_of(secret: str) -> str | None:
    """Why a secret that was not drawn at random may not serve a real instance, in French; None: it may."""
    if _is_known(secret):
        return "Ce secret est une valeur de démonstration ou d'exemple : en tirer un au hasard."
    if len(secret) < _SHORTEST_KEY or len(set(secret)) < _LEAST_VARIETY:
        return f"Ce secret est trop simple : en tirer un au hasard, d'au moins {_SHORTEST_KEY} caractères."
    return None


def _account(name: str, url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        password, host = parts.password, parts.hostname or ""
    except ValueError:
        return  # said already by whoever reads the address
    if password is not None:
        yield from _password(unquote(password), shortest=0)
    if name == "SONS_SMTP_URL" and _EXAMPLE_HOST.search(host):
        yield "Ce serveur de courrier est une adresse d'exemple."


def _address(url: str, *, in_clear: bool = False) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return
    if parts.password is not None:
        yield from _password(unquote(parts.password))
    if parts.scheme != "https" and (not in_clear or parts.password is not None):
        yield "Cette adresse doit être en « https:// »."
    if host in _LOOPBACK or _EXAMPLE_HOST.search(host):
        yield "Cette adresse est celle d'un exemple ou de la machine elle-même."
    elif _SANDBOX_HOST.search(host):
        yield "Cette adresse est celle d'un bac à sable."


def _password(value: str, shortest: int = _SHORTEST_PASSWORD) -> Iterator[str]:
    if _is_known(value):
        yield "Ce mot de passe est une valeur de démonstration ou d'exemple : en tirer un au hasard."
    elif len(value) < shortest:
        yield f"Ce mot de passe est trop court : il en faut {shortest} caractères au moins."


def _is_known(value: str) -> bool:
    plain = value.strip().lower()
    return plain in _DEMONSTRATION or bool(re.search(r"change.?me|demonstration|exemple|example", plain))
