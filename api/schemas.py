"""The shapes that several resources share: money, times, lists, problems."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticKnownError

from results.core.result import written_time

T = TypeVar("T")

# As in the events: RFC 3339 in UTC with milliseconds and Z.
Moment = Annotated[
    datetime,
    PlainSerializer(lambda moment: written_time(moment.astimezone(UTC)), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-21T05:12:03.120Z"]}),
]

WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9:]{5})?")


def refuse_numbers(said: Any) -> Any:
    """Refuse a time that is not written as RFC 3339 says: pydantic takes a number for seconds or milliseconds."""
    if isinstance(said, datetime) or said is None or (isinstance(said, str) and WRITTEN.fullmatch(said)):
        return said
    raise PydanticKnownError("datetime_type")


# What a request says of time.
Instant = Annotated[AwareDatetime, BeforeValidator(refuse_numbers), Field(examples=["2026-11-21T05:12:03Z"])]

# PostgreSQL keeps no NUL, so nothing that we look for holds one.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Strict(Schema):
    """What a request may say. Fields that we do not know are refused by name."""

    model_config = ConfigDict(extra="forbid")


class ListOf(Schema, Generic[T]):
    """Some of many, newest first; `next_cursor` is null at the end."""

    object: Literal["list"]
    data: list[T]
    next_cursor: str | None


class ProblemDocument(Schema):
    """RFC 9457: why a request could not be done, and the mend. `type` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
