"""What goes wrong, as classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .protocol import CODES, ErrorData, Shortfall

if TYPE_CHECKING:
    from .child import Done


class RingfenceError(Exception):
    """All of them."""


class NotInstalled(RingfenceError, FileNotFoundError):
    """There is no `ringfence` where it was looked for."""


class ServerGone(RingfenceError, ConnectionError):
    """The server ended, or its connection did. What was asked of it may or may not have been done."""


class OutputLost(RingfenceError):
    """Output was dropped before it could be read here.

    Only where more than one thing is waited for by one connection and output is not taken for long:
    see `Child.output`."""

    def __init__(self, stream: str, dropped: int) -> None:
        super().__init__(f"{dropped} bytes of {stream} were dropped before they were read")
        self.stream = stream
        """Of which output."""
        self.dropped = dropped
        """How many bytes."""


class RequestError(RingfenceError):
    """What the server answers when it did not do what it was asked."""

    def __init__(self, code: int, message: str, data: ErrorData | None = None) -> None:
        super().__init__(message)
        data = data or {}
        self.code = code
        """JSON-RPC's code, or one of `ringfence.protocol.CODES`."""
        self.message = message
        """What, why, and the remedy if there is one."""
        self.how: str | None = data.get("how")
        """`refused`, `failed`, `not-found`, `not-executable`."""
        self.lacking: list[Shortfall] = data.get("lacking", [])
        """The promises that this machine cannot keep."""
        self.versions: list[int] = data.get("versions", [])
        """The versions of the protocol that the server speaks."""


class Refused(RequestError):
    """The policy asks for what this machine cannot enforce (`lacking`), or is not to be had at all."""


class Failed(RequestError):
    """Ringfence itself failed."""


class ProgramNotFound(RequestError):
    """There is no such program in the ring."""


class ProgramNotExecutable(RequestError):
    """The program is there, and cannot be executed."""


class BadParams(RequestError):
    """A parameter is not what it can be."""


class NoCommonVersion(RequestError):
    """This client is too old or too new for that server."""


class NoSuchRing(RequestError):
    """The ring has ended."""


class NoSuchCommand(RequestError):
    """The command has been forgotten."""


class StdinClosed(RequestError, BrokenPipeError):
    """The command takes no input (any more)."""


class TooMuchWaiting(RequestError):
    """Too much waits to be done already."""


class NotATerminal(RequestError):
    """The command is not on a terminal."""


class StillRuns(RequestError):
    """The command still runs."""


class CommandFailed(RingfenceError):
    """A command that was to succeed did not. Like `subprocess.CalledProcessError`."""

    def __init__(self, done: Done) -> None:
        how = f"signal {done.signal}" if done.signal is not None else f"exit code {done.code}"
        super().__init__(f"{done.argv!r} ended with {how}")
        self.done = done
        """How it ended, and what it printed."""


class TimedOut(RingfenceError, TimeoutError):
    """A command's time was up. Like `subprocess.TimeoutExpired`."""

    def __init__(self, done: Done) -> None:
        super().__init__(f"{done.argv!r} took too long and was ended")
        self.done = done
        """How it ended, and what it printed until then."""


_BY_CODE: dict[int, type[RequestError]] = {
    -32602: BadParams,
    -32002: NoCommonVersion,
    -32003: NoSuchRing,
    -32004: NoSuchCommand,
    -32005: StdinClosed,
    -32006: TooMuchWaiting,
    -32007: NotATerminal,
    -32008: StillRuns,
}

_BY_HOW: dict[str, type[RequestError]] = {
    "refused": Refused,
    "failed": Failed,
    "not-found": ProgramNotFound,
    "not-executable": ProgramNotExecutable,
}


def of_answer(error: dict[str, Any]) -> RequestError:
    """The exception for what JSON-RPC calls an error object."""
    code, data = error["code"], error.get("data")
    how = (data or {}).get("how")
    kind = _BY_HOW.get(how) if how else _BY_CODE.get(code)
    message = str(error.get("message") or CODES.get(code, ""))
    return (kind or RequestError)(code, message, data)
