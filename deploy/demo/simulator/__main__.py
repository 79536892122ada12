"""`python -m deploy.demo.simulator --bind 127.0.0.1:8100`: the simulator as a process of its own."""

import argparse
import time

from ..serving import serve_until_signalled
from .console import Simulator
from .server import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy.demo.simulator", description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:8100", help="host:port; 0 picks a port")
    parser.add_argument("--first-id", type=int, help="where payment ids begin; by default a number from the clock")
    arguments = parser.parse_args()
    # The books die with the process, the merchant's do not: a second run must not use the first one's ids.
    first_id = arguments.first_id or int(time.time()) * 100
    sim = Simulator(first_id=first_id)
    serve_until_signalled(lambda: make_app(sim), bind=arguments.bind)


if __name__ == "__main__":
    main()
