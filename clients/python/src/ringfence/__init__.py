"""Commands in a ring that the operating system enforces: a client of `ringfence serve`.

    async with ringfence.serve() as server:
        ring = await server.open(workspace="/home/ada/project")
        done = await ring.run(["cargo", "test"])

`run` is the same for one command, without asyncio. `ringfence.protocol` has what is said, as types."""

from . import protocol
from .child import Child, Chunk, Done
from .errors import (
    BadParams,
    CommandFailed,
    Failed,
    NoCommonVersion,
    NoSuchCommand,
    NoSuchRing,
    NotATerminal,
    NotInstalled,
    OutputLost,
    ProgramNotExecutable,
    ProgramNotFound,
    Refused,
    RequestError,
    RingfenceError,
    ServerGone,
    StdinClosed,
    StillRuns,
    TimedOut,
    TooMuchWaiting,
)
from .once import run
from .server import Ring, Server, connect, find, serve

__all__ = [
    "BadParams",
    "Child",
    "Chunk",
    "CommandFailed",
    "Done",
    "Failed",
    "NoCommonVersion",
    "NoSuchCommand",
    "NoSuchRing",
    "NotATerminal",
    "NotInstalled",
    "OutputLost",
    "ProgramNotExecutable",
    "ProgramNotFound",
    "Refused",
    "RequestError",
    "Ring",
    "RingfenceError",
    "Server",
    "ServerGone",
    "StdinClosed",
    "StillRuns",
    "TimedOut",
    "TooMuchWaiting",
    "connect",
    "find",
    "protocol",
    "run",
    "serve",
]
