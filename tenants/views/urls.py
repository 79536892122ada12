"""The pages of a merchant's people, below `/dashboard/<merchant>/<mode>/`."""

from django.urls import path

from tenants.views import members
from tenants.views.audit import audit

urlpatterns = [
    path("members/", members.member_list, name="members"),
    path("members/invite", members.member_invite, name="member_invite"),
    path("members/leave", members.member_leave, name="member_leave"),
    path("members/<uuid:member>/role", members.member_role, name="member_role"),
    path("members/<uuid:member>/remove", members.member_remove, name="member_remove"),
    path("members/<uuid:member>/ownership", members.ownership, name="member_ownership"),
    path("members/invitations/<uuid:invitation>/withdraw", members.invitation_withdraw, name="invitation_withdraw"),
    path("audit/", audit, name="audit"),
]
