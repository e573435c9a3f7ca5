"""Baseline of benchmarks/ingest/run.py: the SDK's file import, one file after the other, in its own process.

run.py starts it: python -m benchmarks.ingest.plain URL PROJECT FOLDER, with the API key in LABEL_STUDIO_API_KEY.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from label_studio_sdk._legacy import Client

from sync.label_studio.client import LabelStudioClient


def main() -> None:
    """Import every file of a folder."""
    url, project, folder = sys.argv[1:]
    with LabelStudioClient(url, os.environ["LABEL_STUDIO_API_KEY"]) as tokens:
        sdk = Client(url=url, api_key="-")
        # The SDK's file import supports only legacy tokens, which Label Studio disables by default.
        sdk.headers["Authorization"] = tokens.authorization()
        target = sdk.get_project(int(project))
        for file in sorted(Path(folder).iterdir()):
            sdk.headers["Authorization"] = tokens.authorization()
            target.import_tasks(str(file))


if __name__ == "__main__":
    main()
