"""How the statements of the hot paths reach the database: bound and prepared by the server.

Django's cursor writes the values into the text and has the server plan it anew each time, which for these statements
costs more than running them. They name their merchant's schema, so the search path of the connection does not matter.
"""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from django.db import connection

PREPARED_AFTER: Final = 3  # runs on one connection
PREPARED_AT_MOST: Final = 200  # a connection's least recently used ones go; each holds 80 KB in its server process


def run_hot(statement: bytes, values: Mapping[str, Any]) -> "psycopg.Cursor[tuple[Any, ...]]":
    """Run a statement on Django's connection, inside its transaction if one is open.

    One round trip. Raises django.db.Error as Django's own cursor does.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        return psycopg.Cursor(_prepares(connection.connection)).execute(statement, values)


def _prepares(raw: "psycopg.Connection[tuple[Any, ...]]") -> "psycopg.Connection[tuple[Any, ...]]":
    """See to it that the connection prepares; Django's own cursors do not take part."""
    if raw.prepare_threshold is None:
        raw.prepare_threshold, raw.prepared_max = PREPARED_AFTER, PREPARED_AT_MOST
    return raw
