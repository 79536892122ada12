"""What may the people who run this installation see? Django's admin on the public tables, at `/staff/`.

In comes who is staff and has shown their second factor within the hour. Nothing is changed here but by functions of
ours. Columns are named one by one, so that no sealed key, digest or password gets onto a page by being added later.
"""

import time
from datetime import timedelta
from typing import Any, ClassVar, Final, cast

from allauth.account.authentication import get_authentication_records
from allauth.account.views import logout
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from tenants import models
from tenants.onboarding import owe_schema
from tenants.staff import lock, unlock, with_factor

FACTOR_LASTS: Final = timedelta(hours=1)
TABLES: Final = {
    "Merchant": pgettext_lazy("staff", "Shops"),
    "User": pgettext_lazy("staff", "People"),
    "Membership": pgettext_lazy("staff", "Members"),
    "Invitation": pgettext_lazy("staff", "Invitations"),
    "AuditEntry": pgettext_lazy("staff", "Changes"),
    "MerchantMode": pgettext_lazy("staff", "Modes"),
    "RouteKey": pgettext_lazy("staff", "Address keys"),
    "ApiKey": pgettext_lazy("staff", "API keys"),
    "Credential": pgettext_lazy("staff", "PortOne keys"),
    "UnmappedFailure": pgettext_lazy("staff", "Failures without a name"),
}
SHOWN: Final = 7  # letters of a route key: enough to tell two apart


class StaffSite(admin.AdminSite):
    """Django's admin behind our own sign-in."""

    site_header = site_title = _("Paywitness staff")
    index_title = _("What all merchants share")
    site_url = "/dashboard/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in who showed their second factor of late."""
        return is_staff(request) and has_factor(request) and showed_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to what is missing: signing in, a second factor, or showing it. To others there is nothing here."""
        wanted = request.GET.get("next", "")
        way = wanted if wanted.startswith(reverse("admin:index")) else reverse("admin:index")
        if not request.user.is_authenticated:
            return redirect_to_login(way, reverse("account_login"))
        if not is_staff(request):
            raise Http404("no such page")
        if not has_factor(request):
            messages.warning(request, gettext("Staff pages need a second factor. Turn it on, then come back."))
            return redirect("mfa_activate_totp")
        if not showed_factor(request):
            return HttpResponseRedirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': way})}")
        return HttpResponseRedirect(way)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Name the tables as people do, in the order in which one looks for something."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["name"] = "Paywitness"
            app["models"].sort(key=lambda table: [*TABLES].index(table["object_name"]))
            for table in app["models"]:
                table["name"] = TABLES[table["object_name"]]
        return apps

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # type: ignore[override]
        return cast("HttpResponse", logout(request))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        return redirect("account_change_password")


def is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_staff", False))


def has_factor(request: HttpRequest) -> bool:
    return bool(is_mfa_enabled(request.user, [Authenticator.Type.TOTP]))


def showed_factor(request: HttpRequest) -> bool:
    """Say whether a code was entered in this session, at sign-in or later, and not too long ago."""
    since = time.time() - FACTOR_LASTS.total_seconds()
    return any(
        one["method"] == "mfa" and one["at"] >= since for one in get_authentication_records(request, request.user)
    )


site = StaffSite()


class ReadOnly(admin.ModelAdmin):
    """A table that staff may read."""

    list_per_page = 50
    show_full_result_count = False
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Merchant, site=site)
class MerchantPages(ReadOnly):
    list_display = ("name", "state", "created_at", "ready_at", "closed_at")
    list_filter = ("state", "language")
    search_fields = ("name", "id", "memberships__user__email")
    fields = (
        *("id", "name", "state", "fault", "schema_name", "language", "keeps_arrivals", "keeps_replies"),
        *("keeps_attempts", "created_at", "ready_at", "closed_at"),
    )
    actions = ("make_again",)

    @admin.action(description=_("Make the schema again, if that failed"))
    def make_again(self, request: HttpRequest, chosen: QuerySet[models.Merchant]) -> None:
        failed = list(chosen.filter(state=models.Merchant.State.FAILED, closed_at=None))
        for merchant in failed:
            owe_schema(merchant)
        told = ngettext("A worker tries %(count)s shop again.", "A worker tries %(count)s shops again.", len(failed))
        self.message_user(request, told % {"count": len(failed)})


@admin.register(models.User, site=site)
class UserPages(ReadOnly):
    list_display = ("email", "is_active", "is_superuser", "has_factor", "last_login", "created_at")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "id")
    fields = ("id", "email", "is_active", "is_superuser", "has_factor", "created_at", "last_login")
    readonly_fields = ("has_factor",)
    actions = ("lock", "unlock")

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.User]:
        return with_factor().order_by(*self.ordering)

    @admin.display(description=_("second factor"), boolean=True)
    def has_factor(self, user: models.User) -> bool:
        return bool(getattr(user, "with_factor", False))

    @admin.action(description=_("Lock: end every session, let them in no more"))
    def lock(self, request: HttpRequest, chosen: QuerySet[models.User]) -> None:
        self._tell(request, lock(chosen, by=cast("models.User", request.user)))

    @admin.action(description=_("Unlock"))
    def unlock(self, request: HttpRequest, chosen: QuerySet[models.User]) -> None:
        self._tell(request, unlock(chosen, by=cast("models.User", request.user)))

    def _tell(self, request: HttpRequest, count: int) -> None:
        told = ngettext("%(count)s person changed.", "%(count)s people changed.", count)
        self.message_user(request, told % {"count": count})


@admin.register(models.Membership, site=site)
class MembershipPages(ReadOnly):
    list_display = ("user", "merchant", "role", "created_at")
    list_select_related = ("user", "merchant")
    list_filter = ("role",)
    search_fields = ("user__email", "merchant__name", "merchant__id")
    fields = ("id", "user", "merchant", "role", "created_at")


@admin.register(models.Invitation, site=site)
class InvitationPages(ReadOnly):
    list_display = ("email", "merchant", "role", "created_at", "expires_at", "accepted_at", "withdrawn_at")
    list_select_related = ("merchant",)
    search_fields = ("email", "merchant__name", "merchant__id")
    fields = (
        *("id", "merchant", "email", "role", "invited_by", "created_at"),
        *("expires_at", "accepted_at", "withdrawn_at"),
    )


@admin.register(models.AuditEntry, site=site)
class AuditPages(ReadOnly):
    list_display = ("at", "merchant", "actor", "action", "subject")
    list_select_related = ("merchant",)
    search_fields = ("actor", "action", "subject", "merchant__name", "merchant__id")
    fields = ("id", "at", "merchant", "actor", "action", "subject", "detail")


@admin.register(models.MerchantMode, site=site)
class ModePages(ReadOnly):
    list_display = ("merchant", "mode", "policy", "confirm_policy", "prepares", "reads_prepared")
    list_select_related = ("merchant",)
    list_filter = ("mode", "policy", "confirm_policy")
    search_fields = ("merchant__name", "merchant__id")
    fields = (
        *("id", "merchant", "mode", "policy", "confirm_policy", "prepares"),
        *("reads_prepared", "return_urls", "origins"),
    )


@admin.register(models.RouteKey, site=site)
class RoutePages(ReadOnly):
    list_display = ("start_of_key", "merchant", "mode", "kind", "created_at", "works_until")
    list_select_related = ("merchant",)
    list_filter = ("mode", "kind")
    search_fields = ("merchant__name", "merchant__id")
    fields = ("id", "start_of_key", "merchant", "mode", "kind", "created_at", "works_until")
    readonly_fields = ("start_of_key",)

    @admin.display(description=_("key"))
    def start_of_key(self, key: models.RouteKey) -> str:
        return f"{key.key[:SHOWN]}…"


@admin.register(models.ApiKey, site=site)
class ApiKeyPages(ReadOnly):
    list_display = ("prefix", "merchant", "mode", "name", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("merchant",)
    list_filter = ("mode",)
    search_fields = ("prefix", "merchant__name", "merchant__id")
    fields = ("id", "prefix", "merchant", "mode", "name", "created_at", "last_used_at", "revoked_at")


@admin.register(models.Credential, site=site)
class CredentialPages(ReadOnly):
    """How asking PortOne goes for a merchant; the keys themselves are on no page."""

    list_display = ("merchant", "mode", "tier", "refused_at", "paused_until", "pauses", "slowed_until")
    list_select_related = ("merchant",)
    list_filter = ("mode",)
    search_fields = ("merchant__name", "merchant__id")
    fields = (
        *("id", "merchant", "mode", "tier", "created_at", "refused_at", "paused_until"),
        *("pauses", "spent_until", "slowed_until"),
    )


@admin.register(models.UnmappedFailure, site=site)
class FailurePages(ReadOnly):
    list_display = ("pg", "code", "reason", "confidence", "count", "last_seen_at")
    list_filter = ("pg", "confidence")
    search_fields = ("code", "reason")
    fields: ClassVar = ("id", "pg", "code", "reason", "confidence", "count", "first_seen_at", "last_seen_at")
    ordering = ("-count",)
