"""Hook of MkDocs: adds the reference of all commands, which is generated from the command line itself."""

from __future__ import annotations

import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REFERENCE = "command-reference.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page `command-reference.md`."""
    words = [sys.executable, "-m", "typer", "backend.cli.app", "utils", "docs", "--name", "galaxyloop", "--title", "Commands"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    files.append(File.generated(config, REFERENCE, content=done.stdout))
    return files
