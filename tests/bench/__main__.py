"""Measure and print: `python -m tests.bench [--rounds 5] [--seconds 2] [--keep]`."""

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django

from config import embedded

PACKAGES = ("Django", "granian", "psycopg", "httpx", "aiohttp", "httpx-aiohttp")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is taken (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round (default: 2)")
    parser.add_argument("--merchants", type=int, default=20)
    parser.add_argument("--concurrency", type=int, default=64, help="of the bare loop of POSTs (default: 64)")
    parser.add_argument("--only", choices=("accept", "deliver"))
    parser.add_argument("--name", default="bench", help="of the embedded database (default: bench)")
    parser.add_argument("--keep", action="store_true", help="keep the database for a look afterwards")
    asked = parser.parse_args()
    with database(asked.name, keep=asked.keep):
        bench(asked)


@contextmanager
def database(name: str, *, keep: bool) -> Iterator[None]:
    """Give this process and those it starts a database of their own, taken away afterwards."""
    from tests.bench.world import environment

    if not keep:
        embedded.destroy(name)
    try:
        yield
    finally:
        if not keep:
            embedded.destroy(name)


if __name__ == "__main__":
    main()
