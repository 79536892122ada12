"""Serve the web side: WSGI under Granian."""

import gc
import multiprocessing
import os
import signal
import socket
import threading
import time
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.core.management.base import BaseCommand, CommandError
from granian import Granian
from granian.constants import Interfaces

from config import metrics
from config.env import Fault, parse_address

GRACE_SECONDS: Final = 15  # what is being answered is finished; a stop takes 20 s at most
PARENT_SECONDS: Final = 0.5  # between two looks whether the parent lives


class Command(BaseCommand):
    help = "Serve the web side until SIGTERM; what is being answered is finished first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        host, port = settings.BIND
        default = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        parser.add_argument("--bind", default=default, help="host:port (default: BIND)")
        parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
        parser.add_argument("--threads", type=int, default=4, help="threads of each process (default: 4)")

    def handle(self, *, bind: str, workers: int, threads: int, **options: Any) -> None:
        host, port = read_bind(bind)
        try:
            with metrics.serve_web(settings.METRICS_BIND):
                if settings.METRICS_BIND:
                    # A fork would take along the scrapes' thread's locks, and counters that are no one's files.
                    multiprocessing.set_start_method("spawn", force=True)
                serve(host, port, workers=workers, threads=threads)
        except Fault as fault:
            raise CommandError(f"METRICS_BIND {fault}") from None


def serve(host: str, port: int, *, workers: int, threads: int) -> None:
    """Serve until SIGTERM."""
    Granian(
        "config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        workers_kill_timeout=GRACE_SECONDS,
        respawn_failed_workers=True,
        backlog=2048,
        log_enabled=False,
        log_access=False,
        static_path_route=[f"{settings.STATIC_URL}admin", settings.STATIC_URL.rstrip("/")],
        static_path_mount=[Path(admin.__file__).parent / "static/admin", Path(settings.BASE_DIR) / "config/static"],
        static_path_expires=600,  # the names carry no version, so a new page must soon get its new script
    ).serve(target_loader=load_application)


def load_application(target: str) -> Any:
    """Load the application in one of the server's processes, which then ends when the process that began it does.

    Left alone after a kill it would keep the port, and no new web side could start.
    """
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    module, _, name = target.partition(":")
    application = getattr(import_module(module), name)
    gc.freeze()  # what is loaded stays, and need not be gone through again and again
    return application


def end_with(parent: int) -> None:
    """Ask this process to stop as soon as it has another parent."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def read_bind(bind: str) -> tuple[str, int]:
    """Return host and port if they can be listened on; CommandError says what stands in the way.

    Granian lets two servers share a port, and each would then get a part of the other's requests.
    """
    try:
        host, port = parse_address(bind)
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except Fault as fault:
        raise CommandError(f"--bind {bind} {fault}; such as 127.0.0.1:8000") from None
    except OSError as error:
        reason = (error.strerror or "").partition(" (")[0]
        raise CommandError(f"--bind {bind}: {reason}; stop what listens there, or choose another") from None
    return host, port
