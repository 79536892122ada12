"""Questions to PortOne over real HTTP: what it says in order, and everything that is no answer."""

import asyncio
import gzip
import json
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web

from deploy.demo.mischief import Fault
from deploy.demo.simulator import Simulator, running
from results.core.money import Money
from results.portone import (
    Access,
    Found,
    Page,
    PaymentUnknown,
    PortOne,
    PortOneBusy,
    PortOneDeclined,
    PortOneError,
    PortOneRefused,
    PortOneUnavailable,
)

pytestmark = pytest.mark.asyncio

IMP_UID = "imp_448280090638"
SECRET, TOKEN = "bakery-secret-words", "bakery-token-words"
PAYMENT: dict[str, Any] = {
    "imp_uid": IMP_UID,
    "merchant_uid": "order-1",
    "status": "paid",
    "amount": 64900,
    "cancel_amount": 0,
    "currency": "KRW",
    "sandbox": False,
}
BOUGHT = {"code": 0, "message": None, "response": {"access_token": TOKEN, "now": 100, "expired_at": 1900}}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Bakery:
    """The bakery as it asks PortOne: its keys, and the tokens that it was told to keep."""

    portone: PortOne
    access: Access = field(default_factory=lambda: Access(UUID(int=1), "bakery", SECRET))
    kept: list[tuple[str, datetime]] = field(default_factory=list)

    async def keep(self, token: str, expires_at: datetime) -> None:
        self.kept.append((token, expires_at))

    async def asks(self, imp_uid: str = IMP_UID, *, include_sandbox: bool = False) -> Found:
        return await self.portone.payment(self.access, imp_uid, include_sandbox=include_sandbox, keep_token=self.keep)

    async def asks_all(self, *imp_uids: str) -> dict[str, Found | None]:
        return await self.portone.payments(self.access, imp_uids, keep_token=self.keep)

    async def lists(self, page: int = 1, limit: int = 2) -> Page:
        return await self.portone.list_newest(self.access, page=page, limit=limit, keep_token=self.keep)

    async def finds(self, order: str) -> list[Found]:
        return await self.portone.find_all(self.access, order, keep_token=self.keep)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """PortOne with the bakery's account."""
    sim = Simulator()
    sim.add_account("bakery", SECRET, tiers={"A1B": "second shop"})
    return sim


@pytest_asyncio.fixture
async def bakery(sim: Simulator) -> AsyncIterator[Bakery]:
    with running(sim) as url:
        async with PortOne(url, deadline=2) as portone:
            yield Bakery(portone)


@dataclass
class Stand:
    """A server in PortOne's place that answers what a test says, and keeps what it was asked."""

    answer: Handler
    token: Handler | None = None
    asked: list[web.Request] = field(default_factory=list)
    port: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path == "/users/getToken":
            return await self.token(request) if self.token else web.json_response(BOUGHT)
        return await self.answer(request)

    def paths(self) -> list[str]:
        return [request.raw_path for request in self.asked if request.path != "/users/getToken"]


@asynccontextmanager
async def standing(
    answer: Handler, *, token: Handler | None = None, host: str = "127.0.0.1", deadline: float = 2
) -> AsyncIterator[tuple[Bakery, Stand]]:
    stand = Stand(answer, token)
    app = web.Application()
    app.router.add_route("*", "/{_:.*}", stand.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand.port = runner.addresses[0][1]
    try:
        async with PortOne(f"http://{host}:{stand.port}", deadline=deadline) as portone:
            yield Bakery(portone), stand
    finally:
        await runner.cleanup()


def saying(body: str | bytes, *, status: int = 200, **headers: str) -> Handler:
    content = body.encode() if isinstance(body, str) else body

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=content, headers={"Content-Type": "application/json"} | headers)

    return answer


def showing(response: object, *, status: int = 200, code: object = 0) -> Handler:
    return saying(json.dumps({"code": code, "message": None, "response": response}), status=status)


def paying(amount: str, **fields: Any) -> Handler:
    """Show a payment whose amount is written exactly like this."""
    text = json.dumps({"code": 0, "message": None, "response": PAYMENT | fields | {"amount": "@"}})
    return saying(text.replace('"@"', amount))


PLAIN = showing(PAYMENT)


# --- tokens ---


async def test_a_token_is_bought_once(bakery: Bakery, sim: Simulator) -> None:
    """A token is bought for the first question and used for all that follow."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)

    for _ in range(3):
        await bakery.asks(imp_uid)

    assert sim.journal.counts() == {"getToken": 1, "payment": 3}
    assert len(bakery.kept) == 1


async def test_questions_at_the_same_time_buy_one_token(bakery: Bakery, sim: Simulator) -> None:
    """Thirty questions that begin together buy one token, not thirty."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)

    await asyncio.gather(*(bakery.asks(imp_uid) for _ in range(30)))

    assert sim.journal.counts() == {"getToken": 1, "payment": 30}


async def test_two_accounts_do_not_share_a_token(bakery: Bakery, sim: Simulator) -> None:
    """A token opens the payments of the account that bought it, and no other's."""
    sim.add_account("florist", "florist-secret")
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    florist = replace(bakery, access=Access(UUID(int=2), "florist", "florist-secret"))

    await bakery.asks(imp_uid)
    with pytest.raises(PaymentUnknown):
        await florist.asks(imp_uid)

    assert sim.journal.counts()["getToken"] == 2


async def test_new_keys_do_not_use_the_old_keys_token(bakery: Bakery, sim: Simulator) -> None:
    """After a merchant changed the keys, the next question shows whether they are right."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    await bakery.asks(imp_uid)

    bakery.access = replace(bakery.access, imp_secret="mistyped")

    with pytest.raises(PortOneRefused):
        await bakery.asks(imp_uid)


async def test_a_token_from_elsewhere_is_used(bakery: Bakery, sim: Simulator) -> None:
    """A fresh token that another worker bought is used as it is."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    shared = sim.tokens.issue("bakery", at=sim.now())
    bakery.access = replace(bakery.access, token=shared.value, token_expires_at=shared.expires_at)

    await bakery.asks(imp_uid)

    assert sim.journal.counts() == {"payment": 1}


@pytest.mark.parametrize("hours", [-9, 0, 9])
async def test_life_of_a_token_is_counted_on_our_clock(hours: int) -> None:
    """A token lives for `expired_at - now` of the answer, however wrong PortOne's clock is."""
    sim = Simulator(now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    sim.add_account("bakery", SECRET)
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)

    with running(sim) as url:
        async with PortOne(url) as portone:
            bakery = Bakery(portone)
            await bakery.asks(imp_uid)

    ((_, expires_at),) = bakery.kept
    assert timedelta(minutes=29) < expires_at - datetime.now(UTC) <= timedelta(minutes=30)


@pytest.mark.parametrize(("left", "bought"), [(-1, 1), (5, 1), (48, 1), (59, 0), (1800, 0)])
async def test_a_token_is_renewed_before_it_ends(left: int, bought: int) -> None:
    """A token is renewed in its last minute, when PortOne prolongs it, and never used after its end."""
    async with standing(PLAIN) as (bakery, stand):
        ends = datetime.now(UTC) + timedelta(seconds=left)
        bakery.access = replace(bakery.access, token="kept-words", token_expires_at=ends)

        await bakery.asks()

    assert len(stand.asked) == 1 + bought
    assert stand.asked[-1].headers["Authorization"] == f"Bearer {TOKEN if bought else 'kept-words'}"


async def test_an_expired_token_is_replaced_once(bakery: Bakery, sim: Simulator) -> None:
    """A 401 on a question means a stale token: a new one is bought, and the question asked once more."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    await bakery.asks(imp_uid)
    sim.tokens.revoke("bakery")

    found = await bakery.asks(imp_uid)

    assert found.snapshot.imp_uid == imp_uid
    assert sim.journal.counts() == {"getToken": 2, "payment": 3}


async def test_many_refused_questions_buy_one_new_token(bakery: Bakery, sim: Simulator) -> None:
    """When a token dies under ten questions, they buy one new token between them."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    await bakery.asks(imp_uid)
    sim.tokens.revoke("bakery")

    await asyncio.gather(*(bakery.asks(imp_uid) for _ in range(10)))

    assert sim.journal.counts()["getToken"] == 2


async def test_a_second_refusal_is_final(bakery: Bakery, sim: Simulator) -> None:
    """A 401 with a fresh token means refused keys: one retry and no more."""
    sim.faults.add(Fault(kind="status", status=401, where=("payment",)))

    with pytest.raises(PortOneRefused):
        await bakery.asks()

    assert sim.journal.counts() == {"getToken": 2, "payment": 2}


@pytest.mark.parametrize("step", ["token", "question"])
async def test_a_refusal_without_an_envelope_is_a_proxys(step: str) -> None:
    """A 401 that does not speak as PortOne does says nothing of the keys; a new token is tried all the same."""
    refusing = saying("<html>401 Authorization Required</html>", status=401)

    async with standing(refusing, token=refusing if step == "token" else None) as (bakery, stand):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()

    assert len(stand.paths()) == (2 if step == "question" else 0)


async def test_wrong_keys_are_refused(bakery: Bakery, sim: Simulator) -> None:
    """Wrong keys are the merchant's to mend; no question is asked with them."""
    bakery.access = replace(bakery.access, imp_secret="mistyped")

    with pytest.raises(PortOneRefused):
        await bakery.asks()

    assert sim.journal.counts() == {"getToken": 1}


def selling(**fields: Any) -> Handler:
    return showing({"access_token": TOKEN, "now": 100, "expired_at": 1900} | fields)


@pytest.mark.parametrize(
    "token",
    [
        showing(None),
        showing([]),
        showing({}),
        selling(access_token=None),
        selling(access_token=""),
        selling(access_token=17),
        selling(access_token="two\r\nX-Lines: yes"),
        selling(access_token="토큰"),
        selling(expired_at=None),
        selling(expired_at="soon"),
        selling(expired_at=10**17),
        saying('{"code":0,"response":{"access_token":"t","now":0,"expired_at":1e999999999}}'),
        showing(None, status=404, code=-1),
        showing(None, status=500, code=-1),
        showing(None, code=-1),
        saying("<html>"),
    ],
)
async def test_a_token_answer_that_cannot_be_read_is_no_answer(token: Handler) -> None:
    """Whatever goes wrong while buying a token, short of a refusal, says nothing about the payment."""
    async with standing(PLAIN, token=token) as (bakery, stand):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()

    assert stand.paths() == []
    assert bakery.kept == []


# --- what is asked ---


async def test_a_sub_store_is_named_in_a_header(bakery: Bakery, sim: Simulator) -> None:
    """A sub-store's payments are seen with its Tier header only."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900, tier="A1B")
    second_shop = replace(bakery, access=replace(bakery.access, credential_id=UUID(int=2), tier="A1B"))

    assert (await second_shop.asks(imp_uid)).snapshot.imp_uid == imp_uid
    with pytest.raises(PaymentUnknown):
        await bakery.asks(imp_uid)


async def test_no_tier_no_header() -> None:
    """A merchant without sub-stores sends no Tier header, not an empty one."""
    async with standing(PLAIN) as (bakery, stand):
        await bakery.asks()

    assert "Tier" not in stand.asked[-1].headers


@pytest.mark.parametrize("wanted", [False, True])
async def test_test_payments_are_seen_when_asked_for(bakery: Bakery, sim: Simulator, wanted: bool) -> None:
    """Only the single look-up sees test payments, and only when it says so."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900, sandbox=True)

    if wanted:
        assert (await bakery.asks(imp_uid, include_sandbox=True)).snapshot.sandbox is True
    else:
        with pytest.raises(PaymentUnknown):
            await bakery.asks(imp_uid)


@pytest.mark.parametrize("imp_uid", ["status/paid", "find/x", "..", ".", "imp_1/../../users/pg", "/"])
async def test_a_payment_id_cannot_reach_another_endpoint(bakery: Bakery, sim: Simulator, imp_uid: str) -> None:
    """An id that would be another path of PortOne's is unknown, and never sent."""
    with pytest.raises(PaymentUnknown):
        await bakery.asks(imp_uid)

    assert sim.journal.counts() == {}


async def test_the_moment_of_asking_is_before_the_answer(bakery: Bakery, sim: Simulator) -> None:
    """A snapshot is as old as its question: what changes while PortOne answers is newer."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    await bakery.asks(imp_uid)
    sim.faults.add(Fault(kind="latency", seconds=0.2, where=("payment",)))
    before = datetime.now(UTC)

    found = await bakery.asks(imp_uid)

    assert before <= found.snapshot.asked_at < datetime.now(UTC) - timedelta(seconds=0.2)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys go to PortOne alone, whatever proxy the machine's environment names."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async with standing(PLAIN) as (bakery, stand):
        await bakery.asks()

    assert len(stand.asked) == 2


async def test_no_cookie_goes_from_one_merchant_to_another() -> None:
    """A cookie that PortOne sets for one merchant is not sent, with another's question or at all."""
    body = json.dumps({"code": 0, "response": PAYMENT})

    async with standing(saying(body, **{"Set-Cookie": "session=bakery; Path=/"}), host="localhost") as (bakery, stand):
        await bakery.asks()
        await replace(bakery, access=Access(UUID(int=2), "florist", SECRET)).asks()

    assert [request.headers.get("Cookie") for request in stand.asked] == [None] * 4


# --- what is answered ---


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("64900", "64900"),
        ("14.2", "14.2"),
        ("14.20", "14.20"),
        ("0.1", "0.1"),
        ("0", "0"),
        ("64900.0", "64900.0"),
        ("1e3", "1E+3"),
        ("9007199254740993", "9007199254740993"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ('"14.2"', "14.2"),
    ],
)
async def test_amounts_are_exact(written: str, amount: str) -> None:
    """An amount is taken digit by digit as it was written, never through a float."""
    async with standing(paying(written, currency="USD")) as (bakery, _):
        found = await bakery.asks()

    assert str(found.snapshot.amount) == amount


@pytest.mark.parametrize(
    "written", ["NaN", "Infinity", "-Infinity", "-1", "-0.01", "true", "null", '""', '"NaN"', "[]"]
)
@pytest.mark.parametrize("name", ["amount", "cancel_amount"])
async def test_an_amount_that_is_none_is_no_answer(written: str, name: str) -> None:
    """What is no amount, or less than nothing, is no evidence of anything."""
    text = json.dumps({"code": 0, "response": PAYMENT | {name: "@"}}).replace('"@"', written)

    async with standing(saying(text)) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()


@pytest.mark.parametrize("name", ["imp_uid", "merchant_uid", "status", "amount", "cancel_amount"])
@pytest.mark.parametrize("how", ["missing", "null"])
async def test_a_payment_without_what_is_required_is_no_answer(name: str, how: str) -> None:
    """A payment object without one of its required fields is no evidence."""
    payment = {key: value for key, value in PAYMENT.items() if key != name} | ({} if how == "missing" else {name: None})

    async with standing(showing(payment)) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()


async def test_zero_is_never_a_time() -> None:
    """PortOne writes 0 for what has not happened: that is None, for every time that it names."""
    names = ("started_at", "paid_at", "failed_at", "cancelled_at", "vbank_date", "vbank_issued_at")
    payment = PAYMENT | dict.fromkeys(names, 0) | {"pay_method": "vbank", "vbank_num": "562-1"}

    async with standing(showing(payment)) as (bakery, _):
        snapshot = (await bakery.asks()).snapshot

    assert (snapshot.started_at, snapshot.paid_at, snapshot.failed_at, snapshot.cancelled_at) == (None,) * 4
    assert snapshot.virtual_account is not None
    assert (snapshot.virtual_account.issued_at, snapshot.virtual_account.expires_at) == (None, None)


async def test_new_words_and_fields_are_tolerated() -> None:
    """PortOne may add fields and words at any time; they are taken as they come."""
    new = {"status": "pending", "pay_method": "telepathy", "channel": "vr", "brand_new": {"deep": [1]}}

    async with standing(showing(PAYMENT | new)) as (bakery, _):
        snapshot = (await bakery.asks()).snapshot

    assert (snapshot.status, snapshot.pay_method, snapshot.channel) == ("pending", "telepathy", "vr")


async def test_an_illegible_card_quota_holds_up_no_payment() -> None:
    """A card's months decide nothing, so a PG's odd word for them is passed over."""
    async with standing(showing(PAYMENT | {"card_name": "KB", "card_quota": "일시불"})) as (bakery, _):
        card = (await bakery.asks()).snapshot.card

    assert card is not None
    assert card.installments == 0


@pytest.mark.parametrize(
    ("custom_data", "token"),
    [
        ('{"pw_order": "po1.abc.def"}', "po1.abc.def"),
        ('{"pw_order": "\\ud800"}', None),
        ('{"pw_order": "\\u0000"}', None),
        ('{"pw_order": 17}', None),
        ('["po1.abc.def"]', None),
        ("not json", None),
        (None, None),
    ],
)
async def test_only_a_token_is_read_from_custom_data(custom_data: str | None, token: str | None) -> None:
    """The browser writes custom_data: nothing but a token is taken from it, and nothing that cannot be kept."""
    async with standing(showing(PAYMENT | {"custom_data": custom_data})) as (bakery, _):
        assert (await bakery.asks()).snapshot.order_token == token


async def test_texts_can_be_kept_by_a_database() -> None:
    """NUL and lone surrogates, which neither PostgreSQL nor UTF-8 can hold, are taken out."""
    async with standing(showing(PAYMENT | {"fail_reason": "a\x00b\ud800c"})) as (bakery, _):
        assert (await bakery.asks()).snapshot.fail_reason == "ab?c"


@pytest.mark.parametrize("code", [1, -1, "1", None, False, ""])
async def test_a_code_other_than_0_is_no_answer_even_at_200(code: object) -> None:
    """PortOne also says no at HTTP 200: only code 0 is an answer."""
    async with standing(showing(PAYMENT, code=code)) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()


async def test_a_code_written_as_text_is_an_answer() -> None:
    """The code was once documented as text: "0" is 0."""
    async with standing(showing(PAYMENT, code="0")) as (bakery, _):
        assert (await bakery.asks()).snapshot.status == "paid"


async def test_an_answer_about_another_payment_is_no_answer() -> None:
    """An answer that names another payment than was asked about proves nothing about either."""
    async with standing(showing(PAYMENT | {"imp_uid": "imp_999999999999"})) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()


NO_ANSWERS: dict[str, Handler] = {
    "html": saying("<!doctype html><h1>점검 중</h1>"),
    "empty": saying(""),
    "truncated": saying('{"code":0,"message":null,"response":{"imp_uid":"imp_4482'),
    "not utf-8": saying(b'{"code":0,"message":"\xff\xfe","response":null}'),
    "no envelope": saying(json.dumps(PAYMENT)),
    "a list": saying("[]"),
    "a text": saying('"ok"'),
    "null": saying("null"),
    "response null": showing(None),
    "response list": showing([PAYMENT]),
    "deep": saying("[" * 100_000),
    "deep inside": saying('{"code":0,"response":' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}"),
    "many digits": saying('{"code":0,"response":' + "9" * 10_000 + "}"),
    "impossible exponent": saying('{"code":0,"response":{"amount":1e99999999999999999999}}'),
    "bomb of a time": saying(json.dumps({"code": 0, "response": PAYMENT | {"paid_at": 7}}).replace("7", "1e999999999")),
    "far future": showing(PAYMENT | {"paid_at": 10**12}),
    "long order": showing(PAYMENT | {"merchant_uid": "o" * 41}),
    "odd history": showing(PAYMENT | {"cancel_history": [17]}),
    "too many requests": showing(None, status=429, code=-1),
    "bad request": showing(None, status=400, code=-1),
    "forbidden": saying("no", status=403),
    "server error": showing(None, status=500, code=-1),
    "not implemented": showing(PAYMENT, status=501),
    "bad gateway": saying("<html>", status=502),
    "maintenance with a payment": showing(PAYMENT, status=503),
    "404 html": saying("<html>not found</html>", status=404),
    "404 empty": saying("", status=404),
    "404 json of others": saying('{"error":"no route"}', status=404),
    "broken gzip": saying(b"not gzip", **{"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_is_no_evidence(answer: Handler) -> None:
    """A fault, a page, or half an answer says nothing: ask again later."""
    async with standing(answer) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()


@pytest.mark.parametrize("body", ['{"code":-1,"message":null,"response":null}', "<html>slow down</html>", ""])
@pytest.mark.parametrize("step", ["token", "question"])
async def test_too_many_requests_is_said_apart(body: str, step: str) -> None:
    """429 means that less is to be asked, whoever says so and in whatever words."""
    busy = saying(body, status=429)

    async with standing(busy, token=busy if step == "token" else None) as (bakery, _):
        with pytest.raises(PortOneBusy):
            await bakery.asks()


async def test_an_answer_is_read_whatever_its_depth() -> None:
    """No depth of nesting escapes: what can be read is read, the rest is no answer."""
    depths = iter(range(800, 1000))
    text = json.dumps({"code": 0, "response": PAYMENT | {"brand_new": "@"}})

    async def nested(request: web.Request) -> web.StreamResponse:
        depth = next(depths)
        return web.Response(text=text.replace('"@"', "[" * depth + "]" * depth), content_type="application/json")

    async with standing(nested) as (bakery, _):
        for _ in range(800, 1000):
            with suppress(PortOneUnavailable):
                assert (await bakery.asks()).snapshot.imp_uid == IMP_UID


async def test_a_404_with_an_envelope_is_an_unknown_payment(bakery: Bakery) -> None:
    """Only PortOne's own 404 says that it knows no such payment."""
    with pytest.raises(PaymentUnknown):
        await bakery.asks("imp_000000000000")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("step", ["token", "question"])
async def test_a_redirect_is_not_followed(status: int, step: str) -> None:
    """Keys and tokens go nowhere that PortOne's address did not name."""

    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with standing(away, token=away if step == "token" else None) as (bakery, stand):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()

    assert all(request.path != "/elsewhere" for request in stand.asked)


@pytest.mark.parametrize("where", ["getToken", "payment"])
@pytest.mark.parametrize("kind", ["hang", "endless", "close"])
async def test_silence_ends_in_time(bakery: Bakery, sim: Simulator, where: str, kind: Any) -> None:
    """A server that hangs, talks for ever or hangs up is left by the deadline of the whole question."""
    sim.faults.add(Fault(kind=kind, where=(where,)))
    began = time.monotonic()

    with pytest.raises(PortOneUnavailable):
        await bakery.asks()

    assert time.monotonic() - began < 3


async def test_the_deadline_is_one_for_token_and_question() -> None:
    """A slow token and a slow answer share one deadline, for which a duty's lease is long enough."""

    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return web.json_response(BOUGHT)

    began = time.monotonic()
    async with standing(slowly, token=slowly, deadline=0.6) as (bakery, stand):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks()
        took = time.monotonic() - began

    assert len(stand.asked) == 2
    assert took < 0.8


@pytest.mark.parametrize("body", [b" " * (9 << 20), gzip.compress(b" " * (64 << 20))], ids=["long", "gzip bomb"])
async def test_a_huge_answer_is_left(body: bytes) -> None:
    """An answer that is longer than any page of payments is not read to its end."""
    headers = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}

    async with standing(saying(body, **headers)) as (bakery, _):
        with pytest.raises(PortOneUnavailable, match="too long"):
            await bakery.asks()


@pytest.mark.parametrize(
    "spoken",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: banana\r\n\r\n",
    ],
    ids=lambda spoken: repr(spoken[:24]),
)
async def test_what_is_no_http_is_no_answer(spoken: bytes) -> None:
    """A server that speaks something else, or breaks off, gave no answer."""
    with pytest.raises(PortOneUnavailable):
        await asks_a_server_that_says(spoken)


async def asks_a_server_that_says(spoken: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(spoken)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, PortOne(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", deadline=2) as portone:
        ends = datetime.now(UTC) + timedelta(hours=1)
        access = Access(UUID(int=1), "bakery", SECRET, token=TOKEN, token_expires_at=ends)
        await Bakery(portone, access).asks()


async def test_nobody_there_is_no_answer() -> None:
    """A port that nobody listens at is no answer."""
    async with PortOne("http://127.0.0.1:9", deadline=2) as portone:
        with pytest.raises(PortOneUnavailable):
            await Bakery(portone).asks()


# --- batches ---


async def test_a_batch_is_answered_by_id(bakery: Bakery, sim: Simulator) -> None:
    """Each payment of a batch is found under its own id, in one question."""
    imp_uids = [sim.open_window("bakery", merchant_uid=f"order-{n}", amount=n + 1) for n in range(5)]

    found = await bakery.asks_all(*imp_uids)

    assert list(map(amount_of, map(found.get, imp_uids))) == [1, 2, 3, 4, 5]
    assert sim.journal.batches() == [5]


def amount_of(found: Found | None) -> Decimal | None:
    return found.snapshot.amount if found else None


async def test_a_batch_leaves_out_what_is_unknown(bakery: Bakery, sim: Simulator) -> None:
    """A 207 holds what PortOne knows; test payments are among the missing."""
    known = sim.open_window("bakery", merchant_uid="order-1", amount=64900)
    tested = sim.open_window("bakery", merchant_uid="order-2", amount=64900, sandbox=True)

    assert (await bakery.asks_all(known, tested, "imp_000000000000")).keys() == {known}


async def test_a_batch_of_unknown_payments_is_empty(bakery: Bakery) -> None:
    """A 404 of a batch means that PortOne knows none of them."""
    assert await bakery.asks_all("imp_000000000000", "imp_000000000001") == {}


async def test_a_batch_is_never_read_by_position() -> None:
    """Answers in another order, of other payments, or twice, are assigned by `imp_uid` alone."""
    others = [PAYMENT | {"imp_uid": f"imp_00000000000{n}", "amount": n} for n in (3, 9, 1)]

    async with standing(showing(others)) as (bakery, _):
        found = await bakery.asks_all("imp_000000000001", "imp_000000000002", "imp_000000000003")

    assert {imp_uid: amount_of(one) for imp_uid, one in found.items()} == {
        "imp_000000000001": 1,
        "imp_000000000003": 3,
    }


async def test_an_illegible_payment_does_not_spoil_its_batch() -> None:
    """One payment that cannot be read is marked as such; the others of its batch are found."""
    spoilt = PAYMENT | {"imp_uid": "imp_000000000001", "amount": None}

    async with standing(showing([spoilt, PAYMENT, 17, None, {"imp_uid": ["x"]}])) as (bakery, _):
        found = await bakery.asks_all("imp_000000000001", IMP_UID, "imp_000000000002")

    assert found.keys() == {"imp_000000000001", IMP_UID}
    assert found["imp_000000000001"] is None
    assert amount_of(found[IMP_UID]) == 64900


@pytest.mark.parametrize("answer", [showing(None), showing({}), showing(PAYMENT), saying("<html>", status=404)])
async def test_a_batch_without_a_list_is_no_answer(answer: Handler) -> None:
    """What is no list of payments says nothing about any of them."""
    async with standing(answer) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.asks_all(IMP_UID)


# --- orders ---


@pytest.mark.parametrize(
    "order",
    ["order 1", "주문-1", "a?b=c", "a#b", "a%2Fb", "a%", "a&b=c", "a+b", "a;b", "a\\b", "...", "%2e%2e", "a:b@c", "é"],
)
async def test_an_order_is_found_under_its_exact_id(bakery: Bakery, sim: Simulator, order: str) -> None:
    """Whatever characters an order's id has, it reaches PortOne as it is."""
    imp_uid = sim.open_window("bakery", merchant_uid=order, amount=64900)

    found = await bakery.finds(order)

    assert [one.snapshot.imp_uid for one in found] == [imp_uid]
    assert sim.journal.counts() == {"getToken": 1, "findAll": 1}


async def test_every_payment_of_an_order_is_found(bakery: Bakery, sim: Simulator) -> None:
    """An order may have been tried several times: each try is found."""
    tries = {sim.open_window("bakery", merchant_uid="order-1", amount=64900) for _ in range(25)}
    sim.open_window("bakery", merchant_uid="order-2", amount=64900)

    assert {one.snapshot.imp_uid for one in await bakery.finds("order-1")} == tries


async def test_payments_of_other_orders_are_not_found() -> None:
    """What the answer holds beside the order's own payments is left out."""
    other = PAYMENT | {"imp_uid": "imp_999999999999", "merchant_uid": "order-2"}

    async with standing(showing({"total": 2, "list": [other, PAYMENT]})) as (bakery, _):
        found = await bakery.finds("order-1")

    assert [one.snapshot.imp_uid for one in found] == [IMP_UID]


async def test_an_order_without_payments_is_unknown(bakery: Bakery) -> None:
    """An order that nobody tried to pay is unknown to PortOne."""
    with pytest.raises(PaymentUnknown):
        await bakery.finds("order-1")


@pytest.mark.parametrize("order", [".", "..", "/", "a/b", "../status/paid", "order-1/paid"])
async def test_an_order_cannot_reach_another_endpoint(bakery: Bakery, sim: Simulator, order: str) -> None:
    """An id that percent-encoding does not tame is never sent."""
    with pytest.raises(PaymentUnknown):
        await bakery.finds(order)

    assert sim.journal.counts() == {}


async def test_an_order_stays_one_segment_on_the_wire() -> None:
    """An encoded slash stays encoded twice, so that no server takes it for a path."""
    async with standing(showing({"list": []})) as (bakery, stand):
        await bakery.finds("a%2F..%2Fb?c#d")

    (path,) = stand.paths()
    assert path.startswith("/payments/findAll/a%252F..%252Fb%3Fc%23d?")


@pytest.mark.parametrize("answer", [showing(None), showing([PAYMENT]), showing({"list": None}), showing({"list": {}})])
async def test_an_order_without_a_list_is_no_answer(answer: Handler) -> None:
    """What is no page of payments says nothing about the order."""
    async with standing(answer) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.finds("order-1")


# --- the list of payments ---


def listing(*rows: object, following: object = 0, total: object = 9) -> Handler:
    return showing({"total": total, "previous": 0, "next": following, "list": list(rows)})


async def test_payments_are_listed_by_their_newest_change(bakery: Bakery, sim: Simulator) -> None:
    """Pages hold all payments, those changed last first, until the last page says so."""
    first, *_ = [sim.open_window("bakery", merchant_uid=f"order-{n}", amount=64900) for n in range(3)]
    sim.now = lambda: datetime.now(UTC) + timedelta(seconds=5)
    sim.approve(first, webhook=False)

    one, two = await bakery.lists(1), await bakery.lists(2)

    assert [found.snapshot.merchant_uid for found in one.found + two.found] == ["order-0", "order-2", "order-1"]
    assert [(page.total, page.is_last, page.unreadable) for page in (one, two)] == [(3, False, 0), (3, True, 0)]
    assert json.loads(one.found[0].raw)["status"] == "paid"


async def test_a_list_is_asked_for_without_a_window(bakery: Bakery, sim: Simulator) -> None:
    """`from` and `to` would leave out what began long ago and changed just now."""
    await bakery.lists(1, limit=7)

    asked = next(asked for asked in sim.journal.asked() if asked.endpoint == "status")
    assert asked.path == "/payments/status/all"
    assert asked.query == "sorting=-updated&page=1&limit=7"


async def test_a_page_past_the_end_is_empty_and_last(bakery: Bakery, sim: Simulator) -> None:
    """PortOne answers 400 for a page past the end: there is no more."""
    sim.open_window("bakery", merchant_uid="order-1", amount=64900)

    assert await bakery.lists(2) == Page((), unreadable=0, total=0, is_last=True)


async def test_an_illegible_row_does_not_spoil_its_page() -> None:
    """Rows that cannot be read are counted and left out; the others keep their order."""
    rows = [PAYMENT | {"imp_uid": "imp_1"}, PAYMENT | {"amount": None}, "row", PAYMENT | {"imp_uid": "imp_2"}]

    async with standing(listing(*rows, following=2)) as (bakery, _):
        page = await bakery.lists()

    assert [found.snapshot.imp_uid for found in page.found] == ["imp_1", "imp_2"]
    assert (page.unreadable, page.total, page.is_last) == (2, 9, False)


@pytest.mark.parametrize("following", [0, None, "0"])
async def test_a_page_without_a_next_is_the_last(following: object) -> None:
    """0 and nothing mean that no page follows."""
    async with standing(listing(PAYMENT, following=following)) as (bakery, _):
        assert (await bakery.lists()).is_last


async def test_a_page_without_rows_is_the_last() -> None:
    """A list that goes on for ever without a row ends all the same."""
    async with standing(listing(following=3)) as (bakery, _):
        assert (await bakery.lists()).is_last


@pytest.mark.parametrize(
    "answer",
    [
        showing(None),
        showing([PAYMENT]),
        showing({"total": 1, "next": 0}),
        listing(PAYMENT, following="soon"),
        listing(PAYMENT, total=[1]),
        showing(None, status=404, code=-1),
        showing(None, status=500, code=-1),
        saying("<html>400</html>", status=400),
        saying("<html>404</html>", status=404),
    ],
    ids=["null", "a list", "no list", "odd next", "odd total", "404", "500", "400 html", "404 html"],
)
async def test_a_list_that_is_none_is_no_answer(answer: Handler) -> None:
    """What is no page of PortOne's is never taken for the end of its list."""
    async with standing(answer) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.lists()


# --- secrets ---


LEAKY = json.dumps({"code": -1, "message": f"{SECRET} {TOKEN}", "response": f"{SECRET} {TOKEN}"})


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("body", [LEAKY, LEAKY[:-4]], ids=["whole", "truncated"])
@pytest.mark.parametrize("step", ["token", "question"])
async def test_no_secret_in_an_error(status: int, body: str, step: str) -> None:
    """Neither keys nor tokens stand in an error, its causes or their representations."""
    answer = saying(body, status=status)

    async with standing(answer, token=answer if step == "token" else None) as (bakery, _):
        with pytest.raises(PortOneError) as raised:
            await bakery.asks()

    assert_no_secret(raised.value)


@pytest.mark.parametrize("spoken", [f"{TOKEN} {SECRET}\r\n\r\n", f"HTTP/1.1 200 {TOKEN}\r\n{SECRET}\r\n\r\n"])
async def test_no_secret_in_an_error_of_the_protocol(spoken: str) -> None:
    """The same holds when the other side speaks no HTTP."""
    with pytest.raises(PortOneUnavailable) as raised:
        await asks_a_server_that_says(spoken.encode())

    assert SECRET not in str(raised.value) + repr(raised.value)
    assert TOKEN not in str(raised.value) + repr(raised.value)


def assert_no_secret(error: BaseException | None) -> None:
    text = "".join(traceback.format_exception(error)) if error else ""
    while error is not None:
        text += str(error) + repr(error)
        error = error.__cause__
    assert SECRET not in text
    assert TOKEN not in text


async def test_no_secret_is_printed(bakery: Bakery, sim: Simulator) -> None:
    """Keys, tokens and PortOne's raw words stay out of representations."""
    imp_uid = sim.open_window("bakery", merchant_uid="order-1", amount=64900, buyer_email="private@example.com")
    found = await bakery.asks(imp_uid)
    ((token, ends),) = bakery.kept
    access = replace(bakery.access, token=token, token_expires_at=ends)

    text = repr(access) + repr(found) + repr(bakery.portone)

    assert not any(secret in text for secret in (SECRET, token, "private@example.com"))
    assert "private@example.com" in found.raw.decode()


# --- prepare ---


async def prepares(bakery: Bakery, amount: str, currency: str = "KRW", order: str = "order-1") -> None:
    await bakery.portone.prepare(bakery.access, order, Decimal(amount), currency, keep_token=bakery.keep)


async def reads_back(bakery: Bakery, order: str = "order-1") -> Money | None:
    return await bakery.portone.prepared(bakery.access, order, keep_token=bakery.keep)


@pytest.mark.parametrize(
    ("amount", "written"), [("64900", "64900"), ("14.20", "14.20"), ("1E+3", "1000"), ("0.001", "0.001")]
)
async def test_an_amount_is_announced_as_it_is_written(amount: str, written: str) -> None:
    """Major units, exact, with the currency: a form, so that no fraction passes through a float."""
    forms: list[dict[str, str]] = []

    async def note(request: web.Request) -> web.StreamResponse:
        forms.append({name: str(value) for name, value in (await request.post()).items()})
        return web.json_response({"code": 0, "message": None, "response": {}})

    async with standing(note) as (bakery, stand):
        await prepares(bakery, amount, "USD", "order 한/1")

    assert forms == [{"merchant_uid": "order 한/1", "amount": written, "currency": "USD"}]
    assert stand.paths() == ["/payments/prepare"]


async def test_an_announced_amount_is_changed(bakery: Bakery, sim: Simulator) -> None:
    """PortOne declines a second announcement, so that it is changed in its place."""
    await prepares(bakery, "64900")
    await prepares(bakery, "59900")

    assert await reads_back(bakery) == Money(59900, "KRW", 0)
    assert [one.method for one in sim.journal.asked() if one.endpoint == "prepare"] == ["POST", "POST", "PUT", "GET"]


@pytest.mark.parametrize(("status", "code"), [(200, 1), (200, "-1"), (400, -1), (409, -1)])
async def test_a_declined_announcement_says_so(status: int, code: object) -> None:
    """A no that PortOne thought about is told apart from silence, after both ways were tried."""
    async with standing(showing(None, status=status, code=code)) as (bakery, stand):
        with pytest.raises(PortOneDeclined):
            await prepares(bakery, "64900")

    assert len(stand.paths()) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_silence_about_an_announcement_is_not_a_no(status: int) -> None:
    """It is to be announced again later, and not changed in its place now."""
    async with standing(showing(None, status=status, code=-1)) as (bakery, stand):
        with pytest.raises(PortOneUnavailable) as raised:
            await prepares(bakery, "64900")

    assert not isinstance(raised.value, PortOneDeclined)
    assert len(stand.paths()) == 1


@pytest.mark.parametrize(
    ("answer", "money"),
    [
        ({"merchant_uid": "order-1", "amount": 64900}, Money(64900, "KRW", 0)),
        ({"merchant_uid": "order-1", "amount": 64900, "currency": None}, Money(64900, "KRW", 0)),
        ({"merchant_uid": "order-1", "amount": 14.2, "currency": "USD"}, Money(1420, "USD", 2)),
        ({"merchant_uid": "order-1", "amount": 14.2}, None),
        ({"merchant_uid": "order-1", "amount": 14, "currency": "XXX"}, None),
        (None, None),
        ({}, None),
    ],
)
async def test_what_was_announced_is_read_back(answer: object, money: Money | None) -> None:
    """Won where no currency stands with it; what is no amount of its currency counts as nothing."""
    async with standing(showing(answer)) as (bakery, stand):
        assert await reads_back(bakery) == money

    assert stand.paths() == ["/payments/prepare/order-1"]


@pytest.mark.parametrize(("status", "code"), [(404, -1), (200, 1)])
async def test_nothing_announced_is_nothing(status: int, code: int) -> None:
    """That PortOne knows no announcement is an answer."""
    async with standing(showing(None, status=status, code=code)) as (bakery, _):
        assert await reads_back(bakery) is None


@pytest.mark.parametrize(
    "answer", [{"merchant_uid": "order-2", "amount": 1}, {"merchant_uid": "order-1"}, [1], "no", {"amount": 1}]
)
async def test_an_odd_answer_about_prepare_is_silence(answer: object) -> None:
    """Another order's amount, or something illegible, is neither an amount nor nothing."""
    async with standing(showing(answer)) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await reads_back(bakery)


async def test_orders_are_percent_encoded_and_never_paths() -> None:
    """An order's number may hold anything but what would lead to another address."""
    async with standing(showing(None)) as (bakery, stand):
        for order in ("a b?c#d%2f", "..", "a/b"):
            assert await reads_back(bakery, order) is None

    assert stand.paths() == ["/payments/prepare/a%20b%3Fc%23d%252f"]


CHANNEL = {"pg_provider": "nice_v2", "pg_id": "mid", "sandbox": True, "type": "payment"}


async def test_the_channels_of_an_account_are_listed(bakery: Bakery) -> None:
    """Test and live channels are told apart, with the key that opens their window."""
    found = await bakery.portone.channels(bakery.access, keep_token=bakery.keep)

    assert {(channel.key, channel.sandbox) for channel in found} == {
        ("channel-key-demo-live", False),
        ("channel-key-demo-test", True),
    }


@pytest.mark.parametrize("row", [None, "nice", {}, CHANNEL | {"sandbox": "true"}, CHANNEL | {"type": None}])
async def test_a_channel_that_cannot_be_read_is_left_out(row: object) -> None:
    """Names and keys may be missing, what kind it is may not; the other channels are read all the same."""
    async with standing(showing([row, CHANNEL, CHANNEL | {"channel_name": None}])) as (bakery, _):
        found = await bakery.portone.channels(bakery.access, keep_token=bakery.keep)

    assert [channel.merchant_id for channel in found] == ["mid", "mid"]


async def test_a_list_of_channels_that_is_none_is_no_answer() -> None:
    """An answer without a list says nothing of the channels."""
    async with standing(showing({})) as (bakery, _):
        with pytest.raises(PortOneUnavailable):
            await bakery.portone.channels(bakery.access, keep_token=bakery.keep)
