"""What is owed is removed when it is done, and only then."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from results import duties
from results.duties import LEASE, Taken
from tenants.models import Duty

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
MERCHANT, PAYMENT = UUID(int=1), UUID(int=2)


def takes() -> Taken:
    """Owe a question and take it."""
    lease = AT + LEASE
    duties.owe_question(merchant=MERCHANT, mode="live", lane=MERCHANT, payment=PAYMENT, due_at=lease)
    return Taken(Duty.objects.get().id, "ask", MERCHANT, "live", MERCHANT, PAYMENT, 1, lease)


def test_a_question_that_was_asked_is_owed_no_more(database: Any) -> None:
    """What was asked and answered is removed."""
    taken = takes()

    duties.run(duties.asked([taken]))

    assert not Duty.objects.exists()


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(seconds=2)])
def test_what_is_owed_anew_meanwhile_stays(database: Any, wait: timedelta) -> None:
    """A question that somebody else owed while it was asked is for news that this answer may not hold."""
    taken = takes()
    duties.owe_question(merchant=MERCHANT, mode="live", lane=MERCHANT, payment=PAYMENT, due_at=AT + wait)

    duties.run(duties.asked([taken]))

    assert Duty.objects.get().due_at == AT + wait
