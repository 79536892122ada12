"""What is a payment expected to cost? Collects what every source said, and opens the keys of order tokens.

The keys are loaded only when there is a token to read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from results.core.classify import Expected
from results.core.expectation import Expectation, Source, Statement, choose
from results.core.ids import encode
from results.core.money import Money
from results.core.order_token import BadToken, OrderKey, OrderToken, read_token
from results.core.snapshot import Snapshot
from results.models import Order, Payment
from tenants.encryption import SealBroken
from tenants.models import MerchantKey
from tenants.routing import Route

log = structlog.get_logger()


def expectation_for(
    route: Route, order: Order, snapshot: Snapshot | None, *, seen_at: datetime, keys: "OrderKeys | None" = None
) -> Expectation:
    """Return what a payment of the order is expected to cost; without a snapshot, one that began when it was seen.

    Whoever asks about many payments at once hands in the `keys` for all of them. Raises SealingKeyMissing when the
    payment carries a token and the merchant's keys cannot be opened.
    """
    own, started_at = None, seen_at
    if snapshot:
        started_at = snapshot.started_at or snapshot.paid_at or seen_at
        if snapshot.order_token:
            # What the payment began with stays said: a key that is retired later must not take back what was told.
            own = read_signed(route, snapshot.order_token, (keys or OrderKeys(route)).at(started_at))
    return choose(
        expected_of(order),
        own=own,
        heard=statement_of(order, Source.ORDER_TOKEN),
        prepared=statement_of(order, Source.PREPARE),
        merchant_uid=order.merchant_uid,
        started_at=started_at,
        seen_at=seen_at,
    )


def price_of(route: Route, order: Order, payment: Payment | None) -> Expected | None:
    """Return what an order is expected to cost: registered, or else what a payment of it is compared with.

    Raises SealingKeyMissing when that payment carries a token and the merchant's keys cannot be opened.
    """
    if registered := expected_of(order):
        return registered
    if payment is None or payment.snapshot is None:
        return expectation_for(route, order, None, seen_at=order.created_at).expected
    snapshot = Snapshot.from_json(payment.snapshot)
    return expectation_for(route, order, snapshot, seen_at=payment.first_seen_at).expected


def expected_of(order: Order) -> Expected | None:
    """Return what the merchant's server registered."""
    if order.expected_amount is None or order.registered_at is None:
        return None
    money = Money(order.expected_amount, order.expected_currency, order.expected_exponent or 0)
    return Expected(money, order.expected_source, order.registered_at, order.expires_at)


def statement_of(order: Order, source: Source) -> Statement | None:
    return Statement.from_json(order.statements.get(source))


@dataclass(slots=True)
class OrderKeys:
    """The keys with which a merchant signs order tokens in one mode: read when a token is, and then only once.

    For no longer than one transaction. Raises SealingKeyMissing.
    """

    route: Route
    opened: list[tuple[OrderKey, datetime | None]] | None = None

    def at(self, moment: datetime) -> Sequence[OrderKey]:
        """Return the keys that were in use then."""
        if self.opened is None:
            self.opened = list(_open_keys(self.route))
        return [key for key, retired_at in self.opened if retired_at is None or retired_at > moment]


def _open_keys(route: Route) -> Iterator[tuple[OrderKey, datetime | None]]:
    vault = route.open_vault()
    purpose = MerchantKey.Purpose.ORDER
    for row in MerchantKey.objects.filter(merchant=route.merchant_id, mode=route.mode, purpose=purpose):
        try:
            key = vault.open(bytes(row.sealed), table="tenants_merchantkey", field="sealed", row=row.id).decode()
        except SealBroken as error:  # one broken key must not close the others
            log.error(
                "order_key_broken", merchant=str(route.merchant_id), mode=route.mode, kid=row.kid, error=str(error)
            )
            continue
        yield OrderKey(row.kid, key), row.retired_at


def read_signed(route: Route, text: str, keys: Sequence[OrderKey]) -> OrderToken | None:
    """Return what the merchant's server signed; None, with the reason in the log, for what is not believed."""
    token = read_token(text, keys=keys, merchant=encode("mer", route.merchant_id), mode=route.mode)
    if isinstance(token, BadToken):
        log.info("order_token_ignored", merchant=str(route.merchant_id), mode=route.mode, reason=token.reason)
        return None
    return token
