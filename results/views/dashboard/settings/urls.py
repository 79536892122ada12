"""The pages of the settings, below `/dashboard/<merchant>/<mode>/settings/`."""

from django.urls import path

from results.views.dashboard.settings import branding, choices, endpoints, keys, portone, replays

ONE = "endpoints/<end:endpoint>/"

urlpatterns = [
    path("", choices.overview, name="settings"),
    path("endpoints/", endpoints.endpoint_list, name="endpoints"),
    path("endpoints/new/", endpoints.endpoint_new, name="endpoint_new"),
    path(ONE, endpoints.endpoint, name="endpoint"),
    path(f"{ONE}change/", endpoints.endpoint_change, name="endpoint_change"),
    path(f"{ONE}headers/", endpoints.endpoint_headers, name="endpoint_headers"),
    path(f"{ONE}pause/", endpoints.endpoint_pause, name="endpoint_pause"),
    path(f"{ONE}resume/", endpoints.endpoint_resume, name="endpoint_resume"),
    path(f"{ONE}rotate/", endpoints.endpoint_rotate, name="endpoint_rotate"),
    path(f"{ONE}ping/", endpoints.endpoint_ping, name="endpoint_ping"),
    path(f"{ONE}pings/<evt:event>/", endpoints.endpoint_pinged, name="endpoint_pinged"),
    path("replays/", replays.replays, name="replays"),
    path("replays/new/", replays.replay_new, name="replay_new"),
    path("replays/<rep:replay>/", replays.replay, name="replay"),
    path("replays/<rep:replay>/cancel/", replays.replay_cancel, name="replay_cancel"),
    path("addresses/", choices.addresses, name="settings_addresses"),
    path("policy/", choices.policy, name="settings_policy"),
    path("general/", choices.general, name="settings_general"),
    path("keys/", keys.keys, name="settings_keys"),
    path("keys/api/new/", keys.api_key_new, name="api_key_new"),
    path("keys/api/<uuid:key>/revoke/", keys.api_key_revoke, name="api_key_revoke"),
    path("keys/signing/<str:purpose>/rotate/", keys.signing_key_rotate, name="signing_key_rotate"),
    path("keys/route/<str:kind>/rotate/", keys.route_key_rotate, name="route_key_rotate"),
    path("keys/route/<uuid:key>/retire/", keys.route_key_retire, name="route_key_retire"),
    path("portone/", portone.portone, name="settings_portone"),
    path("portone/replace/", portone.portone_replace, name="portone_replace"),
    path("branding/", branding.branding, name="settings_branding"),
]
