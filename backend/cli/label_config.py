"""The labelling config that an option of a command names: a shipped one, or a file."""

from __future__ import annotations

from pathlib import Path

from backend.cli.terminal import name_nearest, stop, wrong_call

__all__ = ["read_label_config"]


def read_label_config(config: str) -> str:
    """Read the XML of a file, or of a name from labeling_configs if there is no such file."""
    from importlib.resources import files

    path = Path(config)
    config_file = files("labeling_configs").joinpath(f"{config}.xml")
    if not path.is_file() and not config_file.is_file():
        names = (file.name.removesuffix(".xml") for file in files("labeling_configs").iterdir() if file.name.endswith(".xml"))
        wrong_call(f"{config} is neither an XML file nor a name in labeling_configs{name_nearest(config, names)}")
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else config_file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        wrong_call(f"{config} is not a labelling config: it is not text in UTF-8")
    except OSError as error:
        stop(f"{config} cannot be read: {error.strerror or error}")
