"""Let the whole storm rage and print what came of it: `python -m tests.faults [--seed 7]`. Exits 1 on any fault."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.storm import weather
from tests.faults.storm_stage import Plan
from tests.faults.storm_table import shortcomings, table

ENOUGH_KILLS, ENOUGH_RESTARTS = 20, 5


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults", description="Payments through a storm of faults.")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what is random is drawn from it")
    parser.add_argument("--seconds", type=float, default=330, help="of bad weather (default: 330)")
    parser.add_argument("--orders", type=int, default=600, help="in them (default: 600)")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    asked = parser.parse_args()
    plan = Plan(
        seed=asked.seed,
        orders=asked.orders,
        seconds=asked.seconds,
        kills=24,
        restarts=6,
        outages=12,
        spells=18,
        longest=14,
        spared=3,
        patience=420,
    )
    sys.stdout.write(f"a storm of {plan.seconds:.0f} s, seed {plan.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        if asked.logs:
            asked.logs.mkdir(parents=True, exist_ok=True)
        storm, judgement = weather(plan, asked.logs or Path(folder))
        sys.stdout.write(table(storm, judgement))
    faults = shortcomings(storm, judgement, kills=ENOUGH_KILLS, restarts=ENOUGH_RESTARTS)
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
