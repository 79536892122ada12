"""What does a person get to read about their own account? Each letter is sent by a job, never within the request.

So an answer takes as long for an unknown address as for a known one, and a mail server that is down holds up nobody.
A job names the person and the address by their ids. Links are made when the letter is sent, from PUBLIC_URL alone:
no Host header reaches a letter, and no key lies in the queue. An address that no row holds - an unknown one, or one
that was just given up - is carried sealed.
"""

from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from allauth.account import app_settings
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language

from tenants.encryption import Place
from tenants.fields import new_id
from tenants.jobs import enqueue
from tenants.mail import send_text, write_in
from tenants.models import User
from tenants.models.merchant import Language
from tenants.sealing import open_text, seal_text

log = structlog.get_logger()

STEP: Final = "send_account_letter"
NOBODY: Final = UUID(int=0)
CARRIED: Final = Place(NOBODY, "pgqueuer", "to", NOBODY)


class AccountLetter(StrEnum):
    """What a letter about an account says; each has a template in each language, whose first line is the subject."""

    CONFIRM_ADDRESS = "confirm_address"
    RESET_PASSWORD = "reset_password"
    ALREADY_REGISTERED = "already_registered"
    UNKNOWN_ADDRESS = "unknown_address"
    PASSWORD_CHANGED = "password_changed"
    ADDRESS_CHANGED = "address_changed"
    ADDRESS_REMOVED = "address_removed"
    FACTOR_ON = "factor_on"
    FACTOR_OFF = "factor_off"
    CODES_MADE = "codes_made"


# allauth's names of what it wants to say.
LETTERS: Final = {
    "account/email/email_confirmation": AccountLetter.CONFIRM_ADDRESS,
    "account/email/email_confirmation_signup": AccountLetter.CONFIRM_ADDRESS,
    "account/email/password_reset_key": AccountLetter.RESET_PASSWORD,
    "account/email/account_already_exists": AccountLetter.ALREADY_REGISTERED,
    "account/email/unknown_account": AccountLetter.UNKNOWN_ADDRESS,
    "account/email/password_reset": AccountLetter.PASSWORD_CHANGED,
    "account/email/password_changed": AccountLetter.PASSWORD_CHANGED,
    "account/email/password_set": AccountLetter.PASSWORD_CHANGED,
    "account/email/email_changed": AccountLetter.ADDRESS_CHANGED,
    "account/email/email_deleted": AccountLetter.ADDRESS_REMOVED,
    "mfa/email/totp_activated": AccountLetter.FACTOR_ON,
    "mfa/email/totp_deactivated": AccountLetter.FACTOR_OFF,
    "mfa/email/recovery_codes_generated": AccountLetter.CODES_MADE,
}


def owe_letter(letter: AccountLetter, email: str, reader: User | None = None) -> None:
    """Owe an address a letter, if and when this transaction commits.

    Several people may claim an address that none of them has confirmed: `reader` says which of them is meant.
    """
    email = email.strip().lower()
    rows, users = EmailAddress.objects.filter(email=email), User.objects.filter(email=email)
    if reader:
        rows, users = rows.filter(user=reader), users.filter(id=reader.id)
    row = rows.order_by("-verified", "id").first()
    user = row.user_id if row else users.values_list("id", flat=True).first()
    language = get_language() or Language.KOREAN
    facts = {"id": str(new_id()), "letter": letter.value, "language": language}
    match row, user:
        case None, None:
            facts["to"] = seal_text(email, CARRIED)
        case None, _:
            facts["user"] = str(user)
        case _:
            facts |= {"user": str(user), "address": str(row.pk)}
    enqueue(STEP, facts)
    log.info("account_letter_owed", letter=letter)


def send_account_letter(
    *, id: str, letter: str, language: str, user: str = "", address: str = "", to: str = ""
) -> None:
    """Send one letter about an account, unless it has become pointless. Raises MailServerUnavailable."""
    kind = AccountLetter(letter)
    reader = User.objects.filter(id=user, is_active=True).first() if user else None
    row = EmailAddress.objects.filter(pk=address, user=reader).first() if address and reader else None
    email = open_text(to, CARRIED) if to else row.email if row else reader.email if reader and not address else ""
    link = _link(kind, reader, row)
    if not email or link is None:
        return
    title, text = write_in(f"account/{kind}", _languages(language), {"email": email, "link": link})
    send_text(title, text, to=email, id=id)
    log.info("account_letter_sent", letter=letter, id=id)


def _link(letter: AccountLetter, reader: User | None, row: EmailAddress | None) -> str | None:
    """Return the address that a letter leads to, or None when there is nothing left to do there."""
    match letter:
        case AccountLetter.CONFIRM_ADDRESS:
            if row is None or row.verified:
                return None
            return at_our_site("account_confirm_email", EmailConfirmationHMAC.create(row).key)
        case AccountLetter.RESET_PASSWORD:
            if reader is None:
                return None
            token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(reader)
            return at_our_site("account_reset_password_from_key", user_pk_to_url_str(reader), token)
        case AccountLetter.UNKNOWN_ADDRESS:
            return at_our_site("account_signup")
        case _:
            return at_our_site("account_reset_password")


def at_our_site(name: str, *words: str) -> str:
    """Return the whole address of one of our pages, whatever host a request named."""
    return settings.PUBLIC_URL + reverse(name, args=words)


def _languages(first: str) -> list[Language]:
    chosen = Language.ENGLISH if first == Language.ENGLISH else Language.KOREAN
    return [chosen, *(language for language in Language if language != chosen)]
