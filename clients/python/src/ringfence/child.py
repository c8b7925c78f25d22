"""A command in a ring."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from .connection import Connection
from .errors import CommandFailed, NoSuchCommand, OutputLost, ServerGone
from .protocol import Denial, Ended, Methods, SignalName, Stream, WriteStdin

WINDOW = 1024 * 1024
"""Bytes that are kept here for whoever reads a command's output; then reading pauses."""

HOLD = 16 * 1024 * 1024
"""Bytes that are kept here at most, where it may not pause."""

WRITE = 256 * 1024
"""Bytes of input that are sent at once."""

READ = 256 * 1024
"""Bytes of output that are asked for at once."""


class Chunk(NamedTuple):
    """A piece of output."""

    stream: Stream
    """`stdout`, `stderr`, or `terminal`."""
    data: bytes
    """What was printed."""
    offset: int
    """The first byte's place in all that was printed there."""
    dropped: int
    """How many bytes before it were dropped."""


@dataclass(frozen=True)
class Done:
    """A command that has ended, and what it printed."""

    argv: list[str]
    """Program and arguments."""
    code: int | None
    """Its exit code, unless a signal ended it."""
    signal: int | None
    """The signal that ended it."""
    stdout: bytes = field(repr=False)
    """What it printed; with a terminal, what that showed."""
    stderr: bytes = field(repr=False)
    """What it printed of errors."""
    timed_out: bool
    """Its time was up."""
    dropped: int
    """Bytes of output that are missing at the end of `stdout` and `stderr`: there was more than `limit`."""
    ended: Ended = field(repr=False)
    """All that is known of its end."""

    @property
    def returncode(self) -> int:
        """As `subprocess` has it: the exit code, or the negative number of the signal."""
        if self.signal is not None:
            return -self.signal
        # Neither: its ring ended, and it with that.
        return -9 if self.code is None else self.code

    def check(self) -> Done:
        """Itself, or `CommandFailed` unless it ended with 0."""
        if self.returncode != 0:
            raise CommandFailed(self)
        return self


class Child:
    """A command that was started with `Ring.start`. As a context manager it is ended on the way out."""

    def __init__(
        self,
        connection: Connection,
        command: int,
        argv: Sequence[str],
        streams: list[Stream],
        attached: bool,
        strict: bool,
    ) -> None:
        self.command = command
        """Its number, unlike any other's of this server."""
        self.argv = list(argv)
        """Program and arguments."""
        self.ended: Ended | None = None
        """How it ended, once that is known here."""
        self._connection = connection
        self._methods = Methods(connection.call)
        self._next: dict[Stream, int] = {stream: 0 for stream in streams}
        # It is told as it comes; else it is fetched.
        self._attached = attached
        # A gap is an error.
        self._strict = strict
        self._queue: deque[Chunk] = deque()
        self._held = 0
        # All of its output has been told.
        self._all_told = False
        self._gone: ServerGone | None = None
        self._discards = False
        self._news: asyncio.Future[None] | None = None
        self._writing = asyncio.Lock()
        connection.children[command] = self

    # What the connection tells.

    def on_output(self, params: Any) -> None:
        if not self._attached or self._discards or self._all_told:
            return
        stream: Stream = params["stream"]
        chunk = self._piece(stream, params)
        if chunk is None:
            return
        self._queue.append(chunk)
        self._held += len(chunk.data)
        if self._held > HOLD:
            # Others wait for what comes after this. The server keeps the newest.
            self._attached = False
            self._connection.tell("command.detach", {"command": self.command})
            self._connection.set_full(self, False)
        elif self._held > WINDOW:
            self._connection.set_full(self, True)
        self._wake()

    def on_ended(self, params: Any) -> None:
        ended = {key: value for key, value in params.items() if key != "command"}
        self.ended = ended  # type: ignore[assignment]
        if self._attached:
            self._all_told = True
            # Nothing more is told of it.
            self._connection.children.pop(self.command, None)
        self._wake()

    def on_gone(self, error: ServerGone) -> None:
        self._gone = error
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _piece(self, stream: Stream, params: Any) -> Chunk | None:
        """What is new of it here."""
        data, offset, expected = _bytes(params), params["offset"], self._next.get(stream, 0)
        if offset < expected:
            data, offset = data[expected - offset :], expected
        if not data:
            return None
        self._next[stream] = offset + len(data)
        return Chunk(stream, data, offset, offset - expected)

    # What it prints.

    def output(self) -> Output:
        """What it prints, as it comes, to its end. What was not taken yet is kept for the next who asks.

        A command whose output is not taken waits. But one connection carries everything: while
        something else is waited for by it, up to 16 MiB are kept here, and then the server keeps the
        newest only. What is missed is an `OutputLost`; where the command was started with
        `when_full="drop"` or `attach=False`, it is said in `Chunk.dropped`.

        It ends when the command does. What a background process prints after that (`keep_background`)
        is for `read`."""
        return Output(self)

    async def _take(self) -> Chunk | None:
        while True:
            if self._queue:
                chunk = self._queue[0]
                if chunk.dropped and self._strict:
                    # The next who asks goes on behind the gap.
                    self._queue[0] = chunk._replace(dropped=0)
                    raise OutputLost(chunk.stream, chunk.dropped)
                self._queue.popleft()
                self._held -= len(chunk.data)
                if self._held <= WINDOW // 2:
                    self._connection.set_full(self, False)
                return chunk
            if self._all_told or self._discards:
                return None
            if self._gone is not None:
                raise ServerGone(*self._gone.args)
            if self._attached:
                await self._hear()
            else:
                await self._fetch()

    async def _hear(self) -> None:
        """Waits for what is told next."""
        if self._news is not None:
            raise RuntimeError("the output of a command is for one reader at a time")
        self._news = asyncio.get_running_loop().create_future()
        try:
            with self._connection.waits():
                await self._news
        finally:
            self._news = None

    async def _fetch(self) -> None:
        """Takes what the server has kept; where that is all, it is to tell again what comes."""
        eof = True
        for stream in self._next:
            read = await self._methods.command_read(
                {"command": self.command, "stream": stream, "from": self._next[stream], "max": READ}
            )
            eof = eof and read["eof"]
            chunk = self._piece(stream, read)
            if chunk is not None:
                self._queue.append(chunk)
                self._held += len(chunk.data)
        if self._queue:
            return
        if eof:
            self.ended = await self._methods.command_wait({"command": self.command})
            self._all_told = True
            return
        self._attached = True
        places = {str(stream): place for stream, place in self._next.items()}
        await self._methods.command_attach({"command": self.command, "from": places})

    async def read(
        self, stream: Stream | None = None, start: int = 0, limit: int = READ
    ) -> tuple[Chunk, bool]:
        """What the server has kept of an output (1 MiB, or `buffer`), from a place on, without waiting for
        more; and whether nothing comes after it. This takes nothing away from `output`."""
        of: Stream = stream if stream is not None else next(iter(self._next), "stdout")
        read = await self._methods.command_read(
            {"command": self.command, "stream": of, "from": start, "max": limit}
        )
        return Chunk(of, _bytes(read), read["offset"], max(0, read["offset"] - start)), read["eof"]

    def discard(self) -> None:
        """What it prints is not wanted (any more), and it does not wait for anybody to take it."""
        self._discards = True
        self._queue.clear()
        self._held = 0
        self._attached = False
        self._connection.tell("command.detach", {"command": self.command})
        self._connection.set_full(self, False)
        self._wake()

    # What is done to it.

    async def write(self, data: bytes, *, eof: bool = False) -> None:
        """Writes to its stdin, or types at its terminal. Returns when it has been written, so one that does
        not read holds up whoever writes, and one whose output nobody takes comes not to read. `eof`:
        nothing comes after this."""
        async with self._writing:
            view = memoryview(data)
            for start in range(0, max(len(view), 1), WRITE):
                piece = bytes(view[start : start + WRITE])
                last = start + WRITE >= len(view)
                typed: WriteStdin = {
                    "command": self.command,
                    "base64": base64.b64encode(piece).decode("ascii"),
                    "eof": eof and last,
                }
                await self._connection.call("command.stdin", typed, feeds=self)

    async def close_stdin(self) -> None:
        """Nothing comes any more (at a terminal: Ctrl-D)."""
        await self.write(b"", eof=True)

    async def wait(self) -> Ended:
        """Waits for its end. Other than with `subprocess` this does not hang on output that nobody takes."""
        if self.ended is None:
            if self._gone is not None:
                raise ServerGone(*self._gone.args)
            ended = await self._methods.command_wait({"command": self.command})
            self.ended = self.ended or ended
        return self.ended

    async def denied(self) -> list[Denial]:
        """What of its output is its ring's doing, once it has ended, with the smallest grant that would let each pass: for a
        person to be asked, and then for `Ring.grant(**grant)`."""
        return (await self._methods.command_denied({"command": self.command}))["denied"]

    async def kill(self) -> None:
        """Ends it and all that it started. One that has ended is no error."""
        await self._methods.command_kill({"command": self.command})

    async def signal(self, signal: SignalName, *, all: bool = False) -> None:
        """Sends it a signal; `all`: each of its processes."""
        await self._methods.command_signal({"command": self.command, "signal": signal, "all": all})

    async def resize(self, rows: int, columns: int) -> None:
        """Gives its terminal another size."""
        await self._methods.command_resize({"command": self.command, "rows": rows, "columns": columns})

    async def close(self) -> None:
        """Ends it and all that it started, and has the server forget it and its output."""
        try:
            await self.kill()
            await self.wait()
        except (NoSuchCommand, ServerGone):
            # What has been forgotten has ended; so has what a server had.
            pass
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Ends it, if it runs, else has the server forget it; waits for nothing."""
        of = {"command": self.command}
        if self.ended is None:
            self._connection.tell("command.kill", of)
        else:
            self._connection.tell("command.forget", of)
        self._connection.children.pop(self.command, None)
        self._connection.set_full(self, False)
        self._discards = True
        self._wake()

    async def __aenter__(self) -> Child:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<ringfence.Child {self.command} {self.argv!r}>"


class Output:
    """What `Child.output` gives: for `async for`."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def __aiter__(self) -> Output:
        return self

    async def __anext__(self) -> Chunk:
        chunk = await self._child._take()
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _bytes(of: Mapping[str, Any]) -> bytes:
    text: str | None = of.get("text")
    return base64.b64decode(of.get("base64") or "") if text is None else text.encode()
