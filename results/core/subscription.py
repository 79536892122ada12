"""Which events may an endpoint ask for? Types by name, or all that begin alike, such as `payment.review.*`."""

from collections.abc import Iterable
from difflib import get_close_matches

from results.core.words import EventType

ALL = "*"


class BadSubscription(ValueError):
    """Nothing like it is ever told; the message names it and says how to mend it."""


def check_events(patterns: Iterable[str]) -> list[str]:
    """Return the subscriptions as they are kept, each once; raise BadSubscription.

    A prefix has to end at a dot, and to fit an event of today: one that fits none is a slip of the pen, and an
    endpoint that hears nothing looks like one that works.
    """
    checked = list(dict.fromkeys(str(pattern) for pattern in patterns))
    if not checked:
        raise BadSubscription(f"Name at least one event type, or {ALL} for all of them.")
    for pattern in checked:
        if pattern not in known_patterns():
            raise BadSubscription(_mend(pattern))
    return checked


def known_patterns() -> list[str]:
    """Return all that can be asked for: every type, and every prefix of one."""
    prefixes = {
        ".".join(words[:count]) + ".*"
        for words in (event.value.split(".") for event in EventType)
        for count in range(1, len(words))
    }
    return [*(event.value for event in EventType), *sorted(prefixes), ALL]


def _mend(pattern: str) -> str:
    like = get_close_matches(pattern[:60], known_patterns(), n=1)
    meant = f"{like[0]}, perhaps" if like else "a type such as payment.paid, or a prefix such as payment.review.*"
    return f"{pattern[:60]!a} is no event type: name {meant}."
