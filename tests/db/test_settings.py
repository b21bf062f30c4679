"""The environment is read once; what is wrong is said at once; secrets stay out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.settings import Settings, resource

URL = "postgresql://owner:s3cret@db.example.org/sons"


def test_nothing_given_is_a_sandbox_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    settings = Settings.from_env({"HOME": "/nonexistent/ada"})
    assert (settings.host, settings.port, settings.instance) == ("127.0.0.1", 8000, "sandbox")
    assert settings.home == Path("/nonexistent/ada/.local/share/sons_tracker")
    assert settings.database_url is None
    assert Settings.from_env({"XDG_DATA_HOME": "/data"}).home == Path("/data/sons_tracker")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert Settings.from_env({"HOME": "/nonexistent"}).home == Path("/var/lib/sons_tracker")


@pytest.mark.parametrize(
    ("environ", "instance"),
    [
        ({}, "sandbox"),
        ({"SONS_HOST": "::1"}, "sandbox"),
        ({"SONS_HOST": "0.0.0.0"}, "real"),
        ({"DATABASE_URL": URL}, "real"),
        ({"DATABASE_URL": URL, "SONS_INSTANCE": "sandbox"}, "sandbox"),
        ({"SONS_INSTANCE": "real"}, "real"),
    ],
)
def test_only_what_runs_on_ones_own_machine_is_a_sandbox_unasked(
    environ: dict[str, str], instance: str
) -> None:
    assert Settings.from_env(environ).instance == instance


def test_passwords_never_show() -> None:
    settings = Settings.from_env({"DATABASE_URL": URL, "DATABASE_APP_URL": URL})
    assert settings.database_url == URL
    assert "s3cret" not in repr(settings)


def test_empty_means_absent() -> None:
    assert Settings.from_env({"DATABASE_URL": " ", "SONS_PORT": "", "SONS_PG_BIN": ""}).port == 8000


def test_every_wrong_variable_is_said_at_once() -> None:
    environ = {
        "DATABASE_URL": "mysql://root:s3cret@db",
        "DATABASE_APP_URL": "sqlite://",
        "SONS_PORT": "65536",
        "SONS_INSTANCE": "test",
    }
    with pytest.raises(SonsError) as caught:
        Settings.from_env(environ)
    assert caught.value.code is ErrorCode.INVALID_SETTING
    assert {fault.where for fault in caught.value.faults} == set(environ)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SonsError, match="à côté de DATABASE_URL"):
        Settings.from_env({"DATABASE_APP_URL": URL})


@pytest.mark.parametrize("port", ["0", "-1", "huit", "8000.0", "1" * 400, "٣٠٠٠"])
def test_a_port_is_a_number_from_1_to_65535(port: str) -> None:
    with pytest.raises(SonsError, match="1 à 65535"):
        Settings.from_env({"SONS_PORT": port})


MAIL = {"SONS_SMTP_URL": "smtp://compte:s3cret@mail.example.org:587", "SONS_MAIL_FROM": "sons@example.org"}


def test_a_mail_server_comes_with_its_sender_and_hides_its_password() -> None:
    settings = Settings.from_env(MAIL)
    assert settings.smtp_url == MAIL["SONS_SMTP_URL"]
    assert "s3cret" not in repr(settings)
    assert Settings.from_env({}).smtp_url is None
    for name in MAIL:
        with pytest.raises(SonsError, match="se donnent ensemble"):
            Settings.from_env({key: value for key, value in MAIL.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SONS_SMTP_URL", "http://mail.example.org"),
        ("SONS_SMTP_URL", "smtp://"),
        ("SONS_SMTP_URL", "smtp://mail.example.org:port"),
        ("SONS_MAIL_FROM", "sons"),
        ("SONS_MAIL_FROM", "a@b, c@d"),
        ("SONS_MAIL_FROM", "a@b.fr\nBcc: c@d.fr"),
        ("SONS_WEBHOOKS_LOOPBACK", "oui"),
    ],
)
def test_a_wrong_way_out_is_said(name: str, value: str) -> None:
    with pytest.raises(SonsError) as caught:
        Settings.from_env(MAIL | {name: value})
    assert [fault.where for fault in caught.value.faults] == [name]


def test_only_a_sandbox_may_send_webhooks_to_its_own_machine() -> None:
    given = {"SONS_WEBHOOKS_LOOPBACK": "1"}
    assert Settings.from_env(given).webhooks_on_loopback
    assert not Settings.from_env({}).webhooks_on_loopback
    with pytest.raises(SonsError, match="SONS_WEBHOOKS_LOOPBACK"):
        Settings.from_env(given | {"SONS_INSTANCE": "real"})


def test_resources_stand_in_the_checkout_or_in_the_wheel() -> None:
    assert (resource("migrations") / "m0001_foundation.py").is_file()
