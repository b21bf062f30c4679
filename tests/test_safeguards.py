"""The environment sets what protects the service; what production must not have keeps it from starting."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import IdentityProvider
from sons_tracker.safeguards import Rate, Retention, refused_in_production
from sons_tracker.settings import DEMONSTRATION_KEY, Settings

STRONG = "Zq8vX2mN7rT4wY9kB3cF6hJ1pL5sD0gA"
REAL = {
    "SONS_INSTANCE": "real",
    "DATABASE_URL": f"postgresql://sons_owner:{STRONG}@db.sante.fr/sons",
    "SONS_SMTP_URL": f"smtps://sons:{STRONG}@mail.sante.fr",
    "SONS_MAIL_FROM": "sons@sante.fr",
    "SONS_OIDC": "psc",
    "SONS_OIDC_PSC_PRESET": "pro-sante-connect",
    "SONS_OIDC_PSC_CLIENT_ID": "sons-tracker",
    "SONS_OIDC_PSC_ISSUER": "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet",
    "SONS_OIDC_PSC_CLIENT_SECRET": STRONG,
    "SONS_TOTP_KEY": STRONG,
    "SONS_PUBLIC_URL": "https://sons.sante.fr",
}

# Each secret of the settings: a value of its variable that no real instance may have.
WEAK = {
    "database_url": ("DATABASE_URL", "postgresql://sons:changeme@db.sante.fr/sons"),
    "database_app_url": ("DATABASE_APP_URL", "postgresql://sons_app:secret@db.sante.fr/sons"),
    "smtp_url": ("SONS_SMTP_URL", "smtps://sons:password@mail.sante.fr"),
    "account_key": ("SONS_ACCOUNT_KEY", f"{STRONG}AbCdEfGhIjK=,{'A' * 43}="),
    "timestamp_url": ("SONS_TIMESTAMP_URL", "https://sons:secret@horodatage.sante.fr"),
    "client_secret": ("SONS_OIDC_PSC_CLIENT_SECRET", "demo"),
}

REFUSED = [
    ("DATABASE_URL", "postgresql://postgres:postgres@db.sante.fr/sons", "démonstration"),
    ("DATABASE_URL", "postgresql://sons:Change%2DMe@db.sante.fr/sons", "démonstration"),
    ("DATABASE_APP_URL", "postgresql://sons_app:sons_app@db.sante.fr/sons", "démonstration"),
    ("SONS_SMTP_URL", "smtps://sons:secret@mail.sante.fr", "démonstration"),
    ("SONS_SMTP_URL", f"smtps://sons:{STRONG}@mail.example.org", "adresse d'exemple"),
    ("SONS_MAIL_FROM", "sons@example.org", "adresse d'exemple"),
    ("SONS_OIDC_PSC_CLIENT_SECRET", "changeme-changeme-changeme-changeme", "démonstration"),
    ("SONS_OIDC_PSC_CLIENT_SECRET", "Demonstration", "démonstration"),
    ("SONS_TOTP_KEY", "court", "trop simple"),
    ("SONS_TOTP_KEY", "ab" * 32, "trop simple"),
    ("SONS_ADMIN_PASSWORD", "azertyuiop", "démonstration"),
    ("SONS_ADMIN_PASSWORD", "Un3Phrase", "trop court"),
    ("SONS_WEBHOOK_SECRET", "whsec_example", "démonstration"),
    ("SONS_PUBLIC_URL", "http://sons.sante.fr", "https://"),
    ("SONS_PUBLIC_URL", "https://localhost:8000", "machine elle-même"),
    ("SONS_OIDC_PSC_ISSUER", "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet", "bac à sable"),
    ("SONS_OIDC_PSC_ISSUER", "https://idp.example.com", "exemple"),
    ("SONS_RATE_ACCOUNT", "0", "limite"),
    ("SONS_RATE_ADDRESS", "0", "limite"),
    ("SONS_LOG_LEVEL", "debug", "mise au point"),
    ("SONS_WEBHOOKS_LOOPBACK", "1", "démonstration"),
]


def test_a_real_instance_that_is_well_set_starts() -> None:
    settings = Settings.from_env(REAL)
    assert settings.instance == "real"
    assert settings.safeguards.rate_account == Rate(600, 60)
    assert settings.safeguards.rate_address == Rate(120, 60)
    assert settings.safeguards.retention == Retention(
        idempotency=timedelta(days=30),
        tokens=timedelta(days=365),
        sessions=timedelta(days=90),
        invitations=timedelta(days=90),
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://horodatage.sante.fr/tsa", None),  # its answers are signed
        ("https://horodatage.sante.fr/tsa", None),
        (f"http://sons:{STRONG}@horodatage.sante.fr/tsa", "https://"),
        ("http://horodatage.example.org/tsa", "exemple"),
    ],
)
def test_an_authority_may_answer_in_clear_but_hears_no_secret(
    tmp_path: Path, url: str, said: str | None
) -> None:
    roots = tmp_path / "racines.pem"
    roots.write_text("")
    asked = {**REAL, "SONS_TIMESTAMP_URL": url, "SONS_TIMESTAMP_ROOTS": str(roots)}
    if said is None:
        assert Settings.from_env(asked).timestamp_url == url
        return
    with pytest.raises(SonsError) as caught:
        Settings.from_env(asked)
    assert [said in fault.message for fault in caught.value.faults] == [True]


@pytest.mark.parametrize(("name", "value", "said"), REFUSED)
def test_production_does_not_start_with_what_a_demonstration_has(name: str, value: str, said: str) -> None:
    with pytest.raises(SonsError) as caught:
        Settings.from_env(REAL | {name: value})
    assert caught.value.code is ErrorCode.INVALID_SETTING
    [fault] = caught.value.faults
    assert fault.where == name
    assert said in fault.message
    assert fault.message.endswith(".")
    if "://" not in value and len(value) > 4:
        assert value not in caught.value.detail


def test_every_secret_of_the_settings_is_held_to_be_one() -> None:
    """A secret that is added tomorrow fails here until a weak value of it keeps production from starting."""
    hidden = {
        one.name for kind in (Settings, IdentityProvider) for one in dataclasses.fields(kind) if not one.repr
    }
    assert hidden == set(WEAK)
    for name, value in WEAK.values():
        faults = refused_in_production({name: value})
        assert [fault.where for fault in faults] == [name], name
        assert value not in faults[0].message


def test_the_keys_of_demonstrations_serve_no_real_instance() -> None:
    for key in (DEMONSTRATION_KEY, f"{STRONG}AbCdEfGhIjK=,{DEMONSTRATION_KEY}"):
        with pytest.raises(SonsError, match="SONS_ACCOUNT_KEY"):
            Settings.from_env(REAL | {"SONS_ACCOUNT_KEY": key})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wrong = {name: value for name, value, _ in REFUSED}
    with pytest.raises(SonsError) as caught:
        Settings.from_env(REAL | wrong)
    assert {fault.where for fault in caught.value.faults} == set(wrong)


@pytest.mark.parametrize(("name", "value", "said"), REFUSED)
def test_a_sandbox_starts_with_them(name: str, value: str, said: str) -> None:
    given = {**REAL, name: value, "SONS_INSTANCE": "sandbox"}
    assert Settings.from_env(given).instance == "sandbox"


def test_the_secrets_that_a_log_must_mask_are_known() -> None:
    settings = Settings.from_env(
        REAL | {"DATABASE_URL": "postgresql://owner:p%40ss%2Fword-9@db.sante.fr/sons"}
    )
    assert {"p@ss/word-9", STRONG} <= set(settings.secrets)
    assert "db.sante.fr" not in settings.secrets
    newer, older = f"{STRONG}AbCdEfGhIjK=", f"{STRONG}KjIhGfEdCbA="
    ring = Settings.from_env(REAL | {"SONS_ACCOUNT_KEY": f"{newer},{older}"})
    assert {newer, older} <= set(ring.secrets)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SONS_LOG_LEVEL", "verbose"),
        ("SONS_LOG_FORMAT", "xml"),
        ("SONS_RATE_ACCOUNT", "600"),
        ("SONS_RATE_ACCOUNT", "600/0"),
        ("SONS_RATE_ADDRESS", "-1/60"),
        ("SONS_RATE_ADDRESS", "9999999/60"),
        ("SONS_PROXIES", "10.0.0.0/8, nginx"),
        ("SONS_KEEP_TOKENS_DAYS", "0"),
        ("SONS_KEEP_TOKENS_DAYS", "99999"),
        ("SONS_KEEP_IDEMPOTENCY_DAYS", "trente"),
    ],
)
def test_a_safeguard_that_cannot_be_read_is_said(name: str, value: str) -> None:
    with pytest.raises(SonsError) as caught:
        Settings.from_env({name: value})
    assert [fault.where for fault in caught.value.faults] == [name]


def test_a_sandbox_has_the_limits_that_it_is_given() -> None:
    assert Settings.from_env({}).safeguards.rate_account is None
    asked = Settings.from_env({"SONS_RATE_ACCOUNT": "5/1", "SONS_PROXIES": "10.0.0.0/8, ::1"}).safeguards
    assert asked.rate_account == Rate(5, 1)
    assert asked.rate_address is None
    assert asked.proxies == ("10.0.0.0/8", "::1")
