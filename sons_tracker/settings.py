"""The environment, read once into one frozen value. Nothing else reads environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from sons_tracker import identity_providers, safeguards
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.identity_providers import IdentityProvider
from sons_tracker.safeguards import Safeguards

Instance = Literal["sandbox", "real"]

_PACKAGE = Path(__file__).resolve().parent
DEMONSTRATION_KEY = "c29ucy10cmFja2VyIGRlbW9uc3RyYXRpb24ga2V5ISE="
"""Known to everyone who reads this line: a sandbox alone takes it."""
_LONGEST_MINUTES = 24 * 60
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def resource(name: Literal["migrations", "fixtures"]) -> Path:
    """The folder of that name: inside the installed wheel, else at the top of the checkout."""
    shipped = _PACKAGE / "_data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process was asked to run. URLs carry passwords: they never appear in `repr`.

    `database_url` owns the database; `database_app_url` is what long-running processes hold.
    Without `database_url` the embedded server lives in `home`.
    """

    database_url: str | None = field(repr=False)
    database_app_url: str | None = field(repr=False)
    home: Path
    pg_bin: Path | None
    host: str
    port: int
    instance: Instance
    appeal_text: str | None
    smtp_url: str | None = field(repr=False)
    """`smtp://` (STARTTLS, except on loopback) or `smtps://`, with the account; None: no e-mail leaves."""
    mail_from: str | None
    account_key: str | None = field(repr=False)
    """Seals the second factors: Fernet keys, the newest first, with commas. None: no local account."""
    session_idle: timedelta
    session_life: timedelta
    webhooks_on_loopback: bool
    """A sandbox may send webhooks to its own machine, in plain HTTP: for trying them out."""
    journal_heads: Path | None
    """The file to which the heads of the journal are appended, beyond the reach of the database's keepers."""
    timestamp_url: str | None = field(repr=False)
    """The authority (RFC 3161) that stamps the heads of the journal, and the PEM file of the roots that its
    stamps are held to; both or none."""
    timestamp_roots: Path | None
    safeguards: Safeguards
    public_url: str
    """Where browsers reach this instance, without a final slash; a provider of identity sends back there."""
    identity_providers: tuple[IdentityProvider, ...]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log line may show: the passwords of the addresses, and what else is kept off `repr`."""
        hidden = [getattr(self, one.name) for one in fields(self) if not one.repr]
        values = [_secret_of(value) for value in hidden if isinstance(value, str) and value]
        parts = (key.strip() for value in values if "," in value for key in value.split(","))
        return (*values, *parts, *(provider.client_secret for provider in self.identity_providers))

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Reads `DATABASE_URL`, `DATABASE_APP_URL` and the `SONS_…` variables; empty means absent.

        Raises:
            SonsError: `INVALID_SETTING`, with every variable that is wrong.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        faults: list[Fault] = []
        url, app_url = given.get("DATABASE_URL"), given.get("DATABASE_APP_URL")
        faults += [
            Fault(name, "L'adresse d'une base commence par « postgresql:// » ou « postgres:// ».")
            for name, value in (("DATABASE_URL", url), ("DATABASE_APP_URL", app_url))
            if value and not value.startswith(("postgresql://", "postgres://"))
        ]
        if app_url and not url:
            faults.append(Fault("DATABASE_APP_URL", "Cette adresse ne sert qu'à côté de DATABASE_URL."))
        port = _port(given.get("SONS_PORT", "8000"), faults)
        host = given.get("SONS_HOST", "127.0.0.1")
        # Only what plainly runs on somebody's own machine is a sandbox without being told so: decisions
        # dated by a sandbox's clock on a real database would be the worse of the two mistakes.
        asked = given.get("SONS_INSTANCE", "sandbox" if host in _LOOPBACK and not url else "real")
        if asked not in {"sandbox", "real"}:
            faults.append(Fault("SONS_INSTANCE", "Les valeurs possibles sont « sandbox » et « real »."))
        smtp_url, mail_from = _mail(given, faults)
        account_key = _account_key(given.get("SONS_ACCOUNT_KEY"), asked, faults)
        idle = _minutes("SONS_SESSION_IDLE_MINUTES", given, 30, faults)
        life = _minutes("SONS_SESSION_MINUTES", given, 12 * 60, faults)
        on_loopback = given.get("SONS_WEBHOOKS_LOOPBACK", "0")
        if on_loopback not in {"0", "1"} or (on_loopback == "1" and asked != "sandbox"):
            faults.append(Fault("SONS_WEBHOOKS_LOOPBACK", "0, ou 1 sur une instance de démonstration."))
        protection = safeguards.read(given, faults, real=asked != "sandbox")
        providers = identity_providers.read(given, faults)
        public_url = _public_url(given, host, port, faults, needed=asked != "sandbox" and bool(providers))
        timestamp_url, timestamp_roots = _timestamps(given, faults)
        if asked == "real":
            faults += safeguards.refused_in_production(given)
        if faults:
            said = " ".join(f"{fault.where} : {fault.message}" for fault in faults)
            raise SonsError(
                ErrorCode.INVALID_SETTING, f"L'environnement est mal réglé. {said}", tuple(faults)
            )
        return cls(
            database_url=url,
            database_app_url=app_url,
            home=Path(given["SONS_HOME"]).absolute() if "SONS_HOME" in given else _default_home(given),
            pg_bin=Path(given["SONS_PG_BIN"]).absolute() if "SONS_PG_BIN" in given else None,
            host=host,
            port=port,
            instance="sandbox" if asked == "sandbox" else "real",
            appeal_text=given.get("SONS_APPEAL_TEXT"),
            smtp_url=smtp_url,
            mail_from=mail_from,
            account_key=account_key,
            session_idle=idle,
            session_life=life,
            webhooks_on_loopback=on_loopback == "1",
            safeguards=protection,
            public_url=public_url,
            identity_providers=providers,
            journal_heads=Path(given["SONS_JOURNAL_HEADS"]).absolute()
            if "SONS_JOURNAL_HEADS" in given
            else None,
            timestamp_url=timestamp_url,
            timestamp_roots=timestamp_roots,
        )


def _secret_of(value: str) -> str:
    try:
        return unquote(urlsplit(value).password or "") if "://" in value else value
    except ValueError:
        return value


def _port(text: str, faults: list[Fault]) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536:
        return int(text)
    faults.append(Fault("SONS_PORT", "Un port est un nombre de 1 à 65535."))
    return 0


def _public_url(given: Mapping[str, str], host: str, port: int, faults: list[Fault], *, needed: bool) -> str:
    found = given.get("SONS_PUBLIC_URL", "").rstrip("/")
    if found and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+", found):
        faults.append(Fault("SONS_PUBLIC_URL", "L'adresse publique est de la forme « https://nom »."))
    if needed and not found:
        message = "Un fournisseur d'identité renvoie à une adresse publique en « https:// » : la donner."
        faults.append(Fault("SONS_PUBLIC_URL", message))
    return found or f"http://{host}:{port}"


def _account_key(text: str | None, asked: str, faults: list[Fault]) -> str | None:
    if text is None:
        return DEMONSTRATION_KEY if asked == "sandbox" else None
    if DEMONSTRATION_KEY in text and asked != "sandbox":
        faults.append(Fault("SONS_ACCOUNT_KEY", "La clé de démonstration est publique."))
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", key) for key in text.split(",")):
        message = "Une clé Fernet, ou plusieurs séparées par des virgules, la plus récente d'abord."
        faults.append(Fault("SONS_ACCOUNT_KEY", message))
    return text


def _minutes(name: str, given: Mapping[str, str], default: int, faults: list[Fault]) -> timedelta:
    text = given.get(name, str(default))
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _LONGEST_MINUTES:
        return timedelta(minutes=int(text))
    faults.append(Fault(name, f"Une durée en minutes, de 1 à {_LONGEST_MINUTES}."))
    return timedelta(minutes=default)


def _mail(given: Mapping[str, str], faults: list[Fault]) -> tuple[str | None, str | None]:
    url, sender = given.get("SONS_SMTP_URL"), given.get("SONS_MAIL_FROM")
    if url is not None and not _is_smtp(url):
        faults.append(Fault("SONS_SMTP_URL", "L'adresse est de la forme « smtp[s]://compte@serveur:port »."))
    if sender is not None and not re.fullmatch(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9.-]+", sender):
        faults.append(Fault("SONS_MAIL_FROM", "L'expéditeur est une adresse simple, « nom@domaine »."))
    if (url is None) != (sender is None):
        missing = "SONS_SMTP_URL" if url is None else "SONS_MAIL_FROM"
        faults.append(Fault(missing, "SONS_SMTP_URL et SONS_MAIL_FROM se donnent ensemble."))
    return url, sender


def _timestamps(given: Mapping[str, str], faults: list[Fault]) -> tuple[str | None, Path | None]:
    url, roots = given.get("SONS_TIMESTAMP_URL"), given.get("SONS_TIMESTAMP_ROOTS")
    if url is not None and not re.fullmatch(r"https?://[!-~]+", url):
        faults.append(Fault("SONS_TIMESTAMP_URL", "L'adresse commence par « https:// » ou « http:// »."))
    if (url is None) != (roots is None):
        missing = "SONS_TIMESTAMP_URL" if url is None else "SONS_TIMESTAMP_ROOTS"
        faults.append(Fault(missing, "SONS_TIMESTAMP_URL et SONS_TIMESTAMP_ROOTS se donnent ensemble."))
    return url, None if roots is None else Path(roots).absolute()


def _is_smtp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _default_home(given: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/sons_tracker")
    data = given.get("XDG_DATA_HOME") or Path(given.get("HOME", "/nonexistent")) / ".local" / "share"
    return Path(data) / "sons_tracker"
