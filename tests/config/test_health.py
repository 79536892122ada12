"""/healthz says that the process lives, /readyz that it is of use."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tenants.fields import new_id
from tenants.models import Duty, Merchant


@pytest.fixture
def lost_database(database: Any) -> Iterator[None]:
    """A database that nobody reaches any more."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        closed = {"HOST": "127.0.0.1", "PORT": str(listener.getsockname()[1])}
    place = {name: connection.settings_dict[name] for name in closed}
    connection.close()
    connection.settings_dict |= closed
    yield
    connection.close()
    connection.settings_dict |= place


def owe(merchant: Merchant, *, late: timedelta) -> None:
    Duty.objects.create(
        kind="verify",
        merchant=merchant.id,
        mode="live",
        lane=merchant.id,
        reference=new_id(),
        due_at=datetime.now(UTC) - late,
    )


def test_healthz_asks_no_database(database: Any, django_assert_num_queries: Callable[[int], Any]) -> None:
    """A process that answers is alive; no query is made to find out."""
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_healthz_answers_without_a_database(lost_database: None) -> None:
    """A lost database does not have the process killed."""
    assert Client().get("/healthz").status_code == 200


def test_readyz_is_content_when_work_flows(database: dict[str, Merchant]) -> None:
    """With database, migrations and a queue that is not late, the process is ready."""
    owe(database["bakery"], late=timedelta(seconds=20))

    answer = Client().get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "faults": [], "warnings": []})


def test_readyz_counts_no_duty_of_later(database: dict[str, Merchant]) -> None:
    """What is due in an hour is not late."""
    owe(database["bakery"], late=-timedelta(hours=1))

    assert Client().get("/readyz").status_code == 200


def test_readyz_tells_of_a_late_queue(database: dict[str, Merchant]) -> None:
    """A late queue is a warning with its mend: the web side still accepts, and must not be taken away for it."""
    owe(database["bakery"], late=timedelta(minutes=5))
    owe(database["bakery"], late=timedelta(0))

    answer = Client().get("/readyz")

    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]
    assert "The oldest duty waits 300 s" in warning
    assert "manage.py worker" in warning


def test_readyz_tells_of_a_lost_database(lost_database: None) -> None:
    """Without a database the answer is 503, names DATABASE_URL and shows nothing of its value."""
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    [fault] = answer.json()["faults"]
    assert "The database does not answer" in fault
    assert "DATABASE_URL" in fault
    assert "127.0.0.1" not in fault


def test_readyz_recovers_by_itself(database: Any) -> None:
    """A connection that was cut is made anew; the process need not be restarted."""
    assert Client().get("/readyz").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (own,) = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
    other.close()

    answers = [Client().get("/readyz").status_code for _ in range(2)]

    assert answers[-1] == 200
