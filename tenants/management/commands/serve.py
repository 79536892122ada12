"""Serve the web side: WSGI under Granian."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand
from granian import Granian
from granian.constants import Interfaces

GRACE_SECONDS: Final = 15  # what is being answered is finished; a stop takes 20 s at most


class Command(BaseCommand):
    help = "Serve the web side until SIGTERM; what is being answered is finished first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        host, port = settings.BIND
        parser.add_argument("--bind", default=f"{host}:{port}", help="host:port (default: BIND)")
        parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
        parser.add_argument("--threads", type=int, default=4, help="threads of each process (default: 4)")

    def handle(self, *, bind: str, workers: int, threads: int, **options: Any) -> None:
        host, _, port = bind.rpartition(":")
        Granian(
            "config.wsgi:application",
            address=host.strip("[]") or "127.0.0.1",
            port=int(port),
            interface=Interfaces.WSGI,
            workers=workers,
            blocking_threads=threads,
            workers_kill_timeout=GRACE_SECONDS,
            respawn_failed_workers=True,
            backlog=2048,
            log_enabled=False,
            log_access=False,
            static_path_route=[settings.STATIC_URL.rstrip("/")],
            static_path_mount=[Path(settings.BASE_DIR) / "config" / "static"],
        ).serve()
