"""One run: the world is made, the halves are measured, and the ratios are printed with what they were taken on."""

import importlib.metadata
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Sequence

from django.core.management import call_command
from django.db import connection

from tests.bench import accepting, telling
from tests.bench.figures import Figure, Ratio
from tests.bench.world import Stall, open_stalls, sink

PACKAGES = ("Django", "granian", "psycopg", "httpx", "aiohttp", "httpx-aiohttp")
ACCEPT_WEBHOOK, ACCEPT_LANDING, DELIVER = 0.80, 0.75, 0.50  # where each ratio is to be


def bench(asked: Namespace) -> None:
    """Measure what is asked for, and print it."""
    call_command("migrate", verbosity=0)
    say(*surroundings(), f"{asked.rounds} rounds of {asked.seconds:g} s, {asked.merchants} merchants, in turns", "")
    with sink() as url:
        stalls = open_stalls(asked.merchants, callback_url=url)
        if asked.only != "deliver":
            report(accept(stalls, asked))
        if asked.only != "accept":
            report(deliver(stalls, url, asked))


def accept(stalls: Sequence[Stall], asked: Namespace) -> list[Ratio]:
    webhooks, landings, bare = accepting.measure(stalls, rounds=asked.rounds, seconds=asked.seconds)
    return [Ratio(webhooks, bare, ACCEPT_WEBHOOK), Ratio(landings, bare, ACCEPT_LANDING)]


def deliver(stalls: Sequence[Stall], url: str, asked: Namespace) -> list[Ratio]:
    amounts = {"rounds": asked.rounds, "seconds": asked.seconds, "concurrency": asked.concurrency}
    return [Ratio(*telling.measure(stalls, url, **amounts), DELIVER)]


def report(ratios: Sequence[Ratio]) -> None:
    figures: list[Figure] = []
    for ratio in ratios:
        figures += [figure for figure in (ratio.ours, ratio.theirs) if figure not in figures]
    say(*(figure.line() for figure in figures), "", *(ratio.line() for ratio in ratios), "")


def surroundings() -> list[str]:
    """Tell on what and with what this was taken: figures of two machines say nothing of each other."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        f"{os.cpu_count()} cores, shared by load generator, web, worker, PostgreSQL and sink",
        f"Python {platform.python_version()}, {packages}",
        f"PostgreSQL {_shown('server_version')}: "
        + ", ".join(
            f"{name} {_shown(name)}" for name in ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        ),
        "web: manage.py serve, 2 processes of 4 threads, 16 connections of load; worker: manage.py worker, 1 process",
    ]


def _shown(setting: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])
        return str(cursor.fetchone()[0])


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
