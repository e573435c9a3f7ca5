"""The heads that the options of a command select: those of a project's version, or the shipped ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.label_config import read_label_config
from backend.cli.startup import open_existing_services
from backend.cli.terminal import stop, stop_for, wrong_call
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.cluster.version_bundle import VersionBundle
    from backend.registry.records import Project, Version
    from backend.registry.store import Registry
    from backend.settings import Settings

__all__ = ["ChosenHeads", "ConfigOption", "ProjectOption", "VersionOption"]

ConfigOption = Annotated[str | None, typer.Option(help="Labelling config: a name from labeling_configs, or an XML file.")]
ProjectOption = Annotated[
    int | None, typer.Option(min=1, max=MAX_ID, help="Project whose heads predict; default: the shipped heads.")
]
VersionOption = Annotated[
    str | None, typer.Option(help="Version of that project, such as v0007-3f9a7c; default: the live one.")
]


@dataclass(frozen=True, slots=True)
class ChosenHeads:
    """The options that select the heads and the labelling config.

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

    def check(self) -> None:
        """End with a wrong call if the options do not select a labelling config, or name a version of no project."""
        if self.config is None and self.project is None:
            wrong_call("name a labelling config with --config, or with --project the project whose heads predict")
        if self.version is not None and self.project is None:
            wrong_call("--version needs a --project")
        if self.config is not None:
            read_label_config(self.config)  # names a mistyped config before torch is imported

    def check_version(self, settings: Settings) -> None:
        """End the command with the reason if the chosen version does not exist or is damaged, before torch is loaded."""
        if self.project is not None:
            self._find_version(open_existing_services(settings).registry, self.project)

    def bundle(self, settings: Settings, *, label_config: str | None = None) -> VersionBundle:
        """Read the chosen version; end the command with the reason if it does not exist or is damaged.

        Parameters
        ----------
        settings : Settings
        label_config : str, optional
            Labelling config, XML, to use instead of the project's present one if the options name none.
        """
        from backend.cluster.version_bundle import bundle_version, without_secrets
        from backend.prediction.factory import SHIPPED_VERSION

        xml = read_label_config(self.config) if self.config is not None else None
        settings_to_send = without_secrets(settings)
        if self.project is None:
            assert xml is not None, "checked before"
            return bundle_version(None, name=SHIPPED_VERSION, label_config=xml, settings=settings_to_send)
        registry = open_existing_services(settings).registry
        project, version = self._find_version(registry, self.project)
        return bundle_version(
            registry.path(project.id, version.number),
            name=version.name,
            label_config=xml or label_config or project.label_config,
            settings=settings_to_send,
            head_folders=registry.find_taken_heads(project.id, version.number),
        )

    def _find_version(self, registry: Registry, project_id: int) -> tuple[Project, Version]:
        from backend.registry.damage import find_version_damage
        from backend.registry.records import RegistryError

        try:
            project = registry.project(project_id)
            version = registry.version_named(project.id, self.version or project.live_name)
            if reason := find_version_damage(registry, project.id, version.number):
                stop(f"{version.name} of project {project.id} is damaged: {reason}")
        except RegistryError as error:
            stop_for(error)
        return project, version
