"""The two doors that everything comes through: one round trip to the database, nothing in clear, no cookie."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from django.db import connection
from django.test import Client
from psycopg.pq import Trace

from results.models import Notification
from tenants.encryption import SealBroken
from tenants.models import Duty
from tests.factories import Cast
from tests.outages import cut_connections, database_down

IMP = "imp_448280090638"
BUYER = "김예시"
ROUND_TRIP = re.compile(r"^F\t\d+\t(Query|Sync)\b", re.MULTILINE)
MANAGE = Path(__file__).parent.parent.parent / "manage.py"


@dataclass(slots=True)
class Served:
    """Our web side as it is served: Granian in a process of its own, every line of its log in a file."""

    url: str
    errors: Path

    def log(self) -> str:
        return self.errors.read_text()

    def lines(self, event: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@pytest.fixture(scope="module")
def served(merchants: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One worker with one thread, so that every request of a test meets the same database connection."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = Served(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("served") / "errors")
    command = [sys.executable, MANAGE, "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "1"]
    environment = os.environ | {"DATABASE_URL": database_url(), "PUBLIC_URL": served.url, "LOG_LEVEL": "DEBUG"}
    with served.errors.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors, stdout=errors)
        try:
            wait_for(f"{served.url}/healthz")
            yield served
        finally:
            process.terminate()
            process.wait(timeout=20)


def database_url() -> str:
    known = connection.settings_dict
    login = quote(known["USER"], safe="") + (f":{quote(known['PASSWORD'], safe='')}" if known["PASSWORD"] else "")
    place = f"host={quote(known['HOST'] or '127.0.0.1', safe='')}&port={known['PORT'] or 5432}"
    return f"postgresql://{login}@/{known['NAME']}?{place}"


def wait_for(url: str) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


@contextmanager
def at_the_wire(trace: Path) -> Iterator[Callable[[], int]]:
    """Let libpq write down every message of this thread's connection; yield a count of its round trips."""
    libpq = connection.connection.pgconn
    with trace.open("wb") as file:
        libpq.trace(file.fileno())
        libpq.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            yield lambda: len(ROUND_TRIP.findall(trace.read_text(errors="replace")))
        finally:
            libpq.untrace()


@pytest.mark.parametrize(("door", "status"), [("webhook", 200), ("landing", 303)])
def test_a_warm_arrival_is_one_round_trip(bakery: Cast, door: str, status: int, tmp_path: Path) -> None:
    """A webhook or landing whose merchant is remembered costs the database one statement, and no SET or BEGIN."""
    client, url = Client(), bakery.webhook_url if door == "webhook" else f"{bakery.redirect_url}?imp_uid={IMP}"
    for _ in range(6):  # remembered, and prepared by the server
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == status

    with at_the_wire(tmp_path / "trace") as round_trips:
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == status
        once = round_trips()
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == status
        twice = round_trips()

    assert (once, twice) == (1, 2)
    assert len(bakery.notifications()) == Duty.objects.count() == 8


def test_the_first_arrivals_of_a_warm_route_are_one_round_trip_too(bakery: Cast, tmp_path: Path) -> None:
    """A connection that has not prepared the statement yet runs it in one round trip as well."""
    url, client = bakery.webhook_url, Client()
    assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == 200
    connection.close()
    connection.ensure_connection()

    with at_the_wire(tmp_path / "trace") as round_trips:
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == 200
        counted = round_trips()

    assert counted == 1


def test_what_came_is_kept_sealed(bakery: Cast, florist: Cast) -> None:
    """The row of an arrival holds neither the buyer's name nor the query in clear, and opens in its own place only."""
    said = f"imp_uid={IMP}&merchant_uid=order-1&buyer_name={quote(BUYER)}&custom=abcdefgh"
    httpx.get(f"{bakery.redirect_url}?{said}", trust_env=False)
    body = {"imp_uid": IMP, "merchant_uid": "order-1", "buyer_name": BUYER, "unheard_of": "abcdefgh"}
    httpx.post(bakery.webhook_url, content=json.dumps(body, ensure_ascii=False).encode(), trust_env=False)

    landing, webhook = bakery.notifications()

    for row, words in ((landing, said.encode()), (webhook, BUYER.encode())):
        assert words in open_raw(bakery, row)
        for clear in (BUYER.encode(), quote(BUYER).encode(), b"abcdefgh", b"imp_uid", IMP.encode()):
            assert clear not in row.raw
        assert "abcdefgh" not in json.dumps(row.claim)
        assert BUYER not in json.dumps(row.claim, ensure_ascii=False)
        assert row.raw_expires_at - row.received_at == timedelta(days=30)
        with pytest.raises(SealBroken):
            bakery.route.open_vault().open(row.raw, table="results_notification", field="claim", row=row.id)
        with pytest.raises(Exception, match="sealed with key"):
            open_raw(florist, row)


def open_raw(cast: Cast, row: Notification) -> bytes:
    return cast.route.open_vault().open(row.raw, table="results_notification", field="raw", row=row.id)


def test_no_cookie_is_set_or_read(bakery: Cast, served: Served) -> None:
    """Neither door, nor the page behind one, sets a cookie or answers otherwise because of one."""
    landing = at(served, bakery.redirect_url)
    cookie = {"cookie": "sessionid=stranger; csrftoken=stranger; lang=en"}

    for headers in ({}, cookie):
        first = httpx.get(f"{landing}?imp_uid={IMP}&merchant_uid=order-1", headers=headers, trust_env=False)
        page = httpx.get(first.headers["location"], headers=headers, trust_env=False)
        hook = httpx.post(at(served, bakery.webhook_url), json={"imp_uid": IMP}, headers=headers, trust_env=False)

        assert [answer.status_code for answer in (first, page, hook)] == [303, 200, 200]
        for answer in (first, page, hook):
            assert "set-cookie" not in answer.headers
            assert "cookie" not in answer.headers.get("vary", "").lower()
        assert '<html lang="ko">' in page.text


def test_a_post_from_another_site_is_taken(bakery: Cast, served: Served) -> None:
    """One app loads the landing by POST with the ids in the query: no token is asked for."""
    url = f"{at(served, bakery.redirect_url)}?imp_uid={IMP}&merchant_uid=order-1"

    response = httpx.post(url, headers={"origin": "null", "referer": "https://pg.example/"}, trust_env=False)

    assert response.status_code == 303
    assert [row.imp_uid for row in bakery.notifications()] == [IMP]


def test_a_body_in_chunks_is_read(bakery: Cast, served: Served) -> None:
    """A body that states no length is a body."""
    chunks = iter([b'{"imp_uid": "imp_448280', b'090638", "merchant', b'_uid": "order-1"}'])

    response = httpx.post(at(served, bakery.webhook_url), content=chunks, trust_env=False)

    assert "content-length" not in response.request.headers
    assert response.status_code == 200
    assert [(row.imp_uid, row.merchant_uid) for row in bakery.notifications()] == [(IMP, "order-1")]


def test_a_long_body_in_chunks_is_cut_as_well(bakery: Cast, served: Served) -> None:
    """The cap holds without a stated length."""
    response = httpx.post(at(served, bakery.webhook_url), content=iter([b"x" * 4096] * 64), trust_env=False)

    assert response.status_code == 413


def test_served_threads_survive_a_restart_of_the_database(bakery: Cast, served: Served) -> None:
    """The first webhook after PostgreSQL dropped our connections is taken by the server as it is served."""
    url = at(served, bakery.webhook_url)
    body = {"imp_uid": IMP, "merchant_uid": "order-1"}
    assert httpx.post(url, json=body, trust_env=False).status_code == 200

    cut_connections()

    assert httpx.post(url, json=body, trust_env=False).status_code == 200
    connection.close()
    assert len(bakery.notifications()) == 2


def test_where_it_came_from_is_written_down(bakery: Cast, served: Served) -> None:
    """The address beside us is recorded; a header that anybody can write is not, unless we stand behind a proxy."""
    httpx.post(
        at(served, bakery.webhook_url),
        json={"imp_uid": IMP},
        headers={"x-forwarded-for": "52.78.100.19"},
        trust_env=False,
    )

    assert [row.address for row in bakery.notifications()] == ["127.0.0.1"]


def test_the_log_holds_neither_key_nor_query(bakery: Cast, served: Served) -> None:
    """Whatever happens at the doors, no line of the log, at its most talkative, repeats a key or what was said."""
    webhook, landing = at(served, bakery.webhook_url), at(served, bakery.redirect_url)
    said = f"imp_uid={IMP}&merchant_uid=order-77&error_msg={quote(BUYER)}&buyer_tel=01000000000"

    page = httpx.get(f"{landing}?{said}", trust_env=False).headers["location"]
    httpx.get(f"{page}?lang=en&order-77", trust_env=False)
    httpx.get(f"{page}/status", trust_env=False)
    for url in (webhook, landing):
        httpx.request("DELETE", f"{url}?{said}", trust_env=False)
        httpx.post(f"{url}x?{said}", content=said, trust_env=False)
        httpx.post(f"{url}?{said}", content=b"{" + said.encode(), trust_env=False)
        httpx.post(f"{url}/more?{said}", content=b"x" * 9000, trust_env=False)
        with database_down():
            httpx.post(f"{url}?{said}", content=said, trust_env=False)

    assert len(served.lines("notification_not_recorded")) == 2
    routes = {line["route"] for line in served.lines("request")}
    assert {"webhook/<str:webhook_key>", "m/<str:browser_key>/complete", "r/<str:opaque>"} <= routes
    secrets = [urlsplit(webhook).path.split("/")[2], urlsplit(landing).path.split("/")[2], page.split("/r/")[1]]
    for secret in [*secrets, IMP, "order-77", BUYER, quote(BUYER), "01000000000", "lang=en", "127.0.0.1"]:
        assert secret not in served.log()


def at(served: Served, url: str) -> str:
    """Return the same address on the served side."""
    return served.url + urlsplit(url).path
