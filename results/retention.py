"""Forget what was kept for a while only: arrivals, PortOne's answers, endpoints' replies, attempts.

Orders, payments, events and deliveries are the ledger and stay, as does a replay: somebody's deed, which its
deliveries name. A verification without its raw answer is a question asked, as an attempt is a request made: it goes
when those go. What the judge still needs is never old: freshness looks at minutes, crowds at an hour, gaps at ten
minutes, and what is not settled yet stays.

Ids begin with their time, so old rows are at the beginning of the primary key: no table has an index for this.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from config import metrics
from results.core.ids import lowest_id
from results.core.words import PaymentStatus
from results.models import Attempt, Forgetting, Notification, Payment, Verification
from tenants.models import Duty, Merchant
from tenants.models.merchant import KEEPS
from tenants.routing import inside
from tenants.statements import remove

log = structlog.get_logger()

ROWS_A_TIME: Final = 1_000
SECONDS_A_RUN: Final = 5.0
BEFORE_ALL: Final = UUID(int=0)
LONGEST: Final = timedelta(days=max(most for _, most in KEEPS.values()))


@dataclass(frozen=True, slots=True)
class Matter:
    """One kind of what is forgotten: rows of a model that are older than so many days, and how a batch of them goes.

    With a `mark` the rows stay and only lose content, so how far that came is kept.
    """

    name: str
    model: type[Model]
    days: Callable[[Merchant], int]
    forget: Callable[[list[UUID]], int]
    mark: Forgetting.Kind | None = None


def forget_everywhere() -> Counter[str]:
    """Forget for every merchant, for a few seconds; return how many rows of each kind were concerned.

    Merchants take turns, so that one who has much to forget keeps no other waiting, and one's fault is not another's.
    What is left is forgotten next time. For the public schema.
    """
    at, ends = datetime.now(UTC), time.monotonic() + SECONDS_A_RUN
    turns = deque((merchant, forget(merchant, at=at)) for merchant in merchants_with_past(at=at))
    gone: dict[UUID, Counter[str]] = {}
    while turns and time.monotonic() < ends:
        merchant, batches = turns.popleft()
        try:
            turn = next(batches, None)
        except DatabaseError as error:
            log.error("forgetting_failed", merchant=str(merchant.id), error=type(error).__name__)
            continue
        if turn is not None:
            gone.setdefault(merchant.id, Counter()).update(turn)
            turns.append((merchant, batches))
    for id_, counts in gone.items():
        if counts.total():
            log.info("forgotten", merchant=str(id_), **counts)
    forgotten = sum(gone.values(), Counter[str]())
    metrics.note_forgotten(forgotten)
    return forgotten


def merchants_with_past(*, at: datetime) -> QuerySet[Merchant]:
    """Return merchants in no order, closed ones as long as anything of theirs can still be left to forget."""
    closed_lately = Q(closed_at__gt=at - LONGEST - timedelta(days=1))
    return Merchant.objects.ready().filter(Q(closed_at=None) | closed_lately).order_by("?")


def forget(merchant: Merchant, *, at: datetime) -> Iterator[Counter[str]]:
    """Forget in turns of one batch of each kind; yield after each turn how many rows went, until nothing is left.

    Each batch is a transaction of its own.
    """
    left, after = list(MATTERS), dict[str, UUID]()
    while left:
        turn: Counter[str] = Counter()
        with inside(merchant.schema_name):
            for matter in tuple(left):
                before = lowest_id(at - timedelta(days=matter.days(merchant)))
                ids, turn[matter.name] = _forget_batch(matter, after.get(matter.name), before)
                if len(ids) < ROWS_A_TIME:
                    left.remove(matter)
                else:
                    after[matter.name] = ids[-1]
        yield turn


def _forget_batch(matter: Matter, after: UUID | None, before: UUID) -> tuple[list[UUID], int]:
    """Forget one batch; return the ids that were looked at, oldest first, and how many rows were concerned."""
    with transaction.atomic():
        after = after or _read_mark(matter)
        ids = list(old_ids(matter.model, after=after, before=before))
        count = matter.forget(ids) if ids else 0
        if ids and matter.mark:
            Forgetting.objects.update_or_create(kind=matter.mark, defaults={"until": ids[-1]})
    return ids, count


def _read_mark(matter: Matter) -> UUID:
    marks = Forgetting.objects.filter(kind=matter.mark).values_list("until", flat=True) if matter.mark else None
    return (marks.first() if marks is not None else None) or BEFORE_ALL


def old_ids(model: type[Model], *, after: UUID, before: UUID) -> "QuerySet[Model, UUID]":
    """Return a batch of ids between those two, oldest first, read from the primary key alone."""
    rows = model._default_manager.filter(pk__gt=after, pk__lt=before).order_by("pk")
    return rows.values_list("pk", flat=True)[:ROWS_A_TIME]


def forget_notifications(ids: list[UUID]) -> int:
    """Remove notifications that nothing waits for any more; the others only lose what came word for word.

    A customer who still has to pay into an account keeps the page that shows it, and so its landing.
    """
    owed = Duty.objects.filter(kind__in=(Duty.Kind.VERIFY, Duty.Kind.VOUCHED), reference=OuterRef("pk"))
    deposits = Payment.objects.filter(mode=OuterRef("mode"), status=PaymentStatus.AWAITING_DEPOSIT)
    rows = Notification.objects.filter(id__in=ids)
    over = rows.filter(
        ~Exists(owed),
        ~Exists(deposits.filter(imp_uid=OuterRef("imp_uid"))),
        ~Exists(deposits.filter(order__merchant_uid=OuterRef("merchant_uid"))),
        settled_at__isnull=False,
    )
    count = remove(over)
    rows.exclude(raw=None).update(raw=None, raw_expires_at=None)
    return count


def forget_verifications(ids: list[UUID]) -> int:
    return remove(Verification.objects.filter(id__in=ids))


def forget_answers(ids: list[UUID]) -> int:
    return Verification.objects.filter(id__in=ids).exclude(raw=None).update(raw=None, raw_expires_at=None)


def forget_attempts(ids: list[UUID]) -> int:
    return remove(Attempt.objects.filter(id__in=ids))


def forget_replies(ids: list[UUID]) -> int:
    return Attempt.objects.filter(id__in=ids).exclude(body=b"").update(body=b"")


# What goes altogether comes first, so that nothing is emptied only to be removed.
MATTERS: Final = (
    Matter("notifications", Notification, lambda one: one.keeps_arrivals, forget_notifications),
    Matter(
        "verifications", Verification, lambda one: max(one.keeps_arrivals, one.keeps_attempts), forget_verifications
    ),
    Matter("attempts", Attempt, lambda one: one.keeps_attempts, forget_attempts),
    Matter("answers", Verification, lambda one: one.keeps_arrivals, forget_answers, Forgetting.Kind.ANSWERS),
    Matter("replies", Attempt, lambda one: one.keeps_replies, forget_replies, Forgetting.Kind.REPLIES),
)
