"""The shapes that several resources share: money, times, lists, problems."""

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from ninja import Schema
from pydantic import ConfigDict, Field, PlainSerializer, WithJsonSchema

from results.core.result import written_time

T = TypeVar("T")

# As in the events: RFC 3339 in UTC with milliseconds and Z.
Moment = Annotated[
    datetime,
    PlainSerializer(lambda moment: written_time(moment.astimezone(UTC)), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-21T05:12:03.120Z"]}),
]


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
