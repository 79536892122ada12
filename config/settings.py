"""Django's settings, fed from the environment through config/env.py and from nowhere else."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from config import embedded
from config.env import Env
from config.logging import configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(os.environ)

ENVIRONMENT = env.choice("ENVIRONMENT", ("production", "development"), default="production")
DEVELOPMENT = ENVIRONMENT == "development"
DEBUG = env.flag("DEBUG", default=False, hint="works in development only")

# Secrets. Development makes its own; config/checks.py refuses those in production.
GENERATED_SECRET = "generated-for-development-only-" + "0" * 32
SECRET_KEY = env.secret("SECRET_KEY", default=GENERATED_SECRET, hint="50 random characters")
SEALING_KEYS = env.secret(
    "SEALING_KEYS", default="", hint="key ring, newest first: id:base64 of 32 bytes, separated by commas"
)
GENERATED_SEALING_KEYS = not SEALING_KEYS
if GENERATED_SEALING_KEYS:
    SEALING_KEYS = "dev:" + "A" * 43 + "="

# Addresses
PUBLIC_URL = env.url("PUBLIC_URL", default="http://127.0.0.1:8000", hint="what merchants' URLs begin with")
RESULT_URL = env.url("RESULT_URL", default=PUBLIC_URL, hint="a host of its own for the customer's page")
PORTONE_V1_URL = env.url("PORTONE_V1_URL", default="https://api.iamport.kr", hint="PortOne's V1 API")
BIND = env.address("BIND", default="127.0.0.1:8000", hint="host:port of the web process")
METRICS_BIND = env.address(
    "METRICS_BIND", default="", blank=True, hint="host:port for Prometheus, of web and worker each; empty for none"
)
CALLBACK_ALLOWED_NETWORKS = env.networks(
    "CALLBACK_ALLOWED_NETWORKS", default=(), hint="development only, for example 127.0.0.0/8"
)
OUTBOUND_PROXY = env.url(
    "OUTBOUND_PROXY", default="", blank=True, credentials=True, hint="address of an egress proxy for callbacks"
)
TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", default=0, minimum=0, maximum=10, hint="proxies before us")
ALLOWED_HOSTS = ["*"]  # no view builds an address from the Host header: PUBLIC_URL and RESULT_URL are used

# Mail to people; development prints it.
globals().update(env.email_url("EMAIL_URL", default="console:"))
MAIL_DOMAIN = urlsplit(PUBLIC_URL).hostname or "localhost"
DEFAULT_FROM_EMAIL = f"Paywitness <paywitness@{MAIL_DOMAIN}>"

# Times of the flow; the demo and the fault harness shorten them.
CLAIM_DELAY = env.duration("CLAIM_DELAY", default=timedelta(seconds=30), hint="such as 30s")
DEPOSIT_GRACE = env.duration("DEPOSIT_GRACE", default=timedelta(minutes=10), hint="such as 10m")
# Without a pause between them, sweeps would do nothing but ask.
SWEEP_INTERVAL = env.duration(
    "SWEEP_INTERVAL", default=timedelta(minutes=5), minimum=timedelta(seconds=1), hint="such as 5m"
)

# Database: schema per merchant (django-tenants).
EMBEDDED_DATABASE = not (os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"))
if EMBEDDED_DATABASE and DEVELOPMENT:
    os.environ["DATABASE_URL"] = embedded.start()
    env = Env(os.environ)
DATABASES = {
    "default": (env.database("DATABASE_URL") if not EMBEDDED_DATABASE or DEVELOPMENT else {})
    | {
        "ENGINE": "django_tenants.postgresql_backend",
        # Granian's threads are fixed, so one lasting connection each. No health check, which would be a round trip
        # for each request: what finds its connection cut tries once more (tenants/routing.py, twice_if_cut_off).
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
}
if DEVELOPMENT:
    DATABASES["default"]["TEST"] = {"NAME": env.text("TEST_DATABASE", default="test_paywitness")}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
# Whoever freezes or is cut off within a transaction must not keep an order locked; shorter than a duty's lease.
# Rows are found by index, on disks without heads; and compiling a statement takes longer than running ours.
DATABASES["default"]["OPTIONS"].setdefault(
    "options", "-c idle_in_transaction_session_timeout=15s -c random_page_cost=1.1 -c jit=off"
)
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "tenants.Merchant"
TENANT_DOMAIN_MODEL = "tenants.CustomHost"
TENANT_LIMIT_SET_CALLS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SHARED_APPS = [
    "tenants",  # before django_tenants: our `migrate` wins
    "django.contrib.admin.apps.SimpleAdminConfig",  # before django_tenants, whose templates hold inline styles
    "django_tenants",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_htmx",
]
TENANT_APPS = ["results"]
INSTALLED_APPS = SHARED_APPS + TENANT_APPS
AUTH_USER_MODEL = "tenants.User"

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
MIDDLEWARE = [
    "api.door.door",
    "config.middleware.door",
    "config.middleware.Faults",
    "config.pages.People",
    "allauth.account.middleware.AccountMiddleware",
]
# config.pages.People holds what the admin looks for in the list above.
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"paywitness": "config.templatetags.paywitness", "guide": "api.guide.tags"},
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# People: sessions, sign-up and second factor. Everything else about accounts is allauth's own default.
SECURE_COOKIES = PUBLIC_URL.startswith("https:")
SESSION_COOKIE_NAME = "__Host-session" if SECURE_COOKIES else "session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = False
CSRF_FAILURE_VIEW = "config.pages.csrf_failed"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/dashboard/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
# Limits of sign-in attempts are counted in one place for all processes.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "tenants_cache",
        # Beyond it Django drops counters that still count, a third at a time: 300 are few, and anybody makes more.
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}
ACCOUNT_ADAPTER = "tenants.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_CHANGE_EMAIL = True  # a person has one address; a new one takes its place when it is confirmed
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE_COOKIES else "http"
ACCOUNT_PREVENT_ENUMERATION = True
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
MFA_ADAPTER = "tenants.accounts.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Paywitness"
USERSESSIONS_TRACK_ACTIVITY = True

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
FILE_UPLOAD_HANDLERS = ["config.uploads.SmallFiles"]
LOGGING_CONFIG = None
LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")
configure_logging(LOG_LEVEL)
