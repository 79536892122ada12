"""`manage.py endpoint`: what an operator sees and does, until there is a dashboard."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from deploy.demo.mischief import Fault
from results.core.ids import encode
from results.management.commands import endpoint as command
from results.models import Delivery, Endpoint
from tenants.models import AuditEntry
from tenants.routing import inside
from tests.factories import Cast

Work = Callable[..., None]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "http://127.0.0.1:8200/callback"


def run(cast: Cast, action: str, *options: str, one: bool = True) -> str:
    """Run an action, on the merchant's first endpoint where it is about one."""
    out = StringIO()
    place = [f"--merchant={encode('mer', cast.merchant.id)}", f"--mode={cast.mode}"]
    named = [f"--endpoint={encode('end', first(cast).id)}"] if one else []
    call_command("endpoint", action, *place, *named, *options, stdout=out)
    return out.getvalue()


def facts(cast: Cast) -> list[dict[str, Any]]:
    return list(json.loads(run(cast, "list", "--json", one=False)))


def first(cast: Cast) -> Endpoint:
    return next(row for row in cast.rows(Endpoint) if row.mode == cast.mode)


def update(cast: Cast, **columns: object) -> None:
    with inside(cast.merchant.schema_name):
        Endpoint.objects.update(**columns)


def test_the_list_shows_each_endpoint(bakery: Cast, test_bakery: Cast) -> None:
    """Each endpoint of the mode is shown with what it hears, who signs and how it is doing; no other mode's."""
    added = json.loads(run(bakery, "add", f"--url={URL}", "--event=claim.*", "--json", one=False))

    printed = run(bakery, "list", one=False)

    assert [one["endpoint"] for one in facts(bakery)] == [encode("end", first(bakery).id), added["endpoint"]]
    assert f"{added['endpoint']}  listening\n  {URL}\n  hears claim.*\n  1 secret in use; 0 undelivered" in printed
    assert first(test_bakery).url not in printed


def test_at_night_an_id_is_enough(bakery: Cast, florist: Cast) -> None:
    """Without a merchant every endpoint is listed under whose it is, and one is found by its id."""
    listed, paused = StringIO(), StringIO()
    endpoint = encode("end", first(florist).id)

    call_command("endpoint", "pause", "--endpoint", endpoint, stdout=paused)
    call_command("endpoint", "list", stdout=listed)

    heads = [f"{cast.merchant.name}, live mode [{encode('mer', cast.merchant.id)}]" for cast in (bakery, florist)]
    assert all(head in listed.getvalue() for head in heads)
    assert f"{endpoint}  paused since" in paused.getvalue()
    with pytest.raises(CommandError, match="--endpoint: nobody has end_"):
        call_command("endpoint", "pause", "--endpoint", encode("end", bakery.merchant.id))


@pytest.mark.parametrize(
    ("columns", "state", "words"),
    [
        ({}, "listening", "listening"),
        ({"failing_since": NOON, "failures": 3}, "failing", "failing since 2026-11-21T12:00:00.000Z, 3 times in a row"),
        ({"failing_since": NOON, "opened_at": NOON}, "probed", "probed since 2026-11-21T12:00:00.000Z"),
        ({"opened_at": NOON, "paused_at": NOON}, "paused", "paused since 2026-11-21T12:00:00.000Z"),
        ({"disabled_at": NOON, "disabled_because": "gone"}, "disabled", "000Z: it answered 410 Gone"),
        ({"paused_at": NOON, "disabled_at": NOON, "disabled_because": "failing"}, "disabled", "failure for five days"),
    ],
)
def test_the_list_says_how_an_endpoint_is_doing(bakery: Cast, columns: dict[str, Any], state: str, words: str) -> None:
    """Listening, failing, only probed, paused or disabled, since when and why."""
    update(bakery, **columns)

    assert [one["state"] for one in facts(bakery)] == [state]
    assert words in run(bakery, "list", one=False).splitlines()[2]


def test_a_deleted_endpoint_is_not_listed(bakery: Cast) -> None:
    """Once deleted it is gone from the list, and there is none to delete again."""
    endpoint = first(bakery)

    assert encode("end", endpoint.id) in run(bakery, "delete")

    assert facts(bakery) == []
    with pytest.raises(CommandError, match="--endpoint"):
        call_command("endpoint", "delete", "--endpoint", encode("end", endpoint.id))
    assert AuditEntry.objects.get(action="endpoint.deleted").actor == "manage.py endpoint"


def test_a_mode_without_endpoints_says_so(bakery: Cast) -> None:
    """No endpoint is an answer too."""
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.all().delete()

    assert run(bakery, "list", one=False).strip() == "there is no endpoint of bakery in live mode"
    assert facts(bakery) == []


def test_change_says_what_is_there_now(bakery: Cast) -> None:
    """URL, events, description and headers are changed; what a header says is never printed."""
    headers = ("--header=Authorization: Bearer not-a-secret", "--header=X-Tenant: bakery")
    run(bakery, "change", f"--url={URL}", *headers)

    printed = run(bakery, "change", "--event=payment.*", "--event=claim.*", "--description=warehouse")

    assert f"  {URL}\n  warehouse\n  hears payment.*, claim.*\n  adds Authorization, X-Tenant\n" in printed
    assert "not-a-secret" not in printed + json.dumps(facts(bakery))
    assert set(AuditEntry.objects.filter(action__startswith="endpoint.").values_list("actor", flat=True)) == {
        "tests",
        "manage.py endpoint",
    }
    assert "adds" not in run(bakery, "change", "--no-headers")


def test_pause_and_resume(bakery: Cast, run_worker: Work) -> None:
    """What is told while an endpoint is paused is counted, and sent when it is resumed."""
    paused = run(bakery, "pause")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    waiting = run(bakery, "list", one=False)

    resumed = run(bakery, "resume")
    run_worker()

    assert "paused since" in paused
    assert "1 undelivered" in waiting
    assert "  listening" in resumed
    assert bakery.told() == ["payment.paid"]
    with pytest.raises(CommandError, match="--endpoint: it is neither paused nor disabled"):
        run(bakery, "resume")


def test_rotate_prints_the_secret_that_signs(bakery: Cast, run_worker: Work) -> None:
    """The new secret verifies from now on; the old one too, as long as was asked for."""
    made = json.loads(run(bakery, "rotate", "--overlap=2h", "--json"))
    bakery.shop.configure(signing_secret=made["signing_secret"])

    run(bakery, "ping")
    run_worker()

    [one] = facts(bakery)
    left = datetime.fromisoformat(made["old_secrets_until"]) - datetime.now(UTC)
    assert bakery.told() == ["endpoint.ping"]
    assert timedelta(minutes=119) < left <= timedelta(hours=2)
    assert (one["secrets"], len(one["secrets_retire_at"])) == (2, 1)


@pytest.mark.parametrize("text", ["0", "90s", "30m", "24h", "7d"])
def test_spans_are_read(text: str) -> None:
    """An overlap is a number with its unit, or 0."""
    known = {"0": 0, "90s": 90, "30m": 1800, "24h": 86400, "7d": 604800}

    assert command.read_span(text).total_seconds() == known[text]


def in_background(step: Callable[[], str]) -> Callable[[], str | Exception]:
    """Begin a step in a thread of its own; what is returned waits for its end."""
    ended: list[str | Exception] = []

    def work() -> None:
        try:
            ended.append(step())
        except CommandError as error:
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()

    def wait() -> str | Exception:
        thread.join(30)
        return ended[0]

    return wait


def test_ping_shows_what_came_of_it(bakery: Cast, run_worker: Work) -> None:
    """With --wait the request is shown without its secrets, and the answer with its time."""
    run(bakery, "change", "--header=X-Key: not-a-secret")

    wait = in_background(lambda: run(bakery, "ping", "--wait"))
    run_worker(until=lambda: bakery.told() == ["endpoint.ping"])
    printed = str(wait())

    [received] = bakery.shop.received()
    lines = printed.splitlines()
    assert lines[0] == f"POST {first(bakery).url}"
    assert f"  webhook-id: {received.headers['webhook-id']}" in lines
    assert f"  webhook-timestamp: {received.headers['webhook-timestamp']}" in lines
    assert {"  webhook-signature: (not shown)", "  X-Key: (not shown)"} <= set(lines)
    assert lines[-1].startswith("→ 200 after ")
    assert received.headers["webhook-signature"] not in printed


def test_a_ping_that_is_not_taken_fails(bakery: Cast, run_worker: Work) -> None:
    """With --wait the command fails unless the endpoint took the ping."""
    bakery.shop.faults.add(Fault(kind="status", status=503))

    wait = in_background(lambda: run(bakery, "ping", "--wait"))
    run_worker(until=lambda: any(row.given_up_at for row in bakery.rows(Delivery)))

    assert "--endpoint: it did not take the ping" in str(wait())


def test_without_a_worker_a_ping_ends_too(bakery: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing sends it, the command says where to look."""
    monkeypatch.setattr(command, "LONGEST_WAIT", 0.1)

    with pytest.raises(CommandError, match=r"--wait: .*see that a worker runs"):
        run(bakery, "ping", "--wait")


@pytest.mark.parametrize(
    ("action", "options", "named"),
    [
        ("change", ["--url=https://10.0.0.1/"], "--url: Use a public address"),
        ("change", ["--event=payment.payed"], "--event: 'payment.payed' is no event type"),
        ("change", [f"--description={'x' * 121}"], "--description: Describe"),
        ("change", ["--header=Host: evil.example"], "--header: Host is reserved"),
        ("change", ["--header=X-Key: a\nb"], "--header: X-Key has a line break"),
        ("change", ["--header=nonsense"], "--header: write it as"),
        ("change", ["--header=a: 1", "--header=a: 2"], "--header: a name is given twice"),
        ("change", [], "say what is to change"),
        ("rotate", ["--overlap=8d"], "--overlap: Let the old secret"),
        ("rotate", ["--overlap=soon"], "--overlap: write 0"),
        ("rotate", ["--overlap=-1h"], "--overlap: write 0"),
        ("pause", ["--endpoint=evt_1"], "--endpoint: give the id that begins with end_"),
        ("pause", ["--endpoint=end_00000000000000000000000001"], "--endpoint: bakery has no end_0"),
        ("pause", ["--merchant=mer_1"], "--merchant: give the id"),
    ],
)
def test_a_refusal_names_the_option(bakery: Cast, action: str, options: list[str], named: str) -> None:
    """What is wrong is told with the option and the mend, and nothing is changed."""
    before = facts(bakery)

    with pytest.raises(CommandError) as refusal:
        run(bakery, action, *options)

    assert str(refusal.value).startswith(named)
    assert facts(bakery) == before
