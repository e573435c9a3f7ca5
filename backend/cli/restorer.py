"""The restorer and the PSF of the commands `restore` and `import --restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.psf_option import read_psf_option
from backend.cli.startup import open_services_if_any
from backend.cli.terminal import stop, wrong_call

if TYPE_CHECKING:
    from backend.heads.restoration.picture import SharePlan
    from backend.heads.restoration.restorer import Restorer
    from backend.heads.structure.plane import PlaneOfFile, PsfOf
    from backend.heads.structure.psf import Psf
    from backend.settings import Settings
    from sync.importing.importer import Companion

__all__ = [
    "check_psf_options",
    "choose_psf_source",
    "is_restored_page",
    "open_companion",
    "open_restorer",
    "plan_shares",
]


def check_psf_options(psf: Path | None, *, denoise: bool) -> None:
    """End the command with a wrong call if the options exclude each other, or the file is missing; load nothing for it."""
    if psf is not None and denoise:
        wrong_call("--psf and --denoise exclude each other: --denoise does not use a PSF")
    if psf is not None and not psf.is_file():
        wrong_call(f"there is no file {psf}")


def choose_psf_source(psf: Path | None, *, denoise: bool) -> PsfOf:
    """Return the source of the PSF of each image: none with `--denoise`, else `--psf`, the header, or stars of the image."""
    check_psf_options(psf, denoise=denoise)
    if denoise:
        return lambda _: None
    if psf is not None:
        given_psfs = read_psf_option(psf)
        from backend.heads.structure.psf import psf_of_band

        return lambda plane: psf_of_band(given_psfs, plane.place, bands=plane.count)
    from backend.heads.structure.psf import PsfError
    from backend.measurement.psf_choice import psf_of_plane

    def find(plane: PlaneOfFile) -> Psf:
        try:
            return psf_of_plane(plane)
        except PsfError as error:
            raise PsfError(f"{error}: give it with --psf, or --denoise to only remove noise") from error

    return find


def open_restorer() -> Restorer:
    """Open the shipped restorer; end the command if it is damaged."""
    from backend.heads.errors import HeadError
    from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer

    try:
        return Restorer.load(SHIPPED_RESTORER)
    except HeadError as error:
        stop(str(error))


def open_companion(settings: Settings, project_id: int, *, label_config: str, psf_of: PsfOf, stretch: str) -> Companion:
    """Open the restorer as the second picture of the images that are imported into a project."""
    from backend.heads.restoration.picture import RESTORED_KEY, RestoredPicture
    from sync.importing.importer import Companion

    plan = plan_shares(settings, project_id, label_config=label_config)
    picture = RestoredPicture(open_restorer(), psf_of, stretch, settings.image_max_pixels, plan)
    return Companion(RESTORED_KEY, picture, is_page=is_restored_page(label_config))


def is_restored_page(label_config: str) -> bool:
    """Return whether a labelling config shows the restored picture by `valueList`; Label Studio then takes uploads."""
    from backend.heads.restoration.picture import RESTORED_KEY
    from sync.labelling.config import parse

    config = parse(label_config)
    return any(config.image_key[name] == RESTORED_KEY for name in config.paged_images)


def plan_shares(settings: Settings, project_id: int, *, label_config: str) -> SharePlan:
    """Return with which share of the correction pictures of a project are drawn: that of its live version, and others.

    A project that is not attached yet has the share of the shipped restorer.
    """
    from backend.heads.restoration.picture import SharePlan
    from backend.loop.examples.judged_pictures import find_verdict_control
    from backend.prediction.factory import SHIPPED_VERSION, read_config
    from backend.registry.records import RESTORED_PICTURES, RegistryError

    config = read_config(label_config)
    compares = find_verdict_control(config) is not None
    services = open_services_if_any(settings)
    try:
        project = services.registry.project(project_id)
        heads, name = services.predictors.current_heads(project, label_config=label_config)
        if heads.correction_share is None:
            return SharePlan(version=SHIPPED_VERSION, compares=compares)
        number = services.registry.version_named(project_id, name).head_from(RESTORED_PICTURES)
        version = services.registry.version(project_id, number).name
    except RegistryError:
        return SharePlan(version=SHIPPED_VERSION, compares=compares)
    return SharePlan(heads.correction_share.share, version, compares=compares)
