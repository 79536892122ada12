"""Each known attack, made from the wire, and what does not come of it. The numbers are those of the list of threats.

Kept elsewhere: T2 in test_shared_account.py, T7's list of bypasses in core/test_return_link.py, T8's other half in
test_result_page.py (and T8 and T10 by a script in test_shop_script.py), T10's flood and T9's sweeps in files of their
own, T14 in interop/, T15 in test_leaks.py, T18 in test_customers_host.py.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db.models import F

from deploy.demo.mischief import Fault
from results.core.claim import Claim, Outcome
from results.core.ids import encode
from results.core.money import Money
from results.core.words import EventType
from results.models import Event, Notification, Order
from results.receive import Arrival, Kind, new_page, record
from tenants.models import Duty
from tenants.routing import Route, find_route, inside
from tests.factories import Cast, page_of, parameters, state_of

Work = Callable[..., None]
Later = Callable[[Cast], None]
CLOSED = "사용자가 결제를 취소하였습니다"
EVIL = "https://evil.example/orders/complete"


def pays(cast: Cast, order: str, amount: int | str = 64900, **fields: Any) -> str:
    """Let a customer pay, and no webhook come; the payment's id."""
    imp_uid = cast.opens_window(order, amount, **fields)  # type: ignore[arg-type]
    cast.portone.approve(imp_uid, webhook=False)
    return imp_uid


def shown(landing: httpx.Response) -> str:
    """Return the page of a landing as it is drawn."""
    return httpx.get(page_of(landing), headers={"Accept-Language": "en"}, trust_env=False).text


def way_back(landing: httpx.Response) -> str:
    """Return where the page's button leads."""
    return str(httpx.get(f"{page_of(landing)}/return", trust_env=False).headers["location"])


def kept(cast: Cast) -> list[str]:
    """Return the types of everything that was published, told or only kept."""
    return [event.type for event in cast.published()]


@pytest.mark.parametrize("door", ["landing", "webhook"])
def test_t01_somebody_elses_paid_payment_is_claimed(bakery: Cast, run_worker: Work, door: str) -> None:
    """Whoever knows the id of a payment that was told long ago gets nothing for another order with it."""
    bakery.expects("order-a")
    bakery.expects("order-b")
    imp_uid = pays(bakery, "order-a")
    bakery.is_called_about(imp_uid, "order-a")
    run_worker()

    if door == "webhook":
        bakery.is_called_about(imp_uid, "order-b")
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-b", imp_success="true")
    run_worker()

    assert bakery.told() == [EventType.PAID]
    assert list(bakery.shop.fulfilled()) == ["order-a"]
    assert bakery.order("order-b").status == "registered"
    assert state_of(landing) == "unknown"
    assert "64,900" not in shown(landing)
    assert "pr_status" not in way_back(landing)


def test_t03_a_payment_pays_one_order_for_ever(bakery: Cast, run_worker: Work, later: Later) -> None:
    """The id of a paid payment pays no second order of the same price, not even if PortOne came to say so."""
    bakery.expects("order-a")
    bakery.expects("order-b")
    imp_uid = pays(bakery, "order-a")
    bakery.is_called_about(imp_uid, "order-a")
    run_worker()

    for _ in range(3):
        later(bakery)
        bakery.is_called_about(imp_uid, "order-b")
        run_worker()
    bakery.portone.amend(imp_uid, merchant_uid="order-b")
    later(bakery)
    bakery.is_called_about(imp_uid, "order-b", status="cancelled")  # so that PortOne is asked
    run_worker()

    assert bakery.told() == [EventType.PAID]
    assert kept(bakery) == [EventType.PAID, EventType.CLAIM_REJECTED]
    assert bakery.order("order-b").status == "registered"
    assert list(bakery.shop.fulfilled()) == ["order-a"]


def test_t04_a_forged_confirm_followed_by_a_forged_amount_ends_in_review(bakery: Cast, run_worker: Work) -> None:
    """Whoever asks confirm about the right amount and then pays 100 is reviewed, and nothing is cancelled for them."""
    bakery.expects("order-1")
    confirm = bakery.redirect_url.replace("/complete", "/confirm")
    imp_uid = bakery.opens_window("order-1", 100)
    answers = [
        httpx.post(confirm, json={"imp_uid": imp_uid, "merchant_uid": "order-1", "amount": amount}, trust_env=False)
        for amount in (100, 64900)
    ]
    bakery.portone.approve(imp_uid, webhook=False)

    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    assert [answer.is_success for answer in answers] == [False, True]
    assert bakery.told() == [EventType.REVIEW_AMOUNT]
    assert bakery.events()[0]["data"]["payment"]["money_moved"] is True
    assert bakery.shop.fulfilled() == {}
    assert "cancel" not in bakery.portone.journal.counts()


SWAPS: tuple[tuple[Money, str, str, str], ...] = (
    (Money(1000, "KRW", 0), "1000", "KRW", EventType.PAID),
    (Money(1000, "KRW", 0), "1000", "JPY", EventType.REVIEW_CURRENCY),
    (Money(1000, "KRW", 0), "10", "USD", EventType.REVIEW_CURRENCY),
    (Money(1000, "KRW", 0), "10.00", "KRW", EventType.REVIEW_AMOUNT),
    (Money(1000, "KRW", 0), "1000.5", "KRW", EventType.REVIEW_AMOUNT),
    (Money(1000, "KRW", 0), "1000", "XXX", EventType.REVIEW_CURRENCY),
    (Money(1000, "USD", 2), "10.00", "USD", EventType.PAID),
    (Money(1000, "USD", 2), "10", "USD", EventType.PAID),
    (Money(1000, "USD", 2), "1000", "KRW", EventType.REVIEW_CURRENCY),
    (Money(1000, "USD", 2), "10", "KRW", EventType.REVIEW_CURRENCY),
    (Money(1000, "USD", 2), "1000", "USD", EventType.REVIEW_AMOUNT),
    (Money(1000, "USD", 2), "9.999", "USD", EventType.REVIEW_AMOUNT),
    (Money(1000, "JPY", 0), "1000", "JPY", EventType.PAID),
    (Money(1000, "JPY", 0), "1000", "KRW", EventType.REVIEW_CURRENCY),
    (Money(1000, "VND", 0), "10", "VND", EventType.REVIEW_AMOUNT),
)


def test_t05_no_currency_passes_for_another(bakery: Cast, run_worker: Work) -> None:
    """Equal numbers are not equal money: currency and exponent are compared, too, and nothing is rounded."""
    for number, (money, amount, currency, _) in enumerate(SWAPS):
        order = f"order-{number}"
        bakery.expects(order, money.amount, money.currency, money.exponent)
        bakery.is_called_about(pays(bakery, order, amount, currency=currency), order)

    run_worker()

    told = {(*swap[:3], kind) for number, swap in enumerate(SWAPS) for kind in bakery.told(f"order-{number}")}
    assert told == set(SWAPS)
    assert len(bakery.shop.fulfilled()) == sum(swap[3] == EventType.PAID for swap in SWAPS)


def test_t06_test_money_buys_nothing(bakery: Cast, test_bakery: Cast, run_worker: Work, later: Later) -> None:
    """A payment of a test channel is no success for a live order, however often it is claimed; test mode hears none."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", sandbox=True)
    for _ in range(6):
        bakery.is_called_about(imp_uid, "order-1")
        bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
        run_worker()
        later(bakery)

    assert bakery.told() == [EventType.REVIEW_LIVEMODE]
    assert bakery.shop.fulfilled() == {}
    assert test_bakery.shop.received() == []
    assert bakery.order("order-1").status == "registered"


@pytest.mark.parametrize("name", ["return_url", "redirect_url", "m_redirect_url", "next", "url"])
def test_t07_a_landing_cannot_choose_where_the_customer_goes(bakery: Cast, run_worker: Work, name: str) -> None:
    """Whatever address a link carries, the page leads to the registered one and repeats none of it."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1")

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true", **{name: EVIL})
    run_worker()

    assert landing.headers["location"].startswith(f"{bakery.web}/r/")
    assert way_back(landing).startswith(f"{bakery.return_url}?")
    for suffix in (f"?{name}={EVIL}", f"/return?{name}={EVIL}"):
        answer = httpx.get(page_of(landing) + suffix, trust_env=False)
        assert "evil.example" not in answer.text + answer.headers.get("location", "")


@pytest.mark.parametrize("guess", [{}, {"imp_uid": "imp_999999999999"}])
def test_t08_guessing_order_numbers_shows_no_account(bakery: Cast, run_worker: Work, guess: dict[str, str]) -> None:
    """Who guesses the number of a stranger's order that waits for a deposit sees neither amount nor account."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", pay_method="vbank", buyer_name="홍길동", buyer_tel="010-0000-0000")
    account = str(bakery.portone.issue_account(imp_uid, webhook=False).vbank_num)
    bakery.is_called_about(imp_uid, "order-1", status="ready")
    run_worker()

    landings = [bakery.lands(merchant_uid="order-1", **guess) for _ in range(2)]
    run_worker()

    for landing in landings:
        assert not any(word in shown(landing) for word in ("64,900", account, "홍길동", "010-", imp_uid, "order-1"))
        assert "pr_amount" not in way_back(landing)
        assert "awaiting" not in way_back(landing)
    assert page_of(landings[0]) != page_of(landings[1])


def test_t09_a_customer_who_moves_the_webhook_elsewhere_pays_all_the_same(
    bakery: Cast, run_worker: Work, later: Later
) -> None:
    """A browser may name another `notice_url`; what was seen of the payment before is asked about again."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", notice_url=f"{bakery.web}/nowhere")
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1")
    run_worker()

    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    later(bakery)
    run_worker()

    assert [note.kind for note in bakery.notifications()] == ["landing"]
    assert bakery.told() == [EventType.PAID]


def route_of(cast: Cast, kind: str = "browser") -> Route:
    route = find_route(cast.key(kind).key, kind=kind, at=datetime.now(UTC))
    assert route is not None
    return route


def test_t10_forged_webhooks_cost_next_to_nothing(bakery: Cast, run_worker: Work) -> None:
    """Four hundred made-up ids cost a few questions, in batches and by one token, and the real payment is told."""
    route, at = route_of(bakery, "webhook"), datetime.now(UTC)
    for number in range(400):
        claim = Claim(imp_uid=f"imp_{900000000000 + number}", merchant_uid=f"order-{number}", status="paid")
        assert record(route, Arrival(Kind.WEBHOOK, claim, b""), at=at)
    bakery.expects("order-real")
    bakery.is_called_about(pays(bakery, "order-real"), "order-real")

    run_worker(until=lambda: bakery.told() == [EventType.PAID])
    run_worker()

    assert bakery.portone.journal.counts()["getToken"] == 1
    assert bakery.portone.journal.questions() / 400 < 0.02
    assert bakery.order("order-real").status == "paid"


def test_t10_no_browser_sees_the_webhooks_key(bakery: Cast, run_worker: Work) -> None:
    """What a customer is answered opens the door of landings only."""
    landing = bakery.lands(imp_uid=pays(bakery, "order-1"), merchant_uid="order-1", imp_success="true")
    run_worker()

    seen = shown(landing) + str(landing.headers) + way_back(landing)

    assert bakery.key("webhook").key not in seen


def test_t11_ten_thousand_forged_failures_reach_the_shop_at_ten_a_minute(
    bakery: Cast, run_worker: Work, note: Callable[[str], None]
) -> None:
    """Forged failures over a thousand guessable orders make ten callbacks a minute at most, for registered ones."""
    for number in range(0, 1000, 2):
        bakery.expects(f"order-{number}")
    forge(bakery, landings=10_000, orders=1000)
    heard = [heard_in_a_minute(bakery, run_worker) for _ in range(2)]

    told = bakery.events()
    counts = bakery.portone.journal.counts()
    note(f"10,000 forged landings: callbacks by the minute {heard}, PortOne calls {counts}")
    assert heard == [10, 10]
    assert {event["type"] for event in told} == {EventType.ABANDONED}
    assert {int(event["data"]["order"]["id"].split("-")[1]) % 2 for event in told} == {0}
    assert len({event["data"]["order"]["id"] for event in told}) == 20


def forge(cast: Cast, *, landings: int, orders: int) -> None:
    """Write down failures that nobody's browser came back with, every other one with an invented payment id."""
    route, at = route_of(cast), datetime.now(UTC) - timedelta(seconds=30)
    for number in range(landings):
        claim = Claim(
            imp_uid=f"imp_{900000000000 + number}" if number // orders % 2 else None,
            merchant_uid=f"order-{number % orders}",
            outcome=Outcome.FAILED,
            error_message=CLOSED,
        )
        assert record(route, Arrival(Kind.LANDING, claim, b"", page=new_page()), at=at)


def heard_in_a_minute(cast: Cast, run_worker: Work) -> int:
    """Let a minute's turn be told and some more be asked, then let the minute go by; return what the shop heard."""
    before, asked = len(cast.told()), cast.portone.journal.questions()
    run_worker(until=lambda: len(cast.told()) >= before + 10)
    run_worker(until=lambda: cast.portone.journal.questions() >= asked + 60)
    heard = len(cast.told()) - before
    minute = timedelta(seconds=61)
    with inside(cast.merchant.schema_name):
        Order.objects.exclude(claimed_at=None).update(claimed_at=F("claimed_at") - minute)
        Event.objects.update(created_at=F("created_at") - minute)
        Notification.objects.update(received_at=F("received_at") - minute)
    Duty.objects.update(due_at=F("due_at") - minute)
    return heard


SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}{% debug %}${7*7}",
    "</title><script>alert(1)</script>",
    "‮<b>\x1b[2J\r\nSet-Cookie: a=b",
    "=HYPERLINK(A1)",
)


@pytest.fixture
def every_text(bakery: Cast) -> Callable[[str], httpx.Response]:
    """Put a text wherever an attacker, a buyer or a PG can: a failed payment, its redirect and its order number."""

    def put(text: str) -> httpx.Response:
        order = "".join(one for one in text if one.isprintable())[:40]
        imp_uid = bakery.opens_window(order, buyer_name=text, name=text, buyer_email=text)
        bakery.portone.fail(imp_uid, reason=text, error_code=text)
        return bakery.lands(
            imp_uid=imp_uid, merchant_uid=order, imp_success="false", error_msg=text, error_code=text, lang=text
        )

    return put


def test_t12_no_text_of_a_stranger_becomes_markup(
    bakery: Cast, run_worker: Work, every_text: Callable[[str], httpx.Response]
) -> None:
    """What a redirect, a buyer or a PG wrote is never markup: not shown on the page at all, or escaped."""
    plain, landings = every_text("plain"), {text: every_text(text) for text in SCRIPTS}

    run_worker()

    for text, landing in landings.items():
        assert state_of(landing) == "failed"
        assert "set-cookie" not in landing.headers
        assert elements_of(shown(landing)) == elements_of(shown(plain)), text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown(landings[SCRIPTS[0]])


def elements_of(page: str) -> list[tuple[str, list[str]]]:
    """Return the elements of a page with the names of their attributes, and the addresses that a click leads to."""
    elements: list[tuple[str, list[str]]] = []
    parser = HTMLParser()
    parser.handle_starttag = (
        lambda tag, attrs: elements.append(  # type: ignore[method-assign]
            (tag, [name if name not in ("href", "src") else f"{name}={str(value)[:3]}" for name, value in attrs])
        )
    )
    parser.feed(page)
    return elements


@pytest.mark.parametrize("text", SCRIPTS)
def test_t12_no_text_of_a_stranger_steers_the_operators_screen(
    bakery: Cast, run_worker: Work, every_text: Callable[[str], httpx.Response], text: str
) -> None:
    """`explain` prints what others wrote without a control character, and no buyer's name."""
    every_text(text)
    run_worker()
    (arrival,) = bakery.notifications()

    out = StringIO()
    call_command("explain", arrival.imp_uid, f"--merchant={encode('mer', bakery.merchant.id)}", stdout=out)

    assert "now failed" in out.getvalue()
    assert all(one.isprintable() or one == "\n" for one in out.getvalue())


@pytest.mark.parametrize("early", ["ready", "404", "silent"])
@pytest.mark.parametrize("registered", [True, False])
def test_t16_an_early_redirect_makes_no_failure(
    bakery: Cast, run_worker: Work, later: Later, early: str, registered: bool
) -> None:
    """Whoever makes us ask before the customer has paid learns nothing, spoils nothing, and the payment is told."""
    if registered:
        bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    if early == "404":
        bakery.portone.hide(imp_uid)
    elif early == "silent":
        bakery.portone.faults.add(Fault(kind="close"))
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()
    before = (bakery.told(), state_of(landing))

    bakery.portone.faults.clear()
    bakery.portone.show(imp_uid)
    bakery.portone.approve(imp_uid, webhook=False)
    later(bakery)
    run_worker()

    assert before == ([], "confirming")
    assert bakery.told() == [EventType.PAID]
    assert state_of(landing) == "paid"


@pytest.mark.parametrize("names_it", [True, False])
def test_t17_a_fake_abandon_is_corrected_by_the_payment(
    bakery: Cast, run_worker: Work, later: Later, names_it: bool
) -> None:
    """A forged failure of a victim's order is told as claimed; the payment follows, late, and corrects it by name."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    said = parameters(imp_uid if names_it else None, "order-1", imp_success="false", error_msg=CLOSED)
    bakery.lands(**said)
    run_worker(until=lambda: bakery.told() != [])

    later(bakery)
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    claim, paid = bakery.events()
    assert (claim["type"], claim["data"]["payment"]["verification"]["result"]) == (EventType.ABANDONED, "claimed")
    assert (paid["type"], paid["late"], paid["supersedes"]) == (EventType.PAID, True, claim["id"])
    assert paid["data"]["payment"]["verification"]["result"] == "matched"
    assert [claim["sequence"], paid["sequence"]] == [1, 2]
    assert (paid["previous"] or {}).get("status") == ("failed" if names_it else None)
    assert list(bakery.shop.fulfilled()) == ["order-1"]


def test_t17_a_fake_abandon_of_a_paid_order_tells_nothing(bakery: Cast, run_worker: Work, later: Later) -> None:
    """Once an order is paid no redirect's word about it is told, with its own payment id, another's, or none."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    for claimed in (imp_uid, "imp_999999999999", bakery.opens_window("order-2"), ""):
        bakery.lands(imp_uid=claimed, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    for _ in range(6):
        later(bakery)
        run_worker()

    assert bakery.told() == [EventType.PAID]
    assert bakery.order("order-1").status == "paid"
