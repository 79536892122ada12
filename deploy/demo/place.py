"""Where does a demo live? In a folder, a database and ports that no other demo uses at the same time.

The first demo of a checkout lives in `.demo/`, one started beside it in `.demo/2/`, and so on. Two demos must not
share a database either: a worker would do the other's duties, with the other's PortOne.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config import embedded

CHECKOUT = Path(__file__).resolve().parents[2]
DEMOS_AT_ONCE = 20
LOCK_NAME = "paywitness demo"


class CannotGoOn(Exception):
    """The demo has to end; the message says why, in words for whoever started it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One demo's own folder. `lock` is a descriptor: the place is taken as long as any process holds it."""

    number: int
    folder: Path
    lock: int

    @property
    def cluster(self) -> str:
        return "demo" if self.number == 1 else f"demo-{self.number}"


@dataclass(frozen=True, slots=True)
class Database:
    """Where the merchants' data is, and the server's own logs if the server is ours."""

    url: str
    logs: tuple[Path, ...] = ()


@contextmanager
def claim_place() -> Iterator[Place]:
    """Take the first place that is free."""
    for number in range(1, DEMOS_AT_ONCE + 1):
        folder = CHECKOUT / ".demo" / ("" if number == 1 else str(number))
        lock = _try_lock(folder)
        if lock is not None:
            break
    else:
        raise CannotGoOn(f"{DEMOS_AT_ONCE} demos run in this checkout already; end one of them.")
    try:
        yield Place(number, folder, lock)
    finally:
        os.close(lock)


def _try_lock(folder: Path) -> int | None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotGoOn(f"{folder} cannot be written to ({error.strerror}).") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


@contextmanager
def borrow_database(place: Place) -> Iterator[Database]:
    """Lend the database that DATABASE_URL names, else an embedded one; what did not run before ends with the demo."""
    if url := _given_url():
        with _alone_in(url):
            yield Database(url)
        return
    ran_before = embedded.status(place.cluster) == "running"
    try:
        url = embedded.start(place.cluster)
        with _alone_in(url):
            yield Database(url, logs=(embedded.find_cluster(place.cluster).log,))
    except embedded.EmbeddedDatabaseError as error:
        raise CannotGoOn(f"The embedded database: {error}") from error
    finally:
        if not ran_before:
            embedded.stop(place.cluster)


def _given_url() -> str:
    file = os.environ.get("DATABASE_URL_FILE", "")
    try:
        return os.environ.get("DATABASE_URL", "") or (Path(file).read_text().strip() if file else "")
    except OSError as error:
        raise CannotGoOn(f"DATABASE_URL_FILE={file} cannot be read ({error.strerror}).") from error


@contextmanager
def _alone_in(url: str) -> Iterator[None]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        # Without psycopg's own words, which may repeat the address with its password.
        fault = f"The database that DATABASE_URL names takes no connection ({type(error).__name__})"
        raise CannotGoOn(f"{fault}; mend it, or unset it to use an embedded database.") from None
    with connection:
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [LOCK_NAME]).fetchone()
        if row != (True,):
            raise CannotGoOn("Another demo uses the database that DATABASE_URL names; unset it, or end that demo.")
        yield


def choose_port(wanted: int | None, *, usual: int) -> int:
    """Return the port that was asked for, else the usual one if nobody listens there, else any free one."""
    if wanted is not None:
        return wanted
    for port in (usual, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listening:
                return int(listening.getsockname()[1])
        except OSError:
            continue
    raise CannotGoOn("No port of 127.0.0.1 can be listened on.")
