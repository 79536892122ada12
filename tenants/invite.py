"""How does somebody join a merchant? By a letter with a signed link, which works once, for a week, for one address.

A new person signs up with that address and an existing one signs in; either way only who owns the address can accept.
The link is made when the letter is sent: the queue carries the invitation's id alone.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from allauth.account.models import EmailAddress
from django.core import signing
from django.db import transaction

from tenants.account_mail import at_our_site
from tenants.fields import new_id
from tenants.jobs import enqueue
from tenants.mail import as_kst, languages_of, on_one_line, send_text, write_in
from tenants.members import NotAllowed, may_give, write_down
from tenants.models import Invitation, Membership, Merchant, User
from tenants.models.merchant import Language

log = structlog.get_logger()

STEP: Final = "send_invitation"
SALT: Final = "tenants.invite"
LASTS: Final = timedelta(days=7)
OPEN_AT_MOST: Final = 50  # letters to strangers that one merchant may have out at a time
OF_A_DAY: Final = 100  # letters that one merchant may send in a day, those of withdrawn invitations, too
DAY: Final = timedelta(days=1)
ROLES: Final = {
    Language.KOREAN: {"owner": "소유자", "admin": "관리자", "developer": "개발자", "viewer": "뷰어"},
}


class AlreadyMember(Exception):
    """Who is invited belongs to the merchant already."""


class TooManyInvitations(Exception):
    """A merchant has too many open invitations; withdraw some first."""


class TooManyLetters(Exception):
    """A merchant has sent as many invitations as it may in a day."""


def invite(merchant: Merchant, *, email: str, role: str, by: User, at: datetime) -> Invitation:
    """Ask an address to join with a role, in place of what it was asked before.

    Raises NotAllowed, AlreadyMember, TooManyInvitations or TooManyLetters.
    """
    email = email.strip().lower()
    with transaction.atomic():
        Merchant.objects.select_for_update().get(id=merchant.id)  # two at once would both find nothing to replace
        giver = Membership.objects.filter(merchant=merchant, user=by).first()
        if giver is None or not may_give(Membership.Role(giver.role), role):  # removed or lowered meanwhile
            raise NotAllowed
        if Membership.objects.filter(merchant=merchant, user__in=people_at(email)).exists():
            raise AlreadyMember
        pending = Invitation.objects.filter(merchant=merchant, accepted_at=None, withdrawn_at=None)
        if any(not may_give(Membership.Role(giver.role), one.role) for one in pending.filter(email=email)):
            raise NotAllowed  # an owner's invitation is an owner's to replace
        pending.filter(email=email).update(withdrawn_at=at)
        if pending.filter(expires_at__gt=at).count() >= OPEN_AT_MOST:
            raise TooManyInvitations
        if Invitation.objects.filter(merchant=merchant, created_at__gt=at - DAY).count() >= OF_A_DAY:
            raise TooManyLetters
        invitation = Invitation.objects.create(
            merchant=merchant, email=email, role=role, invited_by=by, created_at=at, expires_at=at + LASTS
        )
        enqueue(STEP, {"id": str(new_id()), "invitation": str(invitation.id)})
        write_down(merchant, "member.invited", email, by=by, at=at, role=role)
    return invitation


def withdraw(invitation: Invitation, *, by: User, at: datetime) -> None:
    """Make an open invitation's link lead nowhere."""
    pending = Invitation.objects.filter(id=invitation.id, accepted_at=None, withdrawn_at=None)
    with transaction.atomic():
        if pending.update(withdrawn_at=at):
            write_down(invitation.merchant, "member.invitation_withdrawn", invitation.email, by=by, at=at)


def send_invitation(*, id: str, invitation: str) -> None:
    """Send an invitation's letter, unless it is no longer open. Raises MailServerUnavailable."""
    open_ = Invitation.objects.open(at=datetime.now(UTC)).select_related("merchant", "invited_by")
    found = open_.filter(id=invitation).first()
    if found is None:
        return
    facts = {
        "merchant": on_one_line(found.merchant.name),
        "inviter": found.invited_by.email if found.invited_by else "Paywitness",
        "email": found.email,
        "link": at_our_site("invited", make_token(found)),
        "until": as_kst(found.expires_at),
    }
    roles = {language: {"role": ROLES.get(language, {}).get(found.role, found.role)} for language in Language}
    title, text = write_in("invitation", languages_of(found.merchant), facts, **roles)
    send_text(title, text, to=found.email, id=id)
    log.info("invitation_sent", merchant=str(found.merchant_id), id=id)


def make_token(invitation: Invitation) -> str:
    return signing.dumps(str(invitation.id), salt=SALT)


def find_invitation(token: str, *, at: datetime) -> Invitation | None:
    """Return the open invitation that a link leads to, or None: forged, used, withdrawn or lapsed."""
    try:
        id_ = UUID(signing.loads(token, salt=SALT))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return Invitation.objects.open(at=at).select_related("merchant", "invited_by").filter(id=id_).first()


def is_for(invitation: Invitation, user: User) -> bool:
    """Say whether a person has proved that the invited address is theirs."""
    return bool(EmailAddress.objects.filter(user=user, email=invitation.email, verified=True).exists())


def invitations_for(user: User, *, at: datetime) -> list[Invitation]:
    """Return what a person may still accept, for any address that they have confirmed."""
    addresses = EmailAddress.objects.filter(user=user, verified=True).values("email")
    open_ = Invitation.objects.open(at=at).select_related("merchant").filter(email__in=addresses)
    return list(open_.order_by("-created_at"))


def accept(invitation: Invitation, user: User, *, at: datetime) -> Membership | None:
    """Make a person a member as they were invited; None when the invitation has ended meanwhile.

    Whoever is a member already keeps the role they have.
    """
    with transaction.atomic():
        if not Invitation.objects.open(at=at).filter(id=invitation.id).update(accepted_at=at):
            return None
        membership, made = Membership.objects.get_or_create(
            merchant=invitation.merchant, user=user, defaults={"role": invitation.role, "created_at": at}
        )
        if made:
            write_down(invitation.merchant, "member.joined", user.email, by=user, at=at, role=membership.role)
    return membership


def people_at(email: str) -> list[UUID]:
    """Return the people whose address this is."""
    confirmed = EmailAddress.objects.filter(email=email, verified=True).values_list("user_id", flat=True)
    return [*confirmed, *User.objects.filter(email=email).values_list("id", flat=True)]
