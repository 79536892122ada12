"""The curl lines of the guide, from the first to the last, against our web side, a worker, the simulator and a shop."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.models import Replay
from tenants.keys import make_api_key
from tests.factories import Cast
from tests.guide.languages import SNIPPETS

Work = Callable[..., None]
LINES = sorted((SNIPPETS / "curl").glob("*.sh"))


class Shell:
    """A developer's shell in which one snippet is run after the other; what each wrote can be read afterwards."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        parts = [f"exec >{folder}/{file.stem}\n{file.read_text()}" for file in LINES]
        command = ["bash", "-euo", "pipefail", "-c", "\n".join(parts)]
        self.folder = folder
        self.process = subprocess.Popen(command, env=os.environ | environ, stderr=subprocess.PIPE, text=True)
        self.said = ""
        self.waiting = threading.Thread(target=self.wait, daemon=True)
        self.waiting.start()

    def wait(self) -> None:
        self.said = self.process.communicate(timeout=60)[1]

    def has_ended(self) -> bool:
        return not self.waiting.is_alive()

    def wrote(self, name: str) -> str:
        return (self.folder / name).read_text()


def test_the_quick_start_works(
    bakery: Cast, run_worker: Work, do_jobs: Callable[[], None], settings: Any, tmp_path: Path
) -> None:
    """An order is made, paid in the simulator, told to the shop, read as an event, and told once more."""
    bakery.portone.set_account(bakery.imp_key, user_code="imp00001042")
    _row, key = make_api_key(bakery.merchant, bakery.mode, name="guide", actor="tests", at=datetime.now(UTC))
    environ = {
        "PAYWITNESS": bakery.web,
        "PAYWITNESS_KEY": key,
        "SIMULATOR": settings.PORTONE_V1_URL,
        "USER_CODE": "imp00001042",
        "REDIRECT_URL": bakery.redirect_url,
        "SHOP": bakery.return_url.removesuffix("/orders/complete"),
        "NO_PROXY": "*",
    }
    shell = Shell(tmp_path, environ)

    run_worker(until=lambda: shell.has_ended() or bool(bakery.rows(Replay)))
    do_jobs()
    run_worker(until=shell.has_ended)

    assert (shell.process.returncode, shell.said) == (0, "")
    assert json.loads(shell.wrote("1-key"))["object"] == "api_key"
    order = json.loads(shell.wrote("2-order"))
    assert (order["object"], order["status"]) == ("order", "registered")
    assert shell.wrote("3-pay").startswith(f"303 {bakery.web}/r/")
    [first] = json.loads(shell.wrote("4-callback"))
    event = json.loads(shell.wrote("5-event"))
    assert (event["type"], event["data"]["order"]["id"]) == ("payment.paid", order["id"])
    assert (first["body"], first["verified"]) == (shell.wrote("5-event"), True)
    assert '"replay_plan"' in shell.wrote("6-replay")
    again = bakery.shop.received(order=order["id"])[-1]
    assert (again.headers["x-paywitness-replay"], again.body.decode()) == ("true", first["body"])


def test_the_lines_hold_no_secret() -> None:
    """Keys and addresses come from the environment, so that nobody copies a key into a file."""
    text = "".join(file.read_text() for file in LINES)

    assert "pwk_" not in text
    assert "http" not in text.replace("%{http_code}", "")
