"""A short storm of everything at once; `make faults` lets a long one rage."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.storm import weather
from tests.faults.storm_stage import Plan
from tests.faults.storm_table import shortcomings

pytestmark = pytest.mark.xdist_group("faults")

SEED = 20261121


def test_a_short_storm_loses_nothing(tmp_path: Path, note: Callable[[str], None]) -> None:
    """Two kills of each process and a restart of the database, PortOne and shops at their worst: all is told right."""
    seed = int(os.environ.get("FAULTS_SEED") or SEED)
    print(f"FAULTS_SEED={seed}")  # noqa: T201  to repeat a failure with
    plan = Plan(
        seed=seed,
        orders=40,
        seconds=10,
        kills=2,
        restarts=1,
        outages=2,
        spells=4,
        longest=3,
        spared=1,
        patience=90,
        merchants=("bakery", "florist"),
    )

    storm, judgement = weather(plan, tmp_path)

    note(
        f"storm: {judgement.events} events told through {storm.web.kills} kills of the web side,"
        f" {sum(worker.kills for worker in storm.workers)} of a worker and {storm.restarts} database restart,"
        f" settled {storm.settled_after:.0f} s later"
    )
    assert shortcomings(storm, judgement, kills=2, restarts=1) == []
