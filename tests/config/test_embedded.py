"""The promises of the database of a first run, kept by a real server with a name of its own."""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.embedded import EmbeddedDatabaseError

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def name() -> Iterator[str]:
    """A cluster that is not there yet."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    embedded.destroy(name)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """A cluster that several tests may use and restart."""
    name = f"test-{secrets.token_hex(4)}"
    embedded.start(name)
    yield name
    embedded.destroy(name)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of PostgreSQL's user that has nothing to do with it."""
    user = "nobody" if os.geteuid() == 0 else None
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=user) as process:
        yield process
        process.kill()


def command(action: str, name: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "config.embedded", action, "--name", name]
    return subprocess.Popen(line, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, start_new_session=True)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return row[0] if row else None


def read_postmaster(name: str) -> int:
    return int((embedded.find_cluster(name).data / "postmaster.pid").read_text().splitlines()[0])


def is_locked(folder: Path) -> bool:
    opened = os.open(folder, os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


def wait_until_gone(name: str) -> None:
    while embedded.status(name) == "running":
        time.sleep(0.01)


def test_a_first_start_makes_a_database_that_keeps_what_it_is_told(served: str) -> None:
    """The URL of a first start opens an empty database in UTF-8 and UTC that writes through to the disk."""
    url = embedded.start(served)

    question = "SELECT concat_ws(' ', current_database(), current_setting('server_encoding'), {})"
    rest = "current_setting('timezone'), current_setting('fsync'), current_setting('autovacuum')"
    assert ask(url, question.format(rest)) == "paywitness UTF8 UTC on on"


def test_the_server_is_not_on_the_network(served: str) -> None:
    """The server listens on its own socket only, in a folder that other users cannot enter."""
    url = embedded.start(served)

    assert ask(url, "SELECT current_setting('listen_addresses')") == ""
    assert embedded.find_cluster(served).socket.stat().st_mode & 0o777 == 0o700


def test_letters_need_no_locale_of_the_machine(served: str) -> None:
    """Letters beyond ASCII change case although the machine may have no locale installed."""
    url = embedded.start(served)

    assert ask(url, "SELECT upper('é') || lower('Ä')") == "Éä"


def test_processes_that_start_it_at_once_share_one_server(name: str) -> None:
    """Several first runs at the same moment make one cluster and get one URL."""
    starters = [command("start", name) for _ in range(4)]

    answers = {starter.communicate(timeout=60)[0] for starter in starters}

    assert answers == {embedded.find_cluster(name).url + "\n"}
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0]


def test_what_was_committed_survives_a_crash(served: str) -> None:
    """A commit outlives an immediate stop of the server."""
    url = embedded.start(served)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 'order-1' AS merchant_uid")

    embedded.stop(served, "immediate")
    embedded.start(served)

    assert ask(url, "SELECT merchant_uid FROM orders") == "order-1"


def test_a_killed_server_starts_again_though_its_number_was_given_away(
    served: str, bystander: subprocess.Popen[bytes]
) -> None:
    """A lock file left by kill -9 stops nobody, even when its process number is somebody else's now."""
    url = embedded.start(served)
    cluster = embedded.find_cluster(served)
    os.kill(read_postmaster(served), signal.SIGKILL)
    wait_until_gone(served)
    for lock_file in (cluster.data / "postmaster.pid", cluster.socket / ".s.PGSQL.5432.lock"):
        lines = lock_file.read_text().splitlines(keepends=True)
        lock_file.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))

    embedded.start(served)

    assert ask(url, "SELECT 1") == 1
    assert bystander.poll() is None


def test_a_first_start_killed_half_way_is_begun_afresh(name: str) -> None:
    """What an interrupted first start leaves behind is removed by the next one."""
    data = embedded.find_cluster(name).data
    starter = command("start", name)
    while not (data.with_name("data-fresh") / "PG_VERSION").exists():
        assert starter.poll() is None
        time.sleep(0.005)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert not data.exists()

    url = embedded.start(name)

    assert ask(url, "SELECT 1") == 1


def test_a_half_way_initdb_that_lives_on_is_waited_for(name: str) -> None:
    """When only our process is killed, its initdb keeps others out until it has ended."""
    cluster = embedded.find_cluster(name)
    starter = command("start", name)
    while not (cluster.folder / "data-fresh" / "PG_VERSION").exists():
        assert starter.poll() is None
        time.sleep(0.005)
    starter.kill()
    starter.communicate()

    assert is_locked(cluster.folder.parent)
    assert ask(embedded.start(name), "SELECT 1") == 1


def test_a_dropped_database_is_made_again(served: str) -> None:
    """A start brings the database back, empty, when somebody dropped it."""
    url = embedded.start(served)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE paywitness")

    embedded.start(served)

    assert ask(url, "SELECT current_database()") == "paywitness"


def test_the_shell_s_postgresql_is_another(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT and PGDATA of the developer's shell served another server and are left alone."""
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    embedded.stop(served)

    url = embedded.start(served)

    assert ask(url, "SELECT 1") == 1


def test_status_tells_the_three_states(name: str) -> None:
    """A cluster is absent, running, stopped, and after its destruction absent again."""
    seen = [embedded.status(name)]
    for change in (embedded.start, embedded.stop, embedded.destroy):
        change(name)
        seen.append(embedded.status(name))

    assert seen == ["absent", "running", "stopped", "absent"]
    assert not embedded.find_cluster(name).folder.exists()


def test_a_start_that_fails_says_why_and_what_to_do(name: str) -> None:
    """A damaged cluster is reported with the end of its log and with the command that begins afresh."""
    embedded.start(name)
    embedded.stop(name)
    (embedded.find_cluster(name).data / "global" / "pg_control").unlink()

    with pytest.raises(EmbeddedDatabaseError) as refusal:
        embedded.start(name)

    assert "could not find the database system" in str(refusal.value)
    assert f"python -m config.embedded destroy --name {name}" in str(refusal.value)


@pytest.mark.parametrize("odd", ["", "../main", ".postgres", "Main", "a" * 33])
def test_a_name_cannot_leave_our_folder(odd: str) -> None:
    """A cluster's name is a plain word, short enough for the path of a socket."""
    with pytest.raises(EmbeddedDatabaseError, match="cannot name a cluster"):
        embedded.find_cluster(odd)


def test_the_socket_s_path_fits_into_107_bytes() -> None:
    """The longest name still gives a socket that PostgreSQL can open."""
    socket = embedded.find_cluster("a" * 32).socket / ".s.PGSQL.5432"

    assert len(os.fsencode(socket)) <= 107


def test_a_link_in_our_place_is_refused(tmp_path: Path) -> None:
    """A link that somebody put where our folder belongs is never followed."""
    planted = tmp_path / "planted"
    planted.symlink_to(tmp_path)

    with pytest.raises(EmbeddedDatabaseError, match="remove what stands there"):
        embedded.claim_folder(planted)


def test_somebody_else_s_folder_is_refused(tmp_path: Path) -> None:
    """A folder of ours that belongs to another user is never used."""
    foreign = Path("/usr")
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 65534, 65534)

    with pytest.raises(EmbeddedDatabaseError, match="not to us"):
        embedded.claim_folder(foreign)
