"""Lists: newest first, a hundred at most, and a cursor behind the last.

Ids begin with their time and are never reused, so a cursor is the last id that was shown: what arrives meanwhile shifts
nothing, and whoever changes a cursor begins elsewhere in their own list or is told that it is none.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Schema
from pydantic import ConfigDict, Field

from api.errors import Problem, unknown_field
from api.schemas import Instant
from results.core.ids import decode, encode, lowest_id

MOST: Final = 100
USUAL: Final = 25
CURSOR: Final = "cur"
BEFORE_ALL: Final = datetime(1970, 1, 1, tzinfo=UTC)
M = TypeVar("M", bound=Model)


class PageOf(Schema):
    """Which part of a list is meant. Filters that we do not know are refused by name."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST, description="items in one answer")] = USUAL
    cursor: Annotated[str | None, Field(description="`next_cursor` of the answer before")] = None
    created_from: Annotated[Instant | None, Field(description="made then or later")] = None
    created_before: Annotated[Instant | None, Field(description="made earlier")] = None


def read_page(request: HttpRequest, rows: QuerySet[M], wish: PageOf) -> tuple[list[M], str | None]:
    """Return the rows that are meant, newest first, and the cursor behind them; one query. Raises Problem."""
    if unknown := sorted(set(request.GET) - set(type(wish).model_fields)):
        raise unknown_field(unknown[0])
    if wish.cursor is not None:
        rows = rows.filter(id__lt=_last_shown(wish.cursor))
    if wish.created_from:
        rows = rows.filter(id__gte=lowest_id(max(wish.created_from, BEFORE_ALL)))
    if wish.created_before:
        rows = rows.filter(id__lt=lowest_id(max(wish.created_before, BEFORE_ALL)))
    found = list(rows.order_by("-id")[: wish.limit + 1])
    shown = found[: wish.limit]
    return shown, encode(CURSOR, shown[-1].pk) if len(found) > wish.limit else None


def show_list(shown: Sequence[Any], cursor: str | None, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return the document of a list."""
    return {"object": "list", "data": [show(item) for item in shown], "next_cursor": cursor}


def read_id(text: str, *, prefix: str, missing: Problem) -> UUID:
    """Return the row's key behind an id of ours; raise the problem that says it is not there."""
    found = decode(text, prefix=prefix)
    if found is None:
        raise missing
    return found


def _last_shown(cursor: str) -> UUID:
    last = decode(cursor, prefix=CURSOR)
    if last is None:
        detail = _("cursor: this is not one of ours; leave it out to begin with the newest.")
        raise Problem(400, "bad_cursor", detail, field="cursor")
    return last
