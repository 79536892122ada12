from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Who the merchants are (public schema)."""

    name = "tenants"

    def ready(self) -> None:
        from config import checks  # noqa: F401  registers the system checks
