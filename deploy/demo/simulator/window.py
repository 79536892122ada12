"""What happens to a payment at the customer's hands and at the PG?

Each method says whether PortOne V1 sends a webhook for it (its webhook guide).
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .books import Books, View
from .payment import ACCOUNT_SECONDS, Payment, Row, account_of, approval_of

CLOSED = "PAY_PROCESS_CANCELED"
CLOSED_REASON = "사용자가 결제를 취소하였습니다"
DECLINED = "REJECT_CARD_COMPANY"
DECLINED_REASON = "카드 한도를 초과했습니다"
NOT_OPENED = "F1002"


class NotPossible(ValueError):
    """The payment is not in a state in which this can happen."""


class WindowRefused(Exception):
    """The payment window did not open, so no payment came to be; only the browser hears of it."""

    def __init__(self, error_msg: str) -> None:
        super().__init__(error_msg)
        self.error_code, self.error_msg = NOT_OPENED, error_msg


class Window(Books):
    """The payment window and the PG behind it."""

    def open_window(
        self,
        imp_key: str,
        *,
        merchant_uid: str,
        amount: Decimal | int | str,
        tier: str | None = None,
        notice_url: str | Iterable[str] = (),
        m_redirect_url: str = "",
        confirm_url: str = "",
        variant: str = "imp_success",
        **fields: Any,
    ) -> str:
        """Open the payment window: a `ready` row, no webhook. Return the imp_uid.

        `fields` are fields of `Payment` (currency, pay_method, pg_provider, sandbox, custom_data, …).
        Raise WindowRefused when the order is paid already or was prepared with another amount.
        """
        payment = self._started(merchant_uid=merchant_uid, amount=Decimal(str(amount)), **fields)
        self._check_window(View(self.account(imp_key), tier, include_sandbox=True), payment)
        urls = (notice_url,) if isinstance(notice_url, str) else tuple(notice_url)
        self._enter(
            Row(
                imp_key=imp_key,
                payment=payment,
                updated_at=self.now(),
                tier=tier,
                notice_urls=tuple(filter(None, urls)),
                m_redirect_url=m_redirect_url,
                confirm_url=confirm_url,
                variant=variant,
            )
        )
        return payment.imp_uid

    def approve(self, imp_uid: str, *, webhook: bool = True) -> Payment:
        """The PG approves: paid, with a webhook."""
        self._require(imp_uid, "ready")
        return self._paid(imp_uid, webhook=webhook)

    def approve_late(self, imp_uid: str, *, webhook: bool = True) -> Payment:
        """A failed payment is approved after all (fraud review, slow wallet): paid, with a webhook."""
        self._require(imp_uid, "failed")
        return self._paid(imp_uid, webhook=webhook, failed_at=0, fail_reason=None)

    def issue_account(self, imp_uid: str, *, webhook: bool = True, open_for: int = ACCOUNT_SECONDS) -> Payment:
        """A virtual account is issued for so many seconds: still `ready`, with a webhook."""
        payment = self._require(imp_uid, "ready")
        account = account_of(payment, at=self.now(), open_for=open_for)
        return self._news(imp_uid, webhook=webhook, pay_method="vbank", **account)

    def deposit(self, imp_uid: str, *, webhook: bool = True) -> Payment:
        """The customer pays into the account, in time or late: paid, with a webhook."""
        self._require_account(imp_uid)
        return self._paid(imp_uid, webhook=webhook)

    def undo_deposit(self, imp_uid: str, *, webhook: bool = False) -> Payment:
        """The bank takes the deposit back: `ready` again; whether a webhook comes depends on the PG."""
        payment = self._require(imp_uid, "paid")
        if payment.vbank_num is None:
            raise NotPossible(f"{imp_uid} has no account")
        return self._news(imp_uid, webhook=webhook, status="ready", paid_at=0, receipt_url=None)

    def expire_account(self, imp_uid: str, *, seconds_ago: int = 3600) -> Payment:
        """The deadline passes: nothing changes but the deadline itself, and nobody is told."""
        self._require_account(imp_uid)
        return self._change(imp_uid, vbank_date=self._seconds() - seconds_ago)

    def fail(
        self,
        imp_uid: str,
        *,
        reason: str = DECLINED_REASON,
        error_code: str = DECLINED,
        webhook: bool = False,
    ) -> Payment:
        """The PG refuses: failed, no webhook (a scheduled payment's failure has one: `webhook=True`)."""
        self._require(imp_uid, "ready")
        self._annotate(imp_uid, error_code=error_code)
        return self._news(imp_uid, webhook=webhook, status="failed", failed_at=self._seconds(), fail_reason=reason)

    def abandon(self, imp_uid: str) -> Payment:
        """The customer closes the window: most PGs leave it `ready` for ever, and nobody is told."""
        payment = self._require(imp_uid, "ready")
        self._annotate(imp_uid, error_code=CLOSED)
        return payment

    def _started(self, **fields: Any) -> Payment:
        imp_uid = self._new_imp_uid()
        return Payment(imp_uid=imp_uid, pg_tid=f"demo{imp_uid[4:]}", started_at=self._seconds(), **fields)

    def _check_window(self, view: View, payment: Payment) -> None:
        others = self.readable(view, self.rows_of_order(payment.merchant_uid))
        if any(row.payment.status == "paid" for row in others):
            raise WindowRefused("이미 결제가 이루어진 거래건입니다.")
        prepared = self.prepared(view, payment.merchant_uid)
        if prepared and prepared.amount != payment.amount:
            raise WindowRefused("결제금액이 사전에 등록된 금액과 다릅니다.")
        if prepared and prepared.currency not in (None, payment.currency):
            raise WindowRefused("결제통화가 사전에 등록된 통화와 다릅니다.")

    def _require(self, imp_uid: str, status: str) -> Payment:
        payment = self.payment(imp_uid)
        if payment.status != status:
            raise NotPossible(f"{imp_uid} is {payment.status}, not {status}")
        return payment

    def _require_account(self, imp_uid: str) -> None:
        if not self.payment(imp_uid).awaits_deposit:
            raise NotPossible(f"{imp_uid} waits for no deposit")

    def _paid(self, imp_uid: str, *, webhook: bool, **fields: Any) -> Payment:
        return self._news(imp_uid, webhook=webhook, **(fields | approval_of(self.payment(imp_uid), at=self.now())))

    def _news(self, imp_uid: str, *, webhook: bool, **fields: Any) -> Payment:
        payment = self._change(imp_uid, **fields)
        if webhook:
            self._tell(self.row(imp_uid))
        return payment

    def _annotate(self, imp_uid: str, **notes: Any) -> Payment:
        with self.lock:
            row = self._rows[imp_uid] = replace(self._rows[imp_uid], **notes)
        return row.payment
