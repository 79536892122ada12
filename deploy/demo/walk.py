"""What does `make demo` show? Payments from PortOne's side to a callback that the shop verified, one line each.

Exit code 0: every callback came and was right. 1: something was missing or wrong, and the last lines say what.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from .expectation import find_faults_at_the_end
from .installation import Addresses, Installation, environment, install, settings_of, write_for_shell
from .letters import show_letters
from .place import CHECKOUT, CannotGoOn, Database, Place, borrow_database, claim_place
from .processes import Processes, tail
from .proof import prove
from .stage import Row, Scene, Stage, Tale, tell
from .table import closing_line, heading, line, note, say
from .tales import TALES

T = TypeVar("T")

INTERRUPTED = 130
# These take longest, because something in them waits on purpose; they begin right after the first one.
BEGIN_EARLY = (1, 16, 19, 20, 8, 9)
NOTES = (
    "8 and 9 wait for CLAIM_DELAY (2 s here), and 19 for its deadline and DEPOSIT_GRACE (8 s and 5 s here).",
    "6, 10, 11, 13, 17 and 18 share the 2 s between two questions to PortOne.",
    "16: PortOne shows a test payment only when asked for one, which is done once, after 17 s.",
    "20 is found by the sweep of SWEEP_INTERVAL (2 s here).",
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for; a port is None where the usual one or any other will do."""

    once: bool
    web: int | None = None
    simulator: int | None = None
    shop: int | None = None


async def demo(wishes: Wishes) -> int:
    """Run the whole demo and return its exit code; whatever it started has ended when this returns."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        with claim_place() as place, borrow_database(place) as database:
            return await _run(wishes, place, database, stop)
    except CannotGoOn as reason:
        print(f"The demo failed. {reason}", file=sys.stderr)
        return 1


async def _run(wishes: Wishes, place: Place, database: Database, stop: asyncio.Event) -> int:
    addresses = Addresses.choose(place, web=wishes.web, simulator=wishes.simulator, shop=wishes.shop)
    environ = environment(addresses, database)
    async with Processes(place.folder / "logs", environ, keep=place.lock) as processes:
        shown = await _unless_stopped(stop, processes, _show(processes, addresses, database))
        if shown is None:
            return INTERRUPTED
        installation, rows, code = shown
        if not wishes.once:
            write_for_shell(place.folder / "environment", settings_of(addresses, database))
            write_for_shell(place.folder / "guide", installation.for_guide)
            say_what_to_try(installation, rows, place.folder)
            await _unless_stopped(stop, processes, show_letters(processes.logs / "worker.log"))
    return code


async def _unless_stopped(stop: asyncio.Event, processes: Processes, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work came to, or None when somebody asked for the end; CannotGoOn when a process died."""
    working = asyncio.create_task(work)
    others = (asyncio.create_task(stop.wait()), asyncio.create_task(processes.wait_until_one_dies()))
    try:
        done, _ = await asyncio.wait((working, *others), return_when=asyncio.FIRST_COMPLETED)
        if others[1] in done:
            others[1].result()
        return working.result() if working in done else None
    finally:
        for task in (working, *others):
            task.cancel()
        await asyncio.gather(working, *others, return_exceptions=True)


async def _show(processes: Processes, addresses: Addresses, database: Database) -> tuple[Installation, list[Row], int]:
    """Install, walk and prove; return what runs, how the stories went, and the exit code."""
    began = time.monotonic()
    say(f"Starting database, web, worker, PortOne simulator and shop; logs in {processes.logs}")
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        installation = await install(processes, addresses, database, http)
        say(f"Ready after {time.monotonic() - began:.1f} s.\n{login(installation)}\n")
        say("Payments that walk through; times are from the first arrival to the callback.")
        rows = await walk(installation.stage)
        faults = await check_the_whole(installation.stage, rows)
    faults += await asyncio.to_thread(prove_secrecy, processes, installation, database, rows)
    right = sum(not row.faults for row in rows)
    say(f"\n{right} of {len(rows)} stories right, {time.monotonic() - began:.1f} s in all.")
    code = exit_code(rows, faults)
    if code:
        logs = "\n".join(tail(child.log) for child in processes.children if child.name in ("web", "worker"))
        print(f"The demo failed: see the lines marked WRONG.\n{logs}", file=sys.stderr)
    return installation, rows, code


def exit_code(rows: Sequence[Row], faults: Sequence[str]) -> int:
    """Return 0 only if every story and the walk as a whole are without a fault."""
    return 1 if faults or any(row.faults for row in rows) else 0


async def walk(stage: Stage) -> list[Row]:
    """Play all stories beside each other, and print them in order as they end."""
    say(heading())
    run = int(time.time()) % 10_000_000
    tasks: dict[int, asyncio.Task[Row]] = {}

    async def play(tale: Tale) -> Row:
        if tale.alone:
            await asyncio.wait([task for number, task in tasks.items() if number != tale.number])
        scene = Scene(f"demo-{run}-{tale.number:02}")
        if tale.follows is not None:
            before = (await tasks[tale.follows]).scene
            scene = Scene(before.order, before.pay_url, before.imp_uid)
        return await tell(stage, tale, scene)

    rows = []
    async with asyncio.TaskGroup() as group:
        for tale in sorted(TALES, key=_turn):
            tasks[tale.number] = group.create_task(play(tale))
        for tale in TALES:
            rows.append(await tasks[tale.number])
            say(line(rows[-1]))
    return rows


def _turn(tale: Tale) -> tuple[bool, bool]:
    return tale.alone, tale.number not in BEGIN_EARLY


async def check_the_whole(stage: Stage, rows: list[Row]) -> list[str]:
    """Check that each change was told once and goods were sent only for what was paid; print one line."""
    wanted = wanted_of(rows)
    for text in NOTES:
        say(note(text))
    faults = find_faults_at_the_end(await stage.till.received(), wanted, await stage.till.fulfilled())
    events = sum(map(len, wanted.values()))
    say(closing_line("each change told once, goods sent for paid orders only", f"{events} events", faults))
    return faults


def wanted_of(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return the event types that must be told of each order, by sequence; an empty list means nothing at all."""
    wanted: dict[str, list[str]] = {}
    for row in rows:
        wanted.setdefault(row.scene.order, []).extend(row.tale.news)
        for order, news in row.scene.others.items():
            wanted.setdefault(order, []).extend(news)
    return wanted


def prove_secrecy(processes: Processes, installation: Installation, database: Database, rows: list[Row]) -> list[str]:
    """Check that logs and database hold neither the buyer nor a secret in clear; print one line."""
    logs = [*processes.logs.glob("*.log"), *database.logs]
    proof = prove(logs, database.url, installation.secrets, seen=(rows[0].scene.order, rows[1].scene.imp_uid))
    say(closing_line("no buyer's name, no secret in logs or database", proof.extent, proof.faults))
    return proof.faults


def login(installation: Installation) -> str:
    """Return where the dashboard is and who may sign in, for this run only."""
    member = installation.member
    return f"Dashboard: {installation.addresses.web}/dashboard/  sign in as {member['email']}  {member['password']}"


def say_what_to_try(installation: Installation, rows: Sequence[Row], folder: Path) -> None:
    addresses = installation.addresses
    place = f"{addresses.web}/dashboard/{installation.facts['merchant']}"
    say(
        f"""
{login(installation)}
  {place}/live/payments  the payments above
  {place}/test/start  a first test payment, made from the page: order, payment window, told
Try it by hand:
  {addresses.shop}/  the shop: buy something, pay in the simulated window, come back
  {rows[0].scene.page}  the customer's page of story 1; each payment ends on one
  {addresses.simulator}/  PortOne's desk: deposit, cancel, fail, send a webhook again
  {addresses.shop}/received  every callback as the shop wrote it down
  {addresses.web_metrics}/metrics and {addresses.worker_metrics}/metrics  what Prometheus would read
A developer's guide, whose curl lines run in another shell:
  {addresses.web}/guide/
  . {folder.relative_to(CHECKOUT)}/guide
An operator's commands, in another shell:
  . {folder.relative_to(CHECKOUT)}/environment
  .venv/bin/python manage.py endpoint list    also explain ID, replay --undelivered-since 1h --dry-run, doctor
Letters to people are printed here. Ctrl-C ends it."""
    )
