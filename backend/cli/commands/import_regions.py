"""`galaxyloop import-regions`: import segmentation maps, region files, data sets and catalogues into existing tasks."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.commands.import_ import lock_imports
from backend.cli.progress import show_progress
from backend.cli.startup import read_settings
from backend.cli.terminal import INCOMPLETE, MAX_COUNT, ProjectId, console, stop_for, wrong_call

if TYPE_CHECKING:
    from backend.cli.region_files import RegionFiles
    from backend.settings import Settings
    from sync.label_studio.client import LabelStudioClient
    from sync.label_studio.projects import ProjectState
    from sync.labelling.config import LabelConfig
    from sync.regions.catalogue import Columns
    from sync.regions.formats import Reading
    from sync.regions.run import ImportPlan, RegionReport

__all__ = ["import_regions"]


class RegionFormat(StrEnum):
    """Input formats: `auto` and the keys of `sync.regions.formats.FORMATS`, repeated so that `--help` does not import it."""

    auto = "auto"
    labels = "labels"
    ds9 = "ds9"
    coco = "coco"
    yolo = "yolo"
    catalogue = "catalogue"


class Become(StrEnum):
    """Kind of record that Label Studio stores for the regions."""

    predictions = "predictions"
    annotations = "annotations"


class Key(StrEnum):
    """Property by which the command finds the task of a region; the values of `sync.regions.tasks.KEYS`."""

    auto = "auto"
    filename = "filename"
    content_id = "content_id"
    id = "id"
    sky = "sky"


def import_regions(
    project: ProjectId,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS...",
            help="Label images, DS9 region files, COCO files, YOLO data set folders, catalogues; folders of these, patterns or "
            "s3://bucket/prefix.",
        ),
    ],
    format: Annotated[
        RegionFormat, typer.Option(help="Format of the files; auto detects it by their content.")
    ] = RegionFormat.auto,
    become: Annotated[
        Become, typer.Option("--as", help="Store the regions as predictions of --model, or as annotations.")
    ] = Become.predictions,
    model: Annotated[str, typer.Option(help="Model version of the stored predictions.")] = "imported",
    key: Annotated[
        Key, typer.Option(help="Property that identifies the task of a region; auto tries file names, then sky positions.")
    ] = Key.auto,
    control: Annotated[
        str, typer.Option(help="Control that stores the objects; default: the one that fits their shapes.")
    ] = "",
    label: Annotated[str, typer.Option(help="Class of objects that have none in the file.")] = "",
    classes: Annotated[
        Path | None, typer.Option(help="Table with the columns `value` and `class`: the classes of label images.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONTROL=COLUMN",
            help="Catalogue column with the values of a control; may be repeated. Default: columns named as a control.",
        ),
    ] = None,
    ra: Annotated[str | None, typer.Option(help="Catalogue column of right ascension.")] = None,
    dec: Annotated[str | None, typer.Option(help="Catalogue column of declination.")] = None,
    catalogue_table: Annotated[
        str | None, typer.Option(metavar="NAME|NUMBER", help="Table to read, if the catalogue has several.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Largest number of tasks; default: all.")] = None,
) -> None:
    """Import existing regions as predictions or annotations of existing tasks.

    The command lists regions without a task at the end, with the reason; it imports all others, and the exit code is then 1.
    A second run creates no duplicates. See docs/import-regions.md.
    """
    settings = read_settings()
    from backend.cli.region_files import RegionFiles
    from sync.label_studio.client import LabelStudioClient, LabelStudioError
    from sync.label_studio.projects import project_state
    from sync.labelling.config import LabelConfigError, parse
    from sync.regions.catalogue import Columns
    from sync.regions.marks import RegionsError
    from sync.regions.run import ImportPlan

    as_predictions = become is Become.predictions
    if as_predictions:
        _check_model(model)
    try:
        with ExitStack() as stack:
            files = RegionFiles(paths, stack)
            lock_imports(project, settings, stack)
            client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
            stack.enter_context(client)
            state = project_state(client, project)
            config = parse(state.label_config)
            plan = ImportPlan(
                project=project,
                config=config,
                model=model if as_predictions else "",
                format=format.value,
                key=key.value,
                control=control,
                label=label,
                reading=_reader_options(config, classes, column or [], Columns({}, ra=ra, dec=dec, table=catalogue_table)),
            )
            report = _run(files.paths, plan, client, settings, stack, limit=limit)
            version_is_shown = as_predictions and _show(client, state, model, report)
    except (LabelStudioError, LabelConfigError) as error:
        stop_for(error)
    except (RegionsError, ValueError) as error:
        wrong_call(str(error))
    _print_report(report, files, become, model, version_is_shown=version_is_shown)
    if report.left_out.count:
        raise typer.Exit(INCOMPLETE)


def _check_model(name: str) -> None:
    """End with a wrong call for names that Label Studio cannot list, and for names of galaxyloop's versions."""
    from backend.registry.records import RegistryError, version_number
    from sync.label_studio.predictions import KEPT_SUFFIX

    if not name.strip() or name != name.strip() or "," in name or len(name) > 100 or not name.isprintable():
        wrong_call(f"--model must be a name of 1 to 100 characters without commas, not {name!r}")
    try:
        version_number(name.removesuffix(KEPT_SUFFIX))
    except RegistryError:
        if not name.endswith(KEPT_SUFFIX):
            return
    wrong_call(f"--model {name!r} has the form of galaxyloop's own version names: choose another name")


def _reader_options(config: LabelConfig, classes: Path | None, pairs: list[str], base_columns: Columns) -> Reading:
    """Return the options of the readers; `base_columns` has the columns of the options `--ra` and `--dec` and the table."""
    from sync.regions.classes import read_classes
    from sync.regions.formats import Reading

    columns = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column or config.control(name) is None:
            names = ", ".join(control.name for control in config.controls)
            wrong_call(f"--column must be CONTROL=COLUMN, with one of the project's controls ({names}), not {pair!r}")
        columns[name] = column
    objects = frozenset(control.name for control in config.controls if control.marks_objects)
    answers = frozenset(control.name for control in config.controls if not control.marks_objects)
    columns_of_reader = replace(base_columns, of_controls=columns, objects=objects, answering=answers)
    return Reading(read_classes(classes) if classes else {}, columns_of_reader)


def _run(
    files: list[Path], plan: ImportPlan, client: LabelStudioClient, settings: Settings, stack: ExitStack, *, limit: int | None
) -> RegionReport:
    """Run the import and show its progress."""
    from astropy.utils.exceptions import AstropyWarning

    from backend.images.open import open_fetcher
    from sync.export.image_files import ImageFiles
    from sync.regions.run import import_regions as run

    fetcher = open_fetcher(settings, client.authorization)
    stack.callback(fetcher.close)
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore", AstropyWarning)  # about headers and tables that astropy repairs
    image_files = ImageFiles(fetcher.fetch, max_pixels=settings.image_max_pixels)
    with show_progress("importing regions", total=None, unit="tasks") as report:
        return run(
            files,
            plan,
            client=client,
            image_files=image_files,
            limit=limit,
            progress=report.update,
        )


def _show(client: LabelStudioClient, state: ProjectState, model: str, report: RegionReport) -> bool:
    """Show the predictions to annotators if the project shows those of no model; return whether it shows them."""
    if state.model_version is None and report.new_tasks + report.known_tasks:
        client.send("PATCH", f"/api/projects/{state.id}/", json={"model_version": model}, repeatable=True)
        return True
    return state.model_version == model


def _print_report(report: RegionReport, files: RegionFiles, become: Become, model: str, *, version_is_shown: bool) -> None:
    if report.left_out.count:
        print(f"galaxyloop: {report.left_out.count:,} regions or files are left out:", file=sys.stderr)  # noqa: T201
    for line in report.left_out.lines():
        print(f"  {files.restore_addresses(line)}", file=sys.stderr)  # noqa: T201
    for (kind, other), number in sorted(report.changed_regions.items()):
        console.print(
            f"{number:,} × {kind} stored as {other}: the labelling config has no control for a {kind}", highlight=False
        )
    what = f"predictions of {model}" if become is Become.predictions else "annotations"
    answers = f" and {report.answers:,} answers" if report.answers else ""
    console.print(
        f"{report.objects:,} objects{answers} as {what}: {report.new_tasks:,} tasks stored, {report.known_tasks:,} already "
        f"stored, {report.left_out.count:,} left out",
        highlight=False,
        soft_wrap=True,
    )
    if become is Become.predictions and not version_is_shown and report.new_tasks:
        console.print(
            f"The project shows annotators the predictions of another model: choose {model} in its settings, under Annotation",
            highlight=False,
            soft_wrap=True,
        )
