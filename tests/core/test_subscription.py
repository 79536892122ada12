"""What an endpoint may ask to hear."""

import pytest

from results.core.subscription import BadSubscription, check_events, known_patterns
from results.core.words import DEFAULT_EVENTS, EventType, hears


def test_every_type_and_every_default_can_be_asked_for() -> None:
    """Each event type by its name, what endpoints hear by default, and everything at once."""
    assert check_events(EventType) == [event.value for event in EventType]
    assert check_events(DEFAULT_EVENTS) == [str(event) for event in DEFAULT_EVENTS]
    assert check_events(["*"]) == ["*"]


def test_whatever_can_be_asked_for_hears_something() -> None:
    """No subscription that is accepted fits nothing that is ever told."""
    assert all(any(hears([pattern], event) for event in EventType) for pattern in known_patterns())


def test_asked_for_twice_is_kept_once() -> None:
    """The order stays as it was given, and what is doubled goes."""
    assert check_events(["payment.paid", "claim.*", "payment.paid"]) == ["payment.paid", "claim.*"]


@pytest.mark.parametrize(
    ("pattern", "mend"),
    [
        ("payment.payed", "name payment.paid, perhaps"),
        ("payments.*", r"name payment\.\*, perhaps"),
        ("payment.review", "name payment.review"),
        ("payment.p*", "is no event type"),
        ("Payment.Paid", "is no event type"),
        ("", "a type such as payment.paid"),
        ("결제\r\n", "a type such as payment.paid"),
        ("payment.paid" * 1000, "is no event type"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_what_was_meant(pattern: str, mend: str) -> None:
    """An unknown type or prefix is named, in one line of ASCII, and the nearest known one is proposed."""
    with pytest.raises(BadSubscription, match=mend) as refusal:
        check_events(["payment.paid", pattern])

    assert str(refusal.value).isascii()
    assert len(str(refusal.value)) < 300


def test_an_endpoint_that_would_hear_nothing_is_refused() -> None:
    """Without any event an endpoint would look as if it worked."""
    with pytest.raises(BadSubscription, match="at least one"):
        check_events([])
