"""Put questions to PortOne. Nothing is locked and no transaction is open meanwhile.

In live mode up to 100 payments are asked about in one call. Only the single look-up sees test payments, so test mode
asks one by one, and live mode never follows up a payment that a batch did not hold, but for one last look.
(Fact: PortOne V1 API document, include_sandbox.)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from results.hear import read_prepared
from results.models import Verification
from results.portone import (
    Access,
    Found,
    PaymentUnknown,
    PortOne,
    PortOneError,
    PortOneRefused,
    QuestionRejected,
    keep_token,
)
from results.portone.client import BATCH, KeepToken
from results.questions import Question, Reason
from tenants.routing import Route, Threads

SINGLES_AT_ONCE: Final = 8
LAST_START: Final = 4.0  # seconds into a round: with its own deadline a question still ends within its lease
ROUND_ENDS: Final = 18.0  # seconds into a round: what follows still ends within the lease
WAITS_FOR_PREPARED: Final = 3  # tries
Answer = Verification.Answer


@dataclass(frozen=True, slots=True)
class Answered:
    """A question with its answer. `found` is empty unless the answer is FOUND."""

    question: Question
    kind: Verification.Question
    answer: Verification.Answer
    asked_at: datetime
    answered_at: datetime
    found: tuple[Found, ...] = ()
    detail: str = ""
    error: PortOneError | None = None

    @property
    def reasons(self) -> Sequence[Reason]:
        return self.question.reasons


@dataclass(frozen=True, slots=True)
class Round:
    """What one merchant and mode asks PortOne now."""

    route: Route
    access: Access
    questions: tuple[Question, ...]


def goes_alone(question: Question, *, livemode: bool) -> bool:
    """Say whether a question is a call of its own; the others go up to a hundred at a time."""
    return question.imp_uid is None or question.last_look or not livemode


def calls_alone(question: Question, *, livemode: bool) -> int:
    """Return how many calls a question may take of its own: a last look is a second one; 0 for a place among others."""
    return goes_alone(question, livemode=livemode) + question.last_look


async def ask(portone: PortOne, threads: Threads, round_: Round) -> tuple[list[Answered], list[Question]]:
    """Ask PortOne; return the answers, and the questions whose turn came too late for their lease.

    Nothing is locked and no transaction is open meanwhile.
    """
    route, access = round_.route, round_.access
    begun = asyncio.get_running_loop().time()
    unasked: list[Question] = []

    async def share_token(token: str, expires_at: datetime) -> None:
        await threads.run("public", keep_token, access, route.open_vault(), token=token, expires_at=expires_at)

    orders = [question for question in round_.questions if question.imp_uid is None]
    alone = [one for one in round_.questions if one.imp_uid and goes_alone(one, livemode=route.livemode)]
    together = [question for question in round_.questions if question.imp_uid and question not in alone]
    if len(together) == 1:
        alone, together = alone + together, []
    turn = asyncio.Semaphore(SINGLES_AT_ONCE)

    async def one(question: Question) -> list[Answered]:
        async with turn:
            if asyncio.get_running_loop().time() - begun > LAST_START:
                unasked.append(question)
                return []
            started = datetime.now(UTC)
            try:
                found, kind = await _look_up(portone, access, route, question, share_token)
            except PortOneError as error:
                kind = Verification.Question.SINGLE if question.imp_uid else Verification.Question.FIND_ALL
                return [_unanswered(question, kind, error, started)]
            return [Answered(question, kind, Answer.FOUND, started, datetime.now(UTC), found)]

    async def many(questions: list[Question]) -> list[Answered]:
        started = datetime.now(UTC)
        imp_uids = [question.imp_uid or "" for question in questions]
        try:
            found = await portone.payments(access, imp_uids, keep_token=share_token)
        except PortOneError as error:
            return [_unanswered(question, Verification.Question.BATCH, error, started) for question in questions]
        return [_from_batch(question, found, started) for question in questions]

    batches = [together[start : start + BATCH] for start in range(0, len(together), BATCH)]
    answers = await asyncio.gather(*map(one, orders + alone), *map(many, batches))
    answered = [answer for some in answers for answer in some]
    if route.livemode and route.reads_prepared:
        answered = await hear_prepared(portone, threads, round_, answered, share_token, until=begun + ROUND_ENDS)
    return answered, unasked


async def hear_prepared(
    portone: PortOne,
    threads: Threads,
    round_: Round,
    answers: list[Answered],
    share_token: KeepToken,
    *,
    until: float,
) -> list[Answered]:
    """Read back what was prepared for what was found; where PortOne is silent on that, ask again a few times.

    After those the payment is told as it is: news of money must not wait for ever.
    """
    snapshots = [found.snapshot for answer in answers for found in answer.found]
    route, access = round_.route, round_.access
    silent = await read_prepared(portone, threads, route, access, snapshots, keep_token=share_token, until=until)
    return [_silenced(answer) if waits_for(answer, silent) else answer for answer in answers]


def waits_for(answer: Answered, silent: frozenset[str]) -> bool:
    is_new = all(reason.duty.tries <= WAITS_FOR_PREPARED for reason in answer.reasons)
    return is_new and any(found.snapshot.merchant_uid in silent for found in answer.found)


def _silenced(answer: Answered) -> Answered:
    detail = "PortOne does not say what was prepared"
    return replace(answer, answer=Answer.UNAVAILABLE, found=(), detail=detail)


async def _look_up(
    portone: PortOne, access: Access, route: Route, question: Question, share_token: KeepToken
) -> tuple[tuple[Found, ...], Verification.Question]:
    if question.imp_uid is None:
        found = await portone.find_all(access, question.merchant_uid or "", keep_token=share_token)
        if not found:
            raise PaymentUnknown("PortOne knows no payment of this order")
        return tuple(found), Verification.Question.FIND_ALL
    look = partial(portone.payment, access, question.imp_uid, keep_token=share_token)
    try:
        one = await look(include_sandbox=not route.livemode)
    except PaymentUnknown:
        if not question.last_look:
            raise
        one = await look(include_sandbox=True)
    return (one,), Verification.Question.SINGLE


def _from_batch(question: Question, found: dict[str, Found | None], started: datetime) -> Answered:
    imp_uid = question.imp_uid or ""
    one = found.get(imp_uid)
    answer = Answer.FOUND if one else Answer.UNAVAILABLE if imp_uid in found else Answer.UNKNOWN
    kind, now = Verification.Question.BATCH, datetime.now(UTC)
    return Answered(question, kind, answer, started, now, (one,) if one else ())


def _unanswered(question: Question, kind: Verification.Question, error: PortOneError, started: datetime) -> Answered:
    match error:
        case PaymentUnknown():
            answer = Answer.UNKNOWN
        # Of one thing asked for alone 400 means that there is none; of many it says nothing about each.
        case QuestionRejected() if kind != Verification.Question.BATCH:
            answer = Answer.UNKNOWN
        case PortOneRefused():
            answer = Answer.REFUSED
        case _:
            answer = Answer.UNAVAILABLE
    now = datetime.now(UTC)
    return Answered(question, kind, answer, started, now, detail=str(error)[:300], error=error)
