"""A server, and the rings that it has."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Protocol, TypeAlias, TypeVar

from .child import Child, Done
from .connection import Connection
from .errors import NotInstalled, ServerGone, StdinClosed, TimedOut
from .protocol import (
    VERSIONS,
    Initialized,
    Input,
    Methods,
    OpenRing,
    Policy,
    RequestGrant,
    RingListed,
    RingOpened,
    RingOutcome,
    Shortfall,
    Sink,
    StartCommand,
    Stream,
    WhenFull,
)

Text: TypeAlias = str | os.PathLike[str]

LIMIT = 64 * 1024 * 1024
"""Bytes of each output that `Ring.run` gives back at most, unless it is told otherwise."""

PATIENCE = 10.0
"""Seconds that a server gets to end its rings, before it is ended."""


class Closable(Protocol):
    """What ends with a block."""

    async def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


def find(binary: Text | None = None) -> str:
    """The `ringfence` to start: the one that is named, the one `RINGFENCE_BIN` names, or the one on `PATH`."""
    named = binary if binary is not None else os.environ.get("RINGFENCE_BIN")
    if named:
        return os.path.abspath(os.fspath(named)) if os.sep in os.fspath(named) else os.fspath(named)
    found = shutil.which("ringfence")
    if found is None:
        raise NotInstalled("`ringfence` is not on PATH; put it there, or name it by RINGFENCE_BIN or `binary`")
    return found


class Starting(Coroutine[Any, Any, T]):
    """Something to `await`, or to use with `async with`."""

    def __init__(self, begin: Coroutine[Any, Any, T]) -> None:
        self._begin = begin
        self._begun: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._begin.__await__()

    def send(self, value: Any) -> Any:
        return self._begin.send(value)

    def throw(self, *error: Any) -> Any:
        return self._begin.throw(*error)

    def close(self) -> None:
        self._begin.close()

    async def __aenter__(self) -> T:
        self._begun = await self._begin
        return self._begun

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun is not None:
            await self._begun.close()


def serve(
    binary: Text | None = None,
    *,
    client: str | None = None,
    socket: bool = True,
    stderr: int | IO[Any] | None = None,
) -> Starting[Server]:
    """Starts a server of one's own: `async with ringfence.serve() as server`. It ends, and all that runs in
    its rings, when it is closed or this process ends.

    `client`: what to be called in `ringfence sessions`; without `socket` that does not find it.
    `stderr`: where its own words go, as for `subprocess.Popen`."""
    return Starting(_serve(binary, client, socket, stderr))


def connect(path: Text, *, client: str | None = None) -> Starting[Server]:
    """Connects to the socket of a server that runs (`ringfence serve --socket PATH`). The rings that are
    opened by it are closed with the connection, but for those with `keep`."""
    return Starting(_connect(path, client))


async def _serve(binary: Text | None, client: str | None, found: bool, stderr: int | IO[Any] | None) -> Server:
    program = find(binary)
    own, theirs = socket.socketpair()
    try:
        with theirs:
            # Ctrl-C at a terminal is for this program to handle: it is not to end the rings.
            process = subprocess.Popen(
                [program, "serve", *([] if found else ["--no-socket"])],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=stderr,
                start_new_session=True,
            )
    except FileNotFoundError as error:
        own.close()
        raise NotInstalled(f"there is no {program}") from error
    except BaseException:
        own.close()
        raise
    return await _greet(own, process, client)


async def _connect(path: Text, client: str | None) -> Server:
    own = socket.socket(socket.AF_UNIX)
    try:
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, os.fspath(path))
    except BaseException:
        own.close()
        raise
    return await _greet(own, None, client)


async def _greet(own: socket.socket, process: subprocess.Popen[bytes] | None, client: str | None) -> Server:
    own.setblocking(False)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(Connection, sock=own)
    server = Server(connection, process)
    try:
        await server._initialize(client)
    except BaseException:
        await server.close()
        raise
    return server


class Server:
    """Opens rings. Made by `serve` and `connect`."""

    def __init__(self, connection: Connection, process: subprocess.Popen[bytes] | None) -> None:
        self.initialized: Initialized
        """What the server said of itself."""
        self.methods = Methods(connection.call)
        """The protocol's methods, as they are."""
        self._connection = connection
        self._process = process
        self._rings: dict[int, Ring] = {}
        connection.on_ring_ended = self._ring_ended

    async def _initialize(self, client: str | None) -> None:
        name = client or "python"
        try:
            self.initialized = await self.methods.initialize({"versions": VERSIONS, "client": name})
        except ServerGone as error:
            if self._process is None:
                raise
            code = await asyncio.to_thread(self._process.wait)
            raise ServerGone(f"the server ended with exit code {code} before it served") from error
        self._connection.frame_max = self.initialized["frame_max"]

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.initialized["pid"]

    async def open(
        self,
        workspace: Text | None = None,
        *,
        directory: Text | None = None,
        policy: Policy | None = None,
        keep: bool = False,
        idle: float | None = None,
    ) -> Ring:
        """Makes a ring.

        `workspace`: the directory to work in, writable; without it the repository around `directory`, or
        that. `directory`: where commands start; without it the workspace, or this process' own.
        `policy`: what is set of the policy, as the flags of `ringfence run` do. `keep`: the ring goes on when
        this connection ends. `idle`: it is closed when nothing has run in it for so many seconds."""
        asked: OpenRing = {"keep": keep}
        if workspace is not None:
            asked["workspace"] = os.path.abspath(workspace)
        if directory is not None:
            asked["directory"] = os.path.abspath(directory)
        elif workspace is None:
            asked["directory"] = os.getcwd()
        if policy is not None:
            asked["policy"] = policy
        if idle is not None:
            asked["idle_ms"] = _millis(idle)

        made: list[Ring] = []

        def opened(result: RingOpened, abandoned: bool) -> None:
            # Known before it is told that it has ended.
            ring = self._rings[result["ring"]] = Ring(self, result)
            made.append(ring)
            if abandoned:
                ring._let_go()

        try:
            await self._connection.call("ring.open", asked, opened)
        except BaseException:
            # Cancelled when it was made already.
            for ring in made:
                ring._let_go()
            raise
        return made[0]

    async def rings(self) -> list[RingListed]:
        """The rings of this server, of all its clients."""
        return (await self.methods.ring_list({}))["rings"]

    async def doctor(self) -> Any:
        """What this machine can enforce: what `ringfence doctor --json` prints."""
        return (await self.methods.doctor({}))["report"]

    def _ring_ended(self, number: int, why: str) -> None:
        ring = self._rings.pop(number, None)
        if ring is not None:
            ring.gone = why

    async def close(self) -> None:
        """Closes the connection. A server of one's own ends with that, and all that runs in its rings."""
        self._connection.close()
        await self._connection.closed.wait()
        if self._process is not None:
            await asyncio.to_thread(_end, self._process)

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    for more in (process.terminate, process.kill):
        try:
            process.wait(PATIENCE)
            return
        except subprocess.TimeoutExpired:
            more()
    process.wait()


class Ring:
    """A boundary, in which commands run. Made by `Server.open`. As a context manager it is closed on the
    way out."""

    def __init__(self, server: Server, opened: RingOpened) -> None:
        self.number = opened["ring"]
        """Its number."""
        self.directory = opened["directory"]
        """Where commands start."""
        self.enforcement = opened["enforcement"]
        """`full`, `partial`, `none`."""
        self.shortfalls: list[Shortfall] = opened["shortfalls"]
        """Promises that are not kept in full."""
        self.gone: str | None = None
        """Why it ended, if it did without having been closed here."""
        self._server = server
        self._connection = server._connection

    async def start(
        self,
        argv: Sequence[Text],
        *,
        directory: Text | None = None,
        env: Mapping[str, str | None] | None = None,
        clear_env: bool = False,
        stdin: Input = "null",
        stdout: Sink = "pipe",
        stderr: Sink = "pipe",
        terminal: tuple[int, int] | None = None,
        timeout: float | None = None,
        memory: int | None = None,
        keep_background: bool = False,
        buffer: int | None = None,
        when_full: WhenFull = "wait",
        attach: bool = True,
    ) -> Child:
        """Starts a command; returns when its program has been executed.

        `env`: variables to set, or (None) to take out. `stdin="pipe"`: it reads what is written with
        `Child.write`. `stderr="stdout"`: both in one. `terminal`: it has one, of so many rows and columns, in
        place of the three. `timeout`: it is told to end after so many seconds, and ended two seconds later.
        `memory`: bytes of address space that each of its processes may have. `keep_background`: what it leaves running goes on. `buffer`: bytes of each output that the server keeps.
        `attach=False`: its output is not told as it comes, and the newest is kept: for what runs on in the
        background, and is looked at with `Child.read` or, from then on, `Child.output`."""
        words = _words(argv)
        asked: StartCommand = {"ring": self.number, "argv": words}
        streams: list[Stream] = ["terminal"]
        if terminal is not None:
            asked["terminal"] = {"rows": terminal[0], "columns": terminal[1]}
        else:
            outputs: list[tuple[Stream, Sink]] = [("stdout", stdout), ("stderr", stderr)]
            streams = [stream for stream, sink in outputs if sink == "pipe"]
        asked.update({"stdin": stdin, "stdout": stdout, "stderr": stderr})
        asked.update({"clear_env": clear_env, "keep_background": keep_background})
        asked.update({"when_full": when_full, "attach": attach})
        if directory is not None:
            asked["directory"] = os.fspath(directory)
        if env is not None:
            asked["env"] = dict(env)
        if timeout is not None:
            asked["time_limit_ms"] = _millis(timeout)
        if memory is not None:
            asked["memory_limit"] = memory
        if buffer is not None:
            asked["buffer"] = buffer
        started: list[Child] = []

        def answered(result: Any, abandoned: bool) -> None:
            # Known before its output comes.
            strict = attach and when_full == "wait"
            child = Child(self._connection, result["command"], words, streams, attach, strict)
            if abandoned:
                child.let_go()
            started.append(child)

        try:
            await self._connection.call("command.start", asked, answered)
        except BaseException:
            # Cancelled when it had started already.
            for child in started:
                child.let_go()
            raise
        return started[0]

    async def run(
        self,
        argv: Sequence[Text],
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        memory: int | None = None,
        check: bool = False,
        limit: int = LIMIT,
        on_output: Callable[[Stream, bytes], None] | None = None,
        directory: Text | None = None,
        env: Mapping[str, str | None] | None = None,
        clear_env: bool = False,
        stdout: Sink = "pipe",
        stderr: Sink = "pipe",
        terminal: tuple[int, int] | None = None,
    ) -> Done:
        """Runs a command to its end. Like `subprocess.run`: `input` is its stdin, when `timeout` seconds are
        over it is ended and that is `TimedOut`, and with `check` another end than with 0 is `CommandFailed`.

        What it prints is in what is returned, `limit` bytes of each output at most; `Done.dropped` says how
        much there was beyond that. With `on_output` it is handed to that instead. Whoever cancels this ends the
        command, and all that it started."""
        child = await self.start(
            argv,
            directory=directory,
            env=env,
            clear_env=clear_env,
            stdin="null" if input is None or terminal is not None else "pipe",
            stdout=stdout,
            stderr=stderr,
            terminal=terminal,
            timeout=timeout,
            memory=memory,
        )
        feeding = None if input is None else asyncio.ensure_future(_feed(child, input))
        try:
            kept: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
            dropped = 0
            async for chunk in child.output():
                if on_output is not None:
                    on_output(chunk.stream, chunk.data)
                    continue
                to = kept["stderr" if chunk.stream == "stderr" else "stdout"]
                part = chunk.data[: max(0, limit - len(to))]
                to += part
                dropped += len(chunk.data) - len(part)
            ended = await child.wait()
            if feeding is not None:
                await feeding
        finally:
            if feeding is not None:
                feeding.cancel()
            child.let_go()
        done = Done(
            child.argv,
            ended.get("code"),
            ended.get("signal"),
            bytes(kept["stdout"]),
            bytes(kept["stderr"]),
            ended["timed_out"],
            dropped,
            ended,
        )
        if done.timed_out:
            raise TimedOut(done)
        return done.check() if check else done

    async def grant(
        self, *, write: Text | None = None, reveal: str | None = None, socket: Text | None = None
    ) -> None:
        """Widens the ring while it lives; commands that run go on. One of: `write`, a path that commands that start
        from now on may write; `reveal`, what is hidden by default, by its name (`hide.npm`); `socket`, a Unix socket
        of a service outside. Whether it may be is not asked anybody: ask before."""
        asked: RequestGrant = {"ring": self.number}
        if write is not None:
            asked["write"] = os.fspath(write)
        if reveal is not None:
            asked["reveal"] = reveal
        if socket is not None:
            asked["socket"] = os.fspath(socket)
        await self._server.methods.grant_request(asked)

    async def outcome(self) -> RingOutcome:
        """What the ring kept until now."""
        return await self._server.methods.ring_outcome({"ring": self.number})

    async def close(self) -> None:
        """Ends the ring and all that runs in it. One that has ended is no error."""
        known = self._server._rings.pop(self.number, None)
        if known is not None and self._connection.gone is None:
            await self._server.methods.ring_close({"ring": self.number})

    def _let_go(self) -> None:
        if self._server._rings.pop(self.number, None) is not None:
            self._connection.tell("ring.close", {"ring": self.number})

    async def __aenter__(self) -> Ring:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<ringfence.Ring {self.number} {self.directory!r}>"


async def _feed(child: Child, data: bytes) -> None:
    try:
        await child.write(data, eof=True)
    except StdinClosed:
        # It did not want to know; its exit code says whether that is well.
        pass


def _words(argv: Sequence[Text]) -> list[str]:
    if isinstance(argv, (str, bytes)):
        raise TypeError("argv: a sequence of words; for a line of shell: ['sh', '-c', line]")
    return [os.fspath(word) for word in argv]


def _millis(seconds: float) -> int:
    if seconds < 0:
        raise ValueError("a time is not negative")
    # 0 is no limit for some and at once for others.
    return max(1, round(seconds * 1000))
