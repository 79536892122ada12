"""The simulator says what PortOne's published documents say that V1 says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deploy.demo.mischief import Fault
from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from deploy.demo.simulator import Simulator, WindowRefused, running

START = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A moment that moves only when a test moves it."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **time: float) -> None:
        self.at += timedelta(**time)


@dataclass
class Bakery:
    """The bakery's server, asking PortOne with the bakery's keys."""

    sim: Simulator
    url: str
    clock: Clock
    http: httpx.Client

    def token(self, secret: str = "bakery-secret") -> httpx.Response:
        return self.http.post(f"{self.url}/users/getToken", json={"imp_key": "bakery", "imp_secret": secret})

    def asks(self, path: str, **options: Any) -> httpx.Response:
        bearer = self.token().json()["response"]["access_token"]
        headers = {"Authorization": bearer} | options.pop("headers", {})
        return self.http.request(options.pop("method", "GET"), self.url + path, headers=headers, **options)

    def opens(self, order: str = "order-1", **fields: Any) -> str:
        return self.sim.open_window("bakery", merchant_uid=order, **({"amount": 64900} | fields))

    def pays(self, order: str = "order-1", **fields: Any) -> str:
        imp_uid = self.opens(order, **fields)
        self.sim.approve(imp_uid)
        return imp_uid


@pytest.fixture
def bakery() -> Iterator[Bakery]:
    clock = Clock()
    sim = Simulator(now=clock)
    sim.add_account("bakery", "bakery-secret", user_code="imp11111111", tiers={"ABC": "2호점"})
    sim.add_account("florist", "florist-secret", user_code="imp22222222")
    with running(sim) as url, httpx.Client(trust_env=False, timeout=5) as http:
        yield Bakery(sim, url, clock, http)


def test_a_token_is_the_same_until_it_expires(bakery: Bakery) -> None:
    """Asking again gives the same token; its last minute adds five minutes; after that it is a new one."""
    first = bakery.token().json()["response"]

    bakery.clock.forward(minutes=29, seconds=30)
    extended = bakery.token().json()["response"]
    bakery.clock.forward(minutes=6)
    renewed = bakery.token().json()["response"]

    assert first["expired_at"] - first["now"] == 1800
    assert extended["access_token"] == first["access_token"]
    assert extended["expired_at"] == first["expired_at"] + 300
    assert renewed["access_token"] != first["access_token"]


@pytest.mark.parametrize("style", ["{}", "Bearer {}"])
def test_a_token_opens_the_api_until_it_expires(bakery: Bakery, style: str) -> None:
    """A token is sent bare or after Bearer, and is answered 401 once it has expired."""
    imp_uid = bakery.pays()
    headers = {"Authorization": style.format(bakery.token().json()["response"]["access_token"])}

    answers = [bakery.http.get(f"{bakery.url}/payments/{imp_uid}", headers=headers)]
    bakery.clock.forward(minutes=31)
    answers.append(bakery.http.get(f"{bakery.url}/payments/{imp_uid}", headers=headers))

    assert [answer.status_code for answer in answers] == [200, 401]


def test_a_wrong_secret_is_refused(bakery: Bakery) -> None:
    """A wrong secret is answered 401 with an envelope."""
    answer = bakery.token("somebody's secret")

    assert answer.status_code == 401
    assert answer.json()["response"] is None


def test_a_batch_says_207_when_some_are_missing(bakery: Bakery) -> None:
    """A batch is 200 with all, 207 with some, 404 with none, and 400 above a hundred ids."""
    imp_uid = bakery.pays()
    strangers = bakery.sim.open_window("florist", merchant_uid="order-1", amount=1)
    too_many = [imp_uid, *(f"imp_{number}" for number in range(100))]
    batches = [[imp_uid], [imp_uid, strangers], [strangers], too_many]

    answers = [bakery.asks("/payments", params={"imp_uid[]": ids}) for ids in batches]

    assert [answer.status_code for answer in answers] == [200, 207, 404, 400]
    assert [payment["imp_uid"] for payment in answers[1].json()["response"]] == [imp_uid]
    assert bakery.sim.journal.batches() == [1, 2, 1, 101]


def test_test_payments_are_hidden_unless_asked_for(bakery: Bakery) -> None:
    """Only the single look-up with include_sandbox=true shows a payment of a test channel."""
    imp_uid = bakery.pays(sandbox=True)
    paths = ["?include_sandbox=true", "", "?include_sandbox=false"]

    single = [bakery.asks(f"/payments/{imp_uid}{query}").status_code for query in paths]
    batch = bakery.asks("/payments", params={"imp_uid[]": imp_uid}).status_code
    found = bakery.asks("/payments/findAll/order-1").status_code
    listed = bakery.asks("/payments/status/all").json()["response"]["total"]

    assert (single, batch, found, listed) == ([200, 404, 404], 404, 404, 0)


def test_a_sub_store_is_seen_only_with_its_header(bakery: Bakery) -> None:
    """A sub-store's payment is visible with the Tier header and with no other."""
    imp_uid = bakery.pays(tier="ABC")

    with_tier = bakery.asks(f"/payments/{imp_uid}", headers={"Tier": "ABC"})
    without = bakery.asks(f"/payments/{imp_uid}")

    assert (with_tier.status_code, without.status_code) == (200, 404)


def test_a_list_ends_with_400(bakery: Bakery) -> None:
    """A page past the end is 400; the last page has no next one."""
    for number in range(3):
        bakery.pays(f"order-{number}")
        bakery.clock.forward(seconds=1)

    pages = [bakery.asks(f"/payments/status/paid?limit=2&page={page}&sorting=-updated") for page in (1, 2, 3)]

    assert [page.status_code for page in pages] == [200, 200, 400]
    assert [payment["merchant_uid"] for payment in pages[0].json()["response"]["list"]] == [
        "order-2",
        "order-1",
    ]
    assert [(page["previous"], page["next"]) for page in (page.json()["response"] for page in pages[:2])] == [
        (0, 2),
        (1, 0),
    ]


def test_a_list_is_filtered_by_the_time_of_the_status(bakery: Bakery) -> None:
    """From and to speak of the time of the final status, and span ninety days at most."""
    bakery.opens()
    bakery.clock.forward(hours=2)
    bakery.sim.approve(bakery.opens("order-2"))
    since = int(bakery.clock().timestamp()) - 60

    listed = bakery.asks(f"/payments/status/all?from={since}").json()["response"]["list"]
    too_long = bakery.asks(f"/payments/status/all?from={since - 91 * 86_400}")

    assert [payment["merchant_uid"] for payment in listed] == ["order-2"]
    assert too_long.status_code == 400


def test_a_partial_cancellation_says_cancelled(bakery: Bakery) -> None:
    """A partial cancellation has the status of a full one; only the amounts and the history differ."""
    imp_uid = bakery.pays(amount="14.2", currency="USD")

    bakery.sim.cancel(imp_uid, amount="4.2")
    payment = bakery.asks(f"/payments/{imp_uid}").json()["response"]

    assert (payment["status"], payment["amount"], payment["cancel_amount"]) == ("cancelled", 14.2, 4.2)
    assert [entry["amount"] for entry in payment["cancel_history"]] == [4.2]


def test_a_failed_cancellation_is_http_200(bakery: Bakery) -> None:
    """The cancel API answers HTTP 200 with a code other than 0 when it did nothing."""
    imp_uid = bakery.opens()

    answer = bakery.asks("/payments/cancel", method="POST", data={"imp_uid": imp_uid})

    assert answer.status_code == 200
    assert answer.json()["code"] == 1


def test_every_published_field_is_there(bakery: Bakery) -> None:
    """Every field is present: null or 0 where it does not apply, and epoch seconds for times."""
    imp_uid = bakery.opens(pay_method="vbank")

    bakery.sim.issue_account(imp_uid)
    payment = bakery.asks(f"/payments/{imp_uid}").json()["response"]

    assert len(payment) == 54
    assert (payment["status"], payment["paid_at"], payment["card_number"]) == ("ready", 0, None)
    assert payment["vbank_date"] == payment["vbank_issued_at"] + 86_400


@pytest.mark.parametrize("encoding", ["json", "json-charset", "form"])
def test_a_webhook_is_sent_once_in_the_chosen_encoding(bakery: Bakery, encoding: str) -> None:
    """A webhook carries two ids and a status as JSON or as a form, and is not repeated after a 500."""
    listener = Shop()
    listener.faults.add(Fault(kind="status", status=500))
    with running_shop(listener) as shop_url:
        bakery.sim.set_account("bakery", notice_url=f"{shop_url}/callback", encoding=encoding)

        imp_uid = bakery.pays()
        [sent] = bakery.sim.outbox.wait_for(1)

    [arrived] = listener.received()
    fields = json.loads(arrived.body) if "json" in encoding else dict(parse_pairs(arrived.body))
    assert fields == {"imp_uid": imp_uid, "merchant_uid": "order-1", "status": "paid"}
    assert ("charset" in arrived.headers["content-type"]) == (encoding == "json-charset")
    assert sent.answer == 500


def parse_pairs(body: bytes) -> list[tuple[str, str]]:
    return [(name, values[0]) for name, values in parse_qs(body.decode()).items()]


def test_only_what_portone_tells_is_told(bakery: Bakery) -> None:
    """Failures, closed windows and cancellations by API send nothing; the console's cancellation does."""
    bakery.sim.set_account("bakery", notice_url="http://127.0.0.1:9/closed", webhooks_held=True)
    bakery.sim.fail(bakery.opens("order-1"))
    bakery.sim.abandon(bakery.opens("order-2"))
    paid = bakery.pays("order-3")
    bakery.sim.cancel_by_api(paid, amount=100)
    bakery.sim.cancel(paid, amount=200)

    released = bakery.sim.outbox.release("bakery")
    sent = bakery.sim.outbox.wait_for(released)

    assert sorted(webhook.fields["status"] for webhook in sent) == ["cancelled", "paid"]
    assert [len(webhook.fields) for webhook in sent if webhook.fields["status"] == "cancelled"] == [4]


def test_held_webhooks_can_arrive_in_another_order(bakery: Bakery) -> None:
    """What was held back goes out newest first if asked to."""
    bakery.sim.set_account("bakery", notice_url="http://127.0.0.1:9/closed", webhooks_held=True)
    imp_uid = bakery.opens()
    bakery.sim.issue_account(imp_uid)
    bakery.sim.deposit(imp_uid)

    bakery.sim.outbox.release("bakery", newest_first=True)
    waiting = bakery.sim.outbox.wait_for(2)

    assert {webhook.fields["status"] for webhook in waiting} == {"paid", "ready"}
    assert {webhook.answer for webhook in waiting} == {None}


def test_the_api_may_lag_behind_the_webhook(bakery: Bakery) -> None:
    """An approval may be told before the API shows it."""
    bakery.sim.set_account("bakery", visible_after=5)
    imp_uid = bakery.pays()

    early = bakery.asks(f"/payments/{imp_uid}").json()["response"]["status"]
    bakery.clock.forward(seconds=5)
    late = bakery.asks(f"/payments/{imp_uid}").json()["response"]["status"]

    assert (early, late) == ("ready", "paid")


def test_a_prepared_amount_keeps_the_window_shut(bakery: Bakery) -> None:
    """A window does not open for another amount than the prepared one, nor for an order that is paid."""
    bakery.asks("/payments/prepare", method="POST", json={"merchant_uid": "order-1", "amount": 64900})

    with pytest.raises(WindowRefused):
        bakery.opens(amount=100)

    bakery.pays()
    with pytest.raises(WindowRefused):
        bakery.opens()


def test_a_merchant_can_stop_an_approval(bakery: Bakery) -> None:
    """What the confirm_url answers other than 200 makes the payment fail, with the merchant's reason."""
    confirm = Shop()
    confirm.faults.add(Fault(kind="status", status=400, body='{"reason": "품절"}'))
    with running_shop(confirm) as shop_url:
        imp_uid = bakery.opens(confirm_url=f"{shop_url}/callback")

        payment = bakery.http.post(f"{bakery.url}/_control/payments/{imp_uid}/approve").json()["payment"]

    [asked] = confirm.received()
    assert json.loads(asked.body) == {"imp_uid": imp_uid, "merchant_uid": "order-1", "amount": 64900}
    assert (payment["status"], "품절" in payment["fail_reason"]) == ("failed", True)


def test_an_expired_account_takes_a_late_deposit(bakery: Bakery) -> None:
    """A deadline that passes changes no status, and a deposit after it still makes the payment paid."""
    imp_uid = bakery.opens()
    bakery.sim.issue_account(imp_uid)

    expired = bakery.sim.expire_account(imp_uid)
    paid = bakery.sim.deposit(imp_uid)

    assert (expired.status, expired.vbank_date < START.timestamp()) == ("ready", True)
    assert paid.status == "paid"


def test_an_account_can_be_open_for_seconds(bakery: Bakery) -> None:
    """The deadline of a virtual account is a day ahead, or as many seconds as the issuer says."""
    usual, short = bakery.opens("order-1"), bakery.opens("order-2")

    deadlines = [
        bakery.sim.issue_account(usual).vbank_date,
        bakery.sim.issue_account(short, open_for=8).vbank_date,
    ]

    assert [deadline - int(START.timestamp()) for deadline in deadlines] == [86_400, 8]


def test_a_payment_with_its_own_notice_url_is_told_there_only(bakery: Bakery) -> None:
    """A notice_url that the browser named replaces the console's address, whoever chose it."""
    bakery.sim.set_account("bakery", notice_url="http://127.0.0.1:9/console")

    bakery.pays(notice_url="http://127.0.0.1:9/somewhere-else")
    [sent] = bakery.sim.outbox.wait_for(1)

    assert sent.url == "http://127.0.0.1:9/somewhere-else"


def test_two_windows_of_one_order_can_both_be_paid(bakery: Bakery) -> None:
    """A window that stood open before the order was paid can still be paid."""
    first, second = bakery.opens(), bakery.opens()

    paid = [bakery.sim.approve(imp_uid).status for imp_uid in (first, second)]

    assert paid == ["paid", "paid"]


def test_one_account_can_be_out_of_order(bakery: Bakery) -> None:
    """A fault for one account leaves its webhooks and the other accounts alone, until all is well again."""
    imp_uid = bakery.pays()
    bearer = {"Authorization": bakery.token().json()["response"]["access_token"]}
    florist = {"imp_key": "florist", "imp_secret": "florist-secret"}
    fault = {"kind": "status", "status": 503, "who": "bakery"}

    bakery.http.post(f"{bakery.url}/_control/faults", json=fault)
    down = bakery.http.get(f"{bakery.url}/payments/{imp_uid}", headers=bearer).status_code
    others = bakery.http.post(f"{bakery.url}/users/getToken", json=florist).status_code
    bakery.http.delete(f"{bakery.url}/_control/faults")

    assert (down, others) == (503, 200)
    assert bakery.asks(f"/payments/{imp_uid}").status_code == 200


def test_a_fault_hits_the_next_request_only(bakery: Bakery) -> None:
    """A fault for one endpoint and one time leaves the next request alone."""
    imp_uid = bakery.pays()
    bakery.sim.faults.add(Fault(kind="status", status=503, where=("payment",), times=1))

    answers = [bakery.asks(f"/payments/{imp_uid}").status_code for _ in range(2)]

    assert answers == [503, 200]


def test_a_connection_can_be_cut(bakery: Bakery) -> None:
    """A fault can cut the connection before anything is answered."""
    bakery.sim.faults.add(Fault(kind="close", where=("getToken",), times=1))

    with pytest.raises(httpx.TransportError):
        bakery.token()


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        ("imp_success", {"imp_uid", "merchant_uid", "imp_success"}),
        ("success", {"imp_uid", "merchant_uid", "success"}),
        ("neither", {"imp_uid", "merchant_uid"}),
        ("imp_status", {"imp_uid", "merchant_uid", "imp_status"}),
        ("post", {"imp_uid", "merchant_uid"}),
        ("without_imp_uid", {"merchant_uid", "imp_success"}),
        ("preflight", {"success", "request_id", "error_code", "error_msg"}),
        ("v2", {"txId", "paymentId"}),
    ],
)
def test_a_redirect_keeps_the_query_of_the_return_address(bakery: Bakery, variant: str, names: set[str]) -> None:
    """Each variant carries its own parameters beside those that the merchant put there."""
    imp_uid = bakery.pays()

    url = bakery.sim.redirect_url(imp_uid, "https://bakery.example.com/done?cart=7", variant)

    assert set(parse_qs(urlsplit(url).query)) == names | {"cart"}


@pytest.mark.parametrize(
    ("variant", "errors"), [("ids", set()), ("post", set()), ("neither", {"error_code", "error_msg"})]
)
def test_some_redirects_hide_a_failure(bakery: Bakery, variant: str, errors: set[str]) -> None:
    """Two variants come back from a failed payment with the ids alone, as if nothing had happened."""
    imp_uid = bakery.opens()
    bakery.sim.fail(imp_uid)

    url = bakery.sim.redirect_url(imp_uid, "https://bakery.example.com/done", variant)

    assert set(parse_qs(urlsplit(url).query)) == {"imp_uid", "merchant_uid"} | errors


def test_a_person_can_click_through_the_payment_window(bakery: Bakery) -> None:
    """The window at /pay opens a payment, and the choice sends the browser back with the outcome."""
    query = {
        "user_code": "imp11111111",
        "merchant_uid": "order-1",
        "amount": "64900",
        "m_redirect_url": "http://127.0.0.1:9/m/key/complete",
    }
    bakery.http.get(f"{bakery.url}/pay", params=query)
    [row] = bakery.sim.rows_of_order("order-1")

    answer = bakery.http.post(f"{bakery.url}/pay/{row.payment.imp_uid}", data={"choice": "declined"})

    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["location"]).query)["imp_success"] == ["false"]
    assert bakery.sim.payment(row.payment.imp_uid).status == "failed"


@pytest.mark.parametrize(("choice", "forged"), [("forged", (100, False)), ("test", (64900, True))])
def test_a_person_can_try_what_a_dishonest_customer_tries(
    bakery: Bakery, choice: str, forged: tuple[int, bool]
) -> None:
    """The window also lets a person pay another amount, or in the test channel."""
    imp_uid = bakery.opens()

    bakery.http.post(f"{bakery.url}/pay/{imp_uid}", data={"choice": choice})

    payment = bakery.sim.payment(imp_uid)
    assert (payment.status, payment.amount, payment.sandbox) == ("paid", *forged)


def test_a_script_can_play_everyone(bakery: Bakery) -> None:
    """The control API opens, approves and cancels; what cannot happen is a conflict."""
    control = f"{bakery.url}/_control/payments"
    order = {"imp_key": "bakery", "merchant_uid": "order-1", "amount": 64900}
    imp_uid = bakery.http.post(control, json=order).json()["imp_uid"]

    approved = bakery.http.post(f"{control}/{imp_uid}/approve").json()
    again = bakery.http.post(f"{control}/{imp_uid}/approve")
    part = bakery.http.post(f"{control}/{imp_uid}/cancel", json={"amount": 900}).json()

    assert approved["payment"]["status"] == "paid"
    assert again.status_code == 409
    assert part["payment"]["cancel_amount"] == 900
