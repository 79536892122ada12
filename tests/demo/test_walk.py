"""The demo: one command walks payments to a shop, and it is not satisfied with anything wrong."""

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config import embedded
from deploy.demo.expectation import Expected, find_faults, find_faults_at_the_end
from deploy.demo.forgeries import edited
from deploy.demo.place import choose_port
from deploy.demo.proof import Text, find_leaks, prove
from deploy.demo.stage import Row, Scene
from deploy.demo.table import line, note
from deploy.demo.tales import TALES
from deploy.demo.walk import exit_code, wanted_of

CHECKOUT = Path(__file__).resolve().parents[2]
PAID = Expected(type="payment.paid", status="paid", total=64900, captured=64900)
CLAIMED = Expected(type="payment.abandoned", status="failed", verification="claimed")
BUYER = "데모구매자?+/"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A database of the test's own; the demo gets its address."""
    name = f"walk-{secrets.token_hex(4)}"
    embedded.start(name)
    yield name
    embedded.destroy(name)


def run_demo(cluster: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command once; what takes more than 180 s is ended and fails the test."""
    environ = os.environ | {"COLUMNS": "200", "DATABASE_URL": embedded.find_cluster(cluster).url}
    command = [sys.executable, "-m", "deploy.demo", "--once", *options]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as demo:
        try:
            printed, complaints = demo.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            demo.terminate()
            raise
    return subprocess.CompletedProcess(command, demo.returncode, printed, complaints)


def processes_of(cluster: str) -> list[int]:
    """Return the processes that were given this cluster's database."""
    told = f"DATABASE_URL={embedded.find_cluster(cluster).url}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        found += [int(folder.name)] if told in environ.split(b"\0") else []
    return found


def test_every_story_ends_in_a_verified_callback(cluster: str) -> None:
    """`python -m deploy.demo --once` walks all stories, proves that nothing leaked, and exits 0."""
    demo = run_demo(cluster)

    rows = re.findall(r"^ ?(\d+)  .* (?:verified|right) +(?:\d+|-)$", demo.stdout, re.MULTILINE)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert rows == [str(tale.number) for tale in TALES]
    assert re.search(r"no secret in logs or database .* ok$", demo.stdout, re.MULTILINE)
    assert re.search(
        r"^Dashboard: http://127.0.0.1:\d+/dashboard/  sign in as \S+  [0-9a-f]{12}$", demo.stdout, re.MULTILINE
    )
    assert processes_of(cluster) == []


def test_a_process_that_cannot_serve_ends_the_demo(cluster: str) -> None:
    """When a process dies, the demo names it, shows the end of its log, ends the others and exits 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = run_demo(cluster, "--shop", str(taken.getsockname()[1]))

    assert demo.returncode == 1
    assert "shop ended by itself" in demo.stderr
    assert "address already in use" in demo.stderr
    assert processes_of(cluster) == []


def test_a_usual_port_that_is_taken_is_left_alone() -> None:
    """The demo listens on a usual port if it is free; where somebody listens already, it takes another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        elsewhere = choose_port(None, usual=usual)

    assert elsewhere != usual
    assert choose_port(None, usual=usual) == usual


def heard(**changes: Any) -> dict[str, Any]:
    """Return a callback as the shop writes it down; a change is named by its path in the event."""
    amount = {"currency": "KRW", "exponent": 0, "total": 64900, "captured": 64900, "cancelled": 0, "balance": 64900}
    payment = {"status": "paid", "money_moved": True, "amount": amount, "verification": {"result": "matched"}}
    event: dict[str, Any] = {
        "id": "evt_1",
        "type": "payment.paid",
        "livemode": True,
        "sequence": 1,
        "cause": "webhook",
        "late": False,
        "supersedes": None,
        "data": {"order": {"id": "order-1"}, "payment": payment},
    }
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = event
        for parent in parents:
            place = place[parent]
        place[name] = value
    at = datetime.now(UTC).isoformat()
    return {
        "at": at,
        "webhook_id": "evt_1",
        "order": "order-1",
        "type": event["type"],
        "verified": True,
        "refusal": "",
        "event": event,
    }


def test_a_right_callback_has_no_fault() -> None:
    """A callback that says what the story calls for is right."""
    assert find_faults(heard(), PAID, order="order-1") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "payment.failed"},
        {"id": "evt_2"},
        {"livemode": False},
        {"sequence": 2},
        {"late": True},
        {"supersedes": "evt_0"},
        {"data__order__id": "order-2"},
        {"data__payment__status": "review"},
        {"data__payment__money_moved": False},
        {"data__payment__verification__result": "not_checked"},
        {"data__payment__amount__total": 64901},
        {"data__payment__amount__captured": 0},
        {"data__payment__amount__balance": 0},
        {"data__payment__amount__currency": "USD"},
        {"data__payment__amount": None},
        {"data": {}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_callback_is_named(wrong: dict[str, Any]) -> None:
    """Whatever a callback says wrongly is a fault."""
    assert find_faults(heard(**wrong), PAID, order="order-1") != []


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (None, PAID),
        (heard() | {"verified": False, "refusal": "WebhookVerificationError"}, PAID),
        (heard(), replace(PAID, causes=("virtual_account_deposit",))),
        (heard(), replace(PAID, causes=("landing", "reconciliation"))),
        (heard(), replace(PAID, late=True)),
        (heard(), replace(PAID, currency="JPY")),
        (heard(), replace(PAID, supersedes=1)),
        (heard(supersedes="evt_0"), replace(PAID, supersedes=2)),
        (heard(), CLAIMED),
    ],
)
def test_a_callback_that_proves_nothing_is_a_fault(item: dict[str, Any] | None, expected: Expected) -> None:
    """Nothing heard, no signature, another cause, currency or correction, and money in a claim are faults."""
    assert find_faults(item, expected, order="order-1") != []


def test_a_correction_names_what_it_corrects() -> None:
    """A late approval is right when it supersedes the event that was told before, and with no other."""
    expected = replace(PAID, late=True, supersedes=1)
    late = heard(late=True, supersedes="evt_0")

    assert find_faults(late, expected, order="order-1", told={1: "evt_0", 2: "evt_1"}) == []
    assert find_faults(late, expected, order="order-1", told={1: "evt_9", 2: "evt_1"}) != []


def test_an_order_of_which_nothing_may_be_told() -> None:
    """Whatever is told of an order that nobody paid is a fault, and so are goods sent for it."""
    wanted: dict[str, list[str]] = {"order-1": []}

    assert find_faults_at_the_end([], wanted, []) == []
    assert find_faults_at_the_end([heard()], wanted, []) != []
    assert find_faults_at_the_end([], wanted, ["order-1"]) != []


def test_the_whole_walk_knows_every_order_of_a_story() -> None:
    """Stories that go on with an order add to its news; an order that a story touches counts, too."""
    tales = {tale.number: tale for tale in TALES}
    borrowed = Scene("order-15", others={"order-15-other": ("payment.paid",)})
    rows = [Row(tales[12], Scene("order-12"), None), Row(tales[13], Scene("order-12"), None)]

    assert wanted_of([*rows, Row(tales[15], borrowed, None)]) == {
        "order-12": ["payment.review.amount_mismatch", "payment.cancelled"],
        "order-15": [],
        "order-15-other": ["payment.paid"],
    }


def test_only_paid_orders_may_get_goods() -> None:
    """No story under review, expired, borrowed or from a test channel has `payment.paid` among its news."""
    unpaid = {tale.number for tale in TALES if "payment.paid" not in tale.news and tale.follows is None}

    assert unpaid == {5, 7, 8, 9, 12, 14, 15, 16, 19}


def test_a_customer_edits_the_window() -> None:
    """A value of the window's address is replaced or added; the others stay as the shop wrote them."""
    url = "http://pay.example/pay?amount=64900&custom_data=%7B%22a%22%3A%201%7D"

    assert edited(url, amount="100") == "http://pay.example/pay?amount=100&custom_data=%7B%22a%22%3A+1%7D"
    assert edited(url, currency="JPY").endswith("&currency=JPY")


@pytest.mark.parametrize("columns", [40, 80, 162, 163, 200])
def test_the_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """No line is longer than the terminal is wide, and every story says what was told, from 40 columns on."""
    monkeypatch.setenv("COLUMNS", str(columns))
    scene = Scene("order-1", arrived_at=datetime.now(UTC) - timedelta(seconds=1))
    longest = heard(type="payment.review.livemode_mismatch", data__payment__verification__result="mismatched")

    told = [line(Row(tale, scene, longest)) for tale in TALES]

    assert max(len(text) for lines in [*told, note("word " * 40)] for text in lines.splitlines()) <= columns
    assert all("payment.review.livemode_mismatch" in lines and "verified" in lines for lines in told)


def test_silence_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story in which nothing may be told is marked right, and says that nothing was told."""
    monkeypatch.setenv("COLUMNS", "200")
    silent = next(tale for tale in TALES if tale.expected is None)

    assert re.search(r"nothing +- +- +- +right +-$", line(Row(silent, Scene("order-1"), None)))
    assert "WRONG" in line(Row(silent, Scene("order-1"), None, ["the shop was told payment.paid"]))


@pytest.mark.parametrize(
    ("received", "fulfilled"),
    [
        ([], []),
        ([heard()], []),
        ([heard(), heard(id="evt_2", sequence=2) | {"webhook_id": "evt_2"}], ["order-1"]),
        ([heard(sequence=2)], ["order-1"]),
        ([heard() | {"verified": False}], ["order-1"]),
    ],
)
def test_the_whole_walk_is_compared(received: list[dict[str, Any]], fulfilled: list[str]) -> None:
    """News that is missing, told twice or misnumbered, and goods that were not sent, are faults."""
    wanted = {"order-1": ["payment.paid"]}

    assert find_faults_at_the_end([heard()], wanted, ["order-1", "somebody-elses"]) == []
    assert find_faults_at_the_end(received, wanted, fulfilled) != []


def test_a_wrong_story_is_marked_and_fails_the_demo() -> None:
    """A story with a fault is marked WRONG with its reason, and the exit code is 1."""
    scene = Scene("order-1", arrived_at=datetime.now(UTC) - timedelta(seconds=1))
    right, wrong = Row(TALES[0], scene, heard()), Row(TALES[0], scene, heard(), ["the amount differs"])

    assert "verified" in line(right)
    assert "WRONG" in line(wrong)
    assert "the amount differs" in line(wrong)
    assert [exit_code([right], []), exit_code([right, wrong], []), exit_code([right], ["told twice"])] == [0, 1, 1]


@pytest.mark.parametrize(
    "content",
    [
        BUYER.encode(),
        json.dumps({"buyer": BUYER}).encode(),
        json.dumps({"buyer": BUYER}).replace("\\", "\\\\").encode(),
        b"\\\\x" + f"...{BUYER}...".encode().hex().upper().encode(),
        b"buyer_name=%eb%8d%b0%eb%aa%a8%ea%b5%ac%eb%a7%a4%ec%9e%90%3f%2b%2f",
        base64.b64encode(f"{BUYER}.".encode()),
        base64.b64encode(f"1{BUYER}.".encode()),
        base64.urlsafe_b64encode(f"12{BUYER}.".encode()),
    ],
)
def test_a_leak_is_found_in_any_spelling(content: bytes) -> None:
    """A name is found in plain text, JSON, hex, a URL and base64, and is not repeated."""
    leaks = find_leaks([Text("web.log", b"x" + content + b"y")], {"the buyer's name": BUYER})

    assert leaks == ["the buyer's name stands in web.log"]


def test_a_search_that_sees_nothing_proves_nothing(cluster: str, tmp_path: Path) -> None:
    """The proof fails when it does not find a word that must be there, and finds what a table holds as bytes."""
    url = embedded.find_cluster(cluster).url
    with embedded.psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT %s::bytea AS body", [f'{{"name": "{BUYER}"}}'.encode()])

    proof = prove([], url, {"the buyer's name": BUYER}, seen=["order-that-never-was"])

    assert "the buyer's name stands in public.kept" in proof.faults
    assert "the search is blind: it does not find order-that-never-was" in proof.faults
