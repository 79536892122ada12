"""How does a script play the customer, the PG and the console? The table is in the package's docstring."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from ..mischief import fault_from_json
from .console import Simulator
from .courier import Courier
from .door import read_form
from .payment import Payment, Row
from .redirects import method_of
from .window import NotPossible, WindowRefused

ACTIONS = (
    "approve",
    "approve_late",
    "issue_account",
    "deposit",
    "undo_deposit",
    "expire_account",
    "fail",
    "abandon",
    "cancel",
    "cancel_by_api",
    "resend",
    "send_escrow_event",
    "amend",
    "hide",
    "show",
)


def routes(sim: Simulator, courier: Courier) -> list[web.RouteDef]:
    control = _Control(sim, courier)
    table: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
        ("GET", "health", control.health),
        ("POST", "accounts", control.add_account),
        ("PATCH", "accounts/{imp_key}", control.set_account),
        ("POST", "accounts/{imp_key}/release", control.release),
        ("POST", "accounts/{imp_key}/expire_tokens", control.expire_tokens),
        ("GET", "payments", control.payments),
        ("POST", "payments", control.open_window),
        ("GET", "payments/{imp_uid}/redirect", control.redirect),
        ("POST", "payments/{imp_uid}/{action}", control.act),
        ("POST", "faults", control.add_fault),
        ("DELETE", "faults", control.clear_faults),
        ("GET", "requests", control.requests),
        ("DELETE", "requests", control.forget_requests),
        ("GET", "webhooks", control.webhooks),
    )
    return [web.route(method, f"/_control/{path}", _guarded(handler)) for method, path, handler in table]


def _guarded(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[..., Awaitable[web.Response]]:
    """Answer 404 for an unknown name, 409 for what cannot happen, 400 for what makes no sense."""

    async def guard(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except KeyError as error:
            return _error(404, f"unknown: {error}")
        except NotPossible as error:
            return _error(409, str(error))
        except WindowRefused as error:
            return _error(409, error.error_msg, error_code=error.error_code)
        except (TypeError, ValueError, ArithmeticError) as error:
            return _error(400, str(error))

    return guard


def _error(status: int, message: str, **more: str) -> web.Response:
    return web.json_response({"error": message} | more, status=status)


class _Control:
    def __init__(self, sim: Simulator, courier: Courier) -> None:
        self.sim, self.courier = sim, courier

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def add_account(self, request: web.Request) -> web.Response:
        account = self.sim.add_account(**await read_form(request))
        return web.json_response(asdict(replace(account, imp_secret="")), status=201)

    async def set_account(self, request: web.Request) -> web.Response:
        account = self.sim.set_account(request.match_info["imp_key"], **await read_form(request))
        return web.json_response(asdict(replace(account, imp_secret="")))

    async def release(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        released = self.sim.outbox.release(request.match_info["imp_key"], newest_first=bool(form.get("newest_first")))
        return web.json_response({"released": released})

    async def expire_tokens(self, request: web.Request) -> web.Response:
        self.sim.tokens.revoke(request.match_info["imp_key"])
        return web.json_response({"ok": True})

    async def payments(self, request: web.Request) -> web.Response:
        order = request.query.get("merchant_uid")
        rows = self.sim.rows_of_order(order) if order else self.sim.rows()
        return web.json_response([row.payment.as_json() for row in rows])

    async def open_window(self, request: web.Request) -> web.Response:
        imp_uid = self.sim.open_window(**await read_form(request))
        return web.json_response(self._story(self.sim.payment(imp_uid)), status=201)

    async def act(self, request: web.Request) -> web.Response:
        imp_uid, action = request.match_info["imp_uid"], request.match_info["action"]
        if action not in ACTIONS:
            raise KeyError(action)
        settings = await read_form(request)
        if action == "approve":
            payment = await approve_if_confirmed(self.sim, self.courier, imp_uid, **settings)
        else:
            payment = getattr(self.sim, action)(imp_uid, **settings)
        return web.json_response(self._story(payment))

    async def redirect(self, request: web.Request) -> web.Response:
        imp_uid, query = request.match_info["imp_uid"], request.query
        success = {"true": True, "false": False}.get(query.get("success", ""))
        variant = query.get("variant") or self.sim.row(imp_uid).variant
        url = self.sim.redirect_url(imp_uid, query.get("m_redirect_url", ""), variant, success=success)
        return web.json_response({"url": url, "method": method_of(variant)})

    async def add_fault(self, request: web.Request) -> web.Response:
        fault = self.sim.faults.add(fault_from_json(await read_form(request)))
        return web.json_response(asdict(fault), status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.sim.faults.clear()
        return web.json_response({"ok": True})

    async def requests(self, request: web.Request) -> web.Response:
        journal = self.sim.journal
        newest = [asdict(asked) | {"at": asked.at.isoformat()} for asked in journal.asked()[-1000:]]
        return web.json_response({"counts": journal.counts(), "batches": journal.batches(), "log": newest})

    async def forget_requests(self, request: web.Request) -> web.Response:
        self.sim.journal.clear()
        return web.json_response({"ok": True})

    async def webhooks(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(webhook) for webhook in self.sim.outbox.done()])

    def _story(self, payment: Payment) -> dict[str, Any]:
        """Return the payment and, when the window was given an address, where the browser goes now."""
        row: Row = self.sim.row(payment.imp_uid)
        redirect = self.sim.redirect_url(payment.imp_uid) if row.m_redirect_url else None
        return {"imp_uid": payment.imp_uid, "payment": payment.as_json(), "redirect_url": redirect}


async def approve_if_confirmed(sim: Simulator, courier: Courier, imp_uid: str, **settings: Any) -> Payment:
    """Approve, after asking the payment's `confirm_url` if it has one; a refusal is a failure."""
    row = sim.row(imp_uid)
    reason = await courier.ask_to_confirm(row) if row.confirm_url else None
    if reason is None:
        return sim.approve(imp_uid, **settings)
    return sim.fail(imp_uid, reason=reason, error_code="F0005")
