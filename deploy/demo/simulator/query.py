"""How does PortOne find, sort and page payments? (V1 Swagger, `/payments…`)"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .payment import Row, seconds

STATUSES = ("ready", "paid", "cancelled", "failed")
LARGEST_PAGE = 1000
LARGEST_BATCH = 100
LONGEST_WINDOW = 90 * 86_400

SORT_KEYS: dict[str, Callable[[Row], int]] = {
    "started": lambda row: row.payment.started_at,
    "paid": lambda row: row.payment.paid_at,
    "updated": lambda row: seconds(row.updated_at),
}


class BadQuery(ValueError):
    """The question makes no sense: PortOne answers 400."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is wanted, in which order."""

    page: int = 1
    limit: int = 20
    sorting: str = "-started"


def read_paging(query: dict[str, str]) -> Paging:
    """Read page, limit and sorting; raise BadQuery on anything that PortOne does not know."""
    paging = Paging(read_int(query, "page", 1), read_int(query, "limit", 20), query.get("sorting", "-started"))
    if paging.page < 1 or not 1 <= paging.limit <= LARGEST_PAGE:
        raise BadQuery("page and limit begin at 1, and limit ends at 1000")
    if paging.sorting.removeprefix("-") not in SORT_KEYS:
        raise BadQuery("unknown sorting")
    return paging


def read_int(query: dict[str, str], name: str, otherwise: int) -> int:
    try:
        return int(query.get(name) or otherwise)
    except ValueError as error:
        raise BadQuery(f"{name} is no number") from error


def in_order(rows: list[Row], sorting: str) -> list[Row]:
    """Sort by time and then by id, so that rows of one second keep one order."""
    key = SORT_KEYS[sorting.removeprefix("-")]
    return sorted(rows, key=lambda row: (key(row), row.payment.imp_uid), reverse=sorting.startswith("-"))


def with_status(rows: list[Row], status: str) -> list[Row]:
    if status in ("", "all"):
        return rows
    if status not in STATUSES:
        raise BadQuery("unknown status")
    return [row for row in rows if row.payment.status == status]


def in_window(rows: list[Row], query: dict[str, str], *, now: int) -> list[Row]:
    """Keep the rows whose *status* time lies in from…to, inclusive: 90 days at most, by default the last."""
    end = read_int(query, "to", now)
    start = read_int(query, "from", end - LONGEST_WINDOW)
    if not 0 <= end - start <= LONGEST_WINDOW:
        raise BadQuery("the window is 90 days at most")
    return [row for row in rows if start <= status_time(row) <= end]


def status_time(row: Row) -> int:
    payment = row.payment
    times = {"paid": payment.paid_at, "cancelled": payment.cancelled_at, "failed": payment.failed_at}
    return times.get(payment.status, payment.started_at)


def page_of(rows: list[Row], paging: Paging) -> dict[str, Any]:
    """Return one page with its neighbours, 0 for none; raise BadQuery past the end."""
    pages = math.ceil(len(rows) / paging.limit)
    if paging.page > max(pages, 1):
        raise BadQuery("there is no such page")
    first = (paging.page - 1) * paging.limit
    wanted = in_order(rows, paging.sorting)[first : first + paging.limit]
    return {
        "total": len(rows),
        "previous": paging.page - 1,
        "next": paging.page + 1 if paging.page < pages else 0,
        "list": [row.payment.as_json() for row in wanted],
    }
