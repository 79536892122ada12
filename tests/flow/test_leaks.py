"""T15: whoever gets hold of our database or our logs holds no secret of any merchant."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql

from results.core.ids import encode
from results.models import Attempt, Endpoint
from tests.factories import Cast
from tests.faults.processes import Process, wait_until
from tests.results.test_commands import ROOT, database_url

IMP_SECRET = "imp-secret-that-can-give-money-back"
GATEWAY = "Bearer password-of-the-shops-own-gateway"
PATH = "path-that-stands-in-for-a-password"


@pytest.fixture
def environment(bakery: Cast, portone: object) -> dict[str, str]:
    """Our own processes on this test's database, saying all that they ever say."""
    places = {"DATABASE_URL": database_url(), "PORTONE_V1_URL": settings.PORTONE_V1_URL, "PUBLIC_URL": bakery.web}
    return os.environ | places | {"LOG_LEVEL": "DEBUG"}


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        command = [sys.executable, "manage.py", "worker"]
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    worker = Process(running, log)
    yield worker
    worker.kill()


@pytest.fixture
def manage(bakery: Cast, environment: dict[str, str]) -> Callable[..., tuple[str, str]]:
    """Run a command about the bakery; what it printed, and what it logged."""

    def run(name: str, *options: str) -> tuple[str, str]:
        place = [f"--merchant={encode('mer', bakery.merchant.id)}", f"--mode={bakery.mode}"]
        action, *more = [*name.split(), *place, *options]
        done = subprocess.run(
            [sys.executable, "manage.py", action, *more], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def test_t15_database_and_logs_hold_no_secret(
    bakery: Cast, worker: Process, manage: Callable[..., tuple[str, str]]
) -> None:
    """After keys, endpoints, headers, a rotation, pings, a payment and a failure, no row and no line shows a secret."""
    first = encode("end", bakery.rows(Endpoint)[0].id)
    bakery.portone.set_account(bakery.imp_key, imp_secret=IMP_SECRET)

    done = [
        manage("connect", f"--imp-key={bakery.imp_key}", f"--imp-secret={IMP_SECRET}"),
        manage("endpoint change", f"--endpoint={first}", f"--header=Authorization: {GATEWAY}"),
        manage("endpoint rotate", f"--endpoint={first}", "--overlap=1h"),
        manage("endpoint add", "--url=http://127.0.0.1:1/callback"),
        manage("endpoint ping", f"--endpoint={first}", "--wait"),
        manage("endpoint list"),
    ]
    pays(bakery, "order-1")
    wait_until(lambda: bakery.told("order-1") == ["payment.paid"] and len(bakery.rows(Attempt)) > 2, seconds=30)

    printed = [word for out, _ in done for word in out.split() if word.startswith("whsec_")]
    keys = [str(getattr(bakery.keys, field.name)) for field in fields(bakery.keys)]
    token = bakery.portone.tokens._by_account[bakery.imp_key].value
    ring = settings.SEALING_KEYS.partition(":")[2]
    secrets = [*printed, *bakery.shop.settings.signing_secrets, *keys, IMP_SECRET, GATEWAY, token, ring]
    kept, logged = every_row(bakery), worker.said + "".join(errors for _, errors in done)
    assert len(printed) == 2
    assert worker.lines("attempt")
    assert found(["bakery", '"object":"event"'], kept) == ["bakery", '"object":"event"']  # so would a secret be
    assert found(secrets, kept) == found(secrets, logged) == []


def test_t15_the_path_of_a_callback_stands_in_its_endpoint_only(
    bakery: Cast, worker: Process, manage: Callable[..., tuple[str, str]]
) -> None:
    """A shop may let a long path stand in for a password, so it is told and logged nowhere."""
    endpoint = bakery.rows(Endpoint)[0]
    url, id_ = endpoint.url, encode("end", endpoint.id)

    _, logged = manage("endpoint change", f"--endpoint={id_}", f"--url=http://127.0.0.1:1/{PATH}")
    pays(bakery, "order-1")
    wait_until(lambda: len(bakery.rows(Attempt)) > 0, seconds=30)
    _, more = manage("endpoint change", f"--endpoint={id_}", f"--url={url}")

    assert found([PATH], every_row(bakery) + worker.said + logged + more) == []
    assert [line["error"] for line in worker.lines("attempt")][:1] == ["refused"]


def pays(cast: Cast, order: str) -> None:
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)


def every_row(cast: Cast) -> str:
    """Return every row of all that we keep about everybody and about this merchant, bytes in hexadecimal."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema IN ('public', %s)",
            [cast.merchant.schema_name],
        )
        dumped = ""
        for table in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT row::text FROM {} AS row").format(sql.Identifier(*table)))
            dumped += "\n".join(text for (text,) in cursor.fetchall())
    return dumped


def found(secrets: list[str], text: str) -> list[str]:
    """Return which secrets stand in a text: as they are, without their prefix, decoded or encoded."""
    return [secret for secret in secrets if any(form in text for form in forms(secret))]


def forms(secret: str) -> list[str]:
    plain, key = secret.encode(), secret.removeprefix("whsec_")
    decoded = [base64.b64decode(key).hex()] if key != secret else []
    return [key, plain.hex(), key.encode().hex(), base64.b64encode(plain).decode(), *decoded]
