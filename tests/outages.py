"""What can happen to the database while we work: sessions cut, no connections, an answer lost on its way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, connections
from psycopg import sql
from psycopg.conninfo import make_conninfo

from results.management.commands.worker import conninfo

INSERTED = b"SELECT 1\x00"  # how PostgreSQL ends its answer to the statement of an arrival


def cut_connections() -> None:
    """End every session of the test database, as a restart of PostgreSQL does."""
    with aside() as other:
        _terminate(other)


@contextmanager
def database_down() -> Iterator[None]:
    """Let the database take no connections for a while."""
    name = sql.Identifier(connection.settings_dict["NAME"])
    connections.close_all()
    with aside() as other:
        other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _terminate(other)
        try:
            yield
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
            connections.close_all()


@contextmanager
def aside() -> Iterator["psycopg.Connection[Any]"]:
    """A session with the same server, in no database of ours."""
    with psycopg.connect(make_conninfo(conninfo(), dbname="postgres"), autocommit=True) as other:
        yield other


def _terminate(other: "psycopg.Connection[Any]") -> None:
    """End the sessions and wait until they are gone; what waits for its next request is told only then."""
    name = connection.settings_dict["NAME"]
    other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


@contextmanager
def answer_lost() -> Iterator[None]:
    """Lose the first answer that says an arrival is written down, and the connection with it."""
    kept = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    connection.close()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_relay, args=(server, kept), daemon=True).start()
        connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(server.getsockname()[1])}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict |= kept
            server.shutdown(socket.SHUT_RDWR)


def _relay(server: socket.socket, to: dict[str, Any]) -> None:
    losing = threading.Event()
    losing.set()
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        upstream = _dial(to)
        threading.Thread(target=_pump, args=(client, upstream, None), daemon=True).start()
        threading.Thread(target=_pump, args=(upstream, client, losing), daemon=True).start()


def _dial(to: dict[str, Any]) -> socket.socket:
    if str(to["HOST"]).startswith("/"):
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(Path(to["HOST"]) / f".s.PGSQL.{to['PORT'] or 5432}"))
        return upstream
    return socket.create_connection((to["HOST"] or "127.0.0.1", int(to["PORT"] or 5432)))


def _pump(source: socket.socket, target: socket.socket, losing: threading.Event | None) -> None:
    """Carry bytes one way; the one that loses hangs up in place of the first answer to an INSERT."""
    try:
        while data := source.recv(65536):
            if losing and losing.is_set() and INSERTED in data and b"?column?" in data:
                losing.clear()
                break
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            end.close()
