"""`python -m deploy.demo [--once]`: a whole Paywitness on this machine, and payments walked through it."""

import argparse
import asyncio
import sys

from .walk import Wishes, demo


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the walk: 0 if all was right, else 1")
    for name, usual in (("web", 8000), ("simulator", 8100), ("shop", 8200)):
        parser.add_argument(
            f"--{name}", type=int, metavar="PORT", help=f"port on 127.0.0.1; by default {usual}, or any if taken"
        )
    wishes = Wishes(**vars(parser.parse_args()))
    sys.exit(asyncio.run(demo(wishes)))


if __name__ == "__main__":
    main()
