"""How does the walk look on a terminal? One line for each story, in columns; plain English, so that they align."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .shop.received import value_at
from .tales import Row

WIDTHS = (2, 36, 40, 30, 11, 3, 8, 8)
HEADINGS = ("", "what happened", "what came in", "what the shop was told", "KRW", "seq", "result", "", "ms")
GREEN, RED, FAINT, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


def say(line: str = "") -> None:
    print(line, flush=True)


def heading() -> str:
    return _paint(_columns(HEADINGS), FAINT)


def note(text: str) -> str:
    """Return a remark under the stories."""
    return _paint(f"{'':{WIDTHS[0]}}  {text}", FAINT)


def line(row: Row) -> str:
    """Return a story's line, and below it what went wrong."""
    event = row.heard["event"] if row.heard else {}
    cells = (
        str(row.tale.number),
        row.tale.title,
        row.tale.came_in,
        str(event.get("type", "nothing")),
        _money(value_at(event, "data", "payment", "amount")),
        str(event.get("sequence") or "-"),
        str(value_at(event, "data", "payment", "verification", "result") or "-"),
        "WRONG" if row.faults else "verified",
        str("-" if row.milliseconds is None else row.milliseconds),
    )
    return "\n".join([_columns(cells), *(fault_line(fault) for fault in row.faults)])


def closing_line(claim: str, detail: str, faults: Sequence[str]) -> str:
    """Return a line about the walk as a whole."""
    verdict = "WRONG" if faults else "ok"
    text = f"{'':2}  {claim:{WIDTHS[1] + WIDTHS[2] + 2}}  {detail:{sum(WIDTHS[3:7]) + 6}}  {verdict}"
    return "\n".join([_colour_verdict(text), *(fault_line(fault) for fault in faults)])


def fault_line(fault: str) -> str:
    return _paint(f"    ! {fault}", RED)


def _columns(cells: Sequence[str]) -> str:
    number, *texts, milliseconds = cells
    padded = [f"{number:>{WIDTHS[0]}}"]
    for index, (text, width) in enumerate(zip(texts, WIDTHS[1:], strict=True), start=1):
        padded.append(f"{text:>{width}}" if index in (4, 5) else f"{text:<{width}}")
    return _colour_verdict("  ".join([*padded, f"{milliseconds:>5}"]))


def _money(amount: Mapping[str, Any] | None) -> str:
    if amount is None:
        return "-"
    return f"-{amount['cancelled']:,}" if amount["cancelled"] else f"{amount['total']:,}"


def _colour_verdict(text: str) -> str:
    for word, colour in (("verified", GREEN), ("WRONG", RED)):
        text = text.replace(f"  {word}", f"  {_paint(word, colour)}")
    return text


def _paint(text: str, colour: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"{colour}{text}{PLAIN}" if wanted else text
