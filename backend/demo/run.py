"""The steps of the demo: Label Studio, backend, worker, project, images, predictions; then it monitors them until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from backend.demo.options import DemoError, DemoOptions, describe_cost
from backend.demo.processes import Child, create_children
from backend.demo.state import (
    BACKEND_PASSWORD,
    STUDIO_PASSWORD,
    USER,
    DemoState,
    load_state,
    make_settings,
    password_hint,
    save_state,
    write_env,
)
from backend.demo.tiles import cut_deep_field, prepare_folder
from backend.services import Services
from backend.settings import Settings
from sync.errors.images import ImageError
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.local_server import LabelStudioServer
from sync.label_studio.projects import (
    attach_backend,
    create_project,
    detach_backend,
    login,
    project_state,
    set_uncertainty_sampling,
    upload_images,
)
from sync.labelling.instructions import annotator_instructions

__all__ = ["run_demo"]

TITLE = "Galaxies"
CONFIG = "everything.xml"
WATCH_EVERY_S = 1.0
READY_WITHIN_S = 600.0


def run_demo(options: DemoOptions, console: Console) -> None:
    """Run the demo until interrupted.

    Raises
    ------
    DemoError
        If the demo cannot start or continue.
    """
    (options.data_dir / "env").unlink(missing_ok=True)
    console.print(describe_cost(options), highlight=False, soft_wrap=True)
    _set_signal_action(signal.default_int_handler)
    state_file = options.data_dir / "demo.json"
    state = load_state(state_file)
    studio = LabelStudioServer(
        options.label_studio, options.data_dir / "label-studio", port=options.port, user=USER, password=state.password
    )
    children: list[Child] = []
    try:
        with console.status("starting Label Studio") as status:
            studio.start()
            if state.api_key:  # a later start has Label Studio's key already and does not wait
                _start(children, options, make_settings(options, state, studio.url))
            studio.wait(progress=lambda seconds: status.update(f"starting Label Studio, {seconds:.0f} s"))
        if not state.api_key:
            state.api_key = login(studio.url, USER, state.password)
            save_state(state_file, state)
        settings = make_settings(options, state, studio.url)
        if not children:
            _start(children, options, settings)
        with LabelStudioClient(studio.url, state.api_key) as client:
            _prepare_project(client, options, settings, state, state_file, console)
            Services(settings).mark_now(state.project_id)
            _wait_for_predictions(client, settings, state.project_id, console, children)
        env = write_env(options, settings, state)
        project_url = f"{studio.url}/projects/{state.project_id}/data"
        console.print(Text.assemble("\n", ("galaxyloop is ready:", "bold"), f" {project_url}"))
        console.print(f"  log in as {USER} with {password_hint(STUDIO_PASSWORD, state.password, env, console)}", soft_wrap=True)
        console.print(
            Text.assemble(
                ("scores, versions and images to look at:", "bold"), f" {settings.public_url}/projects/{state.project_id}"
            )
        )
        hint = password_hint(BACKEND_PASSWORD, state.basic_auth_password, env, console)
        console.print(f"  sign in as {settings.basic_auth_user} with {hint}", soft_wrap=True)
        console.print(
            f"  correct {settings.batch} galaxies: a version that is measured as better goes live\n  Ctrl-C stops everything\n"
        )
        _watch(studio, children, console)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be gone
            console.print("stopping")
    finally:
        _set_signal_action(signal.SIG_IGN)  # a second Ctrl-C would leave some of the processes running
        for child in reversed(children):
            child.stop()
        studio.stop()


def _start(children: list[Child], options: DemoOptions, settings: Settings) -> None:
    Services(settings)  # creates the database before the two processes start
    # They are listed before they start, so that `run_demo` stops them after any error.
    children += create_children(settings, options.data_dir / "logs")
    for child in children:
        child.start()


def _set_signal_action(action: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
    """Set one action for SIGINT, SIGTERM and SIGHUP; for SIGINT also if a script's `&` has made the shell ignore it."""
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if (
            signal_number == signal.SIGINT or signal.getsignal(signal_number) != signal.SIG_IGN
        ):  # nohup ignores SIGHUP on purpose
            signal.signal(signal_number, action)


def _prepare_project(
    client: LabelStudioClient,
    options: DemoOptions,
    settings: Settings,
    state: DemoState,
    state_file: Path,
    console: Console,
) -> None:
    with console.status("starting the backend"):
        _wait_for_backend(settings)
    if not state.project_id:
        config = files("labeling_configs").joinpath(CONFIG).read_text()
        state.project_id = create_project(client, TITLE, config, instructions=annotator_instructions(config))
        save_state(state_file, state)
    label_config = project_state(client, state.project_id).label_config
    project = Services(settings).registry.register_project(state.project_id, label_config=label_config, extra_params=None)
    if state.backend_url not in ("", settings.public_url):  # the port has changed
        detach_backend(client, state.project_id, url=state.backend_url)
    attach_backend(
        client,
        state.project_id,
        url=settings.public_url,
        title=project.live_name,
        basic_auth=(settings.basic_auth_user, settings.basic_auth_password.get_secret_value()),
        webhook_secret=settings.webhook_secret.get_secret_value(),
    )
    if state.backend_url != settings.public_url:
        state.backend_url = settings.public_url
        save_state(state_file, state)
    if not state.images_uploaded:
        with console.status("preparing the images"):
            images = _prepare_images(options, console)
        with Progress(console=console) as progress:
            bar = progress.add_task("uploading the images", total=len(images))
            upload_images(client, state.project_id, images, progress=lambda count, _: progress.update(bar, completed=count))
        set_uncertainty_sampling(client, state.project_id)
        state.images_uploaded = True
        save_state(state_file, state)


def _prepare_images(options: DemoOptions, console: Console) -> list[Path]:
    if options.images is None:
        return cut_deep_field(options.data_dir / "images")
    usable = []
    for source, file in prepare_folder(options.images, options.data_dir / "images"):
        if isinstance(file, ImageError):
            console.print(f"left out {source.name}: {file}")
        else:
            usable.append(file)
    if not usable:
        raise DemoError(f"{options.images} holds no PNG, JPEG, TIFF or FITS image that can be read")
    return usable


def _wait_for_backend(settings: Settings) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{settings.public_url}/health", timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise DemoError(f"the backend did not answer at {settings.public_url} within {READY_WITHIN_S:.0f} s; see its log")


def _wait_for_predictions(
    client: LabelStudioClient, settings: Settings, project_id: int, console: Console, children: list[Child]
) -> None:
    registry = Services(settings).registry
    total = project_state(client, project_id).task_count
    deadline = time.monotonic() + READY_WITHIN_S
    with Progress(console=console) as progress:
        bar = progress.add_task("pre-annotating", total=None)
        while time.monotonic() < deadline:
            project = registry.project(project_id)
            if project.published_version == project.live_version and project.published_tasks == total:
                progress.update(bar, total=total, completed=total)
                return
            for child in children:
                if not child.running:
                    raise DemoError(f"the {child.name} ended; the end of its log:\n{child.last_lines()}")
            time.sleep(0.3)
    raise DemoError(f"no predictions within {READY_WITHIN_S:.0f} s; see the worker's log")


def _watch(studio: LabelStudioServer, children: list[Child], console: Console) -> None:
    """Restart a child process that has ended; raise `DemoError` if Label Studio has ended."""
    while True:
        time.sleep(WATCH_EVERY_S)
        if not studio.running:
            raise DemoError("Label Studio has ended; start the demo again, nothing is lost")
        for child in children:
            if not child.running:
                console.print(f"the {child.name} ended and is restarted; its log is {child.log}")
                child.start()
