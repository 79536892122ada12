"""What one transaction has before it: orders and payments as they are locked, and what is to be written of them.

Everything is locked and read in one round trip and written in another, however many payments there are. What nobody
has written yet needs no lock: its row is made by its first INSERT, and the unique key tells whoever was slower.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from results import duties, rows
from results.core.snapshot import Snapshot
from results.core.words import PaymentStatus
from results.expect import OrderKeys
from results.models import Event, Order, Payment
from results.ownership import Owners, read_owners, taking
from results.tell import Listener, listening, publish, read_listeners
from tenants.routing import Route
from tenants.statements import Statement, run_together

# Not the ORM, which asks for one thing at a time. Lock, then read: what waited for a lock shows what was before it.
ORDERS: Final = f"""
SELECT {rows.names(Order)} FROM {{schema}}.results_order
WHERE mode = %(mode)s AND merchant_uid = ANY(%(orders)s) ORDER BY merchant_uid FOR UPDATE
"""  # noqa: S608  our own names
HOLD_PAYMENTS: Final = """
SELECT payment.imp_uid, paid.merchant_uid FROM {schema}.results_payment AS payment
JOIN {schema}.results_order AS paid ON paid.id = payment.order_id
WHERE payment.mode = %(mode)s AND payment.imp_uid = ANY(%(payments)s)
ORDER BY payment.imp_uid FOR UPDATE OF payment
"""
PAYMENTS: Final = f"""
SELECT {rows.names(Payment, "payment")} FROM {{schema}}.results_payment AS payment
JOIN {{schema}}.results_order AS paid ON paid.id = payment.order_id
WHERE paid.mode = %(mode)s AND paid.merchant_uid = ANY(%(orders)s)
"""  # noqa: S608  our own names


@dataclass(slots=True)
class Desk:
    """The rows of one transaction. Of several payments of one order each sees what those before it changed."""

    route: Route
    at: datetime
    owners: Owners
    orders: dict[str, Order]
    payments: dict[UUID, list[Payment]]  # by order
    order_of: Mapping[str, str] = field(default_factory=dict)  # merchant_uid by imp_uid, of what was known
    listeners: Sequence[Listener] | None = None  # None: not read yet
    changed: dict[UUID, Order | Payment] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: dict[UUID, datetime | None] = field(default_factory=dict)
    keys: OrderKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = OrderKeys(self.route)

    def order(self, merchant_uid: str) -> Order:
        """Return an order, a new one if nobody has written it yet."""
        if merchant_uid not in self.orders:
            self.orders[merchant_uid] = Order(mode=self.route.mode, merchant_uid=merchant_uid, created_at=self.at)
        return self.orders[merchant_uid]

    def payment(self, order: Order, imp_uid: str) -> Payment | None:
        """Return a payment, a new one if nobody has written it yet; None for one that is another order's."""
        if self.order_of.get(imp_uid, order.merchant_uid) != order.merchant_uid:
            return None
        for known in self.payments.get(order.id, ()):
            if known.imp_uid == imp_uid:
                return known
        return Payment(
            mode=order.mode,
            order=order,
            imp_uid=imp_uid,
            status=PaymentStatus.PENDING,
            judgement={},
            first_seen_at=self.at,
        )

    def others(self, payment: Payment) -> list[Payment]:
        """Return the other payments of the same order."""
        return [other for other in self.payments.get(payment.order_id, ()) if other.id != payment.id]

    def save(self, *changed: Order | Payment) -> None:
        """Have rows written as they are at the end."""
        for row in changed:
            self.changed[row.id] = row
            if isinstance(row, Payment) and row not in (of_order := self.payments.setdefault(row.order_id, [])):
                of_order.append(row)

    def ask(self, payment: Payment, due_at: datetime | None) -> None:
        """Have a payment asked about, at the earliest time that is named; None: no more, but for what comes after."""
        earlier = self.asked.get(payment.id)
        self.asked[payment.id] = min(due_at, earlier) if due_at and earlier else due_at

    def write(self) -> None:
        """Write all that was changed, told and owed."""
        statements = [*self._rows(Order), *self._rows(Payment), *self._news(), *self._questions()]
        if statements:
            run_together(self.route.schema, statements)
        for row in self.changed.values():
            row._state.adding = False

    def _rows(self, model: type[Order] | type[Payment]) -> list[Statement]:
        changed = [row for row in self.changed.values() if isinstance(row, model)]
        new = sorted((row for row in changed if row._state.adding), key=_place)
        known = [row for row in changed if not row._state.adding]
        return [*([rows.insert(model, new)] if new else []), *([rows.update(model, known)] if known else [])]

    def _news(self) -> list[Statement]:
        if not self.events:
            return []
        if self.listeners is None:
            self.listeners = read_listeners(run_together(self.route.schema, listening(self.route)))
        return publish(self.route, self.events, self.listeners, at=self.at)

    def _questions(self) -> list[Statement]:
        """Return what is owed; of a payment that is only being written nothing is owed yet that could be dropped."""
        fresh = {row.id for row in self.changed.values() if row._state.adding}
        asked = {payment: due_at for payment, due_at in self.asked.items() if due_at or payment not in fresh}
        return duties.questions(self.route, asked) if asked else []


def lay_out(route: Route, snapshots: Sequence[Snapshot], *, at: datetime) -> Desk:
    """Lock and read all that answers of PortOne are about, and take their payments if that may be."""
    about = {
        "mode": route.mode,
        "orders": list({one.merchant_uid for one in snapshots}),
        "payments": list({one.imp_uid for one in snapshots}),
    }
    locks = [Statement(ORDERS, about), Statement(HOLD_PAYMENTS, about), Statement(PAYMENTS, about)]
    taken, silent = taking(route, snapshots, at=at), listening(route)
    found = run_together(route.schema, [*locks, *taken, *silent])
    orders = {order.merchant_uid: order for order in (rows.read(Order, row) for row in found[0])}
    payments: dict[UUID, list[Payment]] = {order.id: [] for order in orders.values()}
    for payment in (rows.read(Payment, row) for row in found[2]):
        if payment.order_id in payments:  # not so of an order that was written since ours were locked
            payments[payment.order_id].append(payment)
    return Desk(
        route=route,
        at=at,
        owners=read_owners(route, found[len(locks) + len(taken) - 1]),
        orders=orders,
        payments=payments,
        order_of=dict(found[1]),
        listeners=read_listeners(found[-len(silent) :]),
    )


def _place(row: Order | Payment) -> str:
    """By what new rows are written, so that two workers never wait for each other in a ring."""
    return row.merchant_uid if isinstance(row, Order) else row.imp_uid or ""
