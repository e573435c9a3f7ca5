"""`galaxyloop survey`: write embeddings and predictions of any number of images to Parquet parts, without Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.engine import Engine, EngineOption, RayAddress, check_engine, lower_priority
from backend.cli.label_config import read_label_config
from backend.cli.progress import track_rate
from backend.cli.startup import open_services, read_settings
from backend.cli.terminal import INCOMPLETE, Extension, console, notices, stop, stop_for, wrong_call

if TYPE_CHECKING:
    from backend.cluster.version_bundle import VersionBundle
    from backend.settings import Settings
    from backend.survey.folder import SurveyFolder
    from backend.survey.worker import Part

__all__ = ["PART_IMAGES", "survey"]

PART_IMAGES = 2048


@dataclass(frozen=True, slots=True)
class Heads:
    """The options of the command that select the heads.

    Attributes
    ----------
    config : str or None
        A name from labeling_configs, or a file; None: the project's config.
    project : int or None
        None: the shipped heads.
    version : str or None
        Version of the project; None: the live one.
    """

    config: str | None
    project: int | None
    version: str | None


def survey(
    input: Annotated[
        str, typer.Argument(metavar="INPUT", help="s3://bucket/prefix/*.png, a folder, a pattern, or a Parquet file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the Parquet parts (required); the same command continues an interrupted survey."),
    ] = None,
    config: Annotated[str | None, typer.Option(help="Labelling config: a name from labeling_configs, or an XML file.")] = None,
    project: Annotated[int | None, typer.Option(min=1, help="Project whose heads predict; default: the shipped heads.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of that project, such as v0007-3f9a7c; default: the live one.")
    ] = None,
    part_images: Annotated[
        int, typer.Option(min=1, help="Images per part: at most one part is computed again after an interruption.")
    ] = PART_IMAGES,
    extension: Extension = "",
    engine: EngineOption = Engine.local,
    ray_address: RayAddress = None,
) -> None:
    """Write embeddings and predictions of the images of INPUT to Parquet files, without Label Studio.

    The same command continues an interrupted run; it computes no part twice. See docs/scale.md.
    """
    check_engine(engine, ray_address)
    if output is None:
        wrong_call("a survey needs --output, the folder for its parts")
    heads = Heads(config, project, version)
    if heads.config is None and heads.project is None:
        wrong_call("a survey needs --config, or --project, whose heads predict")
    if heads.version is not None and heads.project is None:
        wrong_call("--version needs a --project")
    if find_spec("pyarrow") is None:
        stop("a survey needs pyarrow, not installed here: pip install 'galaxyloop[survey]'")
    settings = read_settings()
    if "threads" in settings.model_fields_set:  # without this setting the survey uses all cores
        lower_priority(settings)
    bundle = _bundle_version(settings, heads, output)
    from backend.cluster.ray_cluster import ClusterError
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.survey import run
    from backend.survey.errors import SurveyError
    from sync.importing.inputs.item import InputError

    open_engine = run.ray_engine(ray_address) if engine is Engine.ray else run.local_engine
    plan = run.SurveyPlan(input, output, bundle, part_images, heads.project, extension)
    try:
        result = run.run_survey(plan, open_engine=open_engine, progress=_progress)
    except (SurveyError, InputError, ClusterError, HeadError, CheckpointError, ValueError) as error:
        stop_for(error)
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror or error}")
    unreadable = f", {result.unreadable:,} of them unreadable: the column error has the reasons" if result.unreadable else ""
    console.print(
        f"{output} has {result.images:,} images in {result.parts:,} parts; this run predicted {result.predicted:,}{unreadable}",
        highlight=False,
        soft_wrap=True,
    )
    if result.unreadable:
        raise typer.Exit(INCOMPLETE)


def _progress(parts: Iterator[Part], folder: SurveyFolder, first_count: int) -> Iterator[Part]:
    return track_rate(parts, "surveying", total=folder.images, done=first_count)


def _bundle_version(settings: Settings, heads: Heads, output: Path) -> VersionBundle:
    """Bundle the version that predicts; for a continued survey, the version that computed its parts."""
    from backend.cluster.version_bundle import bundle_version, without_secrets
    from backend.prediction.factory import SHIPPED_VERSION
    from backend.registry.damage import find_version_damage
    from backend.registry.records import RegistryError

    worker_settings = without_secrets(settings)
    if heads.project is None:
        assert heads.config is not None
        return bundle_version(
            None, name=SHIPPED_VERSION, label_config=read_label_config(heads.config), settings=worker_settings
        )
    xml = read_label_config(heads.config) if heads.config is not None else None
    description = _read_begun(output, heads.project)
    registry = open_services(settings).registry
    try:
        project = registry.project(heads.project)
        version = registry.version_named(project.id, heads.version or description.get("version", project.live_name))
        if heads.version is None and version.number != project.live_version:
            notices.print(
                f"{output} is continued with {version.name}, with which it was started; {project.live_name} is live now",
                highlight=False,
                soft_wrap=True,
            )
        if reason := find_version_damage(registry, project.id, version.number):
            stop(f"{version.name} of project {project.id} is damaged: {reason}")
    except RegistryError as error:
        stop_for(error)
    return bundle_version(
        registry.path(project.id, version.number),
        name=version.name,
        label_config=xml or description.get("labelling_config_xml", project.label_config),
        settings=worker_settings,
        head_folders=registry.find_taken_heads(project.id, version.number),
    )


def _read_begun(output: Path, project: int) -> dict[str, Any]:
    """Read the description of the survey in a folder if it was started with this project."""
    from backend.survey.errors import SurveyError
    from backend.survey.folder import read_begun_run

    try:
        description = read_begun_run(output) or {}
    except SurveyError as error:
        stop_for(error)
    except OSError as error:
        stop(f"{output} cannot be read: {error.strerror or error}")
    return description if description.get("project") == project else {}
