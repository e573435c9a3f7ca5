"""Hook of MkDocs: adds pages whose source is elsewhere: the reference of all commands, and the model card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

COMMANDS, MODEL_CARD = "command-reference.md", "model-card.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, which typer generates from the command line, and the model card of the repository."""
    words = [sys.executable, "-m", "typer", "backend.cli.app", "utils", "docs", "--name", "galaxyloop", "--title", "Commands"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    card = Path(config.docs_dir).parent / "MODEL_CARD.md"
    files.append(File.generated(config, COMMANDS, content=done.stdout))
    files.append(File.generated(config, MODEL_CARD, content=card.read_text("utf-8").replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Direct links to the model card of the repository to its page."""
    return markdown.replace("](../MODEL_CARD.md", f"]({MODEL_CARD}")
