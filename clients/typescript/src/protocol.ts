// Generated from docs/reference/serve.schema.json: cargo xtask ci --only reference --fix. Do not edit.
/** What is said with `ringfence serve`. JSON-RPC 2.0, one message a line. The parameters and results of each method, the parameters of each notification, and the data of errors. */

/** The versions of the protocol that this was made from. */
export const VERSIONS: readonly number[] = [1];

/** The codes of errors that are not JSON-RPC's own. */
export const CODES: Readonly<Record<number, string>> = {
  [-32000]: "Ringfence failed or refused, or the program is not there: `data.how` tells",
  [-32001]: "`initialize` comes first",
  [-32002]: "no version of the protocol in common: `data.versions` are spoken here",
  [-32003]: "there is no such ring",
  [-32004]: "there is no such command",
  [-32005]: "the command takes no input (any more)",
  [-32006]: "too much is waiting already",
  [-32007]: "the command is not on a terminal",
  [-32008]: "the command still runs",
};

/** A person's yes to a question. It holds for the very command that the question was about, in its ring. */
export interface Approval {
  /** The question's number. */
  question: number;
  /** For how long. */
  lasts?: Lasts;
}

/** `command.attach` */
export interface Attach {
  /** The command. */
  command: number;
  /** From which byte of each output on; from the first that is still there without it. */
  from?: Record<string, number>;
}

/**
 * Notification `command.closed`: nothing more comes of its output. Only where `command.ended` said that it
 * goes on.
 */
export interface CommandClosed {
  /** The command. */
  command: number;
}

/** Notification `command.ended`: after all that it printed before its end has been told. */
export interface CommandEnded {
  /** The command. */
  command: number;
  /** Processor time, microseconds. */
  cpu_us: number;
  /** Wall-clock time, microseconds. */
  elapsed_us: number;
  /** It was ended because protected names were made over and over in its ring. */
  insisted: boolean;
  /** Largest resident set of its first process, KiB. */
  max_rss_kib: number;
  /** Its output goes on: what it left in the background may print. `command.closed` tells the end of that. */
  open: boolean;
  /** The ring ended, and it with that. */
  ring_gone: boolean;
  /** Its time was up. */
  timed_out: boolean;
  /** Its exit code, unless a signal ended it. */
  code?: number | null;
  /** The signal that ended it. */
  signal?: number | null;
}

/** A command, listed. */
export interface CommandListed {
  /** How long ago it was started, milliseconds. */
  age_ms: number;
  /** Program and arguments, cut where they are long. */
  argv: string[];
  /** Its number. */
  command: number;
  /** Its ring. */
  ring: number;
  /** It is on a terminal. */
  terminal: boolean;
  /** How it ended; not there while it runs. */
  ended?: Ended | null;
}

/** Notification `command.output`. */
export interface CommandOutput {
  /** The command. */
  command: number;
  /** The first byte's place in all that was printed there. */
  offset: number;
  /** Which output. */
  stream: Stream;
  /** In base64 (RFC 4648 §4). */
  base64?: string | null;
  /** As text. */
  text?: string | null;
}

/** The commands that there are. */
export interface Commands {
  /** Each. */
  commands: CommandListed[];
}

/** Something the ring refused. */
export interface Denial {
  /** What stopped it. */
  because: string;
  /** What a person can do. */
  remedy: string;
  /** What was tried: `write`, `read`, `network`. */
  tried: string;
  /** The smallest grant that would let it pass, as `grant.request` takes it. */
  grant?: Wanted | null;
  /** The path. */
  path?: string | null;
}

/**
 * `command.denied`: found in what is kept of the output, the last 64 KiB of each stream, and held against the ring's plan. A program that
 * names no path leaves it empty.
 */
export interface Denials {
  /** Each, in the order in which it was told. */
  denied: Denial[];
}

/** How a command ended. */
export interface Ended {
  /** Processor time, microseconds. */
  cpu_us: number;
  /** Wall-clock time, microseconds. */
  elapsed_us: number;
  /** It was ended because protected names were made over and over in its ring. */
  insisted: boolean;
  /** Largest resident set of its first process, KiB. */
  max_rss_kib: number;
  /** The ring ended, and it with that. */
  ring_gone: boolean;
  /** Its time was up. */
  timed_out: boolean;
  /** Its exit code, unless a signal ended it. */
  code?: number | null;
  /** The signal that ended it. */
  signal?: number | null;
}

/** What an error carries beside code and message. */
export interface ErrorData {
  /** `refused`, `failed`, `not-found`, `not-executable`, `forbidden`, `asked`: as `ringfence run --json` says. */
  how?: string | null;
  /** Promises that this machine cannot keep. */
  lacking?: Shortfall[];
  /**
   * A person may allow it: start it once more with this as `approval.question`. Without it the command is
   * too long to be asked about.
   */
  question?: number | null;
  /** What the rules say of the command, where that is why it was not started. */
  rule?: RuleSaid | null;
  /** The versions that are spoken here. */
  versions?: number[];
}

/** The first request of every connection. */
export interface Initialize {
  /** The versions of the protocol that the client speaks. */
  versions: number[];
  /** What the client is called; for people who look at `ringfence sessions`. */
  client?: string | null;
}

/** The answer: what is spoken from here on. */
export interface Initialized {
  /** Descriptors can be sent along on this connection (a unix socket). */
  descriptors: boolean;
  /** The longest line that is taken, in bytes. */
  frame_max: number;
  /** The server's process. */
  pid: number;
  /** The version of Ringfence. */
  ringfence: string;
  /** The version. */
  version: number;
}

/** What a command reads from. */
export type Input =
  /** Nothing. */
  | "null"
  /** What `command.stdin` says. */
  | "pipe"
  /** A descriptor that was sent along. */
  | "descriptor";

/** For how long a person's yes holds. */
export type Lasts =
  /** This once. */
  | "once"
  /** As often as the very same command comes, until its ring ends. */
  | "ring";

/** `command.list` */
export interface ListCommands {
  /** Of this ring only. */
  ring?: number | null;
}

/** A repository that commands made. */
export interface MadeRepository {
  /** Where. */
  path: string;
  /** What git would run: 32 names at most, each cut after 100 characters. */
  runs: string[];
}

/** Nothing. */
export type Nothing = Record<string, never>;

/** A command. */
export interface OfCommand {
  /** Its number, unlike any other's of this server. */
  command: number;
}

/** A ring. */
export interface OfRing {
  /** Its number. */
  ring: number;
}

/** `ring.open` */
export interface OpenRing {
  /** Where commands start; without it the workspace, or the server's own. */
  directory?: string | null;
  /**
   * It is closed when nothing has run in it for so many milliseconds. Without it: never, or (`keep`)
   * after half an hour.
   */
  idle_ms?: number | null;
  /** The ring goes on when this connection ends. */
  keep?: boolean;
  /** What is set of the policy. */
  policy?: Policy | null;
  /**
   * `false`: the built-in rules about commands do not hold, the policy's own alone. For where a person chooses
   * each command.
   */
  starting_rules?: boolean | null;
  /** The directory to work in, writable; without it the repository around `directory`, or that. */
  workspace?: string | null;
}

/** A piece of output. */
export interface OutputRead {
  /** Nothing comes after that. */
  eof: boolean;
  /** The place after the last. */
  next: number;
  /** The first byte's place in all that was printed there. */
  offset: number;
  /** In base64 (RFC 4648 §4). */
  base64?: string | null;
  /** As text. */
  text?: string | null;
}

/**
 * The policy's keys that a client may set, as the flags of `ringfence run` do: above the user's and the
 * project's files, below what an administrator holds fast.
 */
export interface Policy {
  /** Promises to do without where they cannot be kept. */
  accept?: string[];
  /** Tools whose caches are layered. */
  cache_tools?: string[] | null;
  /** `private`, `shared`, `none`. */
  caches?: string | null;
  /** Variables to keep from commands. */
  drop_env?: string[];
  /** Paths to make unreadable. */
  hide?: string[];
  /** Memory (`4GiB`). */
  memory?: string | null;
  /** `read-only`, `workspace-write`. */
  mode?: string | null;
  /** User namespaces may be made inside. */
  nested?: boolean | null;
  /** `off`, `on`. */
  network?: string | null;
  /** Variables to pass although they look like secrets. */
  pass_env?: string[];
  /** Processes and threads. */
  processes?: number | null;
  /** Paths below write roots that stay read-only. */
  protect?: string[];
  /** `all`, `minimal`, or paths beside those. */
  read?: string[] | null;
  /** What is hidden by default and is to be shown, by its names. */
  reveal?: string[];
  /** Unix sockets that may be connected to. */
  sockets?: string[];
  /** How long each command may take (`10m`). */
  time?: string | null;
  /** Paths that may be written too. */
  write?: string[];
}

/** `command.read`: what is there. */
export interface ReadOutput {
  /** The command. */
  command: number;
  /** From which byte of it; where that is no more there, from the first that is. */
  from?: number;
  /** How many bytes at most; 256 KiB without it, and at the most. */
  max?: number | null;
  /** Which output; stdout, or the terminal, without it. */
  stream?: Stream | null;
  /** Where nothing is there yet: wait so many milliseconds for something, or the end. A minute at most. */
  wait_ms?: number | null;
}

/** What `ringfence … --json` prints. */
export interface Report {
  /** The report. */
  report: unknown;
}

/** `grant.request`: one of `write`, `reveal` and `socket`. Who speaks this protocol has asked whom it must. */
export interface RequestGrant {
  /** The ring. */
  ring: number;
  /** What is hidden by default and is to be seen, by its name (`hide.npm`); by all commands. */
  reveal?: string | null;
  /**
   * A Unix socket of a service outside that may be connected to; by all commands.
   * What listens there acts for whoever connects.
   */
  socket?: string | null;
  /**
   * A path that may be written, with all that is protected in a write root. Commands that run already
   * are held to what they began with; those that start from now on may.
   */
  write?: string | null;
}

/** `command.resize` */
export interface Resize {
  /** Characters in a line; at least 1. */
  columns: number;
  /** The command. */
  command: number;
  /** Lines; at least 1. */
  rows: number;
}

/** Notification `ring.ended`: it ended without having been closed on this connection. */
export interface RingEnded {
  /** The ring. */
  ring: number;
  /** Why. */
  why: string;
}

/** A ring, listed. */
export interface RingListed {
  /** How long it has been there, milliseconds. */
  age_ms: number;
  /** The directory commands start in. */
  directory: string;
  /** Its number. */
  ring: number;
  /** Commands that run. */
  running: number;
  /** Who opened it. */
  client?: string | null;
}

/**
 * Notification `ring.noticed`, to the connection that opened the ring: after a command ended, what is new that
 * somebody should look at. It may come a moment after `command.ended`, and more than one for much. Of commands that ran for
 * less than a quarter of a second repositories are looked for when a later one ends.
 */
export interface RingNoticed {
  /**
   * Repositories that commands made, and in which git would run programs of theirs: those that are new, or run
   * more. `ring.outcome` tells all.
   */
  made: MadeRepository[];
  /** The ring. */
  ring: number;
  /**
   * Protected names that commands made, and that were moved aside (to a name that begins with theirs and
   * `.from-ring`) or could not be. `ring.outcome` tells them as well.
   */
  taken_away: TakenAway[];
}

/** A ring that was opened. */
export interface RingOpened {
  /** The directory commands start in. */
  directory: string;
  /** `full`, `partial`, `none`. */
  enforcement: string;
  /** Its number here. */
  ring: number;
  /** Promises that are not kept in full. */
  shortfalls: Shortfall[];
}

/** What a ring kept, until now. */
export interface RingOutcome {
  /** `full`, `partial`, `none`. */
  enforcement: string;
  /** Repositories that commands made, and in which git would run programs of theirs. */
  made: MadeRepository[];
  /** Promises that are not kept in full. */
  shortfalls: Shortfall[];
  /**
   * Protected names that commands made, and that were taken away or could not be, since this was last
   * asked; 4096 at most.
   */
  taken_away: TakenAway[];
}

/** The rings that there are. */
export interface Rings {
  /** Each. */
  rings: RingListed[];
}

/** What the rules say of a command that was not started. */
export interface RuleSaid {
  /** `ask` or `forbid`. */
  decision: string;
  /** All of it, in one line. */
  line: string;
  /** The part of the command that it is about. */
  command?: string | null;
  /** Where the rule stands. */
  origin?: string | null;
  /** The rule's prefix. */
  prefix?: string | null;
  /** What the rule says of itself. */
  why?: string | null;
}

/** `command.signal` */
export interface SendSignal {
  /** The command. */
  command: number;
  /** The signal. */
  signal: SignalName;
  /** To all of its processes, and not to the first alone. */
  all?: boolean;
}

/** A promise that is not kept in full. */
export interface Shortfall {
  /** The user accepted that. */
  accepted: boolean;
  /** Its name. */
  promise: string;
  /** What to do about it; may be empty. */
  remedy: string;
  /** What is less. */
  what: string;
}

/** `policy.show` */
export interface ShowPolicy {
  /** As for `ring.open`. */
  directory?: string | null;
  /** As for `ring.open`. */
  policy?: Policy | null;
  /** As for `ring.open`. */
  workspace?: string | null;
}

/** A signal, by its name (`TERM`, `SIGTERM`) or its number. */
export type SignalName =
  /** `TERM` */
  | string
  /** 15 */
  | number;

/** What a command writes to. */
export type Sink =
  /** Notifications, and what `command.read` reads. */
  | "pipe"
  /** Nowhere. */
  | "null"
  /** A descriptor that was sent along. */
  | "descriptor"
  /** Where stdout goes (for stderr only). */
  | "stdout";

/** `command.start` */
export interface StartCommand {
  /** Program and arguments. */
  argv: string[];
  /** The ring. */
  ring: number;
  /** A person allowed it, who was asked what an earlier start was answered with (`data.question`). */
  approval?: Approval | null;
  /** Its output, and its end, are told on this connection as they come. */
  attach?: boolean;
  /** Bytes that are kept of each of its outputs; 1 MiB without it, 64 MiB at most. */
  buffer?: number | null;
  /** It gets no variable but those. */
  clear_env?: boolean;
  /** Where it starts; relative to the ring's directory. */
  directory?: string | null;
  /** Variables to set, or (null) to take out. */
  env?: Record<string, string | null>;
  /** What it leaves running goes on. */
  keep_background?: boolean;
  /** Address space that each of its processes may have, in bytes, where the ring's `memory` is not less. */
  memory_limit?: number | null;
  /** Where it prints errors. */
  stderr?: Sink;
  /** What it reads from. */
  stdin?: Input;
  /** Where it prints. */
  stdout?: Sink;
  /** It has a terminal of this size in place of the three. */
  terminal?: TerminalSize | null;
  /** It is told to end after so many milliseconds, and ended two seconds later. */
  time_limit_ms?: number | null;
  /** When that is full. */
  when_full?: WhenFull;
}

/** One of a command's outputs. */
export type Stream =
  /** What it prints. */
  | "stdout"
  /** What it prints of errors. */
  | "stderr"
  /** What its terminal shows. */
  | "terminal";

/** A protected name that a command made. */
export interface TakenAway {
  /** Where. */
  path: string;
  /** Why it is still there. */
  left?: string | null;
}

/** A terminal's size, in characters. */
export interface TerminalSize {
  /** Characters in a line; at least 1. */
  columns: number;
  /** Lines; at least 1. */
  rows: number;
}

/** What a grant is to be of: one of them. */
export interface Wanted {
  /** What is hidden under this name. */
  reveal?: string | null;
  /** This path, to be written. */
  write?: string | null;
}

/** What becomes of output that nobody has taken yet when the buffer is full. */
export type WhenFull =
  /** The command waits, while somebody is attached; else as `drop`. */
  | "wait"
  /** The oldest is dropped; the next offset tells how much. */
  | "drop";

/** Why a path can or cannot be used in a ring, or what a command gets there. One of `path` and `argv`. */
export interface Why {
  /** A command. */
  argv?: string[] | null;
  /** As for `ring.open`. */
  directory?: string | null;
  /** A path; it need not exist. */
  path?: string | null;
  /** As for `ring.open`. */
  policy?: Policy | null;
  /** As for `ring.open`. */
  workspace?: string | null;
}

/** `command.stdin`. Answered when it has been written. */
export interface WriteStdin {
  /** The command. */
  command: number;
  /** In base64. */
  base64?: string | null;
  /** Nothing comes after this. */
  eof?: boolean;
  /** As text. */
  text?: string | null;
}

/** Each method: what it takes and what it answers. */
export interface Methods {
  /** Has a command's output and end told on this connection. */
  "command.attach": { params: Attach; result: Nothing };
  /** What of an ended command's output is its ring's doing, with the smallest grant that would let it pass: for a person to be asked, and then for `grant.request`. Nothing for one that ended well. */
  "command.denied": { params: OfCommand; result: Denials };
  /** Has them told no more. */
  "command.detach": { params: OfCommand; result: Nothing };
  /** Forgets a command that has ended, and its output. */
  "command.forget": { params: OfCommand; result: Nothing };
  /** Ends a command and all that it started; one that has ended is no error. */
  "command.kill": { params: OfCommand; result: Nothing };
  /** The commands that are known. */
  "command.list": { params: ListCommands; result: Commands };
  /** Reads from what is kept of a command's output. */
  "command.read": { params: ReadOutput; result: OutputRead };
  /** Gives a command's terminal another size. */
  "command.resize": { params: Resize; result: Nothing };
  /** Sends a command a signal. */
  "command.signal": { params: SendSignal; result: Nothing };
  /** Starts a command; answered when its program has been executed. */
  "command.start": { params: StartCommand; result: OfCommand };
  /** Writes to a command's stdin, or types at its terminal; answered when that has been written. */
  "command.stdin": { params: WriteStdin; result: Nothing };
  /** Waits for a command's end. */
  "command.wait": { params: OfCommand; result: Ended };
  /** What this machine can enforce. */
  "doctor": { params: Nothing; result: Report };
  /** Makes a living ring wider, until it ends; nothing has to be run again. */
  "grant.request": { params: RequestGrant; result: Nothing };
  /** The first request of every connection: which version is spoken. */
  "initialize": { params: Initialize; result: Initialized };
  /** The policy in force, with who said what. */
  "policy.show": { params: ShowPolicy; result: Report };
  /** Ends a ring and all that runs in it. */
  "ring.close": { params: OfRing; result: Nothing };
  /** The rings of this server. */
  "ring.list": { params: Nothing; result: Rings };
  /** Makes a ring. */
  "ring.open": { params: OpenRing; result: RingOpened };
  /** What a ring kept until now. */
  "ring.outcome": { params: OfRing; result: RingOutcome };
  /** Why a path can or cannot be used in a ring, or what a command gets there. */
  "why": { params: Why; result: Report };
}

/** What is told without having been asked for. */
export interface Notifications {
  "command.closed": CommandClosed;
  "command.ended": CommandEnded;
  "command.output": CommandOutput;
  "ring.ended": RingEnded;
  "ring.noticed": RingNoticed;
}
