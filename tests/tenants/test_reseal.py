"""manage.py reseal: the sealing key is rotated while merchants go on, and the old one can then be dropped."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tenants.encryption import KeyRing, SealingKeyMissing, key_id_of
from tenants.models import Merchant
from tenants.sealing import data_key_place, merchants_with_keys, open_vault, rewrap

Cast = dict[str, Merchant]
Ring = Callable[..., None]
HERE = {"table": "tenants_merchantkey", "field": "sealed"}


def reseal() -> tuple[str, str]:
    """Run the command; what it says on standard output, and of what failed."""
    out, err = StringIO(), StringIO()
    call_command("reseal", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def wrapped_by(merchant: Merchant) -> str:
    return key_id_of(bytes(Merchant.objects.get(id=merchant.id).data_key or b""))


def only(*cast: Merchant) -> None:
    """Leave the data keys of these merchants only, as if the others had been shredded."""
    Merchant.objects.exclude(id__in=[merchant.id for merchant in cast]).update(data_key=None)


def test_every_data_key_is_wrapped_anew(sealed: Cast, ring: Ring) -> None:
    """With a new key in front, each merchant's data key comes under it, and the numbers are told."""
    only(*sealed.values())
    ring("new", "dev")

    out, err = reseal()

    assert out == "data keys under 'new': 2 re-wrapped, 0 already current, 0 failed\n"
    assert err == ""
    assert {wrapped_by(merchant) for merchant in sealed.values()} == {"new"}


def test_what_was_sealed_before_opens_without_the_old_key(sealed: Cast, ring: Ring) -> None:
    """After the rotation the old key may leave the ring, and merchants' own values still open."""
    bakery = sealed["bakery"]
    blob = open_vault(bakery).seal(b"not-a-secret", row=bakery.id, **HERE)
    ring("new", "dev")
    reseal()

    ring("new")

    bakery.refresh_from_db()
    assert open_vault(bakery).open(blob, row=bakery.id, **HERE) == b"not-a-secret"


def test_a_second_run_finds_nothing_to_do(sealed: Cast, ring: Ring) -> None:
    """Run again, it counts what is already current and writes nothing."""
    only(*sealed.values())
    ring("new", "dev")
    reseal()
    before = [bytes(merchant.data_key or b"") for merchant in merchants_with_keys()]

    out, _ = reseal()

    assert out == "data keys under 'new': 0 re-wrapped, 2 already current, 0 failed\n"
    assert [bytes(merchant.data_key or b"") for merchant in merchants_with_keys()] == before


def test_a_run_that_was_stopped_goes_on(sealed: Cast, ring: Ring) -> None:
    """What an interrupted run has done stays done, and the next one does the rest."""
    only(*sealed.values())
    ring("new", "dev")
    rewrap(sealed["bakery"])

    out, _ = reseal()

    assert out == "data keys under 'new': 1 re-wrapped, 1 already current, 0 failed\n"


def test_a_data_key_whose_key_is_missing_is_named(sealed: Cast, ring: Ring) -> None:
    """It fails with the merchant and the key to put back, does the others all the same, and exits with an error."""
    only(*sealed.values())
    place = data_key_place(sealed["florist"].id)
    lost = KeyRing.from_text("lost:" + "A" * 43 + "=").wrap(open_vault(sealed["florist"]).key, place)
    Merchant.objects.filter(id=sealed["florist"].id).update(data_key=lost)
    ring("new", "dev")
    out, err = StringIO(), StringIO()

    with pytest.raises(CommandError, match="Keep the old keys in SEALING_KEYS"):
        call_command("reseal", stdout=out, stderr=err)

    assert out.getvalue() == "data keys under 'new': 1 re-wrapped, 0 already current, 1 failed\n"
    assert f"{sealed['florist'].id} florist: SEALING_KEYS lacks the key 'lost': add it" in err.getvalue()
    assert wrapped_by(sealed["bakery"]) == "new"


def test_a_data_key_that_was_moved_is_named(sealed: Cast, ring: Ring) -> None:
    """One merchant's data key in another's row is no data key: the row has to come from a backup."""
    only(*sealed.values())
    Merchant.objects.filter(id=sealed["florist"].id).update(data_key=sealed["bakery"].data_key)
    ring("new", "dev")
    err = StringIO()

    with pytest.raises(CommandError):
        call_command("reseal", stdout=StringIO(), stderr=err)

    assert f"{sealed['florist'].id} florist:" in err.getvalue()
    assert "restore its row from a backup" in err.getvalue()


def test_nothing_of_a_key_is_printed(sealed: Cast, ring: Ring, settings: object) -> None:
    """The command prints ids of keys and merchants, and no key."""
    ring("new", "dev")

    printed = "".join(reseal())

    texts = str(getattr(settings, "SEALING_KEYS", "")).split(",")
    assert not [text for text in texts if text.partition(":")[2] in printed]


def test_a_shredded_data_key_does_not_come_back(sealed: Cast, ring: Ring) -> None:
    """A merchant that is shredded between reading and writing stays shredded."""
    bakery = sealed["bakery"]
    ring("new", "dev")
    Merchant.objects.filter(id=bakery.id).update(data_key=None)

    assert not rewrap(bakery)  # holds what it read before

    assert Merchant.objects.get(id=bakery.id).data_key is None


def test_merchants_are_read_in_steps(sealed: Cast) -> None:
    """However small the step, every merchant with a data key comes once, the oldest first."""
    everyone = list(Merchant.objects.exclude(data_key=None).order_by("id"))

    assert list(merchants_with_keys(step=1)) == everyone


def test_while_rotating_old_and_new_rings_both_open(sealed: Cast, ring: Ring) -> None:
    """The ring of both keys opens merchants of either wrapping; the old ring alone no longer does."""
    ring("new", "dev")
    rewrap(sealed["bakery"])

    opened = {name: open_vault(Merchant.objects.get(id=merchant.id)).merchant for name, merchant in sealed.items()}
    ring("dev")

    assert opened == {name: merchant.id for name, merchant in sealed.items()}
    with pytest.raises(SealingKeyMissing, match="'new'"):
        open_vault(Merchant.objects.get(id=sealed["bakery"].id))
