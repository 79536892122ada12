"""The page that an invitation's link leads to. Reading it changes nothing; joining is a form of its own."""

from datetime import UTC, datetime

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from tenants.fields import Mode
from tenants.invite import accept, find_invitation, is_for
from tenants.models import Invitation, User
from tenants.pages import draw


@require_http_methods(["GET", "POST"])
def invited(request: HttpRequest, token: str) -> HttpResponse:
    """Show who invites whom to what, and let the one who is meant join."""
    at = datetime.now(UTC)
    invitation = find_invitation(token, at=at)
    if invitation is None:
        return draw(request, "dashboard/invited/ended.html", None, status=410)
    if not request.user.is_authenticated:
        # The link came to this mailbox, so a sign-up with its address needs no second letter.
        get_adapter(request).stash_verified_email(request, invitation.email)
        return draw(request, "dashboard/invited/stranger.html", None, invitation=invitation, next=request.path)
    user = request.user
    if not is_for(invitation, user):
        return draw(request, "dashboard/invited/other.html", None, status=403, invitation=invitation, next=request.path)
    if request.method == "POST":
        return _join(request, invitation, user, at=at)
    return draw(request, "dashboard/invited/invited.html", None, invitation=invitation)


def _join(request: HttpRequest, invitation: Invitation, user: User, *, at: datetime) -> HttpResponse:
    membership = accept(invitation, user, at=at)
    if membership is None:
        return draw(request, "dashboard/invited/ended.html", None, status=410)
    messages.success(request, _("You have joined %(shop)s.") % {"shop": invitation.merchant.name})
    return redirect("home", merchant=invitation.merchant_id, mode=Mode.LIVE)
