"""The settings of accounts: a key that is one, nobody's demonstration in production, delays within a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.proofs import Door
from sons_tracker.settings import DEMONSTRATION_KEY, Settings

SANDBOX = {"HOME": "/nonexistent", "SONS_INSTANCE": "sandbox"}
REAL = {"HOME": "/nonexistent", "SONS_INSTANCE": "real"}


def test_a_sandbox_has_a_key_that_a_real_instance_does_not() -> None:
    assert Settings.from_env(SANDBOX).account_key == DEMONSTRATION_KEY
    real = Settings.from_env(REAL)
    assert real.account_key is None
    with pytest.raises(SonsError) as caught:
        Door.of(real)
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_the_key_is_never_shown() -> None:
    key = Fernet.generate_key().decode()
    settings = Settings.from_env({**SANDBOX, "SONS_ACCOUNT_KEY": key})
    assert key not in repr(settings)
    assert key not in repr(Door.of(settings))


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({**REAL, "SONS_ACCOUNT_KEY": DEMONSTRATION_KEY}, "SONS_ACCOUNT_KEY"),
        ({**SANDBOX, "SONS_ACCOUNT_KEY": "court"}, "SONS_ACCOUNT_KEY"),
        ({**SANDBOX, "SONS_ACCOUNT_KEY": f"{DEMONSTRATION_KEY},"}, "SONS_ACCOUNT_KEY"),
        ({**SANDBOX, "SONS_SESSION_IDLE_MINUTES": "0"}, "SONS_SESSION_IDLE_MINUTES"),
        ({**SANDBOX, "SONS_SESSION_IDLE_MINUTES": "²"}, "SONS_SESSION_IDLE_MINUTES"),
        ({**SANDBOX, "SONS_SESSION_MINUTES": "1441"}, "SONS_SESSION_MINUTES"),
    ],
)
def test_what_is_wrong_is_named_and_the_value_is_not_repeated(environ: dict[str, str], name: str) -> None:
    with pytest.raises(SonsError) as caught:
        Settings.from_env(environ)
    assert name in {fault.where for fault in caught.value.faults}
    assert environ[name] not in caught.value.detail or len(environ[name]) < 5


def test_a_new_key_opens_what_the_old_one_sealed() -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    sealed = Door.of(Settings.from_env({**SANDBOX, "SONS_ACCOUNT_KEY": old})).seal("SECRET")
    rotated = Door.of(Settings.from_env({**SANDBOX, "SONS_ACCOUNT_KEY": f"{new},{old}"}))
    assert rotated.unseal(sealed) == "SECRET"
    with pytest.raises(SonsError):
        Door.of(Settings.from_env({**SANDBOX, "SONS_ACCOUNT_KEY": new})).unseal(sealed)


def test_delays_are_minutes() -> None:
    settings = Settings.from_env({**SANDBOX, "SONS_SESSION_IDLE_MINUTES": "5", "SONS_SESSION_MINUTES": "60"})
    assert (settings.session_idle, settings.session_life) == (timedelta(minutes=5), timedelta(hours=1))
