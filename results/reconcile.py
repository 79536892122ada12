"""Find what nobody told us: read PortOne's list of changed payments, page by page, and publish what is news.

A sweep may take several turns; between them `Reconciliation` holds its page. Its watermark moves only when the last
page was applied, so whatever breaks off is read again. Test mode has no list (it hides test payments): there the
known payments that can still surprise are asked about again, one by one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from results import duties
from results.ask import ROUND_ENDS, WAITS_FOR_PREPARED, Answer, Answered
from results.budget import Pause, may_ask, note_answer, spend
from results.core.schedule import after_silence
from results.core.snapshot import Snapshot
from results.core.sweep import (
    Reach,
    Scope,
    due_reach,
    is_news,
    is_old_news,
    is_out_of_reach,
    is_paid_anew,
    next_sweep,
)
from results.core.words import Cause, PaymentStatus
from results.duties import Taken
from results.gap import note_unheard, report_gap
from results.hear import read_prepared
from results.models import Order, Payment, Reconciliation, Verification
from results.ownership import neighbours_among
from results.portone import (
    Access,
    Found,
    KeepToken,
    Page,
    PortOne,
    PortOneError,
    keep_token,
    note_account,
    open_access,
)
from results.publish import publish_snapshot
from results.questions import Question
from results.verify import keep_answers, note_error
from tenants.models import Credential
from tenants.routing import CUT_OFF, Route, Threads

log = structlog.get_logger()

# PortOne gives up to 1000 rows; a page must be read and applied within a duty's lease.
PAGE_SIZES: Final = {Reach.RECENT: 100, Reach.DAYS: 500, Reach.QUARTER: 500}
LAST_START: Final = 4.0  # seconds into a turn: with its own deadline a page still ends within the duty's lease
HOLD_MONEY: Final = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_CANCELLED, PaymentStatus.REVIEW)
KNOWN_FOR: Final = timedelta(days=3)
SEEN_LATELY: Final = timedelta(hours=1)
ASKED_A_TURN: Final = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's turn at the sweep of a mode: which page is next, and what the rows are compared with."""

    route: Route
    duty: Taken
    access: Access
    scope: Scope
    reach: Reach
    watermark: datetime
    began_at: datetime
    page: int
    page_size: int


def ensure_sweeps() -> None:
    """See to it that every mode that can be swept is: its first sweep is due at once. For the public schema."""
    duties.owe_missing_sweeps(at=datetime.now(UTC))


async def sweep(
    portone: PortOne,
    threads: Threads,
    route: Route,
    duty: Taken,
    *,
    jitter: float,
    page_size: int | None = None,
    last_start: float = LAST_START,
) -> None:
    """Do one turn of a mode's sweep, and owe the next: at once when there is more to read, else after the interval.

    Nothing is locked while PortOne is asked. Without an answer nothing changes, and the same page is asked for later.
    """
    turn = await threads.run(route.schema, begin, route, duty, jitter=jitter, page_size=page_size, at=datetime.now(UTC))
    begun = asyncio.get_running_loop().time()
    while turn:
        asked_at = datetime.now(UTC)
        try:
            page = await _read_page(portone, threads, turn)
        except PortOneError as error:
            await threads.run(route.schema, _wait, route, duty, error, asked_at=asked_at, at=datetime.now(UTC))
            return
        if not await _hear_prepared(portone, threads, turn, page, until=begun + ROUND_ENDS):
            later = {duty.id: datetime.now(UTC) + after_silence(duty.tries)}
            await threads.run("public", duties.put_off, later)
            return
        turn = await threads.run(route.schema, apply_page, turn, page, jitter=jitter, at=datetime.now(UTC))
        if turn and asyncio.get_running_loop().time() > begun + last_start:
            await threads.run("public", _owe_next, route, duty, due_at=datetime.now(UTC))
            return


async def _read_page(portone: PortOne, threads: Threads, turn: Turn) -> Page:
    """Ask PortOne for the turn's page."""
    share_token = _share_token(threads, turn)
    return await portone.list_newest(turn.access, page=turn.page, limit=turn.page_size, keep_token=share_token)


async def _hear_prepared(portone: PortOne, threads: Threads, turn: Turn, page: Page, *, until: float) -> bool:
    """Read back what was prepared for what is news on a page; False when PortOne is to be asked for that again.

    After a few tries the news is told as it is: it must not wait for ever.
    """
    if not turn.route.reads_prepared:
        return True
    news = await threads.run(turn.route.schema, read_news, turn, page)
    snapshots, share_token = [found.snapshot for found in news], _share_token(threads, turn)
    silent = await read_prepared(
        portone, threads, turn.route, turn.access, snapshots, keep_token=share_token, until=until
    )
    return not silent or turn.duty.tries > WAITS_FOR_PREPARED


def _share_token(threads: Threads, turn: Turn) -> KeepToken:
    async def share_token(token: str, expires_at: datetime) -> None:
        vault = turn.route.open_vault()
        await threads.run("public", keep_token, turn.access, vault, token=token, expires_at=expires_at)

    return share_token


def begin(route: Route, duty: Taken, *, jitter: float, page_size: int | None, at: datetime) -> Turn | None:
    """Go on with the sweep under way, or begin one; None when there is no list to read."""
    credential = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).first()
    if credential is None:
        duties.done([duty.id])  # and is owed again when there are keys
        return None
    if not route.livemode:
        ask_known_again(route, at=at)
        _owe_next(route, duty, due_at=_next(began_at=at, jitter=jitter, at=at))
        return None
    standing = may_ask(credential, at=at)
    if isinstance(standing, Pause):
        duties.give_back({duty.id: standing.until})
        return None
    access = open_access(credential, route.open_vault())
    if credential.account is None:
        note_account(access)
    row = _row_under_way(route.mode, since=credential.created_at, at=at)
    assert row.began_at is not None  # it is under way
    reach = Reach(row.reach)
    return Turn(
        route=route,
        duty=duty,
        access=access,
        scope=Scope(route.livemode, row.since, shared=is_shared(route, access.account)),
        reach=reach,
        watermark=row.watermark or row.since,
        began_at=row.began_at,
        page=row.page,
        page_size=page_size or PAGE_SIZES[reach],
    )


def _row_under_way(mode: str, *, since: datetime, at: datetime) -> Reconciliation:
    row, _ = Reconciliation.objects.get_or_create(mode=mode, defaults={"since": since})
    if row.began_at is None:
        row.began_at, row.page = at, 1
        row.reach = due_reach(
            days_read_at=row.days_read_at, quarter_read_at=row.quarter_read_at, since=row.since, at=at
        )
        row.save()
    return row


def is_shared(route: Route, account: bytes) -> bool:
    """Say whether another merchant's keys open the same PortOne account."""
    return Credential.objects.exclude(merchant=route.merchant_id).filter(account=account).exists()


def apply_page(turn: Turn, page: Page, *, jitter: float, at: datetime) -> Turn | None:
    """Publish what is news on a page; return the turn at the next page, or None when the sweep is over."""
    rows = [found.snapshot for found in page.found]
    note_answer(turn.route, asked_at=min((row.asked_at for row in rows), default=at), at=at)
    spend(turn.access.credential_id, 1, at=at)
    known = read_known(turn.route.mode, rows)
    scope = read_ownership(turn.route, turn.scope, rows)
    news = news_on(page, known, scope)
    # The newest change stands first; the merchant hears of them as they happened.
    for found in reversed(news):
        _apply(turn.route, found, known.get(found.snapshot.imp_uid), at=at)
    is_over = (
        page.is_last
        or (turn.reach is Reach.RECENT and is_old_news(rows, known, scope, watermark=turn.watermark))
        or is_out_of_reach(rows, turn.reach, since=scope.since, began_at=turn.began_at)
    )
    log_page(turn, page, news=len(news), is_over=is_over)
    if is_over:
        _finish(turn, proves_nothing=turn.page == 1 and not (page.found or page.unreadable), jitter=jitter, at=at)
        return None
    return replace(turn, page=turn.page + 1) if _move(turn, page=turn.page + 1) else None


def read_news(turn: Turn, page: Page) -> list[Found]:
    """Return what is news on a page, as far as is known before it is applied."""
    rows = [found.snapshot for found in page.found]
    return news_on(page, read_known(turn.route.mode, rows), read_ownership(turn.route, turn.scope, rows))


def news_on(page: Page, known: Mapping[str, Snapshot], scope: Scope) -> list[Found]:
    return [found for found in page.found if is_news(found.snapshot, known.get(found.snapshot.imp_uid), scope)]


def read_known(mode: str, rows: Sequence[Snapshot]) -> dict[str, Snapshot]:
    """Return the newest applied answer about each payment of a page that is known."""
    imp_uids = [row.imp_uid for row in rows]
    payments = Payment.objects.filter(mode=mode, imp_uid__in=imp_uids).exclude(snapshot=None)
    return {payment.imp_uid or "": Snapshot.from_json(payment.snapshot or {}) for payment in payments}


def read_ownership(route: Route, scope: Scope, rows: Sequence[Snapshot]) -> Scope:
    """Return the scope with what must be known of a page's rows when other merchants share the account."""
    if not scope.shared:
        return scope
    orders = Order.objects.filter(mode=route.mode, merchant_uid__in={row.merchant_uid for row in rows})
    registered = orders.exclude(registered_at=None).values_list("merchant_uid", flat=True)
    neighbours = neighbours_among(route, [row.imp_uid for row in rows])
    return replace(scope, registered=frozenset(registered), neighbours=frozenset(neighbours))


def _apply(route: Route, found: Found, known: Snapshot | None, *, at: datetime) -> None:
    """Publish one row and keep it as an answer, in one transaction. Of a neighbour's payment nothing is kept."""
    snapshot = found.snapshot
    question = Question(snapshot.imp_uid, snapshot.merchant_uid)
    answered = Answered(question, Verification.Question.LIST, Answer.FOUND, snapshot.asked_at, at, (found,))
    try:
        with transaction.atomic():
            payment = publish_snapshot(route, snapshot, cause=Cause.RECONCILIATION, named_by_claim=False, at=at)
            if payment is None:
                return
            if snapshot.paid_at and is_paid_anew(snapshot, known):
                note_unheard(payment, paid_at=snapshot.paid_at)
            keep_answers(route, [answered])
    except CUT_OFF:
        raise
    except Exception as error:  # ours, about one payment: its neighbours go on, and the nightly sweep tries again
        log.error("row_failed", imp_uid=snapshot.imp_uid, exc_info=error)


def _finish(turn: Turn, *, proves_nothing: bool, jitter: float, at: datetime) -> None:
    """Note that a sweep was applied to its last page, report what never arrived, and owe the next sweep.

    A list without any row proves nothing: then the watermark stays.
    """
    read = {"watermark": turn.began_at} if not proves_nothing else {}
    if turn.reach in (Reach.DAYS, Reach.QUARTER):
        read["days_read_at"] = turn.began_at
    if turn.reach is Reach.QUARTER:
        read["quarter_read_at"] = turn.began_at
    with transaction.atomic():
        if _move(turn, page=0, began_at=None, reach=Reach.RECENT, **read):
            report_gap(turn.route, at=at)
            _owe_next(turn.route, turn.duty, due_at=_next(began_at=turn.began_at, jitter=jitter, at=at))


def _move(turn: Turn, **fields: object) -> bool:
    """Write how far the sweep has come, unless another worker, whose lease came after ours, was faster."""
    rows = Reconciliation.objects.filter(mode=turn.route.mode, began_at=turn.began_at, page=turn.page)
    return bool(rows.update(**fields))


def _next(*, began_at: datetime, jitter: float, at: datetime) -> datetime:
    return next_sweep(began_at=began_at, interval=settings.SWEEP_INTERVAL, jitter=jitter, at=at)


def _owe_next(route: Route, duty: Taken, *, due_at: datetime) -> None:
    """Owe the next turn as a new duty: the tries of one that went well are not held against it."""
    with transaction.atomic():
        duties.done([duty.id])
        duties.owe_sweep(merchant=route.merchant_id, mode=route.mode, lane=route.lane, due_at=due_at)


def _wait(route: Route, duty: Taken, error: PortOneError, *, asked_at: datetime, at: datetime) -> None:
    """Put the turn off after PortOne was silent or refused the keys; its page is asked for again.

    Not for longer than until the next sweep would begin: what PortOne sent while it was away is found by sweeps alone.
    """
    log.warning("sweep_unanswered", merchant=str(route.merchant_id), mode=route.mode, detail=str(error)[:300])
    paused_until = note_error(route, error, asked_at=asked_at, at=at)
    wait = min(after_silence(duty.tries), settings.SWEEP_INTERVAL)
    duties.put_off({duty.id: max(at + wait, paused_until or at)})


def ask_known_again(route: Route, *, at: datetime) -> None:
    """Owe questions about the known payments that hold money or are under review: younger ones, longest unseen first.

    A payment that waits has such a question already.
    """
    payments = Payment.objects.filter(mode=route.mode, status__in=HOLD_MONEY, first_seen_at__gte=at - KNOWN_FOR)
    unseen = payments.filter(observed_at__lt=at - SEEN_LATELY).exclude(imp_uid=None).order_by("observed_at")
    for id_ in unseen.values_list("id", flat=True)[:ASKED_A_TURN]:
        duties.owe_question(merchant=route.merchant_id, mode=route.mode, lane=route.lane, payment=id_, due_at=at)


def log_page(turn: Turn, page: Page, *, news: int, is_over: bool) -> None:
    """Write one wide line for each page."""
    log.info(
        "sweep_page",
        merchant=str(turn.route.merchant_id),
        mode=turn.route.mode,
        reach=turn.reach,
        page=turn.page,
        rows=len(page.found),
        unreadable=page.unreadable,
        total=page.total,
        news=news,
        over=is_over,
    )
