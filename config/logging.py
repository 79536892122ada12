"""Logs are JSON lines on standard error; standard output stays free for what commands print."""

import logging
import sys

import structlog


def configure_logging(level: str) -> None:
    """Send structlog's lines and those of libraries to standard error as JSON, times in UTC."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Both write the address of every request, and ours hold route keys and callback paths.
    for talkative in ("httpx", "httpcore", "aiohttp.access", "asyncio"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    # Django writes the path of every 4xx and 5xx, and the path holds the route key.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
