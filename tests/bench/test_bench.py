"""The benchmarks run; how fast anything is, they only print."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.world import CHECKOUT

FIGURES = [
    ("webhooks", "bare view"),
    ("landings", "bare view"),
    ("pgbench's arrivals", None),
    ("confirmations", "bare SELECT"),
    ("deliveries", "bare POSTs"),
    ("whole way", "bare GET and POST"),
    ("p50 to callback", "p50 of round trips"),
    ("p99 to callback", "p99 of round trips"),
    ("calls a payment, full load", None),
    ("calls a payment, a tenth", None),
    ("two workers", "one worker"),
    ("lock waits", None),
    ("p99 beside a flood", "p99 alone"),
    ("p99 beside a hang", "p99 alone"),
    ("drain of the backlog", "steady deliveries"),
    ("memory of a web process", None),
    ("memory of a worker", None),
    ("webhooks, with 6 merchants", "webhooks, with 2 merchants"),
    ("landings, with 6 merchants", "landings, with 2 merchants"),
    ("whole way, with 6 merchants", "whole way, with 2 merchants"),
    ("webhooks, all of 6 busy", "webhooks, with 2 merchants"),
    ("landings, all of 6 busy", "landings, with 2 merchants"),
    ("one by one, from 2", "migrate 6 merchants"),
    ("creating a merchant", None),
    ("first merchant of a process", None),
    ("webhooks, with 600 events", "webhooks, with no rows"),
    ("landings, with 600 events", "landings, with no rows"),
    ("whole way, with 600 events", "whole way, with no rows"),
    ("p95 of home, at 600 events", "p95 of home, empty"),
    ("p95 of payments, at 600 events", "p95 of payments, empty"),
    ("p95 of home, at 600 events", "p95 of home, at 100 payments"),
    ("p95 of payments, at 600 events", "p95 of payments, at 100 payments"),
    ("queries of home", None),
    ("queries of payments", None),
]


def run_bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "tests.bench", "--name", "bench-test", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=plain, capture_output=True, text=True)


def test_bench_runs_to_its_end_and_prints_its_figures(tmp_path: Path) -> None:
    """`make bench` measures in one run, loses nothing, tells nothing twice, and shows each figure in a table."""
    saved = tmp_path / "figures.json"

    done = run_bench("--quick", "--save", str(saved))

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(saved.read_text())["figures"]
    assert [(figure["figure"], figure["against"]) for figure in figures] == FIGURES
    table = done.stdout.partition("all figures\n")[2].splitlines()[1:]
    assert [line.split("  ")[0] for line in table] == [name for name, _ in FIGURES]


def test_a_group_that_fails_holds_up_no_other() -> None:
    """Of two groups one fails, which is said; the other is measured all the same, and the exit code is 1."""
    done = run_bench("--quick", "--schemas", "0", "--only", "merchants", "confirm")

    assert done.returncode == 1
    assert "merchants: FAILED" in done.stdout
    assert "confirmations" in done.stdout.partition("all figures")[2]
