"""Real processes to be killed: web and workers as `manage.py` starts them, on a PostgreSQL server of their own.

PortOne and the shops run in the test's process, so they outlive every kill and remember what they saw.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg

from config import embedded
from deploy.demo.simulator import Simulator
from deploy.demo.simulator import running as running_simulator

CHECKOUT = Path(__file__).resolve().parents[2]


def wait_until(true: Callable[[], object], *, seconds: float = 60, what: str = "") -> None:
    """Wait for the world outside; raise TimeoutError when it does not come about."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what or 'what was waited for'} did not come about within {seconds} s")
        time.sleep(0.02)


@dataclass(slots=True)
class Process:
    """One command of `manage.py` that runs until it is stopped or killed, in a session of its own."""

    running: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines about one kind of event."""
        return [line for line in self._logged() if line.get("event") == event]

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Return its log lines about what went wrong."""
        return [line for line in self._logged() if line.get("level") in ("error", "critical")]

    def _logged(self) -> Iterator[dict[str, Any]]:
        """Yield its log lines; the last may be half written, when it is killed or still at it."""
        whole = (line for line in self.said.splitlines() if line.startswith("{") and line.endswith("}"))
        return (json.loads(line) for line in whole)

    def wait_for_line(self, event: str, *, seconds: float = 60) -> None:
        def said_it() -> bool:
            if self.running.poll() is not None:
                raise RuntimeError(f"the process ended before it said {event}:\n{self.said}")
            return bool(self.lines(event))

        wait_until(said_it, seconds=seconds, what=event)

    def kill(self) -> None:
        """Kill the process and its children as a power cut would."""
        self._signal_all(signal.SIGKILL)
        self.running.wait(10)

    def fall_asleep(self) -> None:
        """Freeze it, as a suspended machine does."""
        self._signal_all(signal.SIGSTOP)

    def wake_up(self) -> None:
        self._signal_all(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process alone, as a supervisor does."""
        self.running.send_signal(signal.SIGTERM)

    def wait_for_end(self, *, seconds: float = 20) -> int:
        """Return its exit code; raise TimeoutExpired when it takes longer than a stop may take."""
        return self.running.wait(seconds)

    @property
    def has_left_nothing(self) -> bool:
        """True when no child of it lives on."""
        return not self._signal_all(0)

    @property
    def children(self) -> list[int]:
        """Return the ids of the processes that it began."""
        pid = self.running.pid
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _signal_all(self, number: int) -> bool:
        try:
            os.killpg(self.running.pid, number)
        except ProcessLookupError:
            return False
        return True


@dataclass(slots=True)
class Installation:
    """Paywitness with a database of its own, as processes that come and go."""

    cluster: str
    database_url: str
    portone: Simulator
    folder: Path
    environment: dict[str, str] = field(repr=False)
    processes: list[Process] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def web_url(self) -> str:
        return self.environment["PUBLIC_URL"]

    def command(self, *arguments: str) -> str:
        """Run a command to its end; return what it printed on standard output."""
        asked = [sys.executable, "manage.py", *arguments]
        ended = subprocess.run(asked, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def call(self, name: str, *values: object) -> str:
        """Call a function of `tests/faults/inside.py` in a process of this installation; return what it printed."""
        return self.command("shell", "-v0", "-c", f"from tests.faults.inside import {name}; {name}(*{values!r})")

    def start_web(self) -> Process:
        bind = self.web_url.removeprefix("http://")
        web = self.start("serve", "--bind", bind, "--workers", "1", "--threads", "4")
        wait_until(lambda: self.is_ready(), seconds=60, what="a ready web process")
        return web

    def start_worker(self) -> Process:
        worker = self.start("worker")
        worker.wait_for_line("worker_started")
        return worker

    def start(self, *arguments: str) -> Process:
        """Start a command of `manage.py` without waiting for it to be of use."""
        log = self.folder / f"{next(self.numbers):03}-{arguments[0]}.log"
        with log.open("wb") as out:
            running = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = Process(running, log)
        self.processes.append(process)
        return process

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.web_url}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill_everything(self) -> None:
        while self.processes:
            self.processes.pop().kill()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    @contextmanager
    def holding(self, statement: str, *values: Any) -> Iterator[None]:
        """Hold the locks that a statement takes: whoever needs them stands still at exactly that step."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(statement.encode(), values)
            yield
            connection.rollback()

    def wait_until_stuck(self, count: int) -> None:
        """Wait until so many statements stand before held locks."""
        stuck = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_until(lambda: self.query(stuck)[0][0] >= count, what=f"{count} statements before a lock")

    def lose_statements(self, about: str) -> None:
        """End statements that stand before a lock, as if their process had died before it could send them."""
        stuck = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, %s) > 0"
        assert self.query(f"SELECT pg_terminate_backend(pid) FROM ({stuck}) AS stuck", about)

    def crash_database(self) -> None:
        embedded.stop(self.cluster, mode="immediate")

    def start_database(self) -> None:
        embedded.start(self.cluster)

    @property
    def duties(self) -> int:
        """How much is owed at this moment, in all; the sweeps are owed for ever."""
        return int(self.query("SELECT count(*) FROM tenants_duty WHERE kind <> 'sweep'")[0][0])


@contextmanager
def installed(folder: Path, **settings: str) -> Iterator[Installation]:
    """Make an installation without any process, with settings of its own; at the end nothing of it is left."""
    name, portone = f"faults-{secrets.token_hex(4)}", Simulator()
    with ExitStack() as stack:
        stack.callback(embedded.destroy, name)
        database_url = embedded.start(name)
        portone_url = stack.enter_context(running_simulator(portone))
        environment = environment_of(database_url, portone_url) | settings
        installation = Installation(name, database_url, portone, folder, environment)
        stack.callback(installation.kill_everything)
        installation.command("migrate")
        yield installation


def environment_of(database_url: str, portone_url: str) -> dict[str, str]:
    """Return what the processes see: nothing of ours but the paths, so that a test's settings cannot leak."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "ENVIRONMENT": "development",
        "DATABASE_URL": database_url,
        "PORTONE_V1_URL": portone_url,
        "PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        "CALLBACK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "CLAIM_DELAY": "200ms",
        "LOG_LEVEL": "INFO",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
