"""Many rows of a model in one statement, for the paths where building one for each costs more than running it.

The statements are made from the models, so that a new column cannot be forgotten. Rows travel as JSON, which the
database takes apart by the columns' types; what it computes itself is left out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection, models
from psycopg.types.json import Jsonb

from tenants.statements import Statement

Row = TypeVar("Row", bound=models.Model)

INSERT: Final = (
    "INSERT INTO {{schema}}.{table} ({names}) SELECT {names} FROM jsonb_to_recordset(%(rows)s) AS new ({types})"
)
UPDATE: Final = (
    "UPDATE {{schema}}.{table} AS old SET {changes} FROM jsonb_to_recordset(%(rows)s) AS new ({types})"
    " WHERE old.id = new.id AND old.id = ANY(%(ids)s)"
)


def insert(model: type[models.Model], rows: Iterable[models.Model]) -> Statement:
    """Return the statement that writes new rows, in this order."""
    return Statement(_insert(model), {"rows": as_json([_values(row) for row in rows])}, prepared=True)


def update(model: type[models.Model], rows: Iterable[models.Model]) -> Statement:
    """Return the statement that writes rows which this transaction has locked."""
    written = [_values(row) for row in rows]
    # The ids are said apart, for no plan knows how many a set of JSON holds.
    return Statement(_update(model), {"rows": as_json(written), "ids": [row["id"] for row in written]}, prepared=True)


def as_json(rows: Sequence[Mapping[str, Any]]) -> Jsonb:
    """Return rows as a statement takes them, with times, ids and bytes as text that the database reads."""
    return Jsonb(rows, dumps=_dumps)


def read(model: type[Row], values: Sequence[Any], *, but: Sequence[str] = ()) -> Row:
    """Return a row that was selected by `names`."""
    names, json_at = _read_as(model, tuple(but))
    loaded = list(values)
    for place in json_at:
        loaded[place] = json.loads(loaded[place]) if loaded[place] is not None else None
    return model.from_db("default", names, loaded)


def names(model: type[models.Model], table: str = "", *, but: Sequence[str] = ()) -> str:
    """Return the columns that `read` wants, of a table that has this name in the statement."""
    return ", ".join(f"{table}.{name}" if table else name for name in _names(model) if name not in but)


@cache
def _columns(model: type[models.Model]) -> "tuple[models.Field[Any, Any], ...]":
    return tuple(field for field in model._meta.concrete_fields if not field.generated)


@cache
def _names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in _columns(model)]


@cache
def _read_as(model: type[models.Model], but: tuple[str, ...]) -> tuple[list[str], list[int]]:
    """Return the names of what is read, and where among them JSON stands, which comes as text."""
    read = [field for field in _columns(model) if field.attname not in but]
    json_at = [place for place, field in enumerate(read) if isinstance(field, models.JSONField)]
    return [field.attname for field in read], json_at


@cache
def _types(model: type[models.Model]) -> str:
    return ", ".join(f"{field.attname} {field.db_type(connection)}" for field in _columns(model))


@cache
def _insert(model: type[models.Model]) -> Any:
    return INSERT.format(table=model._meta.db_table, names=names(model), types=_types(model))


@cache
def _update(model: type[models.Model]) -> Any:
    changes = ", ".join(f"{name} = new.{name}" for name in _names(model) if name != "id")
    return UPDATE.format(table=model._meta.db_table, changes=changes, types=_types(model))


def _values(row: models.Model) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _names(type(row))}


def _text(value: object) -> str:
    match value:
        case bytes():
            return "\\x" + value.hex()
        case UUID() | datetime():
            return str(value)
    raise TypeError(f"no column takes a {type(value).__name__}")


_dumps = partial(json.dumps, default=_text, separators=(",", ":"))
