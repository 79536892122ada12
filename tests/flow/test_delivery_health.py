"""An endpoint that fails, for minutes or for days: what it is spared, and how it hears everything in the end."""

from datetime import timedelta

import pytest

from results.attempts import record
from results.backlog import owe_backlog
from results.core.health import DISABLES_AFTER, LAST_PROBE, OPENS_AFTER
from results.core.verdict import Reply
from results.deliver import Outgoing, Tried, judged, load
from results.endpoints import change_endpoint, ping
from results.models import Delivery, Endpoint
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast, add_endpoint
from tests.flow.virtual_endpoint import BEGINNING, BROKEN, OK, Line, down_until

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def play_orders(line: Line, *, hours: int) -> list[list[object]]:
    """Publish two events of a new order every hour; return each order's events as they were published."""
    orders = []
    for hour in range(hours):
        first = line.publish(f"order-{hour}")
        line.wait(MINUTE)
        orders.append([first.id, line.publish(f"order-{hour}", type="payment.cancelled").id])
        line.wait(HOUR - MINUTE)
    return orders


def each_in_order(line: Line, orders: list[list[object]]) -> bool:
    heard = line.heard()
    return all([event for event in heard if event in order] == order for order in orders)


def test_ten_failures_make_a_backlog_that_is_only_probed(bakery: Cast) -> None:
    """After ten failures in a row an endpoint gets one request per interval, however much waits."""
    line = Line(bakery, down_until(BEGINNING + DAY))
    for number in range(50):
        line.publish(f"order-{number}")
        line.wait(SECOND)

    before = len(line.requests)
    line.wait(HOUR)

    assert before <= OPENS_AFTER + 3
    assert len(line.requests) - before <= 10
    assert Duty.objects.filter(kind="probe").count() == Duty.objects.count() == 1


def test_a_shop_that_was_down_for_four_days_hears_everything(bakery: Cast) -> None:
    """Within one probe interval of its return every event is delivered by itself, in order per order."""
    back = BEGINNING + 4 * DAY
    line = Line(bakery, down_until(back))
    orders = play_orders(line, hours=96)

    line.wait(LAST_PROBE)

    assert line.undelivered() == 0
    assert each_in_order(line, orders)
    assert sorted(line.heard()) == sorted(event for order in orders for event in order)
    assert line.endpoint().failing_since is None


def test_a_shop_that_was_down_for_eight_days_is_disabled_and_loses_nothing(bakery: Cast) -> None:
    """After five days it is called no more; enabled with its backlog after eight it hears everything, in order."""
    line = Line(bakery, down_until(BEGINNING + 8 * DAY))
    orders = play_orders(line, hours=8 * 24)
    endpoint = line.endpoint()
    last = max(item.at for item in line.requests)

    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(disabled_at=None, disabled_because="", failures=0, failing_since=None, warned_at=None)
        owed = owe_backlog(bakery.route, endpoint.id, at=line.at)
    line.wait(MINUTE)

    assert endpoint.disabled_because == "failing"
    assert DISABLES_AFTER <= last - BEGINNING <= DISABLES_AFTER + 2 * LAST_PROBE
    assert owed == 2 * 8 * 24
    assert line.undelivered() == 0
    assert each_in_order(line, orders)


def test_gone_disables_at_once_and_others_are_told(bakery: Cast) -> None:
    """410: not one request more; what it has not heard is kept, and the other endpoint hears of it."""
    add_endpoint(bakery, "http://127.0.0.1:9/other", events=["endpoint.*"])
    line = Line(bakery, lambda outgoing, at: Reply(status=410) if outgoing.event_type == "payment.paid" else OK)

    line.publish("order-1")
    line.wait(SECOND)
    line.publish("order-2")
    line.wait(DAY)

    assert line.endpoint().disabled_because == "gone"
    assert [item.order for item in line.requests] == ["order-1", ""]
    assert bakery.published()[-2].type == "endpoint.disabled"
    assert line.undelivered() == 2


def test_a_success_elsewhere_in_the_meantime_is_no_failure_in_a_row(bakery: Cast) -> None:
    """An event that the endpoint cannot digest opens no circuit while it takes the others."""
    line = Line(bakery, lambda outgoing, at: BROKEN if outgoing.event_type == "payment.paid" else OK)
    line.publish("order-0")

    for hour in range(30):
        line.publish(f"order-{hour + 1}", type="payment.cancelled")
        line.wait(HOUR)

    assert line.endpoint().opened_at is None
    assert len(line.heard()) == 30


def test_one_event_that_cannot_be_digested_keeps_nothing_shut(bakery: Cast) -> None:
    """An open circuit is probed with what was tried least, so that the next event shows that the endpoint is well."""
    line = Line(bakery, lambda outgoing, at: BROKEN if outgoing.event_type == "payment.paid" else OK)
    line.publish("order-1")
    line.wait(2 * DAY)
    assert line.endpoint().opened_at is not None

    line.publish("order-2", type="payment.cancelled")
    line.wait(LAST_PROBE)

    assert len(line.heard()) == 1
    assert line.endpoint().opened_at is None


def test_a_probe_waits_as_long_as_it_was_asked_to(bakery: Cast) -> None:
    """Retry-After is honoured by probes, too."""
    line = Line(bakery, lambda outgoing, at: Reply(status=503, retry_after="7200"))
    for number in range(OPENS_AFTER):
        line.publish(f"order-{number}")
    line.wait(SECOND)

    line.wait(2 * HOUR - 2 * SECOND)
    before = len(line.requests)
    line.wait(MINUTE)

    assert before == OPENS_AFTER
    assert len(line.requests) == OPENS_AFTER + 1


def test_an_endpoint_without_backlog_is_not_forgotten(bakery: Cast) -> None:
    """When nothing is left to probe with, the next event goes out by itself."""
    line = Line(bakery, down_until(BEGINNING + DAY))
    for number in range(OPENS_AFTER):
        line.publish(f"order-{number}")
    line.wait(SECOND)
    with inside(bakery.merchant.schema_name):
        Delivery.objects.update(given_up_at=line.at)
    line.wait(2 * DAY)

    line.publish("order-late")
    line.wait(SECOND)

    assert len(line.heard()) == 1


def test_probing_gives_nothing_up(bakery: Cast) -> None:
    """What is older than seven days when its endpoint fails altogether stays owed."""
    down = BEGINNING + 4 * DAY
    line = Line(bakery, lambda outgoing, at: OK if at < down and outgoing.event_type != "payment.paid" else BROKEN)
    line.publish("order-0")
    for number in range(4 * 8):
        line.publish(f"order-{number + 1}", type="payment.cancelled")
        line.wait(3 * HOUR)
    for number in range(OPENS_AFTER):
        line.publish(f"order-late-{number}")
    line.wait(4 * DAY)

    assert not [one for one in bakery.rows(Delivery) if one.given_up_at]


@pytest.mark.parametrize("field", ["paused_at", "disabled_at"])
def test_what_a_silent_endpoint_does_not_hear_is_written_down(bakery: Cast, field: str) -> None:
    """Paused or disabled, it gets rows and no requests."""
    line = Line(bakery, down_until(BEGINNING))
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**{field: BEGINNING})

    line.publish("order-1")
    line.wait(DAY)

    assert line.undelivered() == 1
    assert not line.requests
    assert not Duty.objects.filter(kind="deliver").exists()


@pytest.mark.parametrize("field", ["paused_at", "disabled_at", "opened_at"])
def test_what_is_owed_when_an_endpoint_falls_silent_waits(bakery: Cast, field: str) -> None:
    """A duty that comes due meanwhile is dropped, and its delivery kept."""
    line = Line(bakery, down_until(BEGINNING))
    line.publish("order-1")
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**{field: BEGINNING})

    line.wait(DAY)
    before = line.heard()
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**{field: None})
        owe_backlog(bakery.route, line.endpoint().id, at=line.at)
    line.wait(SECOND)

    assert (len(before), len(line.heard())) == (0, 1)


def test_seven_days_count_from_the_return_of_the_endpoint(bakery: Cast) -> None:
    """What waited a month for an enabled endpoint is not given up at its first failure."""
    line = Line(bakery, lambda outgoing, at: BROKEN if outgoing.step == 1 and at > BEGINNING + DAY else OK)
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=BEGINNING)
    line.publish("order-1")
    line.at += 30 * DAY

    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=None)
        owe_backlog(bakery.route, line.endpoint().id, at=line.at)
    line.wait(MINUTE)

    assert [item.answered for item in line.requests] == [500, 200]


def test_what_is_never_taken_is_given_up_after_seven_days(bakery: Cast) -> None:
    """A delivery among others that succeed follows the schedule to its end, and is then given up."""
    line = Line(bakery, lambda outgoing, at: BROKEN if outgoing.event_type == "payment.paid" else OK)
    line.publish("order-0")
    for number in range(8 * 24):
        line.publish(f"order-{number + 1}", type="payment.cancelled")
        line.wait(HOUR)

    [poison] = [one for one in bakery.rows(Delivery) if one.given_up_at]
    assert timedelta(days=6) < poison.given_up_at - BEGINNING <= timedelta(days=7)
    assert 20 <= poison.tries <= 25


def test_a_ping_is_no_backlog(bakery: Cast) -> None:
    """A ping goes out although the circuit opens before, and one that failed is nothing to probe with."""
    line = Line(bakery, lambda outgoing, at: BROKEN)
    line.publish("order-1")

    with inside(bakery.merchant.schema_name):
        under_way = load(bakery.route, line.take(), at=line.at)
        ping(bakery.route, line.endpoint().id, at=line.at)
        Endpoint.objects.update(failures=OPENS_AFTER - 1)
        record(bakery.route, [failed(item, line, BROKEN) for item in under_way], at=line.at)
    line.wait(DAY)

    assert line.endpoint().opened_at is not None
    assert [item.order for item in line.requests].count("") == 1
    assert len(line.requests) - 1 == line.endpoint().probes


@pytest.mark.parametrize("reply", [BROKEN, Reply(status=410)])
def test_another_server_answers_for_no_request_of_the_old_one(bakery: Cast, reply: Reply) -> None:
    """What was under way when the URL changed says nothing of the new one, which hears it at once."""
    line = Line(bakery, lambda outgoing, at: OK)
    for number in range(OPENS_AFTER + 1):
        line.publish(f"order-{number}")

    with inside(bakery.merchant.schema_name):
        under_way = load(bakery.route, line.take(), at=line.at)
        change_endpoint(bakery.route, line.endpoint().id, url="http://127.0.0.1:9/new", actor="test", at=line.at)
        record(bakery.route, [failed(item, line, reply) for item in under_way], at=line.at)
    line.wait(SECOND)

    assert line.endpoint().failing_since is None
    assert line.endpoint().disabled_at is None
    assert len(line.heard()) == len(under_way) == OPENS_AFTER + 1


def failed(outgoing: Outgoing, line: Line, reply: Reply) -> Tried:
    return judged(outgoing, reply, started_at=line.at, at=line.at, jitter=0.0)
