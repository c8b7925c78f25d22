"""One connection: requests, their answers, and what is told beside them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from .errors import BadParams, RingfenceError, ServerGone, of_answer

FRAME_MAX = 16 * 1024 * 1024
"""The longest line that the server takes, until it says another number."""

LINE_MAX = 256 * 1024 * 1024
"""The longest line that is taken from it."""

OnAnswer = Callable[[Any, bool], None]
"""Gets a result as it comes, before what comes after it, and whether nobody waits for it any more."""


class Told(Protocol):
    """What hears of a command."""

    def on_output(self, params: Any) -> None: ...
    def on_ended(self, params: Any) -> None: ...
    def on_gone(self, error: ServerGone) -> None: ...


class Connection(asyncio.Protocol):
    """Everything comes by one stream, and nothing of it is put away without bound: while a command's
    output is full here, no more is read, so that the command waits. But whoever waits for something
    else that has to come by the same stream is not kept waiting for that: then it is read on, and
    `Child` bounds what it keeps. (Input for a command that is full is nothing else: it reads again
    when its output is taken.)"""

    def __init__(self) -> None:
        self.children: dict[int, Told] = {}
        self.frame_max = FRAME_MAX
        self.gone: ServerGone | None = None
        self.on_ring_ended: Callable[[int, str], None] = lambda ring, why: None
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._calls: dict[int, tuple[asyncio.Future[Any], OnAnswer | None]] = {}
        self._last = 0
        self._rest: list[bytes] = []
        self._rest_length = 0
        self._full: set[Told] = set()
        self._waiting: Counter[Told | None] = Counter()
        self._paused = False
        self._room = asyncio.Event()
        self._room.set()

    # What is asked.

    async def call(
        self, method: str, params: Any, on_answer: OnAnswer | None = None, feeds: Told | None = None
    ) -> Any:
        """Asks, and waits for the answer. `feeds`: the command whose input it is."""
        while not self._room.is_set():
            await self._room.wait()
        if self.gone is not None:
            raise self.gone
        self._last += 1
        number = self._last
        line = self._line({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = (answer, on_answer)
        self._write(line)
        with self.waits(feeds):
            return await answer

    def tell(self, method: str, params: Any) -> None:
        """Asks for no answer, and waits for nothing."""
        if self.gone is None:
            self._write(self._line({"jsonrpc": "2.0", "method": method, "params": params}))

    def _line(self, message: Any) -> bytes:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if len(line) > self.frame_max:
            # The server could not say to whom its answer goes.
            raise BadParams(-32602, f"the request is longer than {self.frame_max} bytes")
        return line

    def _write(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.write(line)

    # Who waits, and who is full.

    @contextmanager
    def waits(self, feeds: Told | None = None) -> Iterator[None]:
        """Something is waited for that has to come by this connection."""
        self._waiting[feeds] += 1
        self._steer()
        try:
            yield
        finally:
            self._waiting[feeds] -= 1
            if not self._waiting[feeds]:
                del self._waiting[feeds]
            self._steer()

    def set_full(self, child: Told, full: bool) -> None:
        """As much is kept for a command as should be, or that is over."""
        (self._full.add if full else self._full.discard)(child)
        self._steer()

    def _steer(self) -> None:
        pause = bool(self._full) and all(feeds in self._full for feeds in self._waiting)
        if self._transport is None or self.gone is not None or pause == self._paused:
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ServerGone("the server is gone" if exc is None else f"the server is gone: {exc}"))
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._rest:
                line = b"".join([*self._rest, line])
                self._rest, self._rest_length = [], 0
            if self.gone is None:
                self._message(line)
        if rest:
            self._rest.append(rest)
            self._rest_length += len(rest)
            if self._rest_length > LINE_MAX:
                self._break("it sent a line without end")

    def _message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            method, number = message.get("method"), message.get("id")
        except (ValueError, AttributeError):
            return self._break("it sent what is no message")
        if method is not None:
            self._notified(method, message.get("params"))
        elif number is None:
            # It could not read what it was sent, so some call would wait for ever.
            self._break(str(message.get("error", {}).get("message")))
        else:
            self._answered(number, message)

    def _answered(self, number: int, message: dict[str, Any]) -> None:
        answer, on_answer = self._calls.pop(number, (None, None))
        if answer is None:
            return
        if "error" in message:
            if not answer.done():
                answer.set_exception(of_answer(message["error"]))
            return
        result = message.get("result")
        if on_answer is not None:
            on_answer(result, answer.done())
        if not answer.done():
            answer.set_result(result)

    def _notified(self, method: str, params: Any) -> None:
        if method == "ring.ended":
            self.on_ring_ended(params["ring"], params["why"])
            return
        # A newer server may tell more than is known here.
        child = self.children.get(params.get("command", -1)) if isinstance(params, dict) else None
        if child is None:
            return
        if method == "command.output":
            child.on_output(params)
        elif method == "command.ended":
            child.on_ended(params)

    # The end.

    def close(self) -> None:
        """Sends what is to be sent, and no more."""
        self._end(ServerGone("the connection was closed"))
        if self._transport is not None:
            self._transport.close()
        else:
            self.closed.set()

    def _break(self, why: str) -> None:
        self._end(ServerGone(f"the server is not understood: {why}"))
        if self._transport is not None:
            self._transport.abort()

    def _end(self, error: ServerGone) -> None:
        if self.gone is not None:
            return
        self.gone = error
        self._room.set()
        calls, self._calls = self._calls, {}
        for answer, _ in calls.values():
            if not answer.done():
                answer.set_exception(_again(error))
        children, self.children = self.children, {}
        for child in children.values():
            child.on_gone(error)


def _again(error: RingfenceError) -> RingfenceError:
    """One for each who waits: an exception that is raised twice shows the places of both."""
    return type(error)(*error.args)
