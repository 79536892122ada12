"""How the statements of the hot paths reach the database: naming their merchant's schema, and bound by the server.

Django's cursor sends a SET when the merchant changes, writes the values into the text, and has the text planned anew
each time; for an arrival all of that costs more than running its statement.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from django.db import connection
from django.db.models import QuerySet
from psycopg import sql
from psycopg.errors import LockNotAvailable

PREPARED_AFTER: Final = 3  # runs on one connection
PREPARED_AT_MOST: Final = 200  # a connection's least recently used go; each holds 80 KB in its server process


# How a worker's connections plan: each prepared statement once, and never to read a table through. All that a worker
# looks for has an index; a plan made while a table was short would go on reading it through when it has grown.
PLAN_ONCE: Final = "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off"


def run_hot(
    statement: LiteralString, schema: str, values: Mapping[str, Any], *, prepared: bool
) -> "psycopg.Cursor[tuple[Any, ...]]":
    """Run a statement, whose `{schema}` is the merchant's, on Django's connection and in its open transaction if any.

    One round trip. A prepared one keeps the plan that suited its tables when they were small, until they are analysed:
    that is for statements with one way to go, and in a worker for all (PLAN_ONCE). Raises django.db.Error as Django's
    own cursor does.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(_prepares(connection.connection))
        return cursor.execute(_place(statement, schema), values, prepare=_prepare(prepared))


class Statement(NamedTuple):
    """A statement with its values, to be run with others. `prepared` as for `run_hot`."""

    text: LiteralString
    values: Mapping[str, Any]
    prepared: bool = False


# Before statements of many merchants: what one of them has locked must not keep the others waiting. For this run only.
HURRY: Final = ("public", Statement("SELECT set_config('lock_timeout', '500ms', true)", {}, prepared=True))


def run_together(schema: str, statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
    """Run statements of one merchant in this order and in one round trip; return the rows of each.

    Each sees what those before it did, and what others committed while they waited. Without a transaction around
    them they are one for the database: all of them, or none. A value that cannot be sent at all stops those behind it.
    """
    return run_for_each([(schema, statement) for statement in statements])


def run_for_each(statements: Sequence[tuple[str, Statement]]) -> list[list[tuple[Any, ...]]]:
    """Run statements of several merchants, each with its schema, as `run_together` does those of one."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        try:
            return _run_all(_prepares(connection.connection), statements)
        except psycopg.Error:
            # What stood behind the failure counts as prepared and is not; a transaction's ROLLBACK forgets that.
            if not connection.in_atomic_block:
                connection.close()
            raise


def _run_all(
    raw: "psycopg.Connection[tuple[Any, ...]]", statements: Sequence[tuple[str, Statement]]
) -> list[list[tuple[Any, ...]]]:
    with raw.pipeline() as pipeline:
        cursors = [
            psycopg.Cursor(raw).execute(_place(one.text, schema), one.values, prepare=_prepare(one.prepared))
            for schema, one in statements
        ]
        if connection.in_atomic_block:
            # The way out of a pipeline ends with a message that stops the server's clock for idle transactions:
            # whoever freezes while these wait for a lock would keep its own locks for ever.
            pipeline.sync()
    return [cursor.fetchall() if cursor.pgresult and cursor.pgresult.ntuples else [] for cursor in cursors]


def is_locked(error: Exception) -> bool:
    """Say whether a step that was in a HURRY met rows that somebody else has locked."""
    return isinstance(error.__cause__, LockNotAvailable)


@lru_cache(maxsize=10_000)
def _place(statement: LiteralString, schema: str) -> bytes:
    return sql.SQL(statement).format(schema=sql.Identifier(schema)).as_bytes()


def _prepare(safe: bool) -> bool | None:
    """Return what psycopg is to do: prepare a statement that is run often, or never."""
    return None if safe or PLAN_ONCE in connection.settings_dict["OPTIONS"]["options"] else False


def _prepares(raw: "psycopg.Connection[tuple[Any, ...]]") -> "psycopg.Connection[tuple[Any, ...]]":
    """See to it that the connection prepares; Django's own cursors never take part in that."""
    if raw.prepare_threshold is None:
        raw.prepare_threshold, raw.prepared_max = PREPARED_AFTER, PREPARED_AT_MOST
    return raw


def remove(rows: "QuerySet[Any]") -> int:
    """Remove rows in one statement and return how many; for those that no other row depends on.

    Django's own way reads every row first, with all that is in it, because a library listens for what is deleted.
    """
    return int(rows._raw_delete(rows.db) or 0)
