"""What a wish means, and which moments a person may write."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from results.core.replay import BadMoment, Standing, Wish, is_known, read_moment

NOON = datetime(2026, 11, 21, 3, tzinfo=UTC)  # in Seoul


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOON - timedelta(hours=2)),
        ("3d", NOON - timedelta(days=3)),
        ("30m", NOON - timedelta(minutes=30)),
        ("90min", NOON - timedelta(minutes=90)),
        ("45s", NOON - timedelta(seconds=45)),
        ("1w", NOON - timedelta(days=7)),
        ("2026-11-21T03:00+09:00", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-20T18:00:00Z", datetime(2026, 11, 20, 18, tzinfo=UTC)),
    ],
)
def test_a_person_writes_a_moment(text: str, moment: datetime) -> None:
    """A moment is written as how long ago it was, or with its zone."""
    assert read_moment(text, at=NOON) == moment


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("2026-11-21T01:00", "say the zone"),
        ("2026-11-21", "say the zone"),
        ("2026-11-21T13:00+09:00", "has not come yet"),
        ("yesterday", "how long ago"),
        ("", "how long ago"),
        ("-2h", "how long ago"),
        ("999999d", "how long ago"),
        ("0001-01-01T00:00+09:00", "how long ago"),
        ("\N{FULLWIDTH DIGIT TWO}h", "how long ago"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_mend(text: str, mend: str) -> None:
    """A text that names no moment of the past is refused, and the refusal says how to write one."""
    with pytest.raises(BadMoment, match=mend):
        read_moment(text, at=NOON)


@pytest.mark.parametrize(
    ("wish", "meant"),
    [
        (Wish(order="order-1"), {None, *Standing}),
        (Wish(undelivered=True), {None, Standing.UNDELIVERED, Standing.GIVEN_UP}),
        (Wish(status=Standing.DELIVERED), {Standing.DELIVERED}),
        (Wish(status=Standing.UNDELIVERED), {Standing.UNDELIVERED}),
    ],
)
def test_a_wish_is_about_deliveries_that_stand_so(wish: Wish, meant: set[Standing | None]) -> None:
    """Without a status all count; undelivered are those that were owed, given up or never made."""
    assert {standing for standing in (None, *Standing) if wish.wants(standing, "payment.paid")} == meant


def test_who_was_not_told_of_a_disabled_endpoint_is_not_told_later() -> None:
    """`endpoint.disabled` is not for the endpoint that it is about: only who was told then is told again."""
    wish = Wish(undelivered=True)

    assert not wish.wants(None, "endpoint.disabled")
    assert wish.wants(Standing.GIVEN_UP, "endpoint.disabled")


def test_a_wish_is_kept_as_it_was_said() -> None:
    """A wish that was written down and read again is the same."""
    whole = Wish(
        event=UUID(int=7),
        types=("payment.*", "claim.rejected"),
        order="order-1",
        status=Standing.GIVEN_UP,
        since=NOON - timedelta(days=1),
        until=NOON,
        undelivered=True,
        endpoint=UUID(int=8),
    )

    for wish in (whole, Wish(order="order-1"), Wish()):
        assert Wish.from_json(wish.as_json(), endpoint=wish.endpoint) == wish
    assert Wish(order="order-1").as_json() == {"order": "order-1"}


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        ("payment.paid", True),
        ("payment.*", True),
        ("payment.review.*", True),
        ("payment.pai*", False),
        ("payment", False),
        ("*", False),
        ("order.*", False),
        ("endpoint.ping", False),
        ("endpoint.*", True),
    ],
)
def test_only_types_that_exist_are_meant(pattern: str, known: bool) -> None:
    """A type, or a prefix that ends at a dot, has to mean an event that may be told again."""
    assert is_known(pattern) is known
