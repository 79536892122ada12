"""Look after a merchant's endpoints: list, add, change, pause, resume, rotate, ping, delete."""

import json
import re
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from results.core.headers import BadHeaders
from results.core.ids import decode, encode
from results.core.result import written_time
from results.core.subscription import BadSubscription
from results.core.words import DEFAULT_EVENTS
from results.endpoints import (
    BadCallbackUrl,
    BadDescription,
    BadRotation,
    NoSuchEndpoint,
    NothingToResume,
    TooManyEndpoints,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    pause_endpoint,
    ping,
    resume_endpoint,
    rotate_secret,
)
from results.management.endpoint_table import draw, draw_ping, facts_of_all, facts_of_ping
from results.management.merchant_options import (
    add_merchant_options,
    add_search_options,
    read_merchant,
    read_search,
)
from results.models import Attempt, Endpoint
from tenants.routing import Route, inside

ACTOR: Final = "manage.py endpoint"
SPAN: Final = re.compile(r"([0-9]{1,4})([smhd])|0")
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
ONCE: Final = "The signing secret is shown this once; keep it in the shop's secret store."
LONGEST_WAIT: Final = 20.0  # seconds: longer than the deadline of a request
# What a refusal of a value is about; the message that comes with it says how to mend it.
OPTIONS: Final = {
    BadCallbackUrl: "--url",
    BadSubscription: "--event",
    BadDescription: "--description",
    BadHeaders: "--header",
    BadRotation: "--overlap",
    TooManyEndpoints: "--url",
}

Facts = dict[str, Any]


class Command(BaseCommand):
    help = "Look after a merchant's endpoints: where they are, how they are doing, what they hear and who signs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        add_action(actions, "list", "every endpoint and how it is doing")
        add = add_action(actions, "add", "another endpoint; prints its signing secret once", search=False)
        add.add_argument("--url", required=True, help="where signed results are sent")
        change = add_action(actions, "change", "its URL, events, description or headers; the rest stays", one=True)
        change.add_argument("--url", help="where signed results are sent from now on; the owners are written to")
        change.add_argument("--no-headers", action="store_true", help="take its fixed headers away")
        for parser in (add, change):
            add_settings(parser)
        add_action(actions, "pause", "let it rest; what is told meanwhile is kept", one=True)
        resume = add_action(actions, "resume", "let one that is paused or disabled hear news again", one=True)
        resume.add_argument(
            "--without-backlog", action="store_true", help="give up what it has not heard; a replay can still send it"
        )
        rotate = add_action(actions, "rotate", "give it a new signing secret; prints it once", one=True)
        rotate.add_argument("--overlap", default="24h", help="how long the old secrets sign along: 0 to 7d (24h)")
        add_action(actions, "delete", "end it for good: what it has not heard is given up", one=True)
        test = add_action(actions, "ping", "send it a test event, signed with its real secret", one=True)
        test.add_argument("--wait", action="store_true", help="show what came of it; fails unless it was delivered")

    def handle(self, *, action: str, merchant: str | None, mode: str | None, **options: Any) -> None:
        at = datetime.now(UTC)
        if action == "list":
            list_all(self, list(read_search(merchant, mode)), options, at)
            return
        if merchant and mode:
            route = read_merchant(merchant, mode)
        else:
            route = find_route(read_endpoint(options), read_search(merchant, mode))
        try:
            with inside(route.schema):
                ACTIONS[action](self, route, options, at)
        except tuple(OPTIONS) as error:
            raise CommandError(f"{OPTIONS[type(error)]}: {error}") from error
        except NoSuchEndpoint as error:
            raise CommandError(
                f"--endpoint: {route.name} has no {error} in {mode} mode; see `endpoint list`"
            ) from error
        except NothingToResume as error:
            raise CommandError(f"--endpoint: {error}") from error

    def show(self, options: Mapping[str, Any], facts: Any, text: str) -> None:
        self.stdout.write(json.dumps(facts, ensure_ascii=False) if options["json"] else text)


def find_route(endpoint_id: UUID, routes: Iterable[Route]) -> Route:
    """Return the merchant and mode whose endpoint that is; CommandError when nobody's."""
    for route in routes:
        with inside(route.schema):
            if Endpoint.objects.filter(mode=route.mode, id=endpoint_id).exists():
                return route
    raise CommandError(f"--endpoint: nobody has {encode('end', endpoint_id)}; see `endpoint list`")


def add_action(actions: Any, name: str, help: str, *, one: bool = False, search: bool = True) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=help)
    add_search_options(parser) if search else add_merchant_options(parser)
    if one:
        parser.add_argument("--endpoint", required=True, metavar="ID", help="end_…, as `endpoint list` shows it")
    parser.add_argument("--json", action="store_true", help="one line of JSON on standard output, times in UTC")
    return parser


def add_settings(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--event", action="append", metavar="TYPE", help="payment.paid, payment.review.*; again for more"
    )
    parser.add_argument("--description", help="for people: one line")
    parser.add_argument("--header", action="append", metavar="'NAME: VALUE'", help="sent with each callback; sealed")


def list_all(command: Command, routes: Sequence[Route], options: Facts, at: datetime) -> None:
    every: list[Facts] = []
    drawn: list[str] = []
    for route in routes:
        with inside(route.schema):
            found = facts_of_all(route, at=at)
        place = {"merchant": encode("mer", route.merchant_id), "mode": route.mode}
        every += [place | facts for facts in found]
        if found:
            title = f"{route.name}, {route.mode} mode [{place['merchant']}]"
            drawn.append("\n\n".join([title, *map(draw, found)]))
    whose = f" of {routes[0].name} in {routes[0].mode} mode" if len(routes) == 1 else ""
    command.show(options, every, "\n\n\n".join(drawn) or f"there is no endpoint{whose}")


def add(command: Command, route: Route, options: Facts, at: datetime) -> None:
    settings = read_settings(options) | {"events": options["event"] or DEFAULT_EVENTS}
    endpoint, secret = create_endpoint(route, url=options["url"], actor=ACTOR, at=at, **settings)
    facts = {"endpoint": encode("end", endpoint.id), "signing_secret": secret.to_text()}
    command.show(options, facts, as_table(facts))


def change(command: Command, route: Route, options: Facts, at: datetime) -> None:
    settings = read_settings(options) | {"events": options["event"], "url": options["url"]}
    if options["no_headers"]:
        settings["headers"] = {}
    given = {name: value for name, value in settings.items() if value is not None}
    if not given:
        raise CommandError("say what is to change: --url, --event, --description, --header or --no-headers")
    change_endpoint(route, read_endpoint(options), actor=ACTOR, at=at, **given)
    show_one(command, route, options, at=at)


def pause(command: Command, route: Route, options: Facts, at: datetime) -> None:
    pause_endpoint(route, read_endpoint(options), actor=ACTOR, at=at)
    show_one(command, route, options, at=at)


def resume(command: Command, route: Route, options: Facts, at: datetime) -> None:
    resume_endpoint(route, read_endpoint(options), with_backlog=not options["without_backlog"], actor=ACTOR, at=at)
    show_one(command, route, options, at=at)


def rotate(command: Command, route: Route, options: Facts, at: datetime) -> None:
    overlap = read_span(options["overlap"])
    secret = rotate_secret(route, read_endpoint(options), overlap=overlap, actor=ACTOR, at=at)
    facts = {
        "endpoint": options["endpoint"],
        "signing_secret": secret.to_text(),
        "old_secrets_until": (at + overlap).isoformat(timespec="seconds"),
    }
    command.show(options, facts, as_table(facts))


def send_ping(command: Command, route: Route, options: Facts, at: datetime) -> None:
    event = ping(route, read_endpoint(options), at=at)
    if not options["wait"]:
        facts = {"endpoint": options["endpoint"], "event": encode("evt", event.id)}
        command.show(options, facts, f"{facts['event']} is on its way; `--wait` shows what comes of it")
        return
    facts = facts_of_ping(route, await_attempt(event.id))
    command.show(options, facts, draw_ping(facts))
    if not facts["delivered"]:
        raise CommandError("--endpoint: it did not take the ping; only an answer of 2xx does")


def await_attempt(event: UUID) -> Attempt:
    """Return the attempt to tell an event, once a worker has made it; CommandError when none does."""
    ends = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < ends:
        attempt = Attempt.objects.select_related("delivery__endpoint").filter(delivery__event=event).first()
        if attempt:
            return attempt
        time.sleep(0.05)
    raise CommandError(f"--wait: nothing was sent within {LONGEST_WAIT:.0f} s; see that a worker runs")


def delete(command: Command, route: Route, options: Facts, at: datetime) -> None:
    delete_endpoint(route, read_endpoint(options), actor=ACTOR, at=at)
    facts = {"endpoint": options["endpoint"], "deleted_at": written_time(at)}
    command.show(options, facts, f"{options['endpoint']} is deleted; what it heard stays in the ledger")


def show_one(command: Command, route: Route, options: Facts, *, at: datetime) -> None:
    wanted = encode("end", read_endpoint(options))
    [facts] = [facts for facts in facts_of_all(route, at=at) if facts["endpoint"] == wanted]
    command.show(options, facts, draw(facts))


def read_endpoint(options: Mapping[str, Any]) -> UUID:
    id_ = decode(options["endpoint"], prefix="end")
    if id_ is None:
        raise CommandError("--endpoint: give the id that begins with end_, as `endpoint list` shows it")
    return id_


def read_settings(options: Mapping[str, Any]) -> Facts:
    settings = {"description": options["description"], "headers": None}
    if options["header"]:
        pairs = [read_header(text) for text in options["header"]]
        settings["headers"] = dict(pairs)
        if len(settings["headers"]) < len(pairs):
            raise CommandError("--header: a name is given twice")
    return {name: value for name, value in settings.items() if value is not None}


def read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise CommandError("--header: write it as 'Name: value'")
    return name.strip(), value.strip(" ")


def read_span(text: str) -> timedelta:
    """Return how long `90s`, `30m`, `24h`, `7d` or `0` is; CommandError for anything else."""
    parts = SPAN.fullmatch(text)
    if parts is None:
        raise CommandError("--overlap: write 0, or a number with s, m, h or d, such as 24h")
    return timedelta(**{UNITS[parts[2]]: int(parts[1])}) if parts[2] else timedelta(0)


def as_table(facts: Mapping[str, str]) -> str:
    return "\n".join([*(f"{name:<17} {value}" for name, value in facts.items()), "", ONCE])


ACTIONS: Final[Mapping[str, Callable[[Command, Route, Facts, datetime], None]]] = {
    "add": add,
    "change": change,
    "pause": pause,
    "resume": resume,
    "rotate": rotate,
    "ping": send_ping,
    "delete": delete,
}
