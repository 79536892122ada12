"""How asking goes, as the row that all workers share keeps it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
from django.db import ProgrammingError, connection

from results import duties
from results.budget import Pause, Probe, allot, may_ask, note_answer, note_busy, note_refusal, note_silence, spend
from results.connect import connect_account
from results.core.budget import Budget, Plan, plan
from results.portone import PortOneRefused
from results.verify import note_error
from tenants.fields import new_id
from tenants.models import Credential, Duty
from tenants.routing import inside
from tests.factories import Cast

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def keys_of(cast: Cast) -> Credential:
    return Credential.objects.get(merchant=cast.merchant, mode=cast.mode)


def refused(cast: Cast, *, at: datetime, after: timedelta = SECOND) -> datetime:
    """Let PortOne refuse a question that took so long; return until when asking pauses."""
    return note_refusal(cast.route, asked_at=at - after, at=at).until


def at_once(count: int, step: Callable[[], Any]) -> list[Any]:
    """Do a step in so many threads from the same moment on, each with a connection of its own."""
    start = Barrier(count)

    def one(_: int) -> Any:
        try:
            connection.ensure_connection()
            start.wait(20)
            return step()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_without_a_pause_there_is_a_budget(bakery: Cast) -> None:
    """A merchant whose PortOne answers may be asked fifteen times a second, and three times after a 429."""
    assert may_ask(keys_of(bakery), at=AT) == Budget(None, 15)

    note_busy(bakery.route, at=AT)

    assert may_ask(keys_of(bakery), at=AT + 59 * SECOND) == Budget(None, 3)
    assert may_ask(keys_of(bakery), at=AT + MINUTE) == Budget(None, 15)


def test_while_asking_pauses_nobody_may_ask(bakery: Cast) -> None:
    """Until a pause ends there is neither budget nor probe, and it says whether PortOne refused or was silent."""
    until = note_silence(bakery.route, at=AT)
    assert may_ask(keys_of(bakery), at=until - SECOND) == Pause(until, is_refusal=False)

    until = refused(bakery, at=AT)
    assert may_ask(keys_of(bakery), at=until - SECOND) == Pause(until, is_refusal=True)


def test_a_probe_is_given_to_one_of_many(bakery: Cast) -> None:
    """Of eight workers that come when a pause ends, one may ask one question; the others go on waiting."""
    until = refused(bakery, at=AT)
    seen = keys_of(bakery)

    answers = at_once(8, lambda: may_ask(seen, at=until))

    assert [type(answer) for answer in answers].count(Probe) == 1
    assert [type(answer) for answer in answers].count(Pause) == 7


def test_a_probe_that_never_came_back_is_repeated(bakery: Cast) -> None:
    """When the worker that probed dies, another one probes twenty seconds later."""
    until = refused(bakery, at=AT)
    assert may_ask(keys_of(bakery), at=until) == Probe(until + 20 * SECOND)

    assert isinstance(may_ask(keys_of(bakery), at=until + 19 * SECOND), Pause)
    assert isinstance(may_ask(keys_of(bakery), at=until + 20 * SECOND), Probe)


def test_pauses_grow(bakery: Cast) -> None:
    """Keys that stay refused are probed after 1, 5, 10, 10 min; a PortOne that stays silent after 2, 5, 15, 15 s."""
    moments = [AT]
    for _ in range(4):
        moments.append(refused(bakery, at=moments[-1] + SECOND))
    assert [(to - since) / SECOND for since, to in pairwise(moments)] == [61, 301, 601, 601]

    note_answer(bakery.route, asked_at=moments[-1], at=moments[-1])
    waits = [(note_silence(bakery.route, at=AT) - AT) / SECOND for _ in range(4)]
    assert waits == [2, 5, 15, 15]


def test_questions_under_way_together_are_one_refusal(bakery: Cast) -> None:
    """Whoever asked before the refusal was known makes the pause no longer, and reports nothing again."""
    until = refused(bakery, at=AT)

    late = note_refusal(bakery.route, asked_at=AT - SECOND, at=AT + SECOND)

    assert (late.until, late.is_first) == (until, False)
    assert keys_of(bakery).pauses == 1


def test_an_answer_ends_the_pause(bakery: Cast) -> None:
    """PortOne answers: asking is free again, and what waited for the pause's end is due now, but nothing else."""
    until = refused(bakery, at=AT)
    waits, scheduled = owed(bakery, due_at=until), owed(bakery, due_at=until + SECOND)

    note_answer(bakery.route, asked_at=AT + SECOND, at=AT + 2 * SECOND)

    keys = keys_of(bakery)
    assert (keys.refused_at, keys.paused_until, keys.pauses) == (None, None, 0)
    assert Duty.objects.get(reference=waits).due_at == AT + 2 * SECOND
    assert Duty.objects.get(reference=scheduled).due_at == until + SECOND


def test_an_answer_to_an_older_question_says_nothing_of_refused_keys(bakery: Cast) -> None:
    """An answer that was under way when the keys were refused does not end the pause."""
    until = refused(bakery, at=AT)

    note_answer(bakery.route, asked_at=AT - SECOND, at=AT + SECOND)

    assert keys_of(bakery).paused_until == until


def test_new_keys_are_tried_at_once(bakery: Cast) -> None:
    """What waited because the old keys were refused is due as soon as others are entered."""
    waits = owed(bakery, due_at=refused(bakery, at=AT))

    connect_account(bakery.route, imp_key="other", imp_secret="not-a-secret", actor="tests", at=AT + SECOND)

    assert isinstance(may_ask(keys_of(bakery), at=AT + SECOND), Budget)
    assert Duty.objects.get(reference=waits).due_at == AT + SECOND


def owed(cast: Cast, *, due_at: datetime) -> Any:
    route, reference = cast.route, new_id()
    duties.owe_question(merchant=route.merchant_id, mode=route.mode, lane=route.lane, payment=reference, due_at=due_at)
    return reference


def test_two_workers_do_not_spend_the_same_calls(bakery: Cast) -> None:
    """Eight workers that plan at the same moment send a second's calls in all, not each."""
    keys = keys_of(bakery)

    plans = at_once(8, lambda: allot(keys, ten_questions, at=AT)[0])

    assert sum(len(chosen.asked) for chosen in plans) == 14  # whose shares are rounded up to microseconds
    assert may_ask(keys_of(bakery), at=AT) == Budget(AT + 14 * (SECOND / 15), 15)


def ten_questions(allowed: float) -> Plan[int]:
    return plan(range(10), allowed=allowed, calls_alone=lambda _: 1, is_vouched=lambda _: True)


def test_calls_made_outside_a_plan_count_too(bakery: Cast) -> None:
    """A sweep's pages are calls as well: two workers that note theirs at once both count."""
    keys = keys_of(bakery)

    at_once(8, partial(spend, keys.id, 1, at=AT))

    assert keys_of(bakery).spent_until == AT + 8 * (SECOND / 15)


def test_what_is_refused_is_reported_or_not_noted(bakery: Cast) -> None:
    """A crash between noting a refusal and reporting it loses nothing: the next one is the first again."""
    error = PortOneRefused("refused")
    with inside(bakery.merchant.schema_name):
        with no_events(bakery), pytest.raises(ProgrammingError):
            note_error(bakery.route, error, asked_at=AT, at=AT)
        assert keys_of(bakery).refused_at is None

        note_error(bakery.route, error, asked_at=AT, at=AT)

    assert keys_of(bakery).refused_at == AT
    assert [event.type for event in bakery.published()] == ["account.credentials_invalid"]


@contextmanager
def no_events(cast: Cast) -> Iterator[None]:
    """Let the database refuse a merchant's events."""
    table = f"{cast.merchant.schema_name}.results_event"
    fails = "CREATE FUNCTION pg_temp.fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
    with connection.cursor() as cursor:
        cursor.execute(fails)
        cursor.execute(f"CREATE TRIGGER fails BEFORE INSERT ON {table} EXECUTE FUNCTION pg_temp.fails()")
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER fails ON {table}")
            cursor.execute("DROP FUNCTION pg_temp.fails()")
