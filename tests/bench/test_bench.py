"""The benchmarks run; how fast anything is, they only print."""

import os
import subprocess
import sys

from tests.bench.world import CHECKOUT

TINY = ("--rounds", "1", "--seconds", "0.3", "--merchants", "2", "--name", "bench-test")


def test_bench_runs_to_its_end_and_prints_its_ratios() -> None:
    """`make bench` measures in one run, checks that nothing was lost or told twice, and prints each ratio."""
    plain = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *TINY], cwd=CHECKOUT, env=plain, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    ratios = [line.split(" = ")[0] for line in done.stdout.splitlines() if " = " in line]
    assert ratios == ["webhooks / bare view", "landings / bare view", "deliveries / bare POSTs"]
