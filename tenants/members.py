"""Who belongs to a merchant, and what may be changed about it: roles, leaving, removing, handing over.

A merchant always has an owner: the last one can neither leave nor be removed nor lowered. Only owners touch owners.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from tenants.models import AuditEntry, Invitation, Membership, Merchant, User

Role = Membership.Role


class LastOwner(Exception):
    """A merchant would be left without an owner; make somebody else one first."""


class NotAllowed(Exception):
    """The one who asks has a role that does not reach that far."""


def members_of(merchant: Merchant) -> list[Membership]:
    """Return a merchant's members with their people, owners first, then by age."""
    members = Membership.objects.select_related("user").filter(merchant=merchant).order_by("id")
    order = list(Role.values)
    return sorted(members, key=lambda member: order.index(member.role))


def may_give(giver: Role, role: str) -> bool:
    """Say whether somebody may make others this: owners anything, admins everything but an owner."""
    return giver == Role.OWNER or (giver == Role.ADMIN and role != Role.OWNER)


def change_role(member: Membership, role: str, *, by: Membership, at: datetime) -> None:
    """Give a member another role. Raises NotAllowed or LastOwner."""
    with _counted(member) as current:
        _check(current, by, role)
        if current.role == role:
            return
        if role == Role.OWNER and not current.user.is_active:  # who cannot sign in can own nothing
            raise NotAllowed
        if current.role == Role.OWNER:
            _check_not_last(current)
        before, current.role = current.role, role
        current.save(update_fields=["role"])
        _take_back(current, Role(role), by=by, at=at)
        write_down(
            current.merchant, "member.role_changed", current.user.email, by=by.user, at=at, before=before, role=role
        )


def remove(member: Membership, *, by: Membership, at: datetime) -> None:
    """Take a member out; one who takes themselves out leaves. Raises NotAllowed or LastOwner."""
    with _counted(member) as current:
        leaves = current.user_id == by.user_id
        if not leaves:
            _check(current, by, current.role)
        if current.role == Role.OWNER:
            _check_not_last(current)
        _take_back(current, None, by=by, at=at)
        current.delete()
        action = "member.left" if leaves else "member.removed"
        write_down(current.merchant, action, current.user.email, by=by.user, at=at, role=current.role)


def hand_over(member: Membership, *, by: Membership, at: datetime) -> None:
    """Make another member an owner in one's own place, and oneself an admin. Raises NotAllowed."""
    with _counted(by) as giver:
        members = Membership.objects.select_related("user").filter(merchant=giver.merchant_id, user__is_active=True)
        heir = members.filter(id=member.id).first()
        if giver.role != Role.OWNER or heir is None or heir.id == giver.id:
            raise NotAllowed
        heir.role, giver.role = Role.OWNER, Role.ADMIN
        heir.save(update_fields=["role"])
        giver.save(update_fields=["role"])
        _take_back(giver, Role.ADMIN, by=giver, at=at)
        write_down(giver.merchant, "member.ownership_handed_over", heir.user.email, by=giver.user, at=at)


def write_down(merchant: Merchant, action: str, subject: str, *, by: User, at: datetime, **detail: str) -> None:
    """Leave an audit entry about a member or about who was asked to become one."""
    AuditEntry.objects.create(
        merchant=merchant, at=at, actor=by.email, action=action, subject=subject[:120], detail=detail
    )


def _take_back(member: Membership, role: Role | None, *, by: Membership, at: datetime) -> None:
    """Withdraw what somebody invited to and could not with the role they have from now on: no way back stays open."""
    sent = Invitation.objects.open(at=at).filter(merchant=member.merchant_id, invited_by=member.user_id)
    for invitation in sent.select_for_update(of=("self",)):
        if role is None or not may_give(role, invitation.role):
            invitation.withdrawn_at = at
            invitation.save(update_fields=["withdrawn_at"])
            write_down(member.merchant, "member.invitation_withdrawn", invitation.email, by=by.user, at=at)


@contextmanager
def _counted(member: Membership) -> Iterator[Membership]:
    """Give the member as it is now, while nobody else changes who belongs to its merchant."""
    with transaction.atomic():
        Merchant.objects.select_for_update().get(id=member.merchant_id)
        current = Membership.objects.select_related("user", "merchant").filter(id=member.id).first()
        if current is None:
            raise NotAllowed
        yield current


def _check(member: Membership, by: Membership, role: str) -> None:
    """Only owners touch owners, and only owners make owners; the asker's role is read anew, under the lock."""
    asker = Membership.objects.filter(id=by.id).first()
    giver = Role(asker.role) if asker else Role.VIEWER
    if not may_give(giver, role) or not may_give(giver, member.role):
        raise NotAllowed


def _check_not_last(member: Membership) -> None:
    others = Membership.objects.filter(merchant=member.merchant_id, role=Role.OWNER, user__is_active=True)
    if not others.exclude(id=member.id).exists():
        raise LastOwner
