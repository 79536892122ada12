"""`manage.py replay`: what it says before it does anything, what it refuses, and how it is watched and stopped."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from results.core.ids import encode
from results.core.words import EventType
from results.models import Delivery, Endpoint, Event, Replay
from results.tell import announce
from tenants.models import AuditEntry, Duty
from tenants.routing import inside
from tests.factories import Cast, add_endpoint

Work = Callable[..., None]


def replay(*options: str) -> str:
    out = StringIO()
    call_command("replay", *options, stdout=out)
    return out.getvalue()


def tells(cast: Cast, *types: str, given_up: bool = True) -> list[Event]:
    """Tell events of which nobody took any."""
    at = datetime.now(UTC) - timedelta(minutes=5)
    with inside(cast.merchant.schema_name):
        events = [announce(cast.route, EventType(type), {"account": {}}, at=at) for type in types]
        if given_up:
            Delivery.objects.update(given_up_at=at)
            Duty.objects.all().delete()
    return events


def narrow(cast: Cast) -> list[str]:
    return [f"--merchant={encode('mer', cast.merchant.id)}", f"--mode={cast.mode}"]


def test_a_dry_run_says_what_would_be_told_to_whom(bakery: Cast) -> None:
    """It names the merchant, the wish, how much that is, and each endpoint by its host; nothing is changed."""
    tells(bakery, "account.reconciliation_gap", "account.credentials_invalid")
    add_endpoint(bakery, "https://ledger.example/in?key=hidden", paused_at=datetime.now(UTC))
    first, second = sorted(encode("end", endpoint.id) for endpoint in bakery.rows(Endpoint))

    printed = replay("--undelivered-since=2h", "--dry-run").splitlines()

    assert printed[0].startswith(
        f"bakery, live mode ({encode('mer', bakery.merchant.id)}): everything undelivered since "
    )
    assert printed[1] == "  2 events would be told again, 4 deliveries in all:"
    assert printed[2].startswith(f"          2  to {first} at 127.0.0.1:")
    assert printed[3] == f"          2  to {second} at ledger.example  paused: they wait until it is resumed"
    assert printed[4:] == ["Nothing was changed. To begin, leave --dry-run out."]
    assert bakery.rows(Replay) == []
    assert not Duty.objects.exists()


def test_a_replay_says_how_to_watch_and_to_stop_it(bakery: Cast) -> None:
    """What has begun is named, with the commands that show how far it is and that stop it."""
    tells(bakery, "account.reconciliation_gap")

    printed = replay("--status=given_up", "--type=account.*")

    name = encode("rep", bakery.rows(Replay)[0].id)
    assert "account.* that is given up" in printed
    assert "1 event to be told again, 1 delivery in all:" in printed
    assert f"{name} has begun; a worker does it." in printed
    assert f"manage.py replay --list --merchant {encode('mer', bakery.merchant.id)} --mode live" in printed
    assert f"manage.py replay --cancel {name}" in printed
    assert AuditEntry.objects.get(action="replay.begun").actor == "manage.py replay"


def test_without_a_merchant_all_are_meant(bakery: Cast, test_bakery: Cast, florist: Cast) -> None:
    """Without --merchant and --mode a replay begins wherever there is something to tell again."""
    tells(bakery, "account.reconciliation_gap")
    tells(florist, "account.reconciliation_gap")

    said = json.loads(replay("--undelivered-since=1d", "--json"))

    assert sorted(one["merchant"] for one in said["replays"]) == sorted(
        encode("mer", cast.merchant.id) for cast in (bakery, florist)
    )
    assert [row.mode for row in bakery.rows(Replay)] == ["live"]


def test_with_a_merchant_nobody_else_is_meant(bakery: Cast, test_bakery: Cast, florist: Cast) -> None:
    """--merchant and --mode narrow it."""
    for cast in (bakery, test_bakery, florist):
        tells(cast, "account.reconciliation_gap")

    replay("--undelivered-since=1d", *narrow(test_bakery))

    assert [row.mode for row in bakery.rows(Replay)] == ["test"]
    assert florist.rows(Replay) == []


def test_one_event_is_found_wherever_it_is(bakery: Cast, florist: Cast) -> None:
    """An event is enough: its merchant and mode are looked for."""
    [event] = tells(florist, "account.reconciliation_gap")
    tells(bakery, "account.reconciliation_gap")

    said = json.loads(replay(f"--event={encode('evt', event.id)}", "--json"))

    [one] = said["replays"]
    assert (one["merchant"], one["wish"]) == (encode("mer", florist.merchant.id), {"event": encode("evt", event.id)})


def test_it_is_followed_to_its_end(bakery: Cast, do_jobs: Callable[[], None], run_worker: Work) -> None:
    """--follow prints how far it is, and ends when everything was tried."""
    tells(bakery, "account.reconciliation_gap", "account.credentials_invalid")
    replay("--undelivered-since=2h")
    do_jobs()
    run_worker(until=lambda: len(bakery.shop.received()) >= 2)
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=datetime.now(UTC))

    with pytest.raises(CommandError, match="nothing has moved"):
        replay("--type=account.*", "--follow", "--patience=0")
    do_jobs()

    printed = replay("--list", *narrow(bakery))
    assert " finished: 2 of 2 deliveries made due; 0 told, 2 owed, 0 given up" in printed.splitlines()[0]
    assert "bakery, live mode, " in printed.splitlines()[1]
    assert "by manage.py replay: account.*" in printed.splitlines()[1]


def test_a_replay_says_what_a_later_one_began_anew(bakery: Cast, do_jobs: Callable[[], None]) -> None:
    """Of the same deliveries the newest replay alone counts how they ended; the older one does not just miss them."""
    tells(bakery, "account.reconciliation_gap")
    for _ in range(2):
        replay("--undelivered-since", "1h")
        do_jobs()

    newest, _, older, _ = replay("--list").splitlines()

    assert newest.endswith("0 told, 1 owed, 0 given up")
    assert older.endswith("0 told, 0 owed, 0 given up, 1 begun anew by a later replay")


def test_a_follower_without_a_worker_is_told_so(bakery: Cast) -> None:
    """When nothing moves, --follow ends with what to look at; the replay itself stays."""
    tells(bakery, "account.reconciliation_gap")

    with pytest.raises(CommandError, match="See whether a worker runs"):
        replay("--undelivered-since=2h", "--follow", "--patience=0")

    assert [row.state for row in bakery.rows(Replay)] == ["running"]


def test_a_replay_is_stopped_by_its_name(bakery: Cast, do_jobs: Callable[[], None], run_worker: Work) -> None:
    """--cancel stops it: what had ended ends again, and nothing is sent."""
    tells(bakery, "account.reconciliation_gap")
    replay("--undelivered-since=2h")
    do_jobs()
    name = encode("rep", bakery.rows(Replay)[0].id)

    printed = replay("--cancel", name)
    run_worker()

    assert printed.startswith(f"{name} cancelled: 1 of 1 delivery made due; 0 told, 0 owed, 1 given up")
    assert bakery.shop.received() == []
    with pytest.raises(CommandError, match="nothing of it is left to stop"):
        replay("--cancel", name)


def test_nothing_to_tell_is_said(bakery: Cast) -> None:
    """A wish that means nothing begins nothing, and says what to look at."""
    tells(bakery, "account.reconciliation_gap")

    assert "Nothing to tell again." in replay("--type=payment.paid")
    assert json.loads(replay("--type=payment.paid", "--dry-run", "--json")) == {"dry_run": True, "plans": []}
    assert replay("--list") == "No replays yet.\n"
    assert bakery.rows(Replay) == []


def test_scripts_read_what_would_be_told(bakery: Cast) -> None:
    """--json prints one line: what would be told, to which endpoint, and why it would wait."""
    tells(bakery, "account.reconciliation_gap")
    [endpoint] = bakery.rows(Endpoint)

    printed = replay("--undelivered-since=2h", "--dry-run", "--json")

    assert printed.count("\n") == 1
    [plan] = json.loads(printed)["plans"]
    assert (plan["merchant"], plan["mode"], plan["events"]) == (encode("mer", bakery.merchant.id), "live", 1)
    assert plan["endpoints"] == [
        {
            "endpoint": encode("end", endpoint.id),
            "host": endpoint.url.split("/")[2],
            "deliveries": 1,
            "held": None,
        }
    ]


UNKNOWN = {prefix: encode(prefix, UUID(int=9)) for prefix in ("evt", "end", "rep")}


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ([], "say what is to be told again"),
        (["--event=evt_1"], "--event: give the id that begins with evt_"),
        ([f"--event={UNKNOWN['evt']}"], "--event: nobody knows it"),
        (["--endpoint=https://shop.example"], "--endpoint: give the id that begins with end_"),
        ([f"--endpoint={UNKNOWN['end']}"], "--endpoint: nobody knows it"),
        (["--cancel=rep_1"], "--cancel: give the id that begins with rep_"),
        ([f"--cancel={UNKNOWN['rep']}"], "--cancel: nobody knows it"),
        (["--type=payment.payd"], "--type: payment.payd means no event"),
        (["--type=endpoint.ping"], "--type: pings are never told again"),
        (["--order=order-9"], "--order: nobody knows it"),
        (["--order=" + "9" * 41], "--order: give 1 to 40"),
        (["--since=yesterday"], "--since: write how long ago"),
        (["--since=2026-11-21T03:00"], "--since: say the zone"),
        (["--until=2099-01-01T00:00Z"], "--until: .* has not come yet"),
        (["--since=1h", "--until=2h"], "--until: it has to be later"),
        (["--undelivered-since=soon"], "--undelivered-since: write how long ago"),
        (["--undelivered-since=1h", "--since=2h"], "--undelivered-since: .*leave --since"),
        (["--undelivered-since=1h", "--status=given_up"], "--undelivered-since: .*leave --since"),
        (["--status=lost", "--since=1h"], "--status"),
        (["--since=1h", "--merchant=bakery"], "--merchant: give the id that begins with mer_"),
        (["--since=1h", "--dry-run", "--follow"], "not allowed with"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_names_the_option_and_the_mend(bakery: Cast, options: list[str], refusal: str) -> None:
    """What makes no sense is refused before anything happens, in one sentence."""
    with pytest.raises(CommandError, match=refusal):
        replay(*options)

    assert bakery.rows(Replay) == []


def test_a_ping_is_refused(bakery: Cast) -> None:
    """A ping cannot be told again: the refusal says what to do in its place."""
    with inside(bakery.merchant.schema_name):
        ping: Any = announce(bakery.route, EventType.PING, {"endpoint": {}}, at=datetime.now(UTC))

    with pytest.raises(CommandError, match="send a new one"):
        replay(f"--event={encode('evt', ping.id)}")
