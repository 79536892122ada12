"""Does PortOne take these keys, and which channels do they open? Asked at once when a member enters them.

The one question to PortOne that a page asks itself: outside any transaction, on a client of its own.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from threading import BoundedSemaphore
from typing import Final

from django.conf import settings

from results.portone import Access, Channel, PaymentUnknown, PortOne, PortOneBusy, PortOneRefused, PortOneUnavailable

DEADLINE: Final = 8.0  # seconds; somebody is looking at the page
AT_ONCE: Final = 2  # in a process
_places = BoundedSemaphore(AT_ONCE)


class Refusal(StrEnum):
    """Why the keys could not be tried to the end, by who can mend it."""

    KEYS = "keys"  # PortOne refuses key or secret
    TIER = "tier"  # it takes them, but not for this sub-store
    BUSY = "busy"  # too many questions: ask in a minute
    SILENT = "silent"  # no usable answer: nothing is known about the keys


@dataclass(frozen=True, slots=True)
class KeysTaken:
    """PortOne takes the keys. `channels` is None when their list could not be read."""

    channels: tuple[Channel, ...] | None


@dataclass(frozen=True, slots=True)
class KeysNotTaken:
    """They are not to be used, or not yet."""

    refusal: Refusal


def try_keys(access: Access) -> KeysTaken | KeysNotTaken:
    """Buy a token with the keys and read the account's channels.

    A few at a time and no more: each holds a thread of the web side for as long as PortOne is silent, and nobody shall
    guess a stranger's keys through us.
    """
    if not _places.acquire(blocking=False):
        return KeysNotTaken(Refusal.BUSY)
    try:
        return asyncio.run(_try(access))
    finally:
        _places.release()


async def _try(access: Access) -> KeysTaken | KeysNotTaken:
    bought: list[datetime] = []

    async def note(token: str, ends: datetime) -> None:
        bought.append(ends)

    async with PortOne(settings.PORTONE_V1_URL, deadline=DEADLINE, connections=2) as portone:
        try:
            return KeysTaken(await portone.channels(access, keep_token=note))
        except PortOneRefused:
            return KeysNotTaken(Refusal.TIER if bought and access.tier else Refusal.KEYS)
        except PortOneBusy:
            return KeysNotTaken(Refusal.BUSY)
        except (PortOneUnavailable, PaymentUnknown):
            # Whoever got a token holds good keys, whatever became of the list.
            return KeysTaken(None) if bought else KeysNotTaken(Refusal.SILENT)
