"""How many questions may a merchant's PortOne account be asked now, and which go first? Pure.

The limit is kept as one moment, `spent_until`: each call moves it on by its share of a second, and at most one second's
calls may be made ahead of the clock. PortOne publishes no limit of its own (V1 API document); it may say 429.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

Q = TypeVar("Q")

CALLS_A_SECOND: Final = 15
SLOW_CALLS_A_SECOND: Final = 3
SLOW_FOR: Final = timedelta(minutes=1)
AHEAD: Final = timedelta(seconds=1)
# What nobody speaks for costs half as much again, so that a flood leaves a third of the budget to the rest.
UNVOUCHED_COST: Final = 1.5
BATCH: Final = 100
PROBE_AGAIN: Final = timedelta(seconds=20)  # a probe that never came back; as long as a lease
FLOOD: Final = 300  # waiting notifications of one lane that nobody speaks for

# Published senders of PortOne's webhooks. They may change, so they hasten a question and decide nothing.
# (Fact: PortOne V1 webhook guide.)
PORTONE_ADDRESSES: Final = frozenset({"52.78.100.19", "52.78.48.223", "52.78.5.241"})


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent from `spent_until` on, at so many calls a second."""

    spent_until: datetime | None
    calls_a_second: int

    def allows(self, *, at: datetime) -> float:
        """Return how many calls may be made now; there may be a fraction."""
        ahead = max(self.spent_until or at, at) - at
        return (AHEAD - ahead) / self.share

    def after(self, cost: float, *, at: datetime) -> datetime:
        """Return the new `spent_until`."""
        return max(self.spent_until or at, at) + self.share * cost

    def allows_again_at(self, cost: float, *, at: datetime) -> datetime:
        """Return when a call more of this cost may be made."""
        return max(at, self.after(cost, at=at) - AHEAD)

    @property
    def share(self) -> timedelta:
        return timedelta(seconds=1) / self.calls_a_second


def calls_a_second(slowed_until: datetime | None, *, at: datetime) -> int:
    return SLOW_CALLS_A_SECOND if slowed_until is not None and at < slowed_until else CALLS_A_SECOND


@dataclass(frozen=True, slots=True)
class Plan(Generic[Q]):
    """Which questions are sent now, which wait, and what the calls cost."""

    asked: tuple[Q, ...]
    left: tuple[Q, ...]
    cost: float


def plan(
    questions: Sequence[Q], *, allowed: float, calls_alone: Callable[[Q], int], is_vouched: Callable[[Q], bool]
) -> Plan[Q]:
    """Choose from questions in their order of preference.

    `calls_alone` is how many calls a question takes of its own; up to a hundred of those that take none are one call.
    """
    asked: list[Q] = []
    cost, room = 0.0, 0
    for number, question in enumerate(questions):
        alone = calls_alone(question)
        if alone or not room:
            price = max(alone, 1) * (1.0 if is_vouched(question) else UNVOUCHED_COST)
            if cost + price > allowed:
                return Plan(tuple(asked), tuple(questions[number:]), cost)
            cost += price
            room = room if alone else BATCH
        room -= 0 if alone else 1
        asked.append(question)
    return Plan(tuple(asked), (), cost)
