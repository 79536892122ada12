"""Home: what a day comes to, counted by hand, and who may see it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from results.core.classify import is_sale
from results.core.figures import Tally, day_began
from results.core.money import Money
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.core.words import Cause, EventType
from results.figures import Figures, Listener, Tries, read_figures
from results.models import Attempt, Delivery, Endpoint, Event, Payment, Reconciliation
from results.publish import publish_snapshot
from results.resolve import Decision, resolve_review
from results.tell import announce
from tenants.models import Credential, Membership, User
from tenants.routing import inside
from tests.factories import Cast, add_endpoint

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
NOON = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # of Korea
MIDNIGHT = day_began(NOON)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def won(count: int, amount: int, *others: Money) -> Tally:
    return Tally(count, Money(amount, "KRW", 0), others)


def happens(cast: Cast, name: str, status: str, amount: str = "10000", *, at: datetime = NOON, **more: Any) -> None:
    """Let PortOne say something about a payment at that moment, and let it be published."""
    paid = {"paid_at": at - 2 * SECOND} if status == "paid" else {}
    failed = {"failed_at": at - 2 * SECOND, "fail_reason": "limit exceeded"} if status == "failed" else {}
    fields: dict[str, Any] = {"started_at": at - MINUTE, "currency": "KRW", "pay_method": "card"}
    fields |= paid | failed | {"sandbox": cast.mode == "test"} | more
    snapshot = Snapshot(
        imp_uid=f"imp_{name}",
        merchant_uid=fields.pop("order", f"order-{name}"),
        status=status,
        amount=Decimal(amount),
        cancel_amount=sum((entry.amount for entry in fields.get("cancellations", ())), Decimal(0)),
        asked_at=at,
        **fields,
    )
    assert is_sale(snapshot)
    with inside(cast.merchant.schema_name):
        publish_snapshot(cast.route, snapshot, cause=Cause.WEBHOOK, named_by_claim=True, at=at)


def returned(amount: str, at: datetime) -> Cancellation:
    return Cancellation(f"{amount}-{at}", Decimal(amount), "wished", None, at, None)


def account(at: datetime) -> VirtualAccount:
    return VirtualAccount("088", "Shinhan", "5620000001", "demo", at, at + 3 * DAY)


def all_is_heard(cast: Cast, *, after: timedelta = SECOND) -> None:
    """Let the shop have taken everything so long after it was concluded."""
    with inside(cast.merchant.schema_name):
        for delivery in Delivery.objects.filter(heard_at=None):
            delivery.heard_at = delivery.delivered_at = delivery.created_at + after
            delivery.save()


def figures_of(cast: Cast, *, at: datetime = NOON + MINUTE) -> Figures:
    with inside(cast.merchant.schema_name):
        return read_figures(cast.route, at=at)


@pytest.fixture
def member(bakery: Cast) -> Iterator[Client]:
    """The browser of somebody who may look at the bakery's pages and change nothing."""
    yield from client_of(bakery, "viewer@bakery.example")


@pytest.fixture
def stranger(florist: Cast) -> Iterator[Client]:
    """The browser of the florist's owner."""
    yield from client_of(florist, "looker@florist.example", role=Membership.Role.OWNER)


def client_of(cast: Cast, email: str, role: Membership.Role = Membership.Role.VIEWER) -> Iterator[Client]:
    connection.set_schema_to_public()
    user = User.objects.create_user(email, created_at=NOON)
    Membership.objects.create(user=user, merchant=cast.merchant, role=role, created_at=NOON)
    client = Client()
    client.force_login(user, backend=BACKEND)
    yield client
    connection.set_schema_to_public()
    user.delete()


def page(cast: Cast, name: str = "home") -> str:
    return reverse(name, args=[cast.merchant.id, cast.mode])


def test_cards_of_today_are_added_up(bakery: Cast) -> None:
    """What was paid today is verified money, and what was paid before midnight in Korea is of yesterday."""
    happens(bakery, "late", "paid", "5000", at=MIDNIGHT + SECOND)  # paid two seconds before: 23:59:59
    happens(bakery, "first", "paid", "20000", at=MIDNIGHT + 2 * SECOND)  # paid at midnight sharp
    happens(bakery, "noon", "paid", "64900")

    figures = figures_of(bakery)

    assert figures.paid == won(2, 84900)
    assert {hour.began_at: int(hour.sum.total) for hour in figures.paid_hours} == {
        MIDNIGHT - HOUR: 5000,
        MIDNIGHT: 20000,
        NOON - HOUR: 64900,
    }


def test_a_payment_counts_when_it_was_paid_not_when_we_heard(bakery: Cast) -> None:
    """Found by today's sweep, yesterday's payment is of yesterday."""
    happens(bakery, "found", "paid", "5000", paid_at=MIDNIGHT - HOUR)

    assert figures_of(bakery).paid == won(0, 0)
    assert figures_of(bakery, at=MIDNIGHT - SECOND).paid == won(1, 5000)


def test_other_currencies_stand_beside_won(bakery: Cast) -> None:
    """Dollars and yen are summed up by themselves, exactly, and never into the won."""
    happens(bakery, "a", "paid", "1000")
    happens(bakery, "b", "paid", "14.20", currency="USD")
    happens(bakery, "c", "paid", "0.10", currency="USD")
    happens(bakery, "d", "paid", "1000", currency="JPY")

    assert figures_of(bakery).paid == won(4, 1000, Money(1000, "JPY", 0), Money(1430, "USD", 2))


def test_refunds_are_shown_as_such(bakery: Cast) -> None:
    """Money that went back is a sum of its own by when it went back; what was paid stays as it was."""
    parts = (returned("1000", NOON - DAY), returned("2500", NOON - HOUR))
    happens(bakery, "old", "paid", "30000", at=NOON - 2 * DAY)
    happens(bakery, "old", "paid", "30000", paid_at=NOON - 2 * DAY, cancellations=parts, cancelled_at=NOON - HOUR)
    happens(bakery, "new", "paid", "8000", at=NOON - 2 * HOUR)
    whole = (returned("8000", NOON - MINUTE),)
    happens(bakery, "new", "cancelled", "8000", paid_at=NOON - 2 * HOUR, cancellations=whole, cancelled_at=NOON)

    figures = figures_of(bakery)

    assert figures.paid == won(1, 8000)
    assert figures.refunded == won(2, 10500)
    assert sum(int(hour.sum.total) for hour in figures.refunded_hours) == 11500


def test_an_account_without_deposit_moved_nothing(bakery: Cast) -> None:
    """A virtual account waits until its deposit; closed before it, it is neither money nor a refund."""
    opened = {"pay_method": "vbank", "virtual_account": account(NOON)}
    happens(bakery, "waits", "ready", "40000", **opened)
    happens(bakery, "closed", "ready", "7000", **opened)
    happens(bakery, "closed", "cancelled", "7000", at=NOON + SECOND, cancelled_at=NOON + SECOND, **opened)

    figures = figures_of(bakery)

    assert figures.waiting == won(1, 40000)
    assert figures.paid == figures.refunded == won(0, 0)


def test_a_deposit_counts_on_its_own_day(bakery: Cast) -> None:
    """An account of the day before yesterday that is paid today is money of today, and waits no more."""
    opened = {"pay_method": "vbank", "virtual_account": account(NOON - 2 * DAY), "started_at": NOON - 2 * DAY}
    happens(bakery, "deposit", "ready", "40000", at=NOON - 2 * DAY, **opened)
    assert figures_of(bakery).waiting == won(1, 40000)

    happens(bakery, "deposit", "paid", "40000", **opened)

    figures = figures_of(bakery)
    assert (figures.waiting, figures.paid) == (won(0, 0), won(1, 40000))


def test_money_under_review_is_not_verified(bakery: Cast) -> None:
    """A wrong amount is under review until a member decides: accepted it is verified, rejected it asks nobody."""
    for name in ("yes", "no", "open"):
        bakery.expects(f"order-{name}", 64900)
        happens(bakery, name, "paid", "100")
    assert (figures_of(bakery).paid, figures_of(bakery).review) == (won(0, 0), won(3, 300))

    for name, decision in (("yes", Decision.ACCEPT), ("no", Decision.REJECT)):
        with inside(bakery.merchant.schema_name):
            payment = Payment.objects.get(imp_uid=f"imp_{name}")
            resolve_review(bakery.route, payment.id, decision=decision, reason="seen", actor="tests", at=NOON)

    assert (figures_of(bakery).paid, figures_of(bakery).review) == (won(1, 100), won(1, 100))


def test_the_success_rate_counts_tries_that_ended(bakery: Cast) -> None:
    """Two of three tries that ended were paid; an open window counts for nothing, yesterday's failure for yesterday."""
    happens(bakery, "one", "paid")
    happens(bakery, "two", "paid")
    happens(bakery, "no", "failed")
    happens(bakery, "open", "ready")
    happens(bakery, "old", "failed", at=MIDNIGHT - SECOND)

    figures = figures_of(bakery)

    assert figures.tries == Tries(ended=3, succeeded=2)
    assert figures.tries.permille == 666


def test_a_late_approval_is_a_success(bakery: Cast) -> None:
    """A try that failed first and was approved after all counts as paid, once."""
    happens(bakery, "late", "failed", at=NOON - MINUTE)
    assert figures_of(bakery).tries == Tries(ended=1, succeeded=0)

    happens(bakery, "late", "paid")

    assert figures_of(bakery).tries == Tries(ended=1, succeeded=1)
    assert figures_of(bakery).paid == won(1, 10000)


def test_money_at_risk_is_verified_and_untold(bakery: Cast) -> None:
    """What the shop has not heard counts from the oldest news on; failures and accounts are no money."""
    happens(bakery, "a", "paid", "30000", at=NOON - HOUR)
    happens(bakery, "b", "paid", "34900", at=NOON - MINUTE)
    happens(bakery, "no", "failed", at=NOON - DAY)
    happens(bakery, "waits", "ready", at=NOON - DAY, pay_method="vbank", virtual_account=account(NOON - DAY))

    figures = figures_of(bakery)

    assert figures.untold.tally == won(2, 64900)
    assert figures.untold.since == NOON - HOUR


def test_money_is_at_risk_until_every_endpoint_heard(bakery: Cast) -> None:
    """A payment that one of two endpoints has not heard is one payment at risk."""
    add_endpoint(bakery, "http://127.0.0.1:9/second")
    happens(bakery, "a", "paid", "30000")
    with inside(bakery.merchant.schema_name):
        heard = Delivery.objects.order_by("id").first()
        assert heard
        Delivery.objects.filter(id=heard.id).update(heard_at=NOON, delivered_at=NOON)
    assert figures_of(bakery).untold.tally == won(1, 30000)

    all_is_heard(bakery)

    assert figures_of(bakery).untold.tally == won(0, 0)
    assert figures_of(bakery).untold.since is None


def test_a_replay_puts_nothing_at_risk(bakery: Cast) -> None:
    """What was heard once and is told again was heard."""
    happens(bakery, "a", "paid")
    all_is_heard(bakery)

    with inside(bakery.merchant.schema_name):
        Delivery.objects.update(delivered_at=None, again=True, began_at=NOON)

    assert figures_of(bakery).untold.tally.count == 0


def test_what_was_given_up_is_said(bakery: Cast) -> None:
    """News that we stopped telling and that were never heard are counted for a week."""
    happens(bakery, "a", "paid")
    with inside(bakery.merchant.schema_name):
        Delivery.objects.update(given_up_at=NOON)

    assert figures_of(bakery).given_up == 1
    assert figures_of(bakery, at=NOON + 8 * DAY).given_up == 0


def test_time_to_told_is_counted_from_the_payment(bakery: Cast) -> None:
    """Three payments told after 3, 5 and 12 s: half within 5 s; one not told yet counts with its age."""
    for name, after in (("a", 1), ("b", 3), ("c", 10)):
        happens(bakery, name, "paid")  # paid two seconds ago
        all_is_heard(bakery, after=after * SECOND)
    told = figures_of(bakery).told
    assert told is not None
    assert (told.p50, told.p99, told.count) == (5, 12, 3)

    happens(bakery, "d", "paid")
    slower = figures_of(bakery, at=NOON + HOUR).told

    assert slower is not None
    assert (slower.p50, slower.p99, slower.count) == (5, 3602, 4)


def test_endpoints_say_how_they_are(bakery: Cast) -> None:
    """Those in trouble stand first, with what waits for them."""
    add_endpoint(bakery, "https://down.example/secret-path", opened_at=NOON, failing_since=NOON - HOUR)
    happens(bakery, "a", "paid")

    first, second = figures_of(bakery).listeners

    assert first == Listener(first.id, "down.example", "probed", NOON, 1)
    assert (second.state, second.waiting) == ("well", 1)


def test_gaps_and_keys_are_said(bakery: Cast) -> None:
    """The last comparison, gaps of a week, and since when PortOne refuses the keys."""
    with inside(bakery.merchant.schema_name):
        Reconciliation.objects.create(mode="live", since=NOON - DAY, watermark=NOON - HOUR)
        announce(bakery.route, EventType.RECONCILIATION_GAP, {"account": {"payments": 2}}, at=NOON - HOUR)
        announce(bakery.route, EventType.RECONCILIATION_GAP, {"account": {"payments": 1}}, at=NOON - 8 * DAY)
    Credential.objects.filter(merchant=bakery.merchant).update(refused_at=NOON)

    figures = figures_of(bakery)

    assert (figures.reconciled_at, figures.gaps, figures.gap_at) == (NOON - HOUR, 1, NOON - HOUR)
    assert figures.keys is not None
    assert figures.keys.refused_at == NOON


def test_modes_are_two_worlds(bakery: Cast, test_bakery: Cast) -> None:
    """Test payments are no figures of live mode."""
    happens(test_bakery, "a", "paid")

    assert figures_of(bakery).paid == won(0, 0)
    assert not figures_of(bakery).any_payment
    assert figures_of(test_bakery).paid == won(1, 10000)


def test_an_odd_amount_stops_nothing(bakery: Cast) -> None:
    """An amount that no column holds is published, and counted without a sum."""
    happens(bakery, "huge", "paid", "1E+30")

    assert figures_of(bakery).review == won(1, 0)


def test_home_shows_the_figures(bakery: Cast, member: Client) -> None:
    """A member sees today's sums, and what is not told yet with its age."""
    now = datetime.now(UTC)
    happens(bakery, "a", "paid", "64900", at=now, paid_at=now)

    shown = member.get(page(bakery), headers={"accept-language": "en"})

    assert shown.status_code == 200
    text = shown.content.decode()
    assert "₩64,900" in text
    assert "Not yet told to your shop" in text
    assert "style=" not in text
    assert 'data-refresh="15"' in text


def test_home_without_payments_leads_to_the_first(bakery: Cast, member: Client) -> None:
    """While nothing was ever paid, the page says what is missing."""
    shown = member.get(page(bakery), headers={"accept-language": "en"})

    assert "No payment yet" in shown.content.decode()
    assert "PortOne keys are in" in shown.content.decode()


def test_a_quiet_day_says_so(bakery: Cast, member: Client) -> None:
    """On a day without a payment, though there were others before, nothing looks broken: it is said in words."""
    happens(bakery, "old", "paid", at=datetime.now(UTC) - 2 * DAY)

    text = member.get(page(bakery), headers={"accept-language": "en"}).content.decode()

    assert "No payment has been verified yet today." in text
    assert "₩0" in text
    assert "No payment yet" not in text


def test_money_at_risk_says_its_age(bakery: Cast, member: Client) -> None:
    """What is not told yet says for how long already, and leads to a list that holds it."""
    happens(bakery, "a", "paid", at=datetime.now(UTC) - 5 * MINUTE)

    text = member.get(page(bakery), headers={"accept-language": "en"}).content.decode()
    there = f"{page(bakery, 'payments')}?attention=on"

    assert f'href="{there}"' in text
    assert re.search(r"oldest <time[^>]*>(<[^>]*>)*5 min", text), text[text.find("oldest") :][:200]
    assert "order-a" in member.get(there).content.decode()


def test_home_speaks_korean(bakery: Cast, member: Client) -> None:
    """Korean comes first."""
    happens(bakery, "a", "paid")

    text = member.get(page(bakery), headers={"accept-language": "ko"}).content.decode()

    assert "아직 상점에 전달 안 됨" in text
    assert "Verified" not in text


def test_what_has_not_changed_is_not_sent_again(bakery: Cast, member: Client) -> None:
    """The part that refreshes itself has an ETag, is 304 while it is the same, and new when something happened."""
    happens(bakery, "a", "paid")
    first = member.get(page(bakery, "home_today"))

    same = member.get(page(bakery, "home_today"), headers={"if-none-match": first.headers["ETag"]})
    happens(bakery, "b", "ready", at=NOON + SECOND, pay_method="vbank", virtual_account=account(NOON))
    other = member.get(page(bakery, "home_today"), headers={"if-none-match": first.headers["ETag"]})

    assert (first.status_code, same.status_code, other.status_code) == (200, 304, 200)
    assert same.content == b""
    assert first.content.decode().lstrip().startswith('<div id="today"')


@pytest.mark.parametrize("name", ["home", "home_today"])
def test_strangers_find_nothing(bakery: Cast, stranger: Client, name: str) -> None:
    """Another merchant's owner gets the 404 of a page that does not exist, and nobody changes anything here."""
    assert stranger.get(page(bakery, name)).status_code == 404
    assert Client().get(page(bakery, name)).status_code == 302


@pytest.mark.parametrize("name", ["home", "home_today"])
def test_home_only_looks(bakery: Cast, member: Client, name: str) -> None:
    """There is nothing to post to."""
    assert member.post(page(bakery, name)).status_code == 405


def test_hostile_texts_stay_texts(bakery: Cast, member: Client) -> None:
    """The host of an endpoint and a merchant's name are written, not run."""
    happens(bakery, "a", "paid")
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(url="https://<script>alert(1)</script>.example/")

    text = member.get(page(bakery)).content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_the_number_of_queries_does_not_grow(bakery: Cast, member: Client) -> None:
    """Home asks at most a dozen times, eight times for figures, however much happened."""
    counts, own = [], []
    for number in (1, 6):
        for place in range(number):
            happens(bakery, f"{number}{place}", "paid", at=NOON + number * MINUTE)
            add_endpoint(bakery, f"https://shop{number}{place}.example/")
        member.get(page(bakery))
        with CaptureQueriesContext(connection) as queries:
            assert member.get(page(bakery)).status_code == 200
        asked = [query["sql"] for query in queries if query["sql"].lstrip()[:6] in ("SELECT", "WITH t", "UPDATE")]
        counts.append(len(asked))
        own.append(sum("results_" in text for text in asked))

    assert counts[0] == counts[1] <= 12
    assert own == [8, 8]


def test_nothing_is_written_by_looking(bakery: Cast) -> None:
    """Reading figures leaves every row as it was."""
    happens(bakery, "a", "paid")
    before = [len(bakery.rows(model)) for model in (Payment, Event, Delivery, Attempt)]

    figures_of(bakery)

    assert [len(bakery.rows(model)) for model in (Payment, Event, Delivery, Attempt)] == before
