"""PortOne's PC window on the shop's own page, in a real browser: three origins, our script, the demo's shop."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Request, expect
from playwright.sync_api import Page as Tab

from results.models import Notification
from results.script import INTEGRITY, NAME, SCRIPT
from tests.factories import Cast

Work = Callable[..., None]
SECONDS = 1000
USER_CODE = "imp12345678"


@dataclass
class Checkout:
    """The shop's page in a customer's browser on a PC."""

    tab: Tab
    shop: Cast
    origin: str
    console: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def opens(self, order: str = "order-1") -> None:
        self.shop.expects(order)
        self.shop.shop.buy("생일 케이크", 64900, order=order)
        self.tab.goto(f"{self.origin}/checkout/{order}")

    def pays(self, choice: str) -> None:
        """Press the shop's button, and one of PortOne's window; Paywitness has written down what it called back."""
        self.presses(choice)
        self.hears(status="pending", state="confirming")

    def presses(self, choice: str) -> None:
        self.tab.click("#pay")
        self.tab.frame_locator("iframe").locator(f"button[value={choice}]").click()

    def hears(self, **told: str) -> None:
        """Wait until the shop's code was told this."""
        for name, value in told.items():
            expect(self.tab.locator("main")).to_have_attribute(f"data-{name}", value, timeout=20 * SECONDS)

    def counted(self, method: str, ending: str) -> int:
        return sum(one == method and url.endswith(ending) for one, url in self.asked)


@pytest.fixture
def checkout(bakery: Cast, browser: Browser) -> Iterator[Checkout]:
    origin = bakery.return_url.removesuffix("/orders/complete")
    bakery.chooses(origins=[origin])
    with_account(bakery)
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="ko-KR")
    tab = context.new_page()
    checkout = Checkout(tab, bakery, origin)
    tab.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    tab.on("console", lambda line: checkout.console.append(read(line)))
    tab.on("request", lambda request: checkout.asked.append(noted(request)))
    yield checkout
    assert not [cookie for cookie in context.cookies() if cookie["domain"]], "nobody here sets a cookie"
    context.close()


def with_account(cast: Cast) -> None:
    from django.conf import settings

    cast.portone.set_account(cast.imp_key, user_code=USER_CODE)
    cast.shop.configure(
        redirect_url=cast.redirect_url,
        pay_url=f"{settings.PORTONE_V1_URL}/pay",
        user_code=USER_CODE,
        mode="live",
        script_integrity=INTEGRITY,
    )


def read(line: ConsoleMessage) -> str:
    return f"{line.type}: {line.text}"


def noted(request: Request) -> tuple[str, str]:
    return request.method, request.url.partition("?")[0]


def preflights(tab: Tab) -> list[str]:
    """Have the browser say which preflights it sends; Playwright's own events leave them out."""
    seen: list[str] = []
    session = tab.context.new_cdp_session(tab)
    session.send("Network.enable")
    session.on(
        "Network.requestWillBeSent",
        lambda event: seen.append(event["request"]["url"]) if event["request"]["method"] == "OPTIONS" else None,
    )
    return seen


def test_a_paid_order_is_told_to_the_shops_page(checkout: Checkout, run_worker: Work) -> None:
    """The page hears pending, then success; its server checks the signature; one preflight for the whole of it."""
    sent = preflights(checkout.tab)
    checkout.opens()
    checkout.pays("paid")

    run_worker()

    checkout.hears(status="success", state="paid", signed="paid", calls=" pending success")
    assert checkout.counted("POST", "/result") == 1
    assert len(sent) == 1
    assert sent[0].endswith("/result")
    assert "/m/" in sent[0]
    assert list(checkout.shop.shop.fulfilled()) == ["order-1"]
    assert not [line for line in checkout.console if line.startswith("error")]


def test_an_issued_account_is_told_to_the_shops_page(checkout: Checkout, run_worker: Work) -> None:
    """A virtual account is vbankIssued, with the account to send the money to, and no goods go out."""
    checkout.opens()
    checkout.pays("vbank")
    run_worker()

    checkout.hears(status="vbankIssued", state="awaiting_deposit", signed="awaiting_deposit")
    account = checkout.shop.portone.rows()[0].payment.vbank_num
    expect(checkout.tab.locator("#account")).to_contain_text(str(account))
    expect(checkout.tab.locator("#pay")).to_be_hidden()
    assert checkout.shop.shop.fulfilled() == {}


def test_a_closed_window_is_failed(checkout: Checkout, run_worker: Work) -> None:
    """Whoever closes the window is told so once PortOne has answered."""
    checkout.opens()
    checkout.pays("close")
    run_worker()

    checkout.hears(status="failed", state="closed")


def test_a_window_that_does_not_open_is_failed(checkout: Checkout, run_worker: Work) -> None:
    """PortOne names nothing then; the shop's own number of the order is what is asked about."""
    checkout.opens()
    checkout.tab.evaluate(
        "() => { IMP.request_pay = (order, callback) => callback("
        "{ success: false, error_code: 'F1002', error_msg: '설정 오류' }) }"
    )
    checkout.tab.click("#pay")
    checkout.hears(status="pending")
    run_worker()

    checkout.hears(status="failed")


def test_an_unregistered_origin_is_named_in_the_console(checkout: Checkout) -> None:
    """The shop's developer reads which origin to register and where; nothing is recorded, the preflight is refused."""
    checkout.shop.chooses(origins=["https://shop.bakery.example"])
    sent = preflights(checkout.tab)
    checkout.opens()
    with checkout.tab.expect_console_message(lambda line: "Paywitness:" in line.text, timeout=20 * SECONDS) as said:
        checkout.presses("paid")

    assert said.value.type == "error"
    assert checkout.origin in said.value.text
    assert "allowed origins" in said.value.text
    assert sent
    assert [note.kind for note in checkout.shop.notifications() if note.kind == Notification.Kind.LANDING] == []
    assert checkout.tab.locator("main").get_attribute("data-status") is None


def test_a_changed_script_does_not_run(checkout: Checkout) -> None:
    """A page that names the hash runs the committed bytes or none."""
    checkout.tab.route(
        f"**/m/{NAME}",
        lambda route: route.fulfill(
            body=SCRIPT + b"// changed",
            content_type="text/javascript",
            headers={"Access-Control-Allow-Origin": "*"},
        ),
    )
    checkout.opens()

    assert checkout.tab.evaluate("typeof Paywitness") == "undefined"
    assert any("integrity" in line for line in checkout.console)


@pytest.fixture
def alone(browser: Browser) -> Iterator[Tab]:
    """A page with our script, a clock that the test turns, and answers that the test gives."""
    context = browser.new_context()
    tab = context.new_page()
    tab.clock.install(time=0)
    tab.route("https://shop.example/", lambda route: route.fulfill(body="<p>shop", content_type="text/html"))
    tab.route(
        "https://pay.example/m/paywitness-1.js",
        lambda route: route.fulfill(body=SCRIPT, content_type="text/javascript"),
    )
    tab.goto("https://shop.example/")
    tab.add_script_tag(url="https://pay.example/m/paywitness-1.js")
    tab.evaluate("window.told = []")
    tab.clock.pause_at(10_000)
    yield tab
    context.close()


@dataclass
class Answers:
    """What Paywitness answers the script, and when it was asked (by the page's clock)."""

    tab: Tab
    result: dict[str, object] | None = None
    taken: bool = True
    asked: list[str] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.tab.route("https://pay.example/m/key/result", self._take)
        self.tab.route("https://pay.example/r/opaque/result", self._tell)

    def _take(self, route: object) -> None:
        self.posted.append(route.request.post_data or "")  # type: ignore[attr-defined]
        self._answer(route, {"status_url": "https://pay.example/r/opaque/result"} if self.taken else None)

    def _tell(self, route: object) -> None:
        self.asked.append(route.request.method)  # type: ignore[attr-defined]
        self._answer(route, self.result)

    def _answer(self, route: object, document: dict[str, object] | None) -> None:
        if document is None:
            route.abort()  # type: ignore[attr-defined]
            return
        headers = {
            "Access-Control-Allow-Origin": "https://shop.example",
            "Access-Control-Allow-Headers": "content-type",
        }
        route.fulfill(  # type: ignore[attr-defined]
            body=json.dumps(document), content_type="application/json", headers=headers
        )

    def confirm(self, **response: object) -> None:
        said = {"key": "key", "response": response}
        self.tab.evaluate("said => Paywitness.confirm(said, result => { told.push(result) })", said)
        self.settle()

    def settle(self) -> None:
        """Let answers that are under way arrive."""
        self.tab.wait_for_timeout(1)
        self.tab.evaluate("() => fetch('https://shop.example/').then(answer => answer.text())")
        self.tab.clock.run_for(1)  # the shop's code is called in a turn of its own

    def passes(self, milliseconds: int) -> None:
        self.tab.clock.run_for(milliseconds)
        self.settle()

    def moment(self) -> int:
        return int(self.tab.evaluate("Date.now()"))

    def goes_to(self, moment: int) -> None:
        """Let the page's clock go on to a moment, and what it asks then be answered."""
        self.tab.clock.run_for(moment - self.moment())
        self.settle()

    def told(self) -> list[str]:
        return list(self.tab.evaluate("told.map(one => one.status + (one.stopped ? ' stopped' : ''))"))


# Milliseconds since the claim: those of the customer's page (config/static/result/page.js), for two minutes.
ASKED_AT = (300, 700, 1000, 2000, 3000, 5000, 8000, 13000, *range(28_000, 120_000, 15_000))
CONFIRMING = {"status": "pending", "state": "confirming", "settled": False, "signed": None}
PAID = {"status": "success", "state": "paid", "settled": True, "signed": "pr_status=paid"}


@pytest.fixture
def answers(alone: Tab) -> Answers:
    answers = Answers(alone, CONFIRMING)
    answers.listen()
    return answers


def test_nothing_but_ids_outcome_and_error_is_handed_over(answers: Answers) -> None:
    """PortOne's answer holds the buyer's name; it stays on the shop's page."""
    answers.confirm(imp_uid="imp_1", merchant_uid="o", success=True, error_msg=None, buyer_name="홍길동", paid_amount=1)

    assert json.loads(answers.posted[0]) == {"imp_uid": "imp_1", "merchant_uid": "o", "success": True}


def test_each_change_is_told_once_until_it_is_settled(answers: Answers) -> None:
    """Pending once, however often it is asked; after success no more questions."""
    answers.confirm(imp_uid="imp_1", merchant_uid="o")
    for _ in range(5):
        answers.passes(1000)
    answers.result = PAID
    for _ in range(20):
        answers.passes(1000)
    asked = len(answers.asked)
    answers.passes(60_000)

    assert answers.told() == ["pending", "success"]
    assert len(answers.asked) == asked


def test_it_asks_as_the_customers_page_does(answers: Answers) -> None:
    """At 0.3, 0.7, 1, 2, 3, 5, 8, 13 seconds, then every 15 until two minutes have passed; then it says so."""
    answers.confirm(imp_uid="imp_1", merchant_uid="o")
    started = answers.moment()

    for number, moment in enumerate(ASKED_AT):
        answers.goes_to(started + moment - 20)
        assert len(answers.asked) == number, f"too early: before {moment} ms"
        answers.goes_to(started + moment + 20)
        assert len(answers.asked) == number + 1, f"too late: after {moment} ms"
    answers.goes_to(started + 119_900)
    before = answers.told()
    answers.goes_to(started + 120_100)
    after = answers.told()
    answers.goes_to(started + 600_000)

    assert (before, after, answers.told()) == (["pending"], *[["pending", "pending stopped"]] * 2)
    assert len(answers.asked) == len(ASKED_AT)


def test_a_network_error_is_survived(answers: Answers) -> None:
    """Without a network the claim, and later the question, is sent again at the next turn."""
    answers.taken = False
    answers.confirm(imp_uid="imp_1", merchant_uid="o")
    answers.passes(500)
    answers.taken, answers.result = True, None
    for _ in range(4):
        answers.passes(1000)
    answers.result = PAID
    for _ in range(10):
        answers.passes(1000)

    assert len(answers.posted) >= 2
    assert answers.told() == ["success"]


def test_a_hidden_page_does_not_ask(answers: Answers) -> None:
    """While nobody looks nobody asks; whoever comes back is asked for at once."""
    answers.confirm(imp_uid="imp_1", merchant_uid="o")
    answers.passes(500)
    hide = "is => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    answers.tab.evaluate(hide, True)
    before = len(answers.asked)
    answers.passes(30_000)
    hidden = len(answers.asked)
    answers.result = PAID
    answers.tab.evaluate(hide, False)
    answers.settle()

    assert hidden == before
    assert answers.told() == ["pending", "success"]


def test_a_fault_of_the_shops_code_stops_nothing(answers: Answers) -> None:
    """What the shop's function throws is for its own console; the next change is told all the same."""
    said = {"key": "key", "response": {"imp_uid": "imp_1"}}
    answers.tab.clock.resume()  # by hand the clock would throw it at us
    answers.tab.evaluate(
        "said => Paywitness.confirm(said, result => { told.push(result); throw Error('the shop') })", said
    )
    answers.tab.wait_for_function("told.length === 1")
    answers.result = PAID
    answers.tab.wait_for_function("told.length === 2")

    assert answers.told() == ["pending", "success"]


def test_the_script_is_small_and_old_enough() -> None:
    """Seventy lines at most, nothing that Safari 10 cannot read, and nothing of cookies or storage."""
    text = (Path(__file__).parents[2] / "results" / "script" / NAME).read_text()

    code = "\n".join(line.partition(" // ")[0] for line in text.splitlines() if not line.startswith("//"))
    assert len(text.splitlines()) <= 70
    for modern in ("=>", "const ", "let ", "`", "async ", "?.", "??", "fetch(", "class ", "..."):
        assert modern not in code, modern
    for kept in ("cookie", "localStorage", "sessionStorage", "withCredentials"):
        assert kept not in code
