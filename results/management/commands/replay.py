"""Tell a merchant again what it missed; see first what that would be, watch it, or stop it."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from results.core.ids import decode, encode
from results.core.replay import Wish
from results.health import host_of
from results.management.merchant_options import add_search_options, read_search
from results.management.replay_options import add_wish_options, check_known, moment, read_wish, wish_words
from results.models import Replay
from results.replay import (
    NothingToCancel,
    Plan,
    Progress,
    Share,
    begin_replay,
    cancel_replay,
    plan_replay,
    read_progress,
)
from tenants.routing import Route, inside

ACTOR: Final = "manage.py replay"
NEWEST: Final = 20
LOOK_AGAIN: Final = 0.5  # seconds
PATIENCE: Final = 30.0  # seconds; longer than a request to an endpoint that hangs
HELD: Final = {
    "disabled": "disabled: they wait until it is enabled",
    "paused": "paused: they wait until it is resumed",
    "probed": "failing: they wait until a probe succeeds",
}
NOTHING: Final = (
    "Nothing to tell again. If that is a surprise, see whether the times and the type are right,"
    " and whether an endpoint subscribes to it."
)
NO_WORKER: Final = (
    "nothing has moved for {:.0f} s. See whether a worker runs: `manage.py worker` does the rest, from where it stands"
)


class Command(BaseCommand):
    help = "Tell a merchant again: one event, a filter, or everything undelivered. Begin with --dry-run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_search_options(parser)
        add_wish_options(parser)
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--dry-run", action="store_true", help="say what would be told to whom; change nothing")
        instead.add_argument("--follow", action="store_true", help="print how far it is until everything was tried")
        instead.add_argument("--list", action="store_true", help=f"print the newest {NEWEST} replays of each mode")
        instead.add_argument("--cancel", metavar="REPLAY", help="stop one: rep_…, as --list shows it")
        parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds that --follow waits for a move")
        parser.add_argument("--json", action="store_true", help="one line of JSON on standard output, times in UTC")

    def handle(self, *, merchant: str | None, mode: str | None, **options: Any) -> None:
        at = datetime.now(UTC)
        routes = list(read_search(merchant, mode))
        if options["cancel"]:
            self.print([cancel(routes, options["cancel"], at=at)], options)
        elif options["list"]:
            self.print([one for route in routes for one in newest(route)], options)
        else:
            wish = read_wish(options, at=at)
            self.tell_again(check_known(wish, routes), wish, options, at=at)

    def tell_again(self, routes: Sequence[Route], wish: Wish, options: dict[str, Any], *, at: datetime) -> None:
        plans = [(route, plan) for route in routes if (plan := foresee(route, wish, at=at)).deliveries]
        if options["dry_run"] or not plans:
            self.say_plans(plans, wish, options)
            return
        begun = [(route, begin(route, wish, at=at)) for route, _ in plans]
        if not options["json"]:
            for (route, plan), (_, replay) in zip(plans, begun, strict=True):
                self.stdout.write("\n".join(begun_lines(route, plan, replay, wish)))
        if options["follow"]:
            self.follow(begun, options)
        if options["json"]:
            self.print([look(route, replay.id) for route, replay in begun], options)

    def say_plans(self, plans: Sequence[tuple[Route, Plan]], wish: Wish, options: dict[str, Any]) -> None:
        if options["json"]:
            said = {"dry_run": options["dry_run"], "plans": [plan_json(route, plan) for route, plan in plans]}
            self.stdout.write(json.dumps(said, ensure_ascii=False))
            return
        for route, plan in plans:
            self.stdout.write("\n".join(plan_lines(route, plan, wish, "would be told again")))
        self.stdout.write("Nothing was changed. To begin, leave --dry-run out." if plans else NOTHING)

    def follow(self, begun: Sequence[tuple[Route, Replay]], options: dict[str, Any]) -> None:
        """Print how far they are whenever that changes, until everything that can be tried was tried."""
        last: list[str] = []
        moved = time.monotonic()
        while True:
            seen = [look(route, replay.id) for route, replay in begun]
            if (lines := [progress_line(progress) for _, progress in seen]) != last:
                last, moved = lines, time.monotonic()
                if not options["json"]:
                    self.stdout.write("\n".join(lines))
            if all(progress.replay.state != Replay.State.RUNNING and not progress.untried for _, progress in seen):
                return
            if time.monotonic() - moved > options["patience"]:
                raise CommandError(NO_WORKER.format(options["patience"]))
            time.sleep(LOOK_AGAIN)

    def print(self, seen: Sequence[tuple[Route, Progress]], options: dict[str, Any]) -> None:
        if options["json"]:
            said = [progress_json(route, progress) for route, progress in seen]
            self.stdout.write(json.dumps({"replays": said}, ensure_ascii=False))
            return
        for route, progress in seen:
            self.stdout.write("\n".join(replay_lines(route, progress)))
        if not seen:
            self.stdout.write("No replays yet.")


def foresee(route: Route, wish: Wish, *, at: datetime) -> Plan:
    with inside(route.schema):
        return plan_replay(route, wish, at=at)


def begin(route: Route, wish: Wish, *, at: datetime) -> Replay:
    with inside(route.schema):
        return begin_replay(route, wish, actor=ACTOR, at=at)


def cancel(routes: Sequence[Route], id: str, *, at: datetime) -> tuple[Route, Progress]:
    replay_id = decode(id, prefix="rep")
    if replay_id is None:
        raise CommandError("--cancel: give the id that begins with rep_, as --list shows it")
    for route in routes:
        with inside(route.schema):
            if not Replay.objects.filter(mode=route.mode, id=replay_id).exists():
                continue
            try:
                return route, read_progress([cancel_replay(route, replay_id, actor=ACTOR, at=at)])[0]
            except NothingToCancel as error:
                raise CommandError(f"--cancel: {id}: {error}") from error
    raise CommandError("--cancel: nobody knows it; see whether it, --merchant and --mode are right")


def newest(route: Route) -> Iterator[tuple[Route, Progress]]:
    with inside(route.schema):
        replays = list(Replay.objects.filter(mode=route.mode).order_by("-created_at", "-id")[:NEWEST])
        found = read_progress(replays)
    return ((route, progress) for progress in found)


def look(route: Route, replay_id: UUID) -> tuple[Route, Progress]:
    with inside(route.schema):
        return route, read_progress([Replay.objects.get(id=replay_id)])[0]


def plan_lines(route: Route, plan: Plan, wish: Wish, would: str) -> Iterator[str]:
    yield f"{route.name}, {route.mode} mode ({encode('mer', route.merchant_id)}): {wish_words(wish)}"
    yield f"  {counted(plan.events, 'event')} {would}, {counted(plan.deliveries, 'delivery')} in all:"
    for share in plan.shares:
        yield f"  {share_line(share)}"


def share_line(share: Share) -> str:
    note = f"  {HELD[share.held]}" if share.held and share.deliveries else ""
    return f"{share.deliveries:>9,}  to {encode('end', share.endpoint.id)} at {host_of(share.endpoint)}{note}"


def begun_lines(route: Route, plan: Plan, replay: Replay, wish: Wish) -> Iterator[str]:
    name = encode("rep", replay.id)
    yield from plan_lines(route, plan, wish, "to be told again")
    yield f"  {name} has begun; a worker does it."
    yield f"  how far it is: manage.py replay --list --merchant {encode('mer', route.merchant_id)} --mode {route.mode}"
    yield f"  to stop it:    manage.py replay --cancel {name}"


def replay_lines(route: Route, progress: Progress) -> Iterator[str]:
    replay = progress.replay
    wish = Wish.from_json(replay.wish, endpoint=replay.endpoint_id)
    yield progress_line(progress)
    yield f"  {route.name}, {route.mode} mode, {moment(replay.created_at)} by {replay.actor}: {wish_words(wish)}"


def progress_line(progress: Progress) -> str:
    replay = progress.replay
    made = f"{replay.made:,} of {counted(replay.expected, 'delivery')} made due"
    overtaken = f", {progress.overtaken:,} begun anew by a later replay" if progress.overtaken else ""
    return (
        f"{encode('rep', replay.id)} {replay.state}: {made};"
        f" {progress.told:,} told, {progress.owed:,} owed, {progress.given_up:,} given up{overtaken}"
    )


def counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def plan_json(route: Route, plan: Plan) -> dict[str, Any]:
    return {
        "merchant": encode("mer", route.merchant_id),
        "mode": route.mode,
        "events": plan.events,
        "deliveries": plan.deliveries,
        "endpoints": [
            {
                "endpoint": encode("end", share.endpoint.id),
                "host": host_of(share.endpoint),
                "deliveries": share.deliveries,
                "held": share.held or None,
            }
            for share in plan.shares
        ],
    }


def progress_json(route: Route, progress: Progress) -> dict[str, Any]:
    replay = progress.replay
    return {
        "replay": encode("rep", replay.id),
        "merchant": encode("mer", route.merchant_id),
        "mode": replay.mode,
        "endpoint": encode("end", replay.endpoint_id) if replay.endpoint_id else None,
        "wish": replay.wish | ({"event": encode("evt", UUID(replay.wish["event"]))} if "event" in replay.wish else {}),
        "actor": replay.actor,
        "state": replay.state,
        "expected": replay.expected,
        "made": replay.made,
        "told": progress.told,
        "owed": progress.owed,
        "given_up": progress.given_up,
        "overtaken": progress.overtaken,
        "created_at": replay.created_at.isoformat(),
        "ended_at": replay.ended_at.isoformat() if replay.ended_at else None,
    }
