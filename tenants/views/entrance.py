"""The pages of people who are in no merchant yet, below `/dashboard/`."""

from django.urls import path

from tenants.views.enter import enter
from tenants.views.invited import invited
from tenants.views.new import merchant_progress, new_merchant, try_again

urlpatterns = [
    path("", enter, name="dashboard"),
    path("new/", new_merchant, name="new_merchant"),
    path("new/<mer:merchant>/", merchant_progress, name="merchant_progress"),
    path("new/<mer:merchant>/again", try_again, name="merchant_try_again"),
    path("invited/<str:token>/", invited, name="invited"),
]
