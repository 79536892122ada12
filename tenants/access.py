"""Who may open which page: a member of a merchant, in one of its modes, with a role.

Whoever is no member finds nothing: another merchant's page is a 404, as one that does not exist. A role that is too
low for a deed is told so, since its page is no secret to a member.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from tenants.fields import Mode
from tenants.models import Membership, Merchant, User
from tenants.routing import Route, find_mode, inside

P = ParamSpec("P")
Role = Membership.Role
# What a role may do, it may do with all that a lower one may.
RANKS: Final = {Role.VIEWER: 0, Role.DEVELOPER: 1, Role.ADMIN: 2, Role.OWNER: 3}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a signed-in person is: a merchant they are a member of, one of its modes, and their role there.

    `memberships` are all that this person has, oldest first.
    """

    route: Route
    membership: Membership
    memberships: Sequence[Membership] = ()

    @property
    def user(self) -> User:
        return self.membership.user

    @property
    def role(self) -> Membership.Role:
        return Role(self.membership.role)

    def may(self, role: Membership.Role) -> bool:
        """Say whether what needs this role may be done."""
        return RANKS[self.role] >= RANKS[role]


def member_page(
    role: Membership.Role = Role.VIEWER,
) -> Callable[[Callable[Concatenate[HttpRequest, Place, P], HttpResponse]], Callable[..., HttpResponse]]:
    """Let members with at least this role in, and run the view inside the merchant's schema.

    The view's URL has `<mer:merchant>` and `<mode:mode>` (config/urls.py); in their place it is given a Place.
    """

    def decorate(view: Callable[Concatenate[HttpRequest, Place, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def enter(request: HttpRequest, merchant: UUID, mode: str, *args: P.args, **named: P.kwargs) -> HttpResponse:
            place = find_place(cast("User", request.user), merchant, mode)
            if place is None:
                raise Http404("no such page")
            if not place.may(role):
                raise PermissionDenied(role)
            with inside(place.route.schema):
                return view(request, place, *args, **named)

        return cast("Callable[..., HttpResponse]", login_required(enter))

    return decorate


def find_place(user: User, merchant: UUID, mode: str) -> Place | None:
    """Return where these words of a URL lead this person, or None: nowhere, or to a merchant of others."""
    memberships = memberships_of(user)
    membership = next((one for one in memberships if one.merchant_id == merchant), None)
    route = find_mode(merchant, mode) if membership and mode in Mode.values else None
    return Place(route, membership, memberships) if route and membership else None


def memberships_of(user: User) -> list[Membership]:
    """Return what a person belongs to, oldest first; merchants that are closed or not ready yet left out."""
    mine = Membership.objects.select_related("user", "merchant").filter(user=user, merchant__closed_at=None)
    return list(mine.filter(merchant__state=Merchant.State.READY).order_by("id"))
