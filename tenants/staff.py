"""Who runs this installation, and what may they do to people? Staff see every merchant's row, and no merchant's schema.

A staff person is made from the command line alone (manage.py staff), never from a page.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from tenants.members import write_down
from tenants.models import Membership, User

log = structlog.get_logger()


class NoSuchPerson(Exception):
    """Nobody has this address."""


def make_staff(email: str, *, at: datetime) -> tuple[User, bool]:
    """Make a person staff, or a new person; return them and whether they are new.

    A new one chooses a password by `Forgot your password?`, which also proves that the address is theirs.
    """
    email = email.strip().lower()
    with transaction.atomic():
        user = User.objects.filter(email=email).first()
        is_new = user is None
        user = user or User.objects.create_user(email, created_at=at)
        User.objects.filter(id=user.id).update(is_superuser=True)
    log.warning("staff_made", user=str(user.id))
    return user, is_new


def drop_staff(email: str) -> None:
    """Make a staff person one like any other, at once. Raises NoSuchPerson."""
    changed = User.objects.filter(email=email.strip().lower(), is_superuser=True).update(is_superuser=False)
    if not changed:
        raise NoSuchPerson(email)
    log.warning("staff_dropped")


def lock(people: Iterable[User], *, by: User) -> int:
    """Let people in no more: their sessions end at once, and each of their merchants reads who did it."""
    return _set_active(people, is_active=False, action="member.locked", by=by)


def unlock(people: Iterable[User], *, by: User) -> int:
    """Let people in again."""
    return _set_active(people, is_active=True, action="member.unlocked", by=by)


def _set_active(people: Iterable[User], *, is_active: bool, action: str, by: User) -> int:
    ids = [person.id for person in people if person.id != by.id]  # nobody locks themselves out
    at = datetime.now(UTC)
    with transaction.atomic():
        found = list(User.objects.select_for_update().filter(id__in=ids).exclude(is_active=is_active))
        User.objects.filter(id__in=[person.id for person in found]).update(is_active=is_active)
        for member in Membership.objects.select_related("user", "merchant").filter(user__in=found):
            write_down(member.merchant, action, member.user.email, by=by, at=at, role=member.role)
    return len(found)


def with_factor() -> QuerySet[Any]:
    """Return everybody, each with `with_factor`: whether a second factor is on."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    return User.objects.annotate(with_factor=Exists(factors))
