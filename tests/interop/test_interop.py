"""What we send is believed by the reference libraries, and what somebody made of it is not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deploy.demo.shop import Received
from results.core.signing import SigningSecret
from results.endpoints import change_endpoint, ping, rotate_secret
from results.models import Endpoint, EndpointSecret
from tenants.routing import inside
from tests.factories import Cast
from tests.interop.conftest import Receiver

Work = Callable[..., None]
HOUR = timedelta(hours=1)
STRANGERS = SigningSecret(b"a secret of somebody else's.....").to_text()


def told(cast: Cast, run_worker: Work, order: str = "주문-1") -> Received:
    """Let an order be paid; the callback about it, as it came in."""
    cast.expects(order)
    imp_uid = cast.opens_window(order, name="딸기 케이크 🍰")
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)
    run_worker(until=lambda: bool(cast.events(order)))
    return cast.shop.received(order=order)[-1]


def secret_of(cast: Cast) -> str:
    return str(cast.shop.settings.signing_secrets[0])


def rotate(cast: Cast, overlap: timedelta) -> str:
    with inside(cast.merchant.schema_name):
        id_ = Endpoint.objects.get(mode=cast.mode).id
        return rotate_secret(cast.route, id_, overlap=overlap, actor="tests", at=datetime.now(UTC)).to_text()


def let_overlaps_end(cast: Cast) -> None:
    with inside(cast.merchant.schema_name):
        EndpointSecret.objects.exclude(retires_at=None).update(retires_at=datetime.now(UTC))


def test_a_callback_verifies(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """The endpoint's secret verifies a callback in every script; no other secret does, and no other bytes."""
    received = told(bakery, run_worker)
    altered = Received(
        **{name: getattr(received, name) for name in received.__slots__} | {"body": received.body + b" "}
    )

    assert receiver.refuses(received, secret_of(bakery)) == ""
    assert "No matching signature" in receiver.refuses(received, STRANGERS)
    assert "No matching signature" in receiver.refuses(altered, secret_of(bakery))


def test_a_ping_verifies_beside_fixed_headers(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """A test ping is signed as every event is, and headers that the merchant adds do not stand in its way."""
    with inside(bakery.merchant.schema_name):
        id_, at = Endpoint.objects.get().id, datetime.now(UTC)
        headers = {"Authorization": "Bearer not-a-secret", "X-Signature": "v1,none"}
        change_endpoint(bakery.route, id_, headers=headers, actor="tests", at=at)
        ping(bakery.route, id_, at=at)
    run_worker()

    [received] = bakery.shop.received()
    assert received.event["type"] == "endpoint.ping"
    assert receiver.refuses(received, secret_of(bakery)) == ""


def test_during_a_rotation_both_secrets_verify(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """While they overlap the old and the new secret verify the same callback; afterwards only the new one does."""
    old = secret_of(bakery)
    new = rotate(bakery, HOUR)
    bakery.shop.configure(signing_secret=new)
    during = told(bakery, run_worker, "order-1")

    let_overlaps_end(bakery)
    after = told(bakery, run_worker, "order-2")

    assert [receiver.refuses(during, old), receiver.refuses(during, new), receiver.refuses(after, new)] == [""] * 3
    assert "No matching signature" in receiver.refuses(after, old)


def test_ten_secrets_verify_the_same_callback(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """As many secrets as an endpoint may have sign at once, and each of them verifies."""
    secrets = [secret_of(bakery), *(rotate(bakery, HOUR) for _ in range(9))]

    received = told(bakery, run_worker)

    assert {receiver.refuses(received, secret) for secret in (secrets[0], secrets[5], secrets[9])} == {""}
    assert len(received.headers["webhook-signature"].split()) == 10


@pytest.mark.parametrize(("ahead", "refusal"), [(timedelta(minutes=4), ""), (timedelta(minutes=6), "too old")])
def test_t14_a_captured_callback_is_old_after_five_minutes(
    bakery: Cast, run_worker: Work, receiver: Receiver, ahead: timedelta, refusal: str
) -> None:
    """Whoever captured a callback can show it for five minutes; with a younger timestamp its signature is wrong."""
    received = told(bakery, run_worker)
    later = str(int((datetime.now(UTC) + ahead).timestamp()))

    replayed = receiver.refuses(received, secret_of(bakery), ahead=ahead)
    restamped = receiver.refuses(received, secret_of(bakery), ahead=ahead, webhook_timestamp=later)

    assert refusal in replayed
    assert bool(replayed) == bool(refusal)
    assert "No matching signature" in restamped


def test_t14_within_five_minutes_the_id_gives_a_replay_away(bakery: Cast, run_worker: Work) -> None:
    """Shown again at once, a captured callback verifies, and its `webhook-id` says that it was acted upon."""
    received = told(bakery, run_worker)
    url = next(row.url for row in bakery.rows(Endpoint))

    httpx.post(url, content=received.body, headers=received.headers, trust_env=False)

    first, again = bakery.shop.received(order="주문-1")
    assert (again.verified, first.duplicate, again.duplicate) == (True, False, True)
    assert [event["id"] for event in bakery.shop.fulfilled().values()] == [first.event["id"]]


def test_t14_no_id_can_be_put_on_captured_bytes(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """The id is signed too, so a replay cannot pass for another event; and the body says id and sequence itself."""
    received = told(bakery, run_worker)

    refusal = receiver.refuses(received, secret_of(bakery), webhook_id="evt_00000000000000000000000000")

    assert "No matching signature" in refusal
    assert received.event["id"] == received.headers["webhook-id"]
    assert received.event["sequence"] == 1


def test_t14_secrets_of_a_mode_verify_no_other(
    bakery: Cast, test_bakery: Cast, run_worker: Work, receiver: Receiver
) -> None:
    """A callback of test mode, captured or not, is nothing to an endpoint of live mode."""
    received = told(test_bakery, run_worker)

    assert receiver.refuses(received, secret_of(test_bakery)) == ""
    assert "No matching signature" in receiver.refuses(received, secret_of(bakery))
