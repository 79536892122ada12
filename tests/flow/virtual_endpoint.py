"""Deliveries in virtual time: the real database and the worker's own steps, a clock that only a story moves.

Only the wire is played: what an endpoint answers is a function of what it is sent, and when.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Min

from results.attempts import record
from results.core.ids import encode
from results.core.verdict import Reply
from results.deliver import Outgoing, judged, load, own_headers
from results.duties import KINDS, LEASE, SENDING, TAKE_SQL, Taken
from results.models import Attempt, Delivery, Endpoint, Event, Order, Payment
from results.tell import owe_deliveries
from tenants.fields import new_id
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast

BEGINNING: Final = datetime(2027, 1, 1, tzinfo=UTC)
OK, BROKEN = Reply(status=200), Reply(status=500)
Answer = Callable[[Outgoing, datetime], Reply]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as the endpoint got it."""

    at: datetime
    event: UUID
    order: str
    headers: dict[str, str]
    answered: int | None


@dataclass(slots=True)
class Line:
    """The way to a merchant's endpoints. `answer` plays all of them."""

    cast: Cast
    answer: Answer
    at: datetime = BEGINNING
    requests: list[Heard] = field(default_factory=list)

    def publish(self, order: str, *, type: str = "payment.paid") -> Event:
        """Tell one more thing about an order, as publishing does it."""
        with inside(self.cast.merchant.schema_name):
            row, _ = Order.objects.get_or_create(
                mode=self.cast.mode, merchant_uid=order, defaults={"created_at": self.at}
            )
            payment, _ = Payment.objects.get_or_create(
                mode=self.cast.mode,
                order=row,
                imp_uid=f"imp_{order}",
                defaults={"status": "paid", "judgement": {}, "first_seen_at": self.at},
            )
            row.sequence += 1
            row.save()
            event = Event.objects.create(
                id=new_id(),
                mode=self.cast.mode,
                order=row,
                payment=payment,
                sequence=row.sequence,
                type=type,
                created_at=self.at,
                body=b"{}",
            )
            Payment.objects.filter(id=payment.id).update(told_event=event.id)
            owe_deliveries(self.cast.route, event, at=self.at)
        return event

    def wait(self, time: timedelta) -> None:
        """Let time pass; whatever comes due on the way is done."""
        ends = self.at + time
        while (due := self.next_due()) is not None and due <= ends:
            self.at = max(due, self.at)
            self.turn()
        self.at = ends

    def next_due(self) -> datetime | None:
        soonest: datetime | None = Duty.objects.filter(kind__in=SENDING).aggregate(Min("due_at"))["due_at__min"]
        return soonest

    def turn(self) -> None:
        """Send what is due now, and record it, each attempt by itself."""
        with inside(self.cast.merchant.schema_name):
            for outgoing in load(self.cast.route, self.take(), at=self.at):
                reply = self.answer(outgoing, self.at)
                self.requests.append(self.seen(outgoing, reply))
                tried = judged(outgoing, reply, started_at=self.at, at=self.at, jitter=0.0)
                record(self.cast.route, [tried], at=self.at)

    def take(self) -> list[Taken]:
        limits = dict.fromkeys(KINDS, 0) | {str(kind): 1000 for kind in SENDING}
        nothing = {name: [] for name in ("full", "full_again", "full_merchants", "held")}
        with connection.cursor() as cursor:
            cursor.execute(TAKE_SQL, {"at": self.at, "lease_ends": self.at + LEASE} | nothing | limits)
            taken = [Taken(*row) for row in cursor.fetchall()]
        return sorted(taken, key=lambda duty: duty.id)

    def seen(self, outgoing: Outgoing, reply: Reply) -> Heard:
        order = Event.objects.filter(id=outgoing.event_id).values_list("order__merchant_uid", flat=True)[0]
        headers = own_headers(outgoing, at=self.at)
        return Heard(self.at, outgoing.event_id, order or "", headers, reply.status)

    def heard(self) -> list[UUID]:
        """Return the events that were taken, in the order in which they were."""
        return [item.event for item in self.requests if item.answered == 200]

    def undelivered(self) -> int:
        return len([one for one in self.cast.rows(Delivery) if not (one.delivered_at or one.given_up_at)])

    def endpoint(self, index: int = 0) -> Endpoint:
        endpoint: Endpoint = self.cast.rows(Endpoint)[index]
        return endpoint

    def attempts(self) -> list[Attempt]:
        return self.cast.rows(Attempt)


def down_until(moment: datetime) -> Answer:
    """Play an endpoint that answers nothing but 500 until a moment."""
    return lambda _, at: OK if at >= moment else BROKEN


def name(event: Event) -> str:
    return encode("evt", event.id)
