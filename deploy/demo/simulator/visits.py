"""What happens when a person clicks? The list at `/` and the payment window at `/pay`."""

import json

from aiohttp import web

from . import pages
from .console import Simulator
from .control import approve_if_confirmed
from .courier import Courier
from .redirects import method_of, refusal_response, refusal_url, response_to
from .window import NotPossible, WindowRefused

PASSED_ON = ("currency", "pay_method", "pg_provider", "custom_data", "name")


def routes(sim: Simulator, courier: Courier) -> list[web.RouteDef]:
    visits = _Visits(sim, courier)
    return [
        web.get("/", visits.home),
        web.post("/desk/{imp_uid}", visits.desk),
        web.get("/pay", visits.open_window),
        web.get("/v1/iamport.js", visits.script),
        web.post("/pay/{imp_uid}", visits.choose),
    ]


class _Visits:
    def __init__(self, sim: Simulator, courier: Courier) -> None:
        self.sim, self.courier = sim, courier

    async def home(self, request: web.Request) -> web.Response:
        return _html(pages.payment_list(reversed(self.sim.rows())))

    async def desk(self, request: web.Request) -> web.Response:
        imp_uid, action = request.match_info["imp_uid"], str((await request.post()).get("action"))
        try:
            if action not in pages.possible_actions(self.sim.payment(imp_uid)):
                return _html(pages.notice("할 수 없음", "이미 다른 상태로 바뀐 결제입니다."), status=409)
            if action == "cancel_part":
                self.sim.cancel(imp_uid, amount=min(1000, int(self.sim.payment(imp_uid).balance)))
            else:
                getattr(self.sim, action)(imp_uid)
        except (KeyError, NotPossible) as error:
            return _html(pages.notice("할 수 없음", str(error)), status=409)
        raise web.HTTPSeeOther("/")

    async def open_window(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        try:
            account = self.sim.account_of_shop(query.get("user_code", ""))
            imp_uid = self.sim.open_window(
                account.imp_key,
                merchant_uid=query["merchant_uid"],
                amount=query["amount"],
                tier=query.get("tier"),
                sandbox=json.loads(query.get("sandbox", "false")),
                notice_url=request.query.getall("notice_url", []),
                m_redirect_url=query.get("m_redirect_url", ""),
                confirm_url=query.get("confirm_url", ""),
                variant=query.get("variant") or "imp_success",
                **{name: query[name] for name in PASSED_ON if name in query},
            )
        except WindowRefused as refusal:
            return _refused(query, refusal)
        except (KeyError, ValueError, ArithmeticError):
            text = "user_code, merchant_uid, amount를 확인하세요."
            return _html(pages.notice("결제창을 열 수 없습니다", text), status=400)
        return _html(pages.payment_window(self.sim.payment(imp_uid)))

    async def script(self, request: web.Request) -> web.Response:
        return web.Response(text=pages.SCRIPT, content_type="text/javascript")

    async def choose(self, request: web.Request) -> web.StreamResponse:
        imp_uid, choice = request.match_info["imp_uid"], str((await request.post()).get("choice"))
        try:
            await self._play(imp_uid, choice)
            return self._send_back(imp_uid)
        except (KeyError, NotPossible):
            return _html(pages.notice("이미 끝난 결제창입니다", "상점에서 다시 시작해 주세요."), status=409)

    async def _play(self, imp_uid: str, choice: str) -> None:
        match choice:
            case "paid":
                await approve_if_confirmed(self.sim, self.courier, imp_uid)
            case "forged" | "test":
                self.sim.amend(imp_uid, **pages.FORGERIES[choice])
                await approve_if_confirmed(self.sim, self.courier, imp_uid)
            case "vbank":
                self.sim.issue_account(imp_uid)
            case "declined":
                self.sim.fail(imp_uid)
            case _:
                self.sim.abandon(imp_uid)

    def _send_back(self, imp_uid: str) -> web.StreamResponse:
        row = self.sim.row(imp_uid)
        if not row.m_redirect_url:
            return _html(pages.call_back(response_to(row.payment, error_code=row.error_code)))
        url = self.sim.redirect_url(imp_uid)
        if method_of(row.variant) == "POST":
            return _html(pages.post_onward(url))
        return web.Response(status=302, headers={"Location": url})


def _refused(query: dict[str, str], refusal: WindowRefused) -> web.Response:
    """Send the browser back without a payment, or let its page's callback run, as the SDK does."""
    if not query.get("m_redirect_url"):
        return _html(
            pages.call_back(refusal_response(query["merchant_uid"], refusal.error_code, refusal.error_msg)), status=409
        )
    url = refusal_url(
        query["m_redirect_url"],
        merchant_uid=query["merchant_uid"],
        error_code=refusal.error_code,
        error_msg=refusal.error_msg,
        variant=query.get("variant", ""),
    )
    return web.Response(status=302, headers={"Location": url})


def _html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)
