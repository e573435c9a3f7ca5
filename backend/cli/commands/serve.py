"""`galaxyloop server` and `galaxyloop worker`: the two processes of the loop."""

from __future__ import annotations

from backend.cli.startup import limit_threads, log_to_stderr, open_queue, open_services, read_settings
from backend.cli.terminal import wrong_call
from backend.jobs.memory import limit_arenas

__all__ = ["server", "worker"]

DATABASE_PATIENCE_S = 60.0
"""Longest time to wait for a database that starts or restarts, seconds; later, the service manager restarts the process."""


def server() -> None:
    """Serve Label Studio's ML protocol."""
    settings = read_settings()
    limit_threads(settings)
    limit_arenas()
    import uvicorn

    from backend.server.app import create_app
    from backend.server.connections import bounded_connection

    log_to_stderr(settings)
    open_to_all = not settings.basic_auth_password.get_secret_value()
    if open_to_all and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        wrong_call(
            f"set GALAXYLOOP_BASIC_AUTH_PASSWORD before listening on {settings.host}: else every client can call the backend"
        )
    if open_to_all and settings.webhook_secret.get_secret_value():
        wrong_call("set GALAXYLOOP_BASIC_AUTH_PASSWORD too if the webhook secret is set: Start Training sends only basic auth")
    services = open_services(settings, database_patience_s=DATABASE_PATIENCE_S)
    open_queue(services)
    uvicorn.run(
        create_app(services),
        host=settings.host,
        port=settings.port,
        http=bounded_connection(),
        access_log=False,
        log_config=None,
    )


def worker() -> None:
    """Run the training worker."""
    settings = read_settings()
    limit_threads(settings)
    limit_arenas()
    from backend.loop.worker import run_worker

    log_to_stderr(settings)
    services = open_services(settings, database_patience_s=DATABASE_PATIENCE_S)
    open_queue(services)
    run_worker(services)
