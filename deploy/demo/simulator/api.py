"""What does PortOne's V1 REST API answer? The envelope and the HTTP codes of the published document."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from .books import Prepared, View
from .console import Simulator
from .payment import Row, number, seconds
from .query import LARGEST_BATCH, in_order, in_window, page_of, read_paging, with_status
from .window import NotPossible

NOT_FOUND = "존재하지 않는 결제정보입니다."
NOTHING_TO_CANCEL = "취소할 결제건이 존재하지 않습니다."


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into the envelope; `code` 0 is success, and a refusal may still be HTTP 200."""

    response: Any = None
    http: int = 200
    code: int = 0
    message: str | None = None

    def as_response(self) -> web.Response:
        envelope = {"code": self.code, "message": self.message, "response": self.response}
        return web.json_response(envelope, status=self.http)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated question."""

    sim: Simulator
    view: View
    path: dict[str, str]
    query: dict[str, str]
    form: dict[str, Any]
    request: web.Request


Endpoint = Callable[[Call], Answer]


def refuse(http: int, message: str, *, code: int = -1) -> Answer:
    return Answer(http=http, code=code, message=message)


def get_token(sim: Simulator, form: dict[str, Any]) -> Answer:
    try:
        account = sim.account(str(form.get("imp_key")))
    except KeyError:
        return refuse(401, "인증에 실패하였습니다. API키와 secret을 확인하세요.")
    if account.imp_secret != form.get("imp_secret"):
        return refuse(401, "인증에 실패하였습니다. API키와 secret을 확인하세요.")
    at = sim.now()
    token = sim.tokens.issue(account.imp_key, at=at)
    return Answer({"access_token": token.value, "now": seconds(at), "expired_at": seconds(token.expires_at)})


def get_payment(call: Call) -> Answer:
    row = call.sim.lookup(call.view, call.path["imp_uid"])
    return Answer(row.payment.as_json()) if row else refuse(404, NOT_FOUND)


def get_payments(call: Call) -> Answer:
    imp_uids = dict.fromkeys(call.request.query.getall("imp_uid[]", []))
    orders = dict.fromkeys(call.request.query.getall("merchant_uid[]", []))
    wanted = len(imp_uids) + len(orders)
    if not 1 <= wanted <= LARGEST_BATCH:
        return refuse(400, "1건 이상 100건 이하로 조회할 수 있습니다.")
    found = [call.sim.lookup(call.view, imp_uid) for imp_uid in imp_uids] + [_newest(call, order) for order in orders]
    rows = [row for row in found if row]
    if not rows:
        return refuse(404, NOT_FOUND)
    # In an order of our own: nothing promises that answers stand where the ids stood.
    payments = [row.payment.as_json() for row in in_order(rows, "-started")]
    return Answer(payments, http=200 if len(rows) == wanted else 207)


def find(call: Call) -> Answer:
    rows = with_status(_rows_of_order(call), call.path.get("status", ""))
    ordered = in_order(rows, read_paging(call.query).sorting)
    return Answer(ordered[0].payment.as_json()) if ordered else refuse(404, NOT_FOUND)


def find_all(call: Call) -> Answer:
    rows = with_status(_rows_of_order(call), call.path.get("status", ""))
    return Answer(page_of(rows, read_paging(call.query))) if rows else refuse(404, NOT_FOUND)


def by_status(call: Call) -> Answer:
    rows = with_status(call.sim.readable(call.view), call.path["status"])
    rows = in_window(rows, call.query, now=seconds(call.sim.now()))
    return Answer(page_of(rows, read_paging(call.query)))


def prepare(call: Call) -> Answer:
    try:
        prepared = Prepared(
            str(call.form["merchant_uid"]),
            Decimal(str(call.form["amount"])),
            call.form.get("currency") or None,
        )
    except (KeyError, InvalidOperation):
        return refuse(400, "merchant_uid와 amount는 필수입니다.")
    known = call.sim.prepared(call.view, prepared.merchant_uid)
    if call.request.method == "PUT" and not known:
        return refuse(404, "사전등록된 결제정보가 없습니다.")
    if call.request.method == "POST" and known:
        return refuse(200, "이미 등록된 merchant_uid입니다.", code=1)
    return _shown(call.sim.prepare(call.view, prepared))


def get_prepared(call: Call) -> Answer:
    prepared = call.sim.prepared(call.view, call.path["merchant_uid"])
    return _shown(prepared) if prepared else refuse(404, "사전등록된 결제정보가 없습니다.")


def cancel(call: Call) -> Answer:
    row = _row_to_cancel(call)
    if row is None:
        return Answer(code=1, message=NOTHING_TO_CANCEL)
    checksum = call.form.get("checksum")
    if checksum not in (None, "") and Decimal(str(checksum)) != row.payment.balance:
        return Answer(code=1, message="취소 가능 잔액이 일치하지 않습니다.")
    if row.payment.pay_method == "vbank" and not call.form.get("refund_account"):
        return Answer(code=1, message="환불계좌 정보가 필요합니다.")
    try:
        payment = call.sim.cancel_by_api(
            row.payment.imp_uid,
            amount=call.form.get("amount"),
            reason=str(call.form.get("reason", "")),
            enable_webhook=truth(call.form.get("enable_webhook")),
        )
    except (NotPossible, InvalidOperation):
        return Answer(code=1, message="취소 가능 금액을 초과했거나 취소할 수 없는 상태입니다.")
    return Answer(payment.as_json())


def channels(call: Call) -> Answer:
    common = {"pg_provider": "nice_v2", "type": "payment"}
    live = {
        "pg_id": "demo00000m",
        "sandbox": False,
        "channel_name": "실연동",
        "channel_key": "channel-key-demo-live",
    }
    test = {
        "pg_id": "demo00000t",
        "sandbox": True,
        "channel_name": "테스트",
        "channel_key": "channel-key-demo-test",
    }
    return Answer([common | live, common | test])


def tier(call: Call) -> Answer:
    name = call.view.account.tiers.get(call.path["code"])
    return Answer({"tier_code": call.path["code"], "tier_name": name}) if name else refuse(404, "없는 하위상점입니다.")


def _rows_of_order(call: Call) -> list[Row]:
    return call.sim.readable(call.view, call.sim.rows_of_order(call.path["merchant_uid"]))


def _newest(call: Call, merchant_uid: str) -> Row | None:
    rows = call.sim.readable(call.view, call.sim.rows_of_order(merchant_uid))
    return in_order(rows, "-started")[0] if rows else None


def _row_to_cancel(call: Call) -> Row | None:
    if call.form.get("imp_uid"):
        return call.sim.lookup(call.view, str(call.form["imp_uid"]))
    rows = call.sim.readable(call.view, call.sim.rows_of_order(str(call.form.get("merchant_uid", ""))))
    return next((row for row in rows if row.payment.paid_at), None)


def _shown(prepared: Prepared) -> Answer:
    shown = {
        "merchant_uid": prepared.merchant_uid,
        "amount": number(prepared.amount),
        "currency": prepared.currency,
    }
    return Answer(shown)


def truth(value: object) -> bool:
    return str(value).lower() in ("true", "1")
