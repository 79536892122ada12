"""Measure and print: `python -m tests.bench [--rounds 5] [--seconds 2] [--keep]`."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

import django

from config import embedded


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench", description="Ratios against bare work, in one run.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is taken (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round (default: 2)")
    parser.add_argument("--merchants", type=int, default=20, help="who receive and are told (default: 20)")
    parser.add_argument("--concurrency", type=int, default=64, help="of the bare loop of POSTs (default: 64)")
    parser.add_argument("--only", choices=("accept", "deliver"), help="measure one half")
    parser.add_argument("--name", default="bench", help="of the embedded database (default: bench)")
    parser.add_argument("--keep", action="store_true", help="keep the database for a look afterwards")
    asked = parser.parse_args()
    with database(asked.name, keep=asked.keep):
        django.setup()
        from tests.bench.run import bench  # models can be imported only now

        bench(asked)


@contextmanager
def database(name: str, *, keep: bool) -> Iterator[None]:
    """Give this process, and those that it starts, a fresh database of their own."""
    embedded.destroy(name)
    os.environ |= {
        "DATABASE_URL": embedded.start(name),
        "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
        "ENVIRONMENT": "development",
        "CALLBACK_ALLOWED_NETWORKS": "127.0.0.0/8",
        # Closed, and never asked: no question is owed while a worker runs.
        "PORTONE_V1_URL": "http://127.0.0.1:9",
    }
    try:
        yield
    finally:
        if not keep:
            embedded.destroy(name)


if __name__ == "__main__":
    main()
