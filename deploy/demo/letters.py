"""What is written to people meanwhile? Their letters, read from the worker's log, where development prints them."""

import asyncio
from collections.abc import Iterator
from email import message_from_string, policy
from pathlib import Path

from .table import say

LOOK_EVERY = 0.5
BEGIN, END = "Content-Type: text/plain", "-" * 79


async def show_letters(log: Path) -> None:
    """Print each letter that is written from now on, for as long as this is awaited."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(0, 2)
        heard = ""
        while True:
            heard += lines.read()
            *whole, heard = heard.split(f"\n{END}\n")
            for text in whole:
                say("\n".join(read_letter(text)))
            await asyncio.sleep(LOOK_EVERY)


def read_letter(text: str) -> Iterator[str]:
    """Yield the lines of the letter that a part of a log ends with; other lines may stand before it."""
    letter = message_from_string(text[text.rfind(BEGIN) :], policy=policy.default)
    yield f"\nA letter to {letter['To']}: {letter['Subject']}"
    # As it stands: decoded once more, what is not ASCII would be lost.
    yield from (f"    {line}" for line in str(letter.get_payload()).strip().splitlines())
