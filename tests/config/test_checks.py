"""What production refuses at start: each fault with the name of its setting and a hint."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.checks import check_key_ring, check_production

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = (
    "ENVIRONMENT",
    "DATABASE_URL",
    "SECRET_KEY",
    "SEALING_KEYS",
    "PUBLIC_URL",
    "RESULT_URL",
    "PORTONE_V1_URL",
    "DEBUG",
)
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://paywitness@127.0.0.1:1/paywitness",
    "SECRET_KEY": "of-tests-" * 6,
    "SEALING_KEYS": "k1:" + "A" * 43 + "=",
    "PUBLIC_URL": "https://pay.example.com",
}


def manage(command: str, **changes: str | None) -> "subprocess.CompletedProcess[str]":
    """Run manage.py in production, with settings changed or (None) left out. No database is asked."""
    unset = {*OURS, *(f"{name}_FILE" for name in OURS), "CALLBACK_ALLOWED_NETWORKS"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    set_here = {name: value for name, value in (PRODUCTION | changes).items() if value is not None}
    return subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env=inherited | set_here,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_production_starts_with_everything_set() -> None:
    """With its settings in order nothing is refused."""
    done = manage("check")

    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def refusal() -> str:
    """What is said when nothing is set but what only development may have; not even ENVIRONMENT is."""
    http = dict.fromkeys(("PUBLIC_URL", "RESULT_URL", "PORTONE_V1_URL"), "http://127.0.0.1:8100")
    open_ = {"CALLBACK_ALLOWED_NETWORKS": "127.0.0.0/8", "DEBUG": "1"}
    done = manage("check", **(dict.fromkeys(PRODUCTION) | http | open_))
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("says", "hint"),
    [
        ("DATABASE_URL is missing.", "postgresql://"),
        ("SECRET_KEY is missing.", "50 random characters"),
        ("SEALING_KEYS is missing.", "id:base64 of 32 random bytes"),
        ("CALLBACK_ALLOWED_NETWORKS opens inner networks.", "unset it"),
        ("PUBLIC_URL is not https.", "https://"),
        ("RESULT_URL is not https.", "https://"),
        ("PORTONE_V1_URL is not https.", "leave it unset"),
        ("DEBUG is on.", "unset it"),
    ],
)
def test_production_refuses_what_is_for_development(refusal: str, says: str, hint: str) -> None:
    """Unless told otherwise this is production: what is missing, generated or open is named, with a hint."""
    [line] = [line for line in refusal.splitlines() if says in line]
    following = refusal.partition(line)[2].strip().splitlines()[0]

    assert following.startswith("HINT: ")
    assert hint in following


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_no_process_starts_when_production_is_refused(command: str) -> None:
    """The web side and the worker end with the error before they do anything."""
    done = manage(command, SEALING_KEYS=None)

    assert done.returncode != 0
    assert "SEALING_KEYS is missing." in done.stderr


def test_an_odd_value_is_refused_with_its_name_before_anything_else() -> None:
    """A value that cannot be read stops the start with its name and a hint."""
    done = manage("check", CLAIM_DELAY="soon")

    assert done.returncode != 0
    assert "CLAIM_DELAY='soon' is not a duration" in done.stderr


def test_sweeps_without_a_pause_are_refused() -> None:
    """An interval of nothing would ask PortOne without end."""
    done = manage("check", SWEEP_INTERVAL="0")

    assert done.returncode != 0
    assert "SWEEP_INTERVAL='0' is shorter than 1s" in done.stderr


def test_a_refusal_shows_no_key() -> None:
    """A ring that cannot be read is refused by the id of its key, without the key."""
    done = manage("check", SEALING_KEYS="k1:bm90LWEtc2VjcmV0")

    assert done.returncode != 0
    assert "SEALING_KEYS: key 'k1' of the ring has 12 bytes, not 32." in done.stderr
    assert "bm90LWEtc2VjcmV0" not in done.stderr + done.stdout


def test_development_may_generate_and_open(settings: Any) -> None:
    """In development an embedded database, generated keys and an open network are fine."""
    settings.DEVELOPMENT = True
    settings.EMBEDDED_DATABASE = settings.GENERATED_SEALING_KEYS = True

    assert check_production() == []
    assert check_key_ring() == []
