"""What is written in PortOne's books, and which part of it may one request read?"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ..mischief import Faults
from .accounts import Account, Tokens
from .journal import Journal
from .outbox import Outbox, Webhook
from .payment import Payment, Row, seconds

FIRST_ID = 448_280_090_001


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class View:
    """Through which account, and which of its sub-stores, a request looks."""

    account: Account
    tier: str | None = None
    include_sandbox: bool = False

    def admits(self, row: Row) -> bool:
        ours = row.imp_key == self.account.imp_key and row.tier == self.tier and not row.hidden
        return ours and (self.include_sandbox or not row.payment.sandbox or not self.account.hides_sandbox)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An amount announced before the window opens; without a currency only the number is checked."""

    merchant_uid: str
    amount: Decimal
    currency: str | None = None


class Books:
    """The state of the simulator; every method may be called from any thread."""

    def __init__(self, *, now: Callable[[], datetime] = utc_now, first_id: int = FIRST_ID) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.tokens = Tokens()
        self.faults = Faults()
        self.journal = Journal()
        self.outbox = Outbox()
        self._accounts: dict[str, Account] = {}
        self._rows: dict[str, Row] = {}
        self._by_order: dict[str, list[str]] = {}
        self._prepared: dict[tuple[str, str | None, str], Prepared] = {}
        self._next_id = first_id

    def add_account(self, imp_key: str, imp_secret: str, **settings: Any) -> Account:
        """Create an account, or replace the one with this key."""
        account = Account(imp_key=imp_key, imp_secret=imp_secret, **settings)
        with self.lock:
            self._accounts[imp_key] = account
        return account

    def account(self, imp_key: str) -> Account:
        """Return the account; raise KeyError when there is none."""
        return self._accounts[imp_key]

    def account_of_shop(self, user_code: str) -> Account:
        """Return the account with this public code; raise KeyError when there is none."""
        with self.lock:
            return {account.user_code: account for account in self._accounts.values()}[user_code]

    def set_account(self, imp_key: str, **changes: Any) -> Account:
        """Change settings and switches of an account."""
        with self.lock:
            account = self._accounts[imp_key] = replace(self._accounts[imp_key], **changes)
        return account

    def row(self, imp_uid: str) -> Row:
        """Return the row; raise KeyError when there is none."""
        return self._rows[imp_uid]

    def payment(self, imp_uid: str) -> Payment:
        """Return the true state, whatever the API shows at the moment."""
        return self.row(imp_uid).payment

    def rows(self) -> list[Row]:
        with self.lock:
            return list(self._rows.values())

    def rows_of_order(self, merchant_uid: str) -> list[Row]:
        with self.lock:
            return [self._rows[imp_uid] for imp_uid in self._by_order.get(merchant_uid, ())]

    def readable(self, view: View, rows: Iterable[Row] | None = None) -> list[Row]:
        """Return the rows that a request may see, each as it is shown at this moment."""
        at = self.now()
        admitted = filter(view.admits, self.rows() if rows is None else rows)
        return [replace(row, payment=row.seen(at=at)) for row in admitted]

    def lookup(self, view: View, imp_uid: str) -> Row | None:
        row = self._rows.get(imp_uid)
        found = self.readable(view, [row] if row else [])
        return found[0] if found else None

    def prepared(self, view: View, merchant_uid: str) -> Prepared | None:
        return self._prepared.get((view.account.imp_key, view.tier, merchant_uid))

    def prepare(self, view: View, prepared: Prepared) -> Prepared:
        with self.lock:
            self._prepared[view.account.imp_key, view.tier, prepared.merchant_uid] = prepared
        return prepared

    def _new_imp_uid(self) -> str:
        with self.lock:
            number, self._next_id = self._next_id, self._next_id + 1
        return f"imp_{number:012d}"

    def _enter(self, row: Row) -> None:
        with self.lock:
            self._rows[row.payment.imp_uid] = row
            self._by_order.setdefault(row.payment.merchant_uid, []).append(row.payment.imp_uid)

    def _change(self, imp_uid: str, **fields: Any) -> Payment:
        """Write a new state; the API shows it once the account's `visible_after` seconds have passed."""
        at = self.now()
        with self.lock:
            row = self._rows[imp_uid]
            lag = timedelta(seconds=self._accounts[row.imp_key].visible_after)
            payment = replace(row.payment, **fields)
            self._rows[imp_uid] = replace(
                row, payment=payment, earlier=row.seen(at=at), visible_at=at + lag, updated_at=at + lag
            )
        return payment

    def _tell(self, row: Row, *, urls: Iterable[str] | None = None, **fields: Any) -> None:
        """Send one notice to each address of the payment, as the account's switches say."""
        account = self._accounts[row.imp_key]
        payment = row.payment
        body = {
            "imp_uid": payment.imp_uid,
            "merchant_uid": payment.merchant_uid,
            "status": payment.status,
        } | fields
        for url in self._addresses(row) if urls is None else urls:
            notice = Webhook(
                imp_key=row.imp_key,
                url=url,
                fields=body,
                encoding=account.encoding,
                delay=account.webhook_delay,
            )
            for _ in range(0 if account.webhooks_lost else account.webhook_copies):
                self.outbox.put(notice, hold=account.webhooks_held)

    def _addresses(self, row: Row) -> tuple[str, ...]:
        """Return where a payment's notices go: its own `notice_url`s replace the console's address."""
        if row.notice_urls:
            return row.notice_urls
        url = self._accounts[row.imp_key].notice_url_for(sandbox=row.payment.sandbox, tier=row.tier)
        return (url,) if url else ()

    def _seconds(self) -> int:
        return seconds(self.now())
