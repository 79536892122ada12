"""Trying PortOne keys while somebody looks at the page."""

from results.portone import Access
from results.try_keys import AT_ONCE, KeysNotTaken, KeysTaken, Refusal, _places, try_keys
from tenants.fields import new_id
from tests.factories import Cast


def test_only_a_few_keys_are_tried_at_once(bakery: Cast) -> None:
    """Each try holds a thread while PortOne is silent, so whoever comes when all are held is asked to wait."""
    access = Access(new_id(), bakery.imp_key, bakery.imp_key + "-secret", "")
    for _ in range(AT_ONCE):
        assert _places.acquire(blocking=False)
    try:
        refused = try_keys(access)
    finally:
        _places.release(AT_ONCE)

    assert refused == KeysNotTaken(Refusal.BUSY)
    assert isinstance(try_keys(access), KeysTaken | KeysNotTaken)
    assert try_keys(access) != refused
