"""What is to be told again? A wish, as a member or a command says it, and the moments that a person may write.

A wish goes over events, not over deliveries: an endpoint that was made later hears what was told before its time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from results.core.words import EventType

RELATIVE: Final = re.compile(r"([0-9]{1,5})(s|m|min|h|d|w)")
# News about one endpoint for the others that were there: whoever was not told then is not told later.
NEVER_FILLED: Final = (EventType.ENDPOINT_DISABLED,)
SPANS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


class Standing(StrEnum):
    """Where a delivery stands."""

    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class BadMoment(ValueError):
    """A text that names no moment; the message says how to write one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which events are to be told again, by when they were made (since <= made < until), and how they stand.

    `undelivered` is for a shop that was down: what is owed, was given up, or was never meant for an endpoint that was
    made later. Without it and without `status` everything counts that the endpoint subscribes to.
    """

    event: UUID | None = None
    types: tuple[str, ...] = ()
    order: str = ""
    status: Standing | None = None
    since: datetime | None = None
    until: datetime | None = None
    undelivered: bool = False
    endpoint: UUID | None = None

    @property
    def is_boundless(self) -> bool:
        """Whether nothing was said, which would tell everything to everybody."""
        return self == Wish()

    def wants(self, standing: Standing | None, type: str) -> bool:
        """Say whether a delivery of such an event is meant that stands so; None is one that was never made."""
        if standing is None and type in NEVER_FILLED:
            return False
        if self.undelivered:
            return standing != Standing.DELIVERED
        return self.status is None or standing == self.status

    def as_json(self) -> dict[str, Any]:
        """Return what was wished, without what was left open; the endpoint has a column of its own."""
        said = {
            "event": str(self.event) if self.event else None,
            "types": list(self.types),
            "order": self.order,
            "status": self.status,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "undelivered": self.undelivered,
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, said: dict[str, Any], *, endpoint: UUID | None) -> "Wish":
        """Return the wish that `as_json` wrote."""
        return cls(
            event=UUID(said["event"]) if "event" in said else None,
            types=tuple(said.get("types", ())),
            order=said.get("order", ""),
            status=Standing(said["status"]) if "status" in said else None,
            since=_moment(said.get("since")),
            until=_moment(said.get("until")),
            undelivered=said.get("undelivered", False),
            endpoint=endpoint,
        )


def is_known(pattern: str) -> bool:
    """Say whether a type, or a prefix such as `payment.*`, means any event that may be told again: pings never are."""
    told = [kind for kind in EventType if kind != EventType.PING]
    if pattern.endswith(".*"):
        return any(kind.startswith(pattern[:-1]) for kind in told)
    return pattern in told


def read_moment(text: str, *, at: datetime) -> datetime:
    """Return the moment that a person wrote: ISO 8601 with its zone, or how long ago, as in `2h`. Raises BadMoment."""
    try:
        if ago := RELATIVE.fullmatch(text):
            return at - int(ago[1]) * SPANS[ago[2]]
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise BadMoment(f"say the zone too: {text}+09:00 is Seoul's, {text}Z is UTC's")
        moment = moment.astimezone(UTC)
    except BadMoment:
        raise
    except (ValueError, OverflowError):
        raise BadMoment("write how long ago, as in 2h or 3d, or a time with its zone: 2026-11-21T03:00+09:00") from None
    if moment > at:
        raise BadMoment(f"{text} has not come yet")
    return moment


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
