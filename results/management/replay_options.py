"""How `manage.py replay` is told what to tell again, and how it says that back."""

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError

from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE
from results.core.ids import decode, encode
from results.core.replay import BadMoment, Standing, Wish, is_known, read_moment
from results.core.words import EventType
from results.models import Endpoint, Event, Order
from tenants.routing import Route, inside

KST: Final = timezone(timedelta(hours=9), "KST")


def add_wish_options(parser: ArgumentParser) -> None:
    parser.add_argument("--endpoint", help="end_…; without it every endpoint that subscribes to the type")
    parser.add_argument("--event", help="evt_…, as `explain` shows it")
    parser.add_argument(
        "--type", dest="types", action="append", default=[], help="payment.paid, or payment.* for all; may be repeated"
    )
    parser.add_argument("--order", default="", help="the shop's own order number")
    parser.add_argument(
        "--status", choices=[standing.value for standing in Standing], help="only deliveries that stand so"
    )
    parser.add_argument("--since", help="events made from then on: 2h, 3d or 2026-11-21T03:00+09:00")
    parser.add_argument("--until", help="events made before then")
    parser.add_argument(
        "--undelivered-since", help="everything since then that was not taken: owed, given up, or never made"
    )


def read_wish(options: dict[str, Any], *, at: datetime) -> Wish:
    """Return what is wished; CommandError names the option and the mend."""
    undelivered = options["undelivered_since"]
    if undelivered and (options["since"] or options["status"]):
        raise CommandError("--undelivered-since: it says since when and how they stand; leave --since and --status out")
    wish = Wish(
        event=read_id(options, "event", prefix="evt"),
        types=read_types(options["types"]),
        order=read_order(options["order"]),
        status=Standing(options["status"]) if options["status"] else None,
        since=read_time(options, "undelivered_since" if undelivered else "since", at=at),
        until=read_time(options, "until", at=at),
        undelivered=bool(undelivered),
        endpoint=read_id(options, "endpoint", prefix="end"),
    )
    if wish.is_boundless:
        raise CommandError("say what is to be told again: --undelivered-since 2h, --event evt_…, --order …, --type …")
    if wish.since and wish.until and wish.since >= wish.until:
        raise CommandError("--until: it has to be later than the beginning")
    return wish


def read_id(options: dict[str, Any], option: str, *, prefix: str) -> UUID | None:
    if options[option] is None:
        return None
    id_ = decode(options[option], prefix=prefix)
    if id_ is None:
        raise CommandError(f"--{option}: give the id that begins with {prefix}_ and has 26 characters after it")
    return id_


def read_types(types: Sequence[str]) -> tuple[str, ...]:
    for type_ in types:
        if type_ == EventType.PING:
            raise CommandError("--type: pings are never told again; send a new one")
        if not is_known(type_):
            raise CommandError(f"--type: {clean(type_)} means no event; write one such as payment.paid, or payment.*")
    return tuple(types)


def read_order(order: str) -> str:
    if len(order) > MERCHANT_UID_LENGTH or UNPRINTABLE.search(order):
        raise CommandError(f"--order: give 1 to {MERCHANT_UID_LENGTH} printable characters")
    return order


def read_time(options: dict[str, Any], option: str, *, at: datetime) -> datetime | None:
    try:
        return read_moment(options[option], at=at) if options[option] is not None else None
    except BadMoment as error:
        raise CommandError(f"--{option.replace('_', '-')}: {clean(str(error))}") from error


def check_known(wish: Wish, routes: Sequence[Route]) -> list[Route]:
    """Return the merchants and modes that know what the wish names; CommandError when none does."""
    named = (("event", wish.event), ("endpoint", wish.endpoint), ("order", wish.order or None))
    for option, value in named:
        if value is None:
            continue
        routes = [route for route in routes if knows(route, option, value)]
        if not routes:
            raise CommandError(f"--{option}: nobody knows it; see whether it, --merchant and --mode are right")
    return list(routes)


def knows(route: Route, option: str, value: UUID | str) -> bool:
    with inside(route.schema):
        if option == "order":
            return Order.objects.filter(mode=route.mode, merchant_uid=value).exists()
        if option == "endpoint":
            return Endpoint.objects.filter(mode=route.mode, id=value).exists()
        type_ = Event.objects.filter(mode=route.mode, id=value).values_list("type", flat=True).first()
    if type_ == EventType.PING:
        raise CommandError("--event: it is a ping, which is never told again; send a new one")
    return type_ is not None


def wish_words(wish: Wish) -> str:
    """Say a wish in one line."""
    words = [encode("evt", wish.event)] if wish.event else []
    words += [", ".join(wish.types)] if wish.types else []
    words += [] if words else ["everything"]
    words += ["undelivered"] if wish.undelivered else []
    words += [f"that is {wish.status.replace('_', ' ')}"] if wish.status else []
    words += [f"of order {clean(wish.order)}"] if wish.order else []
    words += [f"since {moment(wish.since)}"] if wish.since else []
    words += [f"until {moment(wish.until)}"] if wish.until else []
    words += [f"to {encode('end', wish.endpoint)}"] if wish.endpoint else []
    return " ".join(words)


def moment(at: datetime) -> str:
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M} KST"


def clean(text: str) -> str:
    """Return what a terminal may show."""
    return "".join(character if character.isprintable() else "�" for character in text)
