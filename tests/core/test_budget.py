"""How many questions may be asked now, and which go first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from results.core.budget import AHEAD, BATCH, CALLS_A_SECOND, UNVOUCHED_COST, Budget, Plan, calls_a_second, plan

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as far as the budget is concerned."""

    number: int = 0
    alone: int = 1
    vouched: bool = False


def chosen(questions: list[Asked], *, allowed: float) -> Plan[Asked]:
    return plan(questions, allowed=allowed, calls_alone=lambda one: one.alone, is_vouched=lambda one: one.vouched)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 40)), max_size=60),
    st.sampled_from([CALLS_A_SECOND, 3]),
    st.booleans(),
)
def test_no_window_holds_more_than_its_share_and_a_seconds_burst(
    turns: list[tuple[float, int]], rate: int, vouched: bool
) -> None:
    """However questions come, calls in any window are at most a second's burst and its length times the rate."""
    at, spent_until, calls = AT, None, []
    for wait, amount in turns:
        at += timedelta(seconds=wait)
        budget = Budget(spent_until, rate)
        sent = chosen([Asked(vouched=vouched)] * amount, allowed=budget.allows(at=at))
        spent_until = budget.after(sent.cost, at=at) if sent.cost else spent_until
        calls += [at] * len(sent.asked)

    for first, begins in enumerate(calls):
        for last in range(first, len(calls)):
            length = (calls[last] - begins) / SECOND
            assert last - first + 1 <= rate * (length + 1) + 0.001


def test_what_is_left_may_be_asked_when_the_budget_says_so() -> None:
    """A budget that is used up tells when one more call may be made: then it may, and just before it may not."""
    budget = Budget(AT + AHEAD, CALLS_A_SECOND)
    moment = budget.allows_again_at(UNVOUCHED_COST, at=AT)

    assert budget.allows(at=AT) == 0
    assert budget.allows(at=moment - SECOND / 100) < UNVOUCHED_COST
    assert budget.allows(at=moment + SECOND / 1000) >= UNVOUCHED_COST


def test_what_was_not_spent_is_not_saved() -> None:
    """An hour without questions allows no more than a second's calls."""
    assert round(Budget(AT - 3600 * SECOND, CALLS_A_SECOND).allows(at=AT), 2) == CALLS_A_SECOND


def test_after_a_429_fewer_are_asked_for_a_while() -> None:
    """Slowed down, three calls a second may be made, and fifteen again when that is over."""
    assert calls_a_second(AT + SECOND, at=AT) == 3
    assert calls_a_second(AT, at=AT) == calls_a_second(None, at=AT) == 15


def test_a_hundred_that_can_go_together_are_one_call() -> None:
    """Questions that go together cost one call for each hundred begun; those that go alone cost what they take."""
    together = [Asked(number, alone=0, vouched=True) for number in range(2 * BATCH + 1)]
    alone = [Asked(number, vouched=True) for number in range(5)]

    assert chosen(together, allowed=99).cost == 3
    assert chosen(alone, allowed=99).cost == 5
    assert chosen([alone[0], together[0], alone[1], together[1]], allowed=99).cost == 3
    assert chosen([Asked(0, alone=2, vouched=True), Asked(1, alone=2)], allowed=99).cost == 5
    assert len(chosen(together, allowed=2).asked) == 2 * BATCH


def test_what_the_budget_does_not_allow_is_left_in_its_order() -> None:
    """The questions that come first are asked, the rest are left, and none is lost or turned around."""
    questions = [Asked(number, vouched=True) for number in range(9)]

    sent = chosen(questions, allowed=4.5)

    assert sent == Plan(tuple(questions[:4]), tuple(questions[4:]), 4.0)


def test_what_nobody_speaks_for_leaves_a_third_to_the_rest() -> None:
    """A second's budget allows fifteen vouched questions, but only ten that nobody speaks for."""
    assert len(chosen([Asked(vouched=True)] * 99, allowed=CALLS_A_SECOND).asked) == 15
    assert len(chosen([Asked()] * 99, allowed=CALLS_A_SECOND).asked) == 10


@given(st.lists(st.builds(Asked, st.integers(), st.booleans(), st.booleans()), max_size=300), st.floats(0, 20))
def test_a_plan_loses_nothing_and_keeps_to_what_is_allowed(questions: list[Asked], allowed: float) -> None:
    """Asked and left are the questions in their order, and their cost is never above what was allowed."""
    sent = chosen(questions, allowed=allowed)

    assert [*sent.asked, *sent.left] == questions
    assert sent.cost <= allowed
