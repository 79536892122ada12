"""The way in: to the merchant that a person belongs to, or to making one."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.models import User
from tenants.pages import draw, memberships_of


@login_required
def enter(request: HttpRequest) -> HttpResponse:
    """Lead to the merchant of a person's oldest membership, or say that there is none yet."""
    membership = memberships_of(cast("User", request.user)).first()
    if membership is None:
        return draw(request, "dashboard/empty.html", None)
    return redirect("home", merchant=membership.merchant_id, mode="live")
