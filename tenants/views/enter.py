"""The way in: to the merchant that a person belongs to, or to making one."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.access import memberships_of
from tenants.models import Membership, Merchant, User


@login_required
def enter(request: HttpRequest) -> HttpResponse:
    """Lead to the merchant of a person's oldest membership, to the one that is being made, or to making one."""
    user = cast("User", request.user)
    if membership := next(iter(memberships_of(user)), None):
        return redirect("home", merchant=membership.merchant_id, mode="live")
    mine = Membership.objects.filter(user=user, merchant__in=Merchant.objects.unfinished())
    if unfinished := mine.order_by("id").first():
        return redirect("merchant_progress", merchant=unfinished.merchant_id)
    return redirect("new_merchant")
