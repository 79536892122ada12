from django.apps import AppConfig

from config.metrics import AT_SCRAPE


class ResultsConfig(AppConfig):
    """What happened, and who was told: one copy per merchant schema."""

    name = "results"

    def ready(self) -> None:
        """Let a scrape read how far behind we are; models can be imported only now."""
        from results.gauges import read_at_scrape

        AT_SCRAPE.readers.append(read_at_scrape)
