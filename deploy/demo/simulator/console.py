"""What can be done to a payment from PortOne's side: in the console, by the cancel API, for a test?"""

import uuid
from decimal import Decimal
from typing import Any

from .payment import Payment
from .redirects import Ending, redirect_to
from .window import NotPossible, Window


class Simulator(Window):
    """A PortOne V1 in memory. Amounts are decimal major units, ids count up, `now` gives aware UTC."""

    def cancel(
        self,
        imp_uid: str,
        *,
        amount: Decimal | int | str | None = None,
        reason: str = "고객 요청",
        webhook: bool = True,
    ) -> Payment:
        """Cancel in the console, wholly or in part: a webhook with its `cancellation_id`.

        A partial cancellation says `cancelled` too, with `cancel_amount` below `amount`, as PortOne's own
        plugin reads it.
        """
        payment = self._cancel(imp_uid, amount, reason)
        if webhook:
            self._tell(self.row(imp_uid), cancellation_id=payment.cancel_history[-1]["cancellation_id"])
        return payment

    def cancel_by_api(
        self,
        imp_uid: str,
        *,
        amount: Decimal | int | str | None = None,
        reason: str = "",
        enable_webhook: bool = False,
    ) -> Payment:
        """Cancel through the API: no webhook unless asked for, and then only to the console's address."""
        had_webhook = bool(self._addresses(self.row(imp_uid)))
        payment = self._cancel(imp_uid, amount, reason)
        row = self.row(imp_uid)
        url = self.account(row.imp_key).notice_url_for(sandbox=payment.sandbox, tier=row.tier)
        if enable_webhook and had_webhook and url:
            self._tell(row, urls=(url,), cancellation_id=payment.cancel_history[-1]["cancellation_id"])
        return payment

    def resend(self, imp_uid: str, *, status: str | None = None) -> Payment:
        """Send the webhook again by hand; `status` sends an outdated one."""
        row = self.row(imp_uid)
        self._tell(row, **({"status": status} if status else {}))
        return row.payment

    def send_escrow_event(self, imp_uid: str, *, escrow_status: int = 3) -> Payment:
        """Inicis escrow moves on: a webhook of another shape that still says `paid`."""
        extra = {"escrow_status": escrow_status, "changed_at": self._seconds(), "denied_reason": None}
        self._tell(self.row(imp_uid), event="Inicis.Escrow.Changed", status="paid", extra=extra)
        return self.payment(imp_uid)

    def amend(self, imp_uid: str, *, webhook: bool = False, **fields: Any) -> Payment:
        """Write any fields whatever, for what no ordinary path produces (an unknown state, say)."""
        money = {name: Decimal(str(fields[name])) for name in ("amount", "cancel_amount") if name in fields}
        return self._news(imp_uid, webhook=webhook, **(fields | money))

    def hide(self, imp_uid: str) -> Payment:
        """Make the API answer 404 for this payment."""
        return self._annotate(imp_uid, hidden=True)

    def show(self, imp_uid: str) -> Payment:
        """Undo `hide`."""
        return self._annotate(imp_uid, hidden=False)

    def redirect_url(
        self,
        imp_uid: str,
        m_redirect_url: str = "",
        variant: str = "",
        *,
        success: bool | None = None,
    ) -> str:
        """Return where the browser goes after the window, in one of the shapes of `redirects.VARIANTS`.

        `success` overrides what the parameters claim: a paid order can come back `false` (Kiwoom Pay).
        """
        row = self.row(imp_uid)
        ending = Ending.of(row.payment, error_code=row.error_code, success=success)
        return redirect_to(m_redirect_url or row.m_redirect_url, ending, variant or row.variant)

    def _cancel(self, imp_uid: str, amount: Decimal | int | str | None, reason: str) -> Payment:
        with self.lock:
            payment = self.payment(imp_uid)
            taken = Decimal(str(amount or 0)) or payment.balance
            if not payment.paid_at or not 0 < taken <= payment.balance:
                raise NotPossible(f"{imp_uid} has nothing like that to cancel")
            number, at = len(payment.cancel_history) + 1, self._seconds()
            entry = {
                "pg_tid": f"{payment.pg_tid}c{number}",
                "amount": taken,
                "cancelled_at": at,
                "reason": reason,
                "cancellation_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{imp_uid}:{number}")),
                "receipt_url": None,
            }
            return self._change(
                imp_uid,
                status="cancelled",
                cancel_amount=payment.cancel_amount + taken,
                cancelled_at=at,
                cancel_reason=reason,
                cancel_history=(*payment.cancel_history, entry),
            )
