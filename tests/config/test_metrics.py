"""What is counted, and what stands in the way of reading it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from config import metrics
from config.env import Fault


@pytest.fixture
def taken() -> Iterator[tuple[str, int]]:
    """An address at which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def test_metrics_are_off_by_default(settings: Any) -> None:
    """Without METRICS_BIND nothing listens and no folder is made."""
    assert settings.METRICS_BIND is None

    metrics.serve_worker(None)
    with metrics.serve_web(None):
        assert metrics.FOLDER_VARIABLE not in os.environ


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_bind_in_use_is_said_at_the_start(settings: Any, taken: tuple[str, int], command: str) -> None:
    """A METRICS_BIND that somebody else has ends the command at once, with the address and the mend."""
    settings.METRICS_BIND = taken
    options = {"bind": "127.0.0.1:0"} if command == "serve" else {}
    if command == "serve":
        with socket.create_server(("127.0.0.1", 0)) as free:
            options["bind"] = f"127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(CommandError, match=rf"METRICS_BIND 127.0.0.1:{taken[1]}: Address already in use; stop"):
        call_command(command, **options)


def test_folder_of_a_killed_web_side_is_removed() -> None:
    """Only the folders of processes that are gone are removed, and ours is nobody else's to read."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Path(tempfile.mkdtemp(prefix=f"{metrics.FOLDER_PREFIX}{gone.pid}-"))
    living = Path(tempfile.mkdtemp(prefix=f"{metrics.FOLDER_PREFIX}{os.getppid()}-"))

    ours = metrics.make_folder()

    assert not left.exists()
    assert living.exists()
    assert ours.stat().st_mode & 0o077 == 0
    for folder in (living, ours):
        folder.rmdir()


@pytest.mark.parametrize(
    ("status", "answer"),
    [([], "silent"), ([200], "2xx"), ([404], "404"), ([418], "4xx"), ([503], "5xx"), ([999], "5xx")],
)
def test_answers_have_few_names(status: list[int], answer: str) -> None:
    """Whatever PortOne answers, the label is a class or one of the statuses that mean something."""
    assert metrics.answer_of(status) == answer


def test_what_is_forgotten_is_counted() -> None:
    """Rows whose time was over are counted by what they are."""
    count = partial(metrics.REGISTRY.get_sample_value, "paywitness_rows_forgotten_total", {"what": "attempts"})
    before = count() or 0

    metrics.note_forgotten({"attempts": 3, "answers": 0})

    assert count() == before + 3


def test_web_side_serves_from_its_parent(database: Any) -> None:
    """The parent answers a scrape while it serves, and names the folder to the processes that begin inside."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = free.getsockname()

    with metrics.serve_web(bind):
        folder = Path(os.environ[metrics.FOLDER_VARIABLE])
        assert folder.is_dir()
        assert httpx.get(f"http://{bind[0]}:{bind[1]}/metrics", trust_env=False).status_code == 200

    assert not folder.exists()
    with pytest.raises(Fault):
        _serve_twice()


def _serve_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, metrics.serve_web(server.getsockname()):
        raise AssertionError("two servers at one address")


COUNTING = """
import os, sys, tempfile, timeit
if sys.argv[1] == "files": os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp()
from config import metrics
count = lambda: metrics.NOTIFICATIONS.labels("webhook", "accepted").inc()
print(min(timeit.repeat(count, number=20_000, repeat=3)) / 20_000 * 1e6)
"""


@pytest.mark.parametrize("where", ["memory", "files"])
def test_counting_an_arrival_costs_microseconds(where: str, note: Callable[[str], None]) -> None:
    """What an arrival pays for being counted is a thousandth of what writing it down costs."""
    ran = subprocess.run([sys.executable, "-c", COUNTING, where], capture_output=True, text=True, check=True)
    microseconds = float(ran.stdout)

    note(f"counting an arrival in {where}: {microseconds:.1f} microseconds")
    assert microseconds < 50
