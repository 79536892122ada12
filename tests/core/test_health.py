"""What an endpoint's attempts say of it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from results.core.health import (
    DISABLES_AFTER,
    LAST_PROBE,
    OPENS_AFTER,
    PROBES,
    WARNS_AFTER,
    Change,
    Health,
    Why,
    after_failure,
    after_success,
    wait_before_probe,
    without_backlog,
)

AT = datetime(2026, 11, 21, 5, 12, 44, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def fails(health: Health, *, after: timedelta = timedelta(0), probe: bool = False) -> tuple[Health, set[Change]]:
    return after_failure(health, gone=False, probe=probe, at=AT + after)


def failed(times: int) -> Health:
    health = Health()
    for _ in range(times):
        health, _ = fails(health)
    return health


def test_the_tenth_failure_in_a_row_opens_the_circuit() -> None:
    """Nine failures change nothing, the tenth opens, and the eleventh opens nothing again."""
    nine = failed(OPENS_AFTER - 1)

    ten, changes = fails(nine)
    _, later = fails(ten, probe=True)

    assert nine.opened_at is None
    assert (ten.opened_at, changes, later) == (AT, {Change.OPEN}, set())


def test_a_success_in_between_begins_the_count_again() -> None:
    """What counts are failures in a row."""
    health, changes = after_success(failed(OPENS_AFTER - 1))

    assert (health, changes) == (Health(), set())


def test_a_success_closes_the_circuit() -> None:
    """An endpoint that is back is told everything."""
    assert after_success(failed(OPENS_AFTER)) == (Health(), {Change.CLOSE})


def test_an_hour_of_nothing_but_failure_is_told_once() -> None:
    """Members are written to after an hour, and not again while it goes on."""
    failing, early = fails(failed(1), after=WARNS_AFTER - SECOND)
    warned, late = fails(failing, after=WARNS_AFTER)
    _, again = fails(warned, after=2 * WARNS_AFTER)

    assert (early, late, again) == (set(), {Change.WARN}, set())


def test_five_days_of_nothing_but_failure_disable() -> None:
    """Not a second before five days, and then for that reason."""
    still, early = fails(failed(1), after=DISABLES_AFTER - SECOND)
    disabled, late = fails(still, after=DISABLES_AFTER)

    assert Change.DISABLE not in early
    assert (disabled.disabled, late) == (Why.FAILING, {Change.DISABLE})


def test_gone_disables_at_once() -> None:
    """410 is a wish not to be called again."""
    health, changes = after_failure(Health(), gone=True, probe=False, at=AT)

    assert (health.disabled, changes) == (Why.GONE, {Change.DISABLE})


def test_what_was_under_way_changes_nothing_of_a_disabled_endpoint() -> None:
    """An attempt that ends after the endpoint was disabled neither warns nor enables."""
    disabled, _ = after_failure(Health(), gone=True, probe=False, at=AT)

    _, failing = fails(disabled, after=DISABLES_AFTER)
    healthy, succeeding = after_success(disabled)

    assert (failing, succeeding, healthy.disabled) == (set(), set(), Why.GONE)


def test_probes_come_at_growing_waits() -> None:
    """Half a minute, a minute, two, five, and then every ten."""
    waits = [wait_before_probe(probes, jitter=0) for probes in range(len(PROBES) + 2)]

    assert [wait.total_seconds() for wait in waits] == [30, 60, 120, 300, 600, 600]


@given(st.integers(0, 2000), st.floats(-1, 1))
def test_no_probe_waits_longer_than_twelve_minutes(probes: int, jitter: float) -> None:
    """A fifth to either side, so that endpoints of one provider are not probed at one moment."""
    assert PROBES[0] * 0.8 <= wait_before_probe(probes, jitter=jitter) <= LAST_PROBE * 1.2


def test_without_backlog_the_next_event_is_the_probe() -> None:
    """An endpoint that has nothing left to be probed with is called, and one failure opens it again."""
    ready = without_backlog(failed(OPENS_AFTER))

    again, changes = fails(ready)

    assert ready.opened_at is None
    assert (again.opened_at, changes) == (AT, {Change.OPEN})
