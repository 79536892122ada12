"""When is PortOne asked again? The schedules as data, and the one function that reads them."""

from datetime import datetime, timedelta

from results.core.words import PaymentStatus

SHARED_WINDOW = timedelta(seconds=2)  # arrivals within it share the next question about their payment
PROBE = timedelta(hours=1)


def _seconds(*seconds: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=number) for number in seconds)


MINUTE, HOUR = 60, 3600
UNSETTLED = _seconds(2, 5, 15, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR)
UNKNOWN = _seconds(2, 15, MINUTE, 10 * MINUTE)
UNAVAILABLE = _seconds(2, 5, 15, MINUTE, 5 * MINUTE, 10 * MINUTE)
REFUSED = _seconds(MINUTE, 5 * MINUTE, 10 * MINUTE)
SILENT = _seconds(2, 5, 15)

WAITING = (PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.EXPIRED)


def after_silence(tries: int) -> timedelta:
    """Return the wait after PortOne gave no usable answer; it is asked for as long as it takes."""
    return UNAVAILABLE[min(tries, len(UNAVAILABLE)) - 1]


def after_refusal(tries: int) -> timedelta:
    """Return the wait after PortOne refused the keys; growing probes notice when they are mended."""
    return REFUSED[min(tries, len(REFUSED)) - 1]


def pause_after_refusal(pauses: int) -> timedelta:
    """Return how long a merchant whose keys are refused is left alone for the nth time."""
    return REFUSED[min(pauses, len(REFUSED)) - 1]


def pause_after_silence(pauses: int) -> timedelta:
    """Return how long a silent PortOne is left alone for the nth time: short, for a probe is one call."""
    return SILENT[min(pauses, len(SILENT)) - 1]


def after_unknown(times: int) -> timedelta | None:
    """Return the wait after PortOne knew no such payment for the nth time; None when it was asked often enough."""
    return UNKNOWN[times - 1] if times <= len(UNKNOWN) else None


def next_question(
    status: PaymentStatus,
    *,
    final: bool,
    tries: int,
    deadline: datetime | None,
    grace: timedelta,
    at: datetime,
) -> datetime | None:
    """Return when a payment in this state is asked about again, having been asked `tries` times; None for never.

    A virtual account is asked about hourly, and once more when its deadline and the bank's grace are over. What is
    paid is left to webhooks and sweeps.
    """
    if final:
        return None
    if status == PaymentStatus.AWAITING_DEPOSIT:
        over = deadline + grace + timedelta(seconds=1) if deadline else None
        return min(at + PROBE, over) if over and over > at else at + PROBE
    if status in WAITING:
        return at + UNSETTLED[min(tries, len(UNSETTLED) - 1)]
    return None
