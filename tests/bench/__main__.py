"""Measure and print: `python -m tests.bench [--quick] [--only GROUP ...] [--save FILE]`."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django

from config import embedded
from config.logging import configure_logging
from tests.bench.groups import GROUPS

QUICK = {"rounds": 1, "seconds": 0.1, "views": 5, "hang": 3, "merchants": 2, "quiet": 4, "payments": 20, "pace": 40.0}
QUICK |= {"flood": 5_000, "waiting": 1_000, "schemas": 6, "events": 600}


def main() -> int:
    asked = parse()
    with database(asked.name, keep=asked.keep):
        django.setup()
        configure_logging("WARNING")  # of this process alone: web and worker log as they do
        from tests.bench.run import bench  # models can be imported only now

        return bench(asked)


def parse() -> argparse.Namespace:
    epilog = "\n".join(f"  {name:<11}{what}" for name, what in GROUPS.items())
    parser = argparse.ArgumentParser(
        "python -m tests.bench",
        description="Ratios against bare work, in one run.",
        epilog=f"groups:\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", help="measure these groups")
    parser.add_argument("--quick", action="store_true", help="all of it, tiny: that it runs, not how fast")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is taken (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round (default: 2)")
    parser.add_argument("--merchants", type=int, default=20, help="who receive and are told (default: 20)")
    parser.add_argument("--quiet", type=int, default=200, help="who are paid now and then (default: 200)")
    parser.add_argument("--payments", type=int, default=200, help="of a round at a steady pace (default: 200)")
    parser.add_argument("--pace", type=float, help="payments a second then (default: a tenth of what is borne)")
    parser.add_argument("--flood", type=int, default=50_000, help="deliveries of a neighbour (default: 50,000)")
    parser.add_argument("--hang", type=int, default=13, help="seconds that an endpoint of theirs hangs (default: 13)")
    parser.add_argument("--waiting", type=int, default=100_000, help="deliveries of a backlog (default: 100,000)")
    parser.add_argument("--schemas", type=int, default=2_000, help="merchants at scale (default: 2,000)")
    parser.add_argument("--events", type=int, default=5_000_000, help="stored at scale (default: 5,000,000)")
    parser.add_argument("--views", type=int, default=40, help="of each page in a round (default: 40)")
    parser.add_argument("--concurrency", type=int, default=64, help="of the bare loops (default: 64)")
    parser.add_argument("--name", default="bench", help="of the embedded database (default: bench)")
    parser.add_argument("--keep", action="store_true", help="keep the database for a look afterwards")
    parser.add_argument("--save", metavar="FILE", help="write the figures there too, as JSON")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


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
    sys.exit(main())
