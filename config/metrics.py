"""What is counted for an operator, in Prometheus's terms, and where it is read.

Nothing here names a merchant, an order or an address: every label has few values, all of them known beforehand.
A count is kept in memory and costs about a microsecond. The web side's processes count into files of a folder that
is theirs alone, which their parent adds up at the scrape.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.env import Fault

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for it
FOLDER_PREFIX: Final = "paywitness-metrics-"
CALL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)  # seconds; every deadline is 15

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which no rate needs
REGISTRY: Final = CollectorRegistry()

NOTIFICATIONS: Final = Counter(
    "paywitness_notifications",
    "Arrivals by kind (landing, webhook) and outcome: accepted (a question is owed), unreadable (kept, names nothing), "
    "closed (the route key opens no more), failed (the database did not take it).",
    ["kind", "outcome"],
    registry=REGISTRY,
)
VERIFICATIONS: Final = Counter(
    "paywitness_verifications",
    "Questions about payments by how they were put (single, batch, find_all, list) and PortOne's answer to them.",
    ["question", "answer"],
    registry=REGISTRY,
)
EVENTS: Final = Counter("paywitness_events_published", "Events published by type.", ["type"], registry=REGISTRY)
DELIVERED: Final = Counter(
    "paywitness_deliveries_delivered", "Deliveries that an endpoint took.", ["trigger"], registry=REGISTRY
)
ATTEMPTS: Final = Counter(
    "paywitness_attempts",
    "Requests made to endpoints by verdict (delivered, retry, gone, given_up) and coarse error; none: it answered.",
    ["verdict", "error"],
    registry=REGISTRY,
)
ATTEMPT_SECONDS: Final = Histogram(
    "paywitness_attempt_duration_seconds",
    "How long requests to endpoints took, name look-up to the answer's end.",
    ["verdict"],
    buckets=CALL_BUCKETS,
    registry=REGISTRY,
)
UNRECORDED: Final = Counter(
    "paywitness_attempts_unrecorded",
    "Attempts that the database did not take at the first try; they are written again.",
    registry=REGISTRY,
)
FAULTS: Final = Counter(
    "paywitness_outbound_faults",
    "Requests to endpoints that we could not place ourselves (no files or memory left, our proxy is down).",
    registry=REGISTRY,
)
PORTONE_CALLS: Final = Counter(
    "paywitness_portone_calls",
    "HTTP requests to PortOne by operation and answer: a status class, a status of meaning, or silent.",
    ["operation", "answer"],
    registry=REGISTRY,
)
PORTONE_SECONDS: Final = Histogram(
    "paywitness_portone_call_duration_seconds",
    "How long HTTP requests to PortOne took.",
    ["operation"],
    buckets=CALL_BUCKETS,
    registry=REGISTRY,
)
TAKEN: Final = Counter("paywitness_duties_taken", "Duties taken by kind.", ["kind"], registry=REGISTRY)
IN_FLIGHT: Final = Gauge(
    "paywitness_work_in_flight",
    "Work of this worker under way: deliveries, rounds (of questions), sweeps.",
    ["work"],
    registry=REGISTRY,
)
FORGOTTEN: Final = Counter(
    "paywitness_rows_forgotten", "Rows removed or emptied because their time was over.", ["what"], registry=REGISTRY
)

VERDICTS: Final = {"Delivered": "delivered", "RetryAt": "retry", "EndpointGone": "gone", "GivenUp": "given_up"}
STATUSES_OF_MEANING: Final = frozenset({400, 401, 404, 409, 429})


def note_attempt(verdict: str, error: str | None, milliseconds: int, trigger: str = "schedule") -> None:
    """Count one request to an endpoint; `verdict` is the name of its type."""
    named = VERDICTS.get(verdict, "other")
    ATTEMPTS.labels(named, error or "none").inc()
    ATTEMPT_SECONDS.labels(named).observe(milliseconds / 1000)
    if named == "delivered":
        DELIVERED.labels(trigger).inc()


@contextmanager
def portone_call(operation: str) -> Iterator[list[int]]:
    """Count and time one request to PortOne; append its status to what this gives. Without one it was silent."""
    status: list[int] = []
    started = perf_counter()
    try:
        yield status
    finally:
        PORTONE_CALLS.labels(operation, answer_of(status)).inc()
        PORTONE_SECONDS.labels(operation).observe(perf_counter() - started)


def answer_of(status: Sequence[int]) -> str:
    if not status:
        return "silent"
    [number] = status
    return str(number) if number in STATUSES_OF_MEANING else f"{min(number, 599) // 100}xx"


def note_forgotten(counts: Mapping[str, int]) -> None:
    """Count rows whose time was over, by what they are."""
    for what, count in counts.items():
        FORGOTTEN.labels(what).inc(count)


def count_each(counter: Counter, values: Iterable[str]) -> None:
    """Count each value under itself; the values are those of an enumeration."""
    for value in values:
        counter.labels(value).inc()


class _AtScrape(Collector):
    """What is not counted but looked up when somebody asks. Each part is whoever knows it (results/gauges.py)."""

    def __init__(self) -> None:
        self.readers: list[Callable[[], Iterable[Metric]]] = []

    def collect(self) -> Iterator[Metric]:
        for reader in self.readers:
            yield from reader()


AT_SCRAPE: Final = _AtScrape()


def serve_worker(bind: tuple[str, int] | None) -> None:
    """Serve /metrics of a worker, which is one process, until it ends; nothing without an address. Raises Fault."""
    if bind is None:
        return
    _listen(bind, REGISTRY)
    ProcessCollector(registry=REGISTRY)
    REGISTRY.register(AT_SCRAPE)


@contextmanager
def serve_web(bind: tuple[str, int] | None) -> Iterator[None]:
    """Serve /metrics of the web side from the parent of its processes, which must begin inside, and not by a fork.

    A process that died leaves its counts behind, as it should: what was counted, happened. Raises Fault.
    """
    if bind is None:
        yield
        return
    registry, folder = CollectorRegistry(), make_folder()
    try:
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
        registry.register(AT_SCRAPE)
        _listen(bind, registry)
        os.environ[FOLDER_VARIABLE] = str(folder)
        yield
    finally:
        os.environ.pop(FOLDER_VARIABLE, None)
        shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> Path:
    """Return a new folder that only we may read, and remove those of web sides that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*"):
        owner = left.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))


def _listen(bind: tuple[str, int], registry: CollectorRegistry) -> None:
    host, port = bind
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).partition(" (")[0]
        raise Fault(f"{host}:{port}: {reason}; stop what listens there, or choose another") from error
