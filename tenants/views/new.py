"""Making a merchant: its rows at once, its schema by a worker, while the page shows how far it is."""

from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants.fields import Mode
from tenants.forms import MerchantForm
from tenants.invite import invitations_for, make_token
from tenants.members import Role
from tenants.models import Membership, Merchant, User
from tenants.onboarding import owe_schema, register_merchant
from tenants.pages import draw

OWNED_AT_MOST: Final = 20  # each has a schema of its own: no single person may make them without end


@login_required
@require_http_methods(["GET", "POST"])
def new_merchant(request: HttpRequest) -> HttpResponse:
    """Ask for a name, and make the merchant of the one who signed in."""
    user, at = cast("User", request.user), datetime.now(UTC)
    form = MerchantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if merchant := _make(form.cleaned_data, user, at=at):
            return redirect("merchant_progress", merchant=merchant.id)
        form.add_error(None, _("You own 20 shops already. Close one, or have another person make this one."))
    status = 422 if form.errors else 200
    invitations = [(one.merchant.name, make_token(one)) for one in invitations_for(user, at=at)]
    return draw(request, "dashboard/new/new.html", None, status=status, form=form, invitations=invitations)


def _make(chosen: dict[str, str], user: User, *, at: datetime) -> Merchant | None:
    """Make a merchant, unless somebody owns too many; whoever asks twice at once waits for the first."""
    with transaction.atomic():
        User.objects.select_for_update().get(id=user.id)
        if _owns_too_many(user):
            return None
        merchant = register_merchant(owner_email=user.email, actor=user.email, at=at, **chosen)
        owe_schema(merchant)
    return merchant


def _owns_too_many(user: User) -> bool:
    owned = Membership.objects.filter(user=user, role=Role.OWNER, merchant__closed_at=None)
    return owned.count() >= OWNED_AT_MOST


@login_required
@require_GET
def merchant_progress(request: HttpRequest, merchant: UUID) -> HttpResponse:
    """Show how far a new merchant is; the part that htmx asks for again leads on by itself."""
    found = _mine(request, merchant)
    home = reverse("home", args=[found.id, Mode.TEST])
    if found.state == Merchant.State.READY:
        # htmx follows this header in the page; a plain browser follows the redirect.
        return HttpResponse(headers={"HX-Redirect": home}) if request.headers.get("HX-Request") else redirect(home)
    template = "_progress.html" if request.headers.get("HX-Request") else "progress.html"
    return draw(request, f"dashboard/new/{template}", None, merchant=found)


@login_required
@require_POST
def try_again(request: HttpRequest, merchant: UUID) -> HttpResponse:
    """Let a worker try once more to make what failed."""
    found = _mine(request, merchant)
    with transaction.atomic():
        failed = Merchant.objects.filter(id=found.id, state=Merchant.State.FAILED)
        if failed.update(state=Merchant.State.PENDING):
            owe_schema(found)
    return redirect("merchant_progress", merchant=found.id)


def _mine(request: HttpRequest, merchant: UUID) -> Merchant:
    mine = Membership.objects.select_related("merchant").filter(user=cast("User", request.user), merchant=merchant)
    membership = mine.filter(merchant__closed_at=None).first()
    if membership is None:
        raise Http404("no such page")
    return membership.merchant
