"""Who may open this merchant's dashboard: seen by every member, changed by admins and owners."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenants import members
from tenants.access import Place, member_page
from tenants.forms import ROLE_DEEDS, ROLE_WORDS, InvitationForm, RoleForm
from tenants.invite import AlreadyMember, TooManyInvitations, TooManyLetters, invite, withdraw
from tenants.members import LastOwner, NotAllowed, Role, hand_over, may_give, members_of
from tenants.models import Invitation, Membership
from tenants.pages import draw


@require_GET
@member_page()
def member_list(request: HttpRequest, place: Place) -> HttpResponse:
    return _draw_list(request, place, InvitationForm(giver=place.role))


@require_POST
@member_page(Role.ADMIN)
def member_invite(request: HttpRequest, place: Place) -> HttpResponse:
    """Ask somebody to join; the answer is the same whether or not they have an account here."""
    form = InvitationForm(request.POST, giver=place.role)
    if form.is_valid():
        _confirm_for(request, form.cleaned_data["role"])
        try:
            invite(place.membership.merchant, by=place.user, at=datetime.now(UTC), **form.cleaned_data)
        except NotAllowed as error:
            raise PermissionDenied("member") from error
        except AlreadyMember:
            form.add_error("email", _("This person is a member already. Change their role in the list."))
        except TooManyInvitations:
            form.add_error(None, _("50 invitations are open. Withdraw some of them first."))
        except TooManyLetters:
            form.add_error(None, _("100 invitations went out within a day. Send more tomorrow."))
        else:
            messages.success(request, _("Invited %(email)s by a letter.") % {"email": form.cleaned_data["email"]})
            return _to_list(place)
    return _draw_list(request, place, form, status=422)


@require_POST
@member_page(Role.ADMIN)
def invitation_withdraw(request: HttpRequest, place: Place, invitation: UUID) -> HttpResponse:
    found = Invitation.objects.select_related("merchant").filter(id=invitation, merchant=place.route.merchant_id)
    pending = found.filter(accepted_at=None).first()
    if pending is None:
        raise Http404("no such invitation")
    if not may_give(place.role, pending.role):
        raise PermissionDenied("an owner's invitation")
    withdraw(pending, by=place.user, at=datetime.now(UTC))
    messages.success(request, _("The invitation of %(email)s was withdrawn.") % {"email": pending.email})
    return _to_list(place)


@require_POST
@member_page(Role.ADMIN)
def member_role(request: HttpRequest, place: Place, member: UUID) -> HttpResponse:
    """Give a member another role."""
    found, form = _find(place, member), RoleForm(request.POST, giver=place.role)
    if not form.is_valid():
        raise PermissionDenied("role")
    role = form.cleaned_data["role"]
    _confirm_for(request, role)
    told = _("%(email)s is now: %(role)s.") % {"email": found.user.email, "role": ROLE_WORDS[Role(role)]}
    return _change(request, place, told, members.change_role, found, role, by=place.membership)


@require_POST
@member_page(Role.ADMIN)
def member_remove(request: HttpRequest, place: Place, member: UUID) -> HttpResponse:
    found = _find(place, member)
    told = _("%(email)s was removed.") % {"email": found.user.email}
    return _change(request, place, told, members.remove, found, by=place.membership)


@require_http_methods(["GET", "POST"])
@member_page()
def member_leave(request: HttpRequest, place: Place) -> HttpResponse:
    """Ask, and then let a member go."""
    if request.method == "GET":
        return draw(request, "dashboard/members/leave.html", place, here="members")
    told = _("You have left %(shop)s.") % {"shop": place.membership.merchant.name}
    return _change(request, place, told, members.remove, place.membership, by=place.membership, then="dashboard")


@require_http_methods(["GET", "POST"])
@member_page(Role.OWNER)
@reauthentication_required  # type: ignore[untyped-decorator]
def ownership(request: HttpRequest, place: Place, member: UUID) -> HttpResponse:
    """Ask, and then make another member the owner in one's own place."""
    heir = _find(place, member)
    if heir.user_id == place.user.id:
        raise Http404("no such member")
    if request.method == "GET":
        return draw(request, "dashboard/members/ownership.html", place, heir=heir, here="members")
    told = _("%(email)s is an owner now, and you are an admin.") % {"email": heir.user.email}
    return _change(request, place, told, hand_over, heir, by=place.membership)


def _confirm_for(request: HttpRequest, role: str) -> None:
    """Let who makes an owner, which gives the shop away as handing it over does, confirm first who they are."""
    if role == Role.OWNER:
        _confirm(request)


@reauthentication_required  # type: ignore[untyped-decorator]
def _confirm(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired unless it was confirmed a moment ago who this is."""


def _change(
    request: HttpRequest,
    place: Place,
    told: str,
    change: Callable[..., None],
    *subjects: Any,
    by: Membership,
    then: str = "",
) -> HttpResponse:
    """Make a change and say so, or say why not."""
    try:
        change(*subjects, by=by, at=datetime.now(UTC))
    except NotAllowed as error:
        raise PermissionDenied("member") from error
    except LastOwner:
        messages.error(request, _("A shop needs an owner. Make another member an owner first."))
        return _to_list(place)
    messages.success(request, told)
    return redirect(then) if then else _to_list(place)


def _find(place: Place, member: UUID) -> Membership:
    found = Membership.objects.select_related("user", "merchant").filter(id=member, merchant=place.route.merchant_id)
    if (one := found.first()) is None:
        raise Http404("no such member")
    return one


def _to_list(place: Place) -> HttpResponse:
    return redirect("members", merchant=place.route.merchant_id, mode=place.route.mode)


def _draw_list(request: HttpRequest, place: Place, form: InvitationForm, status: int = 200) -> HttpResponse:
    open_ = Invitation.objects.open(at=datetime.now(UTC)).filter(merchant=place.route.merchant_id)
    rows = [_row(place, member) for member in members_of(place.membership.merchant)]
    return draw(
        request,
        "dashboard/members/member_list.html",
        place,
        status=status,
        here="members",
        rows=rows,
        form=form,
        invitations=[(one, ROLE_WORDS[Role(one.role)]) for one in open_.order_by("-created_at")],
        deeds=[(ROLE_WORDS[role], deed) for role, deed in ROLE_DEEDS.items()],
        may_change=place.may(Role.ADMIN),
    )


def _row(place: Place, member: Membership) -> dict[str, Any]:
    """Return what the list shows of one member, and what the one who looks may do about it."""
    own = member.user_id == place.user.id
    may = may_give(place.role, member.role) and not own
    return {
        "member": member,
        "role": ROLE_WORDS[Role(member.role)],
        "own": own,
        "roles": [(role, words) for role, words in ROLE_WORDS.items() if may and may_give(place.role, role)],
        "may_remove": may,
        "may_hand_over": place.role == Role.OWNER and not own and member.role != Role.OWNER,
    }
