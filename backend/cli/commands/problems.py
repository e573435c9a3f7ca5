"""`galaxyloop project problems`: list the annotations that the loop cannot read, by task, with the reasons."""

from __future__ import annotations

from rich.table import Table

from backend.cli.startup import open_existing_services, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import ProjectId, console, stop_for

__all__ = ["problems"]


def problems(project: ProjectId) -> None:
    """List the unreadable annotations, and the tasks that training and validation leave out because of them."""
    from backend.registry.records import RegistryError
    from backend.registry.unreadable import UnreadableList

    services = open_existing_services(read_settings())
    try:
        services.registry.project(project)
    except RegistryError as error:
        stop_for(error)
    unreadable = UnreadableList(services.engine)
    items = unreadable.of(project)
    if not items:
        console.print(f"every annotation of project {project} could be read at the loop's last cycle")
        return
    table = Table("task", "annotation", "control", "the task is left out", "reason")
    for item in items:
        left_out = "yes" if item.left_out else "no: another annotation is used"
        table.add_row(str(item.task), str(item.annotation), item.control, left_out, item.reason)
    print_table(table)
    tasks = unreadable.tasks_left_out(project)
    console.print(f"tasks left out of training and validation for these controls: {tasks}; their other controls are used")
