"""One run: group by group a world is made and measured, and at the end one table holds all figures."""

import importlib.metadata
import json
import os
import platform
import sys
import time
import traceback
from argparse import Namespace
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from config import embedded
from tenants.routing import forget_everything
from tests.bench.groups import GROUPS
from tests.bench.measures import MEASURES
from tests.bench.table import Row, as_json, draw, row
from tests.bench.world import forget_duties

PACKAGES = ("Django", "granian", "psycopg", "httpx", "aiohttp", "httpx-aiohttp")


AFRESH = ("merchants", "rows")  # groups that count merchants or rows: nobody else's may be there


def bench(asked: Namespace) -> int:
    """Measure the groups that are asked for and print their figures; 1 when a group failed, a missed goal is none."""
    call_command("migrate", verbosity=0)
    say(*surroundings(), _extent(asked), "")
    rows: list[Row] = []
    failed: list[str] = []
    for name in asked.only or GROUPS:
        say(f"{name}: {GROUPS[name]}")
        began = time.monotonic()
        if name in AFRESH:
            begin_afresh(asked.name)
        try:
            lines = MEASURES[name](asked)
        except Exception:  # the groups after it are measured all the same
            failed.append(name)
            say(traceback.format_exc())
        else:
            rows += [row(line) for line in lines]
            say(*draw([row(line) for line in lines]), f"took {time.monotonic() - began:.0f} s", "")
        forget_duties()
    say("all figures", *draw(rows), *(f"{name}: FAILED" for name in failed))
    if asked.save:
        kept = {"surroundings": surroundings(), "extent": _extent(asked), "figures": as_json(rows), "failed": failed}
        Path(asked.save).write_text(json.dumps(kept, ensure_ascii=False, indent=1))
    return bool(failed)


def begin_afresh(name: str) -> None:
    """Put an empty database in the place of this one."""
    connection.close()
    forget_everything()
    embedded.destroy(name)
    embedded.start(name)
    call_command("migrate", verbosity=0)


def surroundings() -> list[str]:
    """Tell on what and with what this was taken: figures of two machines say nothing of each other."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    settings = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")
    return [
        f"{os.cpu_count()} cores, shared by load generator, web, worker, PostgreSQL, PortOne and sink",
        f"Python {platform.python_version()}, {packages}",
        f"PostgreSQL {_shown('server_version')}: " + ", ".join(f"{name} {_shown(name)}" for name in settings),
        "web: manage.py serve, 2 processes of 4 threads, 16 connections of load; worker: manage.py worker, 1 process",
    ]


def _extent(asked: Namespace) -> str:
    return (
        f"{asked.rounds} rounds of {asked.seconds:g} s, {asked.merchants} merchants;"
        f" at scale {asked.schemas:,} merchants or {asked.events:,} events"
    )


def _shown(setting: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])
        return str(cursor.fetchone()[0])


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
