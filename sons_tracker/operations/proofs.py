"""How a person proves who they are: a password (argon2id), then a code that serves once (TOTP, RFC 6238).

Libraries do the cryptography; here is only what is asked of them, and that a wrong answer takes as long as a
right one.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.identity_providers import IdentityProvider
from sons_tracker.settings import Settings

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 128
STEP = 30
"""Seconds that a code lives; the one before and the one after are taken too: clocks differ."""
_ISSUER = "sons_tracker"
_HASHER = PasswordHasher()
# Two at a time: each verification takes 64 MiB, and a crowd at the door must not take the memory of all.
_ARGON = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


@dataclass(frozen=True, slots=True)
class Door:
    """What accounts and webhooks need of the settings: the keys, how long a session lives, who may vouch for
    a person."""

    keys: MultiFernet = field(repr=False)
    digest_key: bytes = field(repr=False)
    idle: timedelta
    life: timedelta
    providers: tuple[IdentityProvider, ...]

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """The door of this process.

        Raises:
            SonsError: `UNAVAILABLE` without a key: nothing could be sealed.
        """
        if settings.account_key is None:
            raise SonsError(
                ErrorCode.UNAVAILABLE,
                "Cette instance n'a pas de clé pour sceller : ni comptes locaux, ni webhooks.",
                remedy="Son exploitant donne une clé par SONS_ACCOUNT_KEY ; jusque-là, s'identifier par un"
                " jeton et lire les avis.",
            )
        names = settings.account_key.split(",")
        keys = MultiFernet([Fernet(name) for name in names])
        return cls(
            keys,
            names[0].encode(),
            settings.session_idle,
            settings.session_life,
            settings.identity_providers,
        )

    def digest(self, text: str) -> bytes:
        """An account or an address as it is kept: without the key, not even a guess can be checked."""
        return hmac.digest(self.digest_key, text.encode(), hashlib.sha256)

    def seal(self, secret: str) -> bytes:
        """A secret as it is kept: of TOTP, of a webhook."""
        return self.keys.encrypt(secret.encode())

    def unseal(self, sealed: bytes) -> str:
        """A secret as it serves.

        Raises:
            SonsError: `UNAVAILABLE` when no key opens it.
        """
        try:
            return self.keys.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SonsError(
                ErrorCode.UNAVAILABLE,
                "Ce secret a été scellé par une clé que cette instance n'a plus.",
                remedy="Son exploitant redonne cette clé par SONS_ACCOUNT_KEY, derrière la plus récente.",
            ) from error

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same secret under the newest key; None when it is already.

        Raises:
            SonsError: `UNAVAILABLE` when no key opens it.
        """
        try:
            Fernet(self.digest_key).decrypt(sealed)
        except InvalidToken:
            return self.seal(self.unseal(sealed))
        return None


def checked_password(password: str, email: str) -> str:
    """A password that may be chosen, in its composed form.

    Raises:
        SonsError: `INVALID_REQUEST`; the sentence never repeats the password.
    """
    chosen = composed(password)
    problem = None
    if not SHORTEST_PASSWORD <= len(chosen) <= LONGEST_PASSWORD:
        problem = f"Un mot de passe compte de {SHORTEST_PASSWORD} à {LONGEST_PASSWORD} caractères."
    elif email.partition("@")[0].lower() in chosen.lower() or len(set(chosen)) < 5:
        problem = "Ce mot de passe se devine : il reprend l'adresse, ou trop peu de caractères différents."
    if problem is not None:
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.password", problem),))
    return chosen


async def hash_password(password: str) -> str:
    """The argon2id hash of a checked password."""
    return await asyncio.get_running_loop().run_in_executor(_ARGON, _HASHER.hash, password)


async def verify_password(kept: str | None, password: str) -> bool:
    """Whether the password is the one; without a hash, as slow, and no."""
    return await asyncio.get_running_loop().run_in_executor(_ARGON, _verify, kept, composed(password))


def _verify(kept: str | None, password: str) -> bool:
    try:
        _HASHER.verify(kept or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@functools.cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))


def composed(password: str) -> str:
    """A password in its composed form: the same keys typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password[: 4 * LONGEST_PASSWORD])


def new_secret() -> str:
    """A new secret of TOTP, in base 32."""
    return pyotp.random_base32()


def address(secret: str, email: str) -> str:
    """The `otpauth://` address that an authenticator reads, usually as a picture."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=email, issuer_name=_ISSUER)


def step_of(secret: str, code: str, now: float) -> int | None:
    """The step whose code this is, the last that fits; None when it is none of the three around `now`."""
    found = None
    totp = pyotp.TOTP(secret, interval=STEP)
    current = int(now) // STEP
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(totp.at(step * STEP).encode(), code.encode()):
            found = step
    return found
