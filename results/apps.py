from django.apps import AppConfig


class ResultsConfig(AppConfig):
    """What happened, and who was told: one copy per merchant schema."""

    name = "results"
