"""`galaxyloop survey`: write embeddings and predictions of any number of images to Parquet parts, without Label Studio."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.cli.catalogue_options import DEFAULT_KEY, KeyOption, SpectraOption, TableOption, check_catalogue_options
from backend.cli.chosen_heads import ChosenHeads, ConfigOption, ProjectOption, VersionOption
from backend.cli.engine import Engine, EngineOption, RayAddress, check_engine, lower_priority
from backend.cli.progress import track_rate
from backend.cli.startup import open_existing_services, read_settings
from backend.cli.terminal import INCOMPLETE, MAX_COUNT, Extension, Limit, console, notices, stop, stop_for, wrong_call
from backend.jobs.memory import keep_freed_memory

if TYPE_CHECKING:
    from backend.cluster.version_bundle import VersionBundle
    from backend.settings import Settings
    from backend.survey.folder import SurveyFolder
    from backend.survey.worker import SurveyPart

__all__ = ["PART_IMAGES", "survey"]

PART_IMAGES = 2048
FILE_SUFFIXES = (".csv", ".json", ".parquet", ".pq")
"""Suffixes that a user gives to a file and not to a folder."""


def survey(
    input: Annotated[
        str, typer.Argument(metavar="INPUT", help="s3://bucket/prefix/*.png, a folder, a pattern, or a Parquet file.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the Parquet parts (required); the same command continues an interrupted survey."),
    ] = None,
    config: ConfigOption = None,
    project: ProjectOption = None,
    version: VersionOption = None,
    table: TableOption = None,
    key: KeyOption = DEFAULT_KEY,
    spectra: SpectraOption = None,
    part_images: Annotated[
        int,
        typer.Option(min=1, max=MAX_COUNT, help="Images per part: at most one part is computed again after an interruption."),
    ] = PART_IMAGES,
    limit: Limit = None,
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
    if output.suffix in FILE_SUFFIXES and not output.exists():
        wrong_call(f"--output {output} has the suffix of a file: name a folder for the Parquet files of the survey")
    check_catalogue_options(table, key, spectra)
    heads = ChosenHeads(config, project, version)
    heads.check()
    if find_spec("pyarrow") is None:
        stop("a survey needs pyarrow, not installed here: pip install 'galaxyloop[survey]'")
    if not (input.startswith("s3://") or output.exists() or os.path.lexists(input) or glob.glob(input, recursive=True)):
        wrong_call(f"{input} does not exist")  # before a model is loaded
    settings = read_settings()
    heads.check_version(settings)
    keep_freed_memory()
    if "threads" in settings.model_fields_set:  # without this setting the survey uses all cores
        lower_priority(settings)
    bundle = _bundle_version(settings, heads, output)
    from backend.cluster.ray_cluster import ClusterError
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.survey import run
    from backend.survey.catalogue import CatalogueFiles
    from backend.survey.errors import SurveyError
    from sync.importing.inputs.item import InputError

    open_engine = run.ray_engine(ray_address) if engine is Engine.ray else run.local_engine
    catalogue = CatalogueFiles(table, key, spectra)
    plan = run.SurveyPlan(input, output, bundle, part_images, heads.project, extension, limit, catalogue)
    try:
        result = run.run_survey(plan, open_engine=open_engine, progress=_progress)
    except (SurveyError, InputError, ClusterError, HeadError, CheckpointError, ValueError) as error:
        stop_for(error)
    except OSError as error:
        stop(f"{output} cannot be written: {error.strerror or error}")
    unreadable = f", {result.unreadable:,} of them unreadable: the column error has the reasons" if result.unreadable else ""
    parts = "one part" if result.parts == 1 else f"{result.parts:,} parts"
    console.print(
        f"{output} has {result.images:,} images in {parts}; this run predicted {result.predicted_images:,}{unreadable}",
        highlight=False,
        soft_wrap=True,
    )
    if result.unreadable:
        raise typer.Exit(INCOMPLETE)


def _progress(parts: Iterator[SurveyPart], folder: SurveyFolder, first_count: int) -> Iterator[SurveyPart]:
    return track_rate(parts, "surveying", total=folder.images, count_done=first_count)


def _bundle_version(settings: Settings, heads: ChosenHeads, output: Path) -> VersionBundle:
    """Bundle the version that predicts; for a continued survey, the version that computed its parts."""
    run_record = _read_begun(output, heads.project) if heads.project is not None else {}
    heads_of_run = replace(heads, version=heads.version or run_record.get("version"))
    bundle = heads_of_run.bundle(settings, label_config=run_record.get("labelling_config_xml"))
    if heads.project is not None and heads.version is None and run_record:
        live = open_existing_services(settings).registry.project(heads.project).live_name
        if bundle.name != live:
            notices.print(
                f"{output} is continued with {bundle.name}, with which it was started; {live} is live now",
                highlight=False,
                soft_wrap=True,
            )
    return bundle


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
