"""One command, for programs that are not asynchronous."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence

from .child import Done
from .protocol import Policy, Stream
from .server import LIMIT, Text, serve


def run(
    argv: Sequence[Text],
    *,
    workspace: Text | None = None,
    directory: Text | None = None,
    policy: Policy | None = None,
    input: bytes | None = None,
    capture_output: bool = False,
    timeout: float | None = None,
    memory: int | None = None,
    check: bool = False,
    env: Mapping[str, str | None] | None = None,
    limit: int = LIMIT,
    binary: Text | None = None,
) -> Done:
    """Runs a command in a ring of its own, as `subprocess.run` does without one. Without `capture_output`
    what it prints goes to `sys.stdout` and `sys.stderr`. `memory`: bytes of address space that each of its processes may have.

    A server is started for it: who runs more than one command takes `serve`."""
    show = None if capture_output else _show

    async def once() -> Done:
        async with serve(binary, socket=False) as server:
            ring = await server.open(workspace, directory=directory, policy=policy)
            return await ring.run(
                argv,
                input=input,
                timeout=timeout,
                memory=memory,
                check=check,
                env=env,
                limit=limit,
                on_output=show,
            )

    return asyncio.run(once())


def _show(stream: Stream, data: bytes) -> None:
    to = sys.stderr if stream == "stderr" else sys.stdout
    to.flush()
    to.buffer.write(data)
    to.buffer.flush()
