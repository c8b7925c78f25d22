# Generated from docs/reference/serve.schema.json: cargo xtask ci --only reference --fix. Do not edit.
"""What is said with `ringfence serve`. JSON-RPC 2.0, one message a line. The parameters and results of each method, the parameters of each notification, and the data of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NotRequired, TypedDict, Union, cast

VERSIONS: Final[list[int]] = [1]
"""The versions of the protocol that this was made from."""

CODES: Final[Mapping[int, str]] = {
    -32000: "Ringfence failed or refused, or the program is not there: `data.how` tells",
    -32001: "`initialize` comes first",
    -32002: "no version of the protocol in common: `data.versions` are spoken here",
    -32003: "there is no such ring",
    -32004: "there is no such command",
    -32005: "the command takes no input (any more)",
    -32006: "too much is waiting already",
    -32007: "the command is not on a terminal",
    -32008: "the command still runs",
}
"""The codes of errors that are not JSON-RPC's own."""

Input = Literal["null", "pipe", "descriptor"]
"""What a command reads from.

`null`: Nothing.

`pipe`: What `command.stdin` says.

`descriptor`: A descriptor that was sent along."""

Lasts = Literal["once", "ring"]
"""For how long a person's yes holds.

`once`: This once.

`ring`: As often as the very same command comes, until its ring ends."""

SignalName = Union[str, int]
"""A signal, by its name (`TERM`, `SIGTERM`) or its number.

`TERM`

15"""

Sink = Literal["pipe", "null", "descriptor", "stdout"]
"""What a command writes to.

`pipe`: Notifications, and what `command.read` reads.

`null`: Nowhere.

`descriptor`: A descriptor that was sent along.

`stdout`: Where stdout goes (for stderr only)."""

Stream = Literal["stdout", "stderr", "terminal"]
"""One of a command's outputs.

`stdout`: What it prints.

`stderr`: What it prints of errors.

`terminal`: What its terminal shows."""

WhenFull = Literal["wait", "drop"]
"""What becomes of output that nobody has taken yet when the buffer is full.

`wait`: The command waits, while somebody is attached; else as `drop`.

`drop`: The oldest is dropped; the next offset tells how much."""


class Approval(TypedDict):
    """A person's yes to a question. It holds for the very command that the question was about, in its ring."""

    question: int
    """The question's number."""

    lasts: NotRequired[Lasts]
    """For how long."""


Attach = TypedDict(
    "Attach",
    {
        # The command.
        "command": "int",
        # From which byte of each output on; from the first that is still there without it.
        "from": "NotRequired[Mapping[str, int]]",
    },
)
"""`command.attach`"""


class CommandClosed(TypedDict):
    """Notification `command.closed`: nothing more comes of its output. Only where `command.ended` said that it
    goes on."""

    command: int
    """The command."""


class CommandEnded(TypedDict):
    """Notification `command.ended`: after all that it printed before its end has been told."""

    command: int
    """The command."""

    cpu_us: int
    """Processor time, microseconds."""

    elapsed_us: int
    """Wall-clock time, microseconds."""

    insisted: bool
    """It was ended because protected names were made over and over in its ring."""

    max_rss_kib: int
    """Largest resident set of its first process, KiB."""

    open: bool
    """Its output goes on: what it left in the background may print. `command.closed` tells the end of that."""

    ring_gone: bool
    """The ring ended, and it with that."""

    timed_out: bool
    """Its time was up."""

    code: NotRequired[int | None]
    """Its exit code, unless a signal ended it."""

    signal: NotRequired[int | None]
    """The signal that ended it."""


class CommandListed(TypedDict):
    """A command, listed."""

    age_ms: int
    """How long ago it was started, milliseconds."""

    argv: list[str]
    """Program and arguments, cut where they are long."""

    command: int
    """Its number."""

    ring: int
    """Its ring."""

    terminal: bool
    """It is on a terminal."""

    ended: NotRequired[Ended | None]
    """How it ended; not there while it runs."""


class CommandOutput(TypedDict):
    """Notification `command.output`."""

    command: int
    """The command."""

    offset: int
    """The first byte's place in all that was printed there."""

    stream: Stream
    """Which output."""

    base64: NotRequired[str | None]
    """In base64 (RFC 4648 §4)."""

    text: NotRequired[str | None]
    """As text."""


class Commands(TypedDict):
    """The commands that there are."""

    commands: list[CommandListed]
    """Each."""


class Denial(TypedDict):
    """Something the ring refused."""

    because: str
    """What stopped it."""

    remedy: str
    """What a person can do."""

    tried: str
    """What was tried: `write`, `read`, `network`."""

    grant: NotRequired[Wanted | None]
    """The smallest grant that would let it pass, as `grant.request` takes it."""

    path: NotRequired[str | None]
    """The path."""


class Denials(TypedDict):
    """`command.denied`: found in what is kept of the output, the last 64 KiB of each stream, and held against the ring's plan. A program that
    names no path leaves it empty."""

    denied: list[Denial]
    """Each, in the order in which it was told."""


class Ended(TypedDict):
    """How a command ended."""

    cpu_us: int
    """Processor time, microseconds."""

    elapsed_us: int
    """Wall-clock time, microseconds."""

    insisted: bool
    """It was ended because protected names were made over and over in its ring."""

    max_rss_kib: int
    """Largest resident set of its first process, KiB."""

    ring_gone: bool
    """The ring ended, and it with that."""

    timed_out: bool
    """Its time was up."""

    code: NotRequired[int | None]
    """Its exit code, unless a signal ended it."""

    signal: NotRequired[int | None]
    """The signal that ended it."""


class ErrorData(TypedDict):
    """What an error carries beside code and message."""

    how: NotRequired[str | None]
    """`refused`, `failed`, `not-found`, `not-executable`, `forbidden`, `asked`: as `ringfence run --json` says."""

    lacking: NotRequired[list[Shortfall]]
    """Promises that this machine cannot keep."""

    question: NotRequired[int | None]
    """A person may allow it: start it once more with this as `approval.question`. Without it the command is
    too long to be asked about."""

    rule: NotRequired[RuleSaid | None]
    """What the rules say of the command, where that is why it was not started."""

    versions: NotRequired[list[int]]
    """The versions that are spoken here."""


class Initialize(TypedDict):
    """The first request of every connection."""

    versions: list[int]
    """The versions of the protocol that the client speaks."""

    client: NotRequired[str | None]
    """What the client is called; for people who look at `ringfence sessions`."""


class Initialized(TypedDict):
    """The answer: what is spoken from here on."""

    descriptors: bool
    """Descriptors can be sent along on this connection (a unix socket)."""

    frame_max: int
    """The longest line that is taken, in bytes."""

    pid: int
    """The server's process."""

    ringfence: str
    """The version of Ringfence."""

    version: int
    """The version."""


class ListCommands(TypedDict):
    """`command.list`"""

    ring: NotRequired[int | None]
    """Of this ring only."""


class MadeRepository(TypedDict):
    """A repository that commands made."""

    path: str
    """Where."""

    runs: list[str]
    """What git would run: 32 names at most, each cut after 100 characters."""


class Nothing(TypedDict):
    """Nothing."""


class OfCommand(TypedDict):
    """A command."""

    command: int
    """Its number, unlike any other's of this server."""


class OfRing(TypedDict):
    """A ring."""

    ring: int
    """Its number."""


class OpenRing(TypedDict):
    """`ring.open`"""

    directory: NotRequired[str | None]
    """Where commands start; without it the workspace, or the server's own."""

    idle_ms: NotRequired[int | None]
    """It is closed when nothing has run in it for so many milliseconds. Without it: never, or (`keep`)
    after half an hour."""

    keep: NotRequired[bool]
    """The ring goes on when this connection ends."""

    policy: NotRequired[Policy | None]
    """What is set of the policy."""

    starting_rules: NotRequired[bool | None]
    """`false`: the built-in rules about commands do not hold, the policy's own alone. For where a person chooses
    each command."""

    workspace: NotRequired[str | None]
    """The directory to work in, writable; without it the repository around `directory`, or that."""


class OutputRead(TypedDict):
    """A piece of output."""

    eof: bool
    """Nothing comes after that."""

    next: int
    """The place after the last."""

    offset: int
    """The first byte's place in all that was printed there."""

    base64: NotRequired[str | None]
    """In base64 (RFC 4648 §4)."""

    text: NotRequired[str | None]
    """As text."""


class Policy(TypedDict):
    """The policy's keys that a client may set, as the flags of `ringfence run` do: above the user's and the
    project's files, below what an administrator holds fast."""

    accept: NotRequired[list[str]]
    """Promises to do without where they cannot be kept."""

    cache_tools: NotRequired[list[str] | None]
    """Tools whose caches are layered."""

    caches: NotRequired[str | None]
    """`private`, `shared`, `none`."""

    drop_env: NotRequired[list[str]]
    """Variables to keep from commands."""

    hide: NotRequired[list[str]]
    """Paths to make unreadable."""

    memory: NotRequired[str | None]
    """Memory (`4GiB`)."""

    mode: NotRequired[str | None]
    """`read-only`, `workspace-write`."""

    nested: NotRequired[bool | None]
    """User namespaces may be made inside."""

    network: NotRequired[str | None]
    """`off`, `on`."""

    pass_env: NotRequired[list[str]]
    """Variables to pass although they look like secrets."""

    processes: NotRequired[int | None]
    """Processes and threads."""

    protect: NotRequired[list[str]]
    """Paths below write roots that stay read-only."""

    read: NotRequired[list[str] | None]
    """`all`, `minimal`, or paths beside those."""

    reveal: NotRequired[list[str]]
    """What is hidden by default and is to be shown, by its names."""

    sockets: NotRequired[list[str]]
    """Unix sockets that may be connected to."""

    time: NotRequired[str | None]
    """How long each command may take (`10m`)."""

    write: NotRequired[list[str]]
    """Paths that may be written too."""


ReadOutput = TypedDict(
    "ReadOutput",
    {
        # The command.
        "command": "int",
        # From which byte of it; where that is no more there, from the first that is.
        "from": "NotRequired[int]",
        # How many bytes at most; 256 KiB without it, and at the most.
        "max": "NotRequired[int | None]",
        # Which output; stdout, or the terminal, without it.
        "stream": "NotRequired[Stream | None]",
        # Where nothing is there yet: wait so many milliseconds for something, or the end. A minute at most.
        "wait_ms": "NotRequired[int | None]",
    },
)
"""`command.read`: what is there."""


class Report(TypedDict):
    """What `ringfence … --json` prints."""

    report: Any
    """The report."""


class RequestGrant(TypedDict):
    """`grant.request`: one of `write`, `reveal` and `socket`. Who speaks this protocol has asked whom it must."""

    ring: int
    """The ring."""

    reveal: NotRequired[str | None]
    """What is hidden by default and is to be seen, by its name (`hide.npm`); by all commands."""

    socket: NotRequired[str | None]
    """A Unix socket of a service outside that may be connected to; by all commands.
    What listens there acts for whoever connects."""

    write: NotRequired[str | None]
    """A path that may be written, with all that is protected in a write root. Commands that run already
    are held to what they began with; those that start from now on may."""


class Resize(TypedDict):
    """`command.resize`"""

    columns: int
    """Characters in a line; at least 1."""

    command: int
    """The command."""

    rows: int
    """Lines; at least 1."""


class RingEnded(TypedDict):
    """Notification `ring.ended`: it ended without having been closed on this connection."""

    ring: int
    """The ring."""

    why: str
    """Why."""


class RingListed(TypedDict):
    """A ring, listed."""

    age_ms: int
    """How long it has been there, milliseconds."""

    directory: str
    """The directory commands start in."""

    ring: int
    """Its number."""

    running: int
    """Commands that run."""

    client: NotRequired[str | None]
    """Who opened it."""


class RingNoticed(TypedDict):
    """Notification `ring.noticed`, to the connection that opened the ring: after a command ended, what is new that
    somebody should look at. It may come a moment after `command.ended`, and more than one for much. Of commands that ran for
    less than a quarter of a second repositories are looked for when a later one ends."""

    made: list[MadeRepository]
    """Repositories that commands made, and in which git would run programs of theirs: those that are new, or run
    more. `ring.outcome` tells all."""

    ring: int
    """The ring."""

    taken_away: list[TakenAway]
    """Protected names that commands made, and that were moved aside (to a name that begins with theirs and
    `.from-ring`) or could not be. `ring.outcome` tells them as well."""


class RingOpened(TypedDict):
    """A ring that was opened."""

    directory: str
    """The directory commands start in."""

    enforcement: str
    """`full`, `partial`, `none`."""

    ring: int
    """Its number here."""

    shortfalls: list[Shortfall]
    """Promises that are not kept in full."""


class RingOutcome(TypedDict):
    """What a ring kept, until now."""

    enforcement: str
    """`full`, `partial`, `none`."""

    made: list[MadeRepository]
    """Repositories that commands made, and in which git would run programs of theirs."""

    shortfalls: list[Shortfall]
    """Promises that are not kept in full."""

    taken_away: list[TakenAway]
    """Protected names that commands made, and that were taken away or could not be, since this was last
    asked; 4096 at most."""


class Rings(TypedDict):
    """The rings that there are."""

    rings: list[RingListed]
    """Each."""


class RuleSaid(TypedDict):
    """What the rules say of a command that was not started."""

    decision: str
    """`ask` or `forbid`."""

    line: str
    """All of it, in one line."""

    command: NotRequired[str | None]
    """The part of the command that it is about."""

    origin: NotRequired[str | None]
    """Where the rule stands."""

    prefix: NotRequired[str | None]
    """The rule's prefix."""

    why: NotRequired[str | None]
    """What the rule says of itself."""


class SendSignal(TypedDict):
    """`command.signal`"""

    command: int
    """The command."""

    signal: SignalName
    """The signal."""

    all: NotRequired[bool]
    """To all of its processes, and not to the first alone."""


class Shortfall(TypedDict):
    """A promise that is not kept in full."""

    accepted: bool
    """The user accepted that."""

    promise: str
    """Its name."""

    remedy: str
    """What to do about it; may be empty."""

    what: str
    """What is less."""


class ShowPolicy(TypedDict):
    """`policy.show`"""

    directory: NotRequired[str | None]
    """As for `ring.open`."""

    policy: NotRequired[Policy | None]
    """As for `ring.open`."""

    workspace: NotRequired[str | None]
    """As for `ring.open`."""


class StartCommand(TypedDict):
    """`command.start`"""

    argv: list[str]
    """Program and arguments."""

    ring: int
    """The ring."""

    approval: NotRequired[Approval | None]
    """A person allowed it, who was asked what an earlier start was answered with (`data.question`)."""

    attach: NotRequired[bool]
    """Its output, and its end, are told on this connection as they come."""

    buffer: NotRequired[int | None]
    """Bytes that are kept of each of its outputs; 1 MiB without it, 64 MiB at most."""

    clear_env: NotRequired[bool]
    """It gets no variable but those."""

    directory: NotRequired[str | None]
    """Where it starts; relative to the ring's directory."""

    env: NotRequired[Mapping[str, str | None]]
    """Variables to set, or (null) to take out."""

    keep_background: NotRequired[bool]
    """What it leaves running goes on."""

    memory_limit: NotRequired[int | None]
    """Address space that each of its processes may have, in bytes, where the ring's `memory` is not less."""

    stderr: NotRequired[Sink]
    """Where it prints errors."""

    stdin: NotRequired[Input]
    """What it reads from."""

    stdout: NotRequired[Sink]
    """Where it prints."""

    terminal: NotRequired[TerminalSize | None]
    """It has a terminal of this size in place of the three."""

    time_limit_ms: NotRequired[int | None]
    """It is told to end after so many milliseconds, and ended two seconds later."""

    when_full: NotRequired[WhenFull]
    """When that is full."""


class TakenAway(TypedDict):
    """A protected name that a command made."""

    path: str
    """Where."""

    left: NotRequired[str | None]
    """Why it is still there."""


class TerminalSize(TypedDict):
    """A terminal's size, in characters."""

    columns: int
    """Characters in a line; at least 1."""

    rows: int
    """Lines; at least 1."""


class Wanted(TypedDict):
    """What a grant is to be of: one of them."""

    reveal: NotRequired[str | None]
    """What is hidden under this name."""

    write: NotRequired[str | None]
    """This path, to be written."""


class Why(TypedDict):
    """Why a path can or cannot be used in a ring, or what a command gets there. One of `path` and `argv`."""

    argv: NotRequired[list[str] | None]
    """A command."""

    directory: NotRequired[str | None]
    """As for `ring.open`."""

    path: NotRequired[str | None]
    """A path; it need not exist."""

    policy: NotRequired[Policy | None]
    """As for `ring.open`."""

    workspace: NotRequired[str | None]
    """As for `ring.open`."""


class WriteStdin(TypedDict):
    """`command.stdin`. Answered when it has been written."""

    command: int
    """The command."""

    base64: NotRequired[str | None]
    """In base64."""

    eof: NotRequired[bool]
    """Nothing comes after this."""

    text: NotRequired[str | None]
    """As text."""


class Methods:
    """The protocol's methods, as they are: parameters in, result out."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def command_attach(self, params: Attach) -> Nothing:
        """Has a command's output and end told on this connection."""
        return cast(Nothing, await self._call("command.attach", params))

    async def command_denied(self, params: OfCommand) -> Denials:
        """What of an ended command's output is its ring's doing, with the smallest grant that would let it pass: for a person to be asked, and then for `grant.request`. Nothing for one that ended well."""
        return cast(Denials, await self._call("command.denied", params))

    async def command_detach(self, params: OfCommand) -> Nothing:
        """Has them told no more."""
        return cast(Nothing, await self._call("command.detach", params))

    async def command_forget(self, params: OfCommand) -> Nothing:
        """Forgets a command that has ended, and its output."""
        return cast(Nothing, await self._call("command.forget", params))

    async def command_kill(self, params: OfCommand) -> Nothing:
        """Ends a command and all that it started; one that has ended is no error."""
        return cast(Nothing, await self._call("command.kill", params))

    async def command_list(self, params: ListCommands) -> Commands:
        """The commands that are known."""
        return cast(Commands, await self._call("command.list", params))

    async def command_read(self, params: ReadOutput) -> OutputRead:
        """Reads from what is kept of a command's output."""
        return cast(OutputRead, await self._call("command.read", params))

    async def command_resize(self, params: Resize) -> Nothing:
        """Gives a command's terminal another size."""
        return cast(Nothing, await self._call("command.resize", params))

    async def command_signal(self, params: SendSignal) -> Nothing:
        """Sends a command a signal."""
        return cast(Nothing, await self._call("command.signal", params))

    async def command_start(self, params: StartCommand) -> OfCommand:
        """Starts a command; answered when its program has been executed."""
        return cast(OfCommand, await self._call("command.start", params))

    async def command_stdin(self, params: WriteStdin) -> Nothing:
        """Writes to a command's stdin, or types at its terminal; answered when that has been written."""
        return cast(Nothing, await self._call("command.stdin", params))

    async def command_wait(self, params: OfCommand) -> Ended:
        """Waits for a command's end."""
        return cast(Ended, await self._call("command.wait", params))

    async def doctor(self, params: Nothing) -> Report:
        """What this machine can enforce."""
        return cast(Report, await self._call("doctor", params))

    async def grant_request(self, params: RequestGrant) -> Nothing:
        """Makes a living ring wider, until it ends; nothing has to be run again."""
        return cast(Nothing, await self._call("grant.request", params))

    async def initialize(self, params: Initialize) -> Initialized:
        """The first request of every connection: which version is spoken."""
        return cast(Initialized, await self._call("initialize", params))

    async def policy_show(self, params: ShowPolicy) -> Report:
        """The policy in force, with who said what."""
        return cast(Report, await self._call("policy.show", params))

    async def ring_close(self, params: OfRing) -> Nothing:
        """Ends a ring and all that runs in it."""
        return cast(Nothing, await self._call("ring.close", params))

    async def ring_list(self, params: Nothing) -> Rings:
        """The rings of this server."""
        return cast(Rings, await self._call("ring.list", params))

    async def ring_open(self, params: OpenRing) -> RingOpened:
        """Makes a ring."""
        return cast(RingOpened, await self._call("ring.open", params))

    async def ring_outcome(self, params: OfRing) -> RingOutcome:
        """What a ring kept until now."""
        return cast(RingOutcome, await self._call("ring.outcome", params))

    async def why(self, params: Why) -> Report:
        """Why a path can or cannot be used in a ring, or what a command gets there."""
        return cast(Report, await self._call("why", params))


NOTIFICATIONS: Final[Mapping[str, type]] = {
    "command.closed": CommandClosed,
    "command.ended": CommandEnded,
    "command.output": CommandOutput,
    "ring.ended": RingEnded,
    "ring.noticed": RingNoticed,
}
"""What is told without having been asked for, and its parameters."""
