"""What an operator reads of real processes: the counts of web and worker are those of what happened."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, Process, free_port, wait_until

pytestmark = pytest.mark.xdist_group("faults")

PAYMENTS = 24
Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]
# Every label there is, and how many values it may have at the most.
LABELS = {"kind": 9, "outcome": 4, "question": 4, "answer": 13, "type": 40, "verdict": 5, "error": 8, "trigger": 3}
LABELS |= {"operation": 7, "work": 3, "group": 6, "when": 2, "part": 2, "state": 3, "le": 12, "what": 12}


def scrape(bind: str) -> Metrics:
    answer = httpx.get(f"http://{bind}/metrics", trust_env=False, timeout=20)
    assert answer.status_code == 200
    samples = (sample for family in text_string_to_metric_families(answer.text) for sample in family.samples)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def count(metrics: Metrics, name: str, **labels: str) -> float:
    """Return the sum over every sample of the name that has these labels."""
    return sum(value for (known, has), value in metrics.items() if known == name and labels.items() <= set(has))


def start(installation: Installation, monkeypatch: Any, *arguments: str) -> tuple[Process, str]:
    bind = f"127.0.0.1:{free_port()}"
    monkeypatch.setitem(installation.environment, "METRICS_BIND", bind)
    return installation.start(*arguments), bind


@pytest.fixture
def both(quiet: Installation, monkeypatch: Any) -> tuple[Process, str, Process, str]:
    """A web side of two processes and a worker, each with its metrics."""
    where = quiet.web_url.removeprefix("http://")
    web, web_bind = start(quiet, monkeypatch, "serve", "--bind", where, "--workers", "2", "--threads", "2")
    worker, worker_bind = start(quiet, monkeypatch, "worker")
    worker.wait_for_line("worker_started")
    wait_until(quiet.is_ready, what="a ready web process")
    return web, web_bind, worker, worker_bind


def pay(merchant: Merchant, orders: list[str]) -> None:
    def one(order: str) -> int:
        return merchant.is_called_about(merchant.is_paid(order), order)

    with ThreadPoolExecutor(8) as all_at_once:
        assert list(all_at_once.map(one, orders)) == [200] * len(orders)
    merchant.shop.wait_until(lambda: all(map(merchant.told, orders)), timeout=30)


def folders(web: Process) -> list[Path]:
    return list(Path("/tmp").glob(f"paywitness-metrics-{web.running.pid}-*"))


def test_counts_are_what_happened(both: Any, bakery: Merchant, quiet: Installation) -> None:
    """Accepted, verified, published, delivered: web and worker count each payment once, whichever process had it."""
    web, web_bind, worker, worker_bind = both

    pay(bakery, [f"metrics-{number}" for number in range(PAYMENTS)])
    wait_until(lambda: count(scrape(worker_bind), "paywitness_deliveries_delivered_total") == PAYMENTS)

    seen, done = scrape(web_bind), scrape(worker_bind)
    accepted = count(seen, "paywitness_notifications_total", kind="webhook", outcome="accepted")
    assert accepted == count(seen, "paywitness_notifications_total") == PAYMENTS
    assert count(done, "paywitness_events_published_total", type="payment.paid") == PAYMENTS
    assert count(done, "paywitness_attempts_total", verdict="delivered", error="none") == PAYMENTS
    assert count(done, "paywitness_attempt_duration_seconds_count") == PAYMENTS
    assert count(done, "paywitness_verifications_total", answer="found") >= PAYMENTS
    assert count(done, "paywitness_duties_taken_total", kind="deliver") == PAYMENTS
    assert count(done, "paywitness_portone_calls_total", answer="2xx") >= 1
    assert count(done, "paywitness_portone_calls_total") == count(
        done, "paywitness_portone_call_duration_seconds_count"
    )
    assert count(done, "paywitness_oldest_undelivered_seconds") == 0
    for metrics in (seen, done):
        assert count(metrics, "paywitness_gauges_read") == 2
        assert count(metrics, "paywitness_queue_lag_seconds") < 20
    assert not worker.faults
    assert not web.faults

    # Both processes counted, and what one that dies has counted stays.
    [folder] = folders(web)
    assert len({path.stem.rpartition("_")[2] for path in folder.glob("counter_*.db")}) == 2
    assert folder.stat().st_mode & 0o077 == 0
    pids = sorted(int(path.stem.rpartition("_")[2]) for path in folder.glob("counter_*.db"))
    os.kill(pids[0], signal.SIGKILL)
    assert count(scrape(web_bind), "paywitness_notifications_total") == PAYMENTS
    pay(bakery, ["metrics-after"])
    assert count(scrape(web_bind), "paywitness_notifications_total") == PAYMENTS + 1

    web.ask_to_stop()
    web.wait_for_end()
    assert folders(web) == []


def test_parent_that_is_killed_leaves_nothing(quiet: Installation, monkeypatch: Any) -> None:
    """When the web side's parent alone is killed its processes end, and the next web side removes its folder."""
    where = quiet.web_url.removeprefix("http://")
    killed, _ = start(quiet, monkeypatch, "serve", "--bind", where, "--workers", "2")
    wait_until(quiet.is_ready, what="a ready web process")
    assert len(folders(killed)) == 1

    os.kill(killed.running.pid, signal.SIGKILL)
    killed.wait_for_end()
    wait_until(lambda: killed.has_left_nothing, seconds=20, what="the end of its processes")
    _, bind = start(quiet, monkeypatch, "serve", "--bind", where, "--workers", "1")
    wait_until(quiet.is_ready, what="a ready web process")

    assert folders(killed) == []
    assert count(scrape(bind), "paywitness_gauges_read") == 2


def test_labels_are_few_and_name_nobody(both: Any, bakery: Merchant, quiet: Installation) -> None:
    """No label holds a merchant, an order, a payment, an endpoint or an address; each has few values."""
    _, web_bind, _, worker_bind = both
    pay(bakery, ["labels-1"])
    wait_until(lambda: count(scrape(worker_bind), "paywitness_deliveries_delivered_total") == 1)

    values: dict[str, set[str]] = {}
    for _, labels in [*scrape(web_bind), *scrape(worker_bind)]:
        for name, value in labels:
            values.setdefault(name, set()).add(value)

    assert values.keys() <= LABELS.keys()
    assert all(len(values[name]) <= LABELS[name] for name in values)
    words = {value for some in values.values() for value in some}
    assert not any(len(word) > 32 or "http" in word or "labels-1" in word for word in words)


def test_wide_lines_say_everything_and_nothing_secret(
    both: Any, bakery: Merchant, quiet: Installation, capsys: Any
) -> None:
    """An attempt and a verification leave one line each, with all that is asked for at night and no secret."""
    _, _, worker, _ = both

    pay(bakery, ["wide-1"])
    wait_until(lambda: worker.lines("attempt"), what="the line")

    [attempt], [verification] = worker.lines("attempt"), worker.lines("verification")
    assert attempt.keys() >= {
        *("merchant", "mode", "event_id", "type", "delivery", "endpoint", "number", "step", "trigger", "status"),
        *("error", "ms", "age_ms", "verdict", "retry_at", "detail", "timestamp"),
    }
    assert (attempt["verdict"], attempt["status"], attempt["number"]) == ("Delivered", 200, 1)
    assert verification.keys() >= {
        *(
            "merchant",
            "mode",
            "question",
            "imp_uid",
            "order",
            "answer",
            "found",
            "reasons",
            "tries",
            "waited_ms",
            "cause",
            "ms",
        ),
        "detail",
    }
    assert attempt["merchant"] == verification["merchant"]
    for secret in ("whsec_", "/callback", "buyer", "http://", "imp_secret", "Bearer"):
        assert not any(secret in str(line) for line in (attempt, verification))
