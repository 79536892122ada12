"""How does the walk look on a terminal? A line for each story where there is room, else a few short ones.

Plain English, so that columns align. What is not a terminal, a file for example, gets the long lines.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .shop.received import value_at
from .stage import Row

WIDTHS = (2, 36, 40, 32, 11, 3, 10, 8, 5)
GAP = "  "
WIDE = sum(WIDTHS) + len(GAP) * (len(WIDTHS) - 1)
TO_THE_RIGHT = (0, 4, 5, 8)
HEADINGS = ("", "what happened", "what came in", "what the shop was told", "amount", "seq", "result", "", "ms")
GREEN, RED, FAINT, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


def say(line: str = "") -> None:
    print(line, flush=True)


def heading() -> str:
    if _is_wide():
        return _paint(_columns(HEADINGS), FAINT)
    return note("For each story: < what came in, > what the shop was told.")


def note(text: str) -> str:
    """Return a remark under the stories."""
    return _paint(_wrapped(text, WIDTHS[0] + len(GAP)), FAINT)


def line(row: Row) -> str:
    """Return a story's line, and below it what went wrong."""
    told = _columns(_cells(row)) if _is_wide() else _short_lines(row)
    return "\n".join([told, *map(fault_line, row.faults)])


def closing_line(claim: str, detail: str, faults: Sequence[str]) -> str:
    """Return a line about the walk as a whole."""
    verdict = "WRONG" if faults else "ok"
    if _is_wide():
        text = f"{'':2}  {claim:{WIDTHS[1] + WIDTHS[2] + 2}}  {detail:{sum(WIDTHS[3:7]) + 6}}  {verdict}"
    else:
        text = _wrapped(f"{claim}: {detail}", WIDTHS[0] + len(GAP)) + f"  {verdict}"
    return "\n".join([_colour_verdict(text), *map(fault_line, faults)])


def fault_line(fault: str) -> str:
    return _paint(f"    ! {fault}", RED)


def _cells(row: Row) -> tuple[str, ...]:
    event = _event(row)
    return (
        str(row.tale.number),
        row.tale.title,
        row.tale.came_in,
        str(event.get("type", "nothing")),
        _money(value_at(event, "data", "payment", "amount")),
        str(event.get("sequence") or "-"),
        str(value_at(event, "data", "payment", "verification", "result") or "-"),
        _verdict(row),
        str("-" if row.milliseconds is None else row.milliseconds),
    )


def _short_lines(row: Row) -> str:
    """Return a story for a narrow terminal, a telephone's for example."""
    number, title, came_in, told, money, _, result, verdict, milliseconds = _cells(row)
    facts = [fact for fact in (told, money, result) if fact != "-"]
    end = f"{GAP}{verdict}" + (f", {milliseconds} ms" if milliseconds != "-" else "")
    return "\n".join(
        [
            f"{number:>{WIDTHS[0]}}{GAP}{title}",
            _marked("<", came_in),
            _marked(">", ", ".join(facts)),
            _colour_verdict(f"{'':{WIDTHS[0]}}{end}"),
        ]
    )


def _marked(mark: str, text: str) -> str:
    margin = f"{'':{WIDTHS[0]}}{GAP}"
    return textwrap.fill(
        text,
        max(_width(), 24),
        initial_indent=f"{margin}{mark} ",
        subsequent_indent=f"{margin}  ",
        break_on_hyphens=False,
    )


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, max(_width(), 24), initial_indent=" " * indent, subsequent_indent=" " * indent)


def _columns(cells: Iterable[str]) -> str:
    padded = [
        f"{text:>{width}}" if index in TO_THE_RIGHT else f"{text:<{width}}"
        for index, (text, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ]
    return _colour_verdict(GAP.join(padded))


def _event(row: Row) -> Mapping[str, Any]:
    return row.heard["event"] if row.heard else {}


def _verdict(row: Row) -> str:
    if row.faults:
        return "WRONG"
    return "verified" if row.heard else "right"


def _money(amount: Mapping[str, Any] | None) -> str:
    """Return an amount as people write it; won, which are most, without their name."""
    if amount is None:
        return "-"
    minor, exponent = amount["cancelled"] or amount["total"], amount["exponent"]
    whole, part = divmod(minor, 10**exponent)
    written = f"{whole:,}.{part:0{exponent}d}" if exponent else f"{whole:,}"
    sign = "-" if amount["cancelled"] else ""
    return f"{sign}{written}" if amount["currency"] == "KRW" else f"{sign}{amount['currency']} {written}"


def _is_wide() -> bool:
    return _width() >= WIDE


def _width() -> int:
    return shutil.get_terminal_size(fallback=(WIDE, 24)).columns


def _colour_verdict(text: str) -> str:
    for word, colour in (("verified", GREEN), ("right", GREEN), ("WRONG", RED)):
        text = text.replace(f"  {word}", f"  {_paint(word, colour)}")
    return text


def _paint(text: str, colour: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"{colour}{text}{PLAIN}" if wanted else text
