"""Large events are parsed in a process of their own, so that the server answers other requests in the meantime.

pydantic holds the interpreter's lock while it parses: 20 MB take .2 to .7 s, in a thread as well, in which no other request is
answered. Only the action and the project come back, since the worker reads the annotations from Label Studio.
"""

from __future__ import annotations

import json
import subprocess
import sys

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException, Request

from backend.server.protocol import WebhookRequest, parse_body, read_content

__all__ = ["IN_PROCESS_BYTES", "event_body"]

IN_PROCESS_BYTES = 4 * 2**20
"""Largest event that the server itself parses, in at most .15 s; a process takes .5 s to start."""
TIMEOUT_S = 60.0
"""Longest time of the process; 256 MB take up to 10 s."""


async def event_body(request: Request) -> WebhookRequest:
    """Read and validate the body of an event.

    Raises
    ------
    HTTPException
        As `body_of`; 503 also if too many large bodies are parsed or received, or if the process fails.
    """
    content = await read_content(request)
    if len(content) <= IN_PROCESS_BYTES:
        return parse_body(WebhookRequest, content)
    limiter: CapacityLimiter = request.app.state.server.large_events
    with request.app.state.arriving_bodies.hold(len(content)):
        return await to_thread.run_sync(_parse_elsewhere, content, limiter=limiter)


def _parse_elsewhere(content: bytes) -> WebhookRequest:
    command = [sys.executable, "-m", "backend.server.large_events"]
    try:
        output = subprocess.run(command, input=content, capture_output=True, timeout=TIMEOUT_S, check=True).stdout
        answer = json.loads(output)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise HTTPException(503, "the event is large and could not be read now: repeat this request later") from error
    if "detail" in answer:
        raise HTTPException(answer["status"], answer["detail"])
    return WebhookRequest.model_validate(answer)


def _main() -> None:
    """Parse the event on standard input; write the fields that are read, or the refusal, to standard output."""
    try:
        answer = parse_body(WebhookRequest, sys.stdin.buffer.read()).model_dump()
    except HTTPException as error:
        answer = {"status": error.status_code, "detail": error.detail}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
