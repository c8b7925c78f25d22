/** A server, and the rings that it has. */

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { delimiter, join, resolve } from 'node:path';

import { check, Child, type Chunk, type Done } from './child.js';
import { Connection } from './connection.js';
import { NotInstalled, ServerGone, StdinClosed, TimedOut } from './errors.js';
import {
  type Initialized,
  type Input,
  type Methods,
  type Policy,
  type RingListed,
  type RingOpened,
  type RingOutcome,
  type Shortfall,
  type Sink,
  type StartCommand,
  type Stream,
  VERSIONS,
  type WhenFull,
  Wanted,
} from './protocol.js';

/** Bytes of each output that `Ring.run` gives back at most, unless it is told otherwise. */
const LIMIT = 64 * 1024 * 1024;
/** Milliseconds that a server gets to end its rings, before it is ended. */
const PATIENCE = 10_000;

/** The `ringfence` to start: the one that is named, the one `RINGFENCE_BIN` names, or the one on `PATH`. */
export function find(binary?: string): string {
  const named = binary ?? process.env['RINGFENCE_BIN'];
  if (named) {
    return named;
  }
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, 'ringfence');
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) {
        return path;
      }
    } catch {
      // It is not this one.
    }
  }
  throw new NotInstalled('`ringfence` is not on PATH; put it there, or name it by RINGFENCE_BIN or `binary`');
}

/** How a server is started. */
export interface ServeOptions {
  /** The program; see `find`. */
  binary?: string;
  /** What to be called in `ringfence sessions`. */
  client?: string;
  /** Without it `ringfence sessions` does not find the server. */
  socket?: boolean;
  /** Where the server's own words go, as for `child_process.spawn`; `inherit` without it. */
  stderr?: 'inherit' | 'ignore' | number;
}

/**
 * Starts a server of one's own. It ends, and all that runs in its rings, with `close` or this process; until
 * it is closed this process does not end by itself.
 */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const words = options.socket === false ? ['serve', '--no-socket'] : ['serve'];
  const stdio: StdioOptions = ['pipe', 'pipe', options.stderr ?? 'inherit'];
  // Ctrl-C at a terminal is for this program to handle: it is not to end the rings.
  const child = spawn(find(options.binary), words, { stdio, detached: true });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new NotInstalled(error.message, { cause: error })));
  });
  await started;
  if (child.stdin === null || child.stdout === null) {
    throw new ServerGone('it has no stdin and stdout');
  }
  return await Server.greet(new Connection(child.stdout, child.stdin), child, options.client);
}

/**
 * Connects to the socket of a server that runs (`ringfence serve --socket PATH`). The rings that are opened
 * by it are closed with the connection, but for those with `keep`.
 */
export async function connect(path: string, options: { client?: string } = {}): Promise<Server> {
  const socket = connectSocket(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return await Server.greet(new Connection(socket, socket), undefined, options.client);
}

/** What a ring is to be. */
export interface OpenOptions {
  /** The directory to work in, writable; without it the repository around `directory`, or that. */
  workspace?: string;
  /** Where commands start; without it the workspace, or this process' own. */
  directory?: string;
  /** What is set of the policy, as the flags of `ringfence run` do. */
  policy?: Policy;
  /** The ring goes on when this connection ends. */
  keep?: boolean;
  /** It is closed when nothing has run in it for so many milliseconds. */
  idle?: number;
}

/** Opens rings. Made by `serve` and `connect`; with `await using` it is closed on the way out. */
export class Server {
  readonly #connection: Connection;
  readonly #process: ChildProcess | undefined;
  readonly #exited: Promise<void>;
  readonly #rings = new Map<number, Ring>();
  #initialized: Initialized | undefined;

  private constructor(connection: Connection, process: ChildProcess | undefined) {
    this.#connection = connection;
    this.#process = process;
    this.#exited = new Promise((resolve) => {
      if (process === undefined) {
        resolve();
      } else {
        process.once('exit', () => resolve());
      }
    });
    connection.onRingEnded = ({ ring, why }) => {
      const known = this.#rings.get(ring);
      this.#rings.delete(ring);
      if (known !== undefined) {
        known.gone = why;
      }
    };
  }

  /** @internal */
  static async greet(
    connection: Connection,
    process: ChildProcess | undefined,
    client: string | undefined,
  ): Promise<Server> {
    const server = new Server(connection, process);
    try {
      const hello = { versions: [...VERSIONS], client: client ?? 'typescript' };
      server.#initialized = await connection.call('initialize', hello);
      connection.frameMax = server.#initialized.frame_max;
      return server;
    } catch (error) {
      await server.close();
      if (error instanceof ServerGone && process !== undefined) {
        const code = process.exitCode ?? process.signalCode;
        throw new ServerGone(`the server ended with exit code ${code} before it served`, { cause: error });
      }
      throw error;
    }
  }

  /** What the server said of itself. */
  get initialized(): Initialized {
    if (this.#initialized === undefined) {
      throw new ServerGone('the server has not said yet what it is');
    }
    return this.#initialized;
  }

  /** The server's process. */
  get pid(): number {
    return this.initialized.pid;
  }

  /** The protocol's methods, as they are. */
  async call<M extends keyof Methods>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    return await this.#connection.call(method, params);
  }

  /** Makes a ring. */
  async open(options: OpenOptions = {}): Promise<Ring> {
    const { workspace, directory, policy, keep, idle } = options;
    const named = directory ?? (workspace === undefined ? '.' : undefined);
    const opened = await this.#connection.call(
      'ring.open',
      {
        ...(workspace !== undefined && { workspace: resolve(workspace) }),
        ...(named !== undefined && { directory: resolve(named) }),
        ...(policy !== undefined && { policy }),
        ...(idle !== undefined && { idle_ms: idle }),
        keep: keep ?? false,
      },
      // Known before it is told that it has ended.
      (answer) => this.#rings.set(answer.ring, new Ring(this.#connection, answer, this.#rings)),
    );
    // One that has ended at this very moment is known no more.
    return this.#rings.get(opened.ring) ?? new Ring(this.#connection, opened, this.#rings);
  }

  /** The rings of this server, of all its clients. */
  async rings(): Promise<RingListed[]> {
    return (await this.call('ring.list', {})).rings;
  }

  /** What this machine can enforce: what `ringfence doctor --json` prints. */
  async doctor(): Promise<unknown> {
    return (await this.call('doctor', {})).report;
  }

  /** Closes the connection. A server of one's own ends with that, and all that runs in its rings. */
  async close(): Promise<void> {
    this.#connection.close();
    for (const more of ['SIGTERM', 'SIGKILL'] as const) {
      const patience = setTimeout(() => this.#process?.kill(more), PATIENCE * (more === 'SIGTERM' ? 1 : 2));
      void this.#exited.then(() => clearTimeout(patience));
    }
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** How a command is started. */
export interface StartOptions {
  /** Where it starts; relative to the ring's directory. */
  directory?: string;
  /** Variables to set, or (null) to take out. */
  env?: Record<string, string | null>;
  /** It gets no variable but those. */
  clearEnv?: boolean;
  /** `pipe`: it reads what is written with `Child.write`. Nothing without it. */
  stdin?: Exclude<Input, 'descriptor'>;
  /** Where it prints. */
  stdout?: Exclude<Sink, 'descriptor' | 'stdout'>;
  /** Where it prints errors; `stdout`: both in one. */
  stderr?: Exclude<Sink, 'descriptor'>;
  /** It has a terminal of this size in place of the three. */
  terminal?: { rows: number; columns: number };
  /** It is told to end after so many milliseconds, and ended two seconds later. */
  timeout?: number;
  /** Bytes of address space that each of its processes may have. */
  memory?: number;
  /** What it leaves running goes on. */
  keepBackground?: boolean;
  /** Bytes of each output that the server keeps. */
  buffer?: number;
  /** When that is full. */
  whenFull?: WhenFull;
  /**
   * `false`: its output is not told as it comes, and the newest is kept. For what runs on in the background,
   * and is looked at with `Child.read` or, from then on, `Child.output`.
   */
  attach?: boolean;
}

/** How a command is run to its end. */
export interface RunOptions extends Omit<StartOptions, 'stdin' | 'keepBackground' | 'attach' | 'whenFull'> {
  /** What it reads. */
  input?: string | Uint8Array;
  /** Another end than with 0 is `CommandFailed`. */
  check?: boolean;
  /** Bytes of each output that are given back at most; `Done.dropped` says how much there was beyond. */
  limit?: number;
  /** Gets what it prints, which is not given back then. */
  onOutput?: (chunk: Chunk) => void;
  /** Ends the command, and all that it started. */
  signal?: AbortSignal;
}



/** A boundary, in which commands run. Made by `Server.open`; with `await using` it is closed on the way out. */
export class Ring {
  /** Its number. */
  readonly number: number;
  /** Where commands start. */
  readonly directory: string;
  /** `full`, `partial`, `none`. */
  readonly enforcement: string;
  /** Promises that are not kept in full. */
  readonly shortfalls: Shortfall[];
  /** Why it ended, if it did without having been closed here. */
  gone: string | undefined;
  readonly #connection: Connection;
  readonly #rings: Map<number, Ring>;

  /** @internal */
  constructor(connection: Connection, opened: RingOpened, rings: Map<number, Ring>) {
    this.number = opened.ring;
    this.directory = opened.directory;
    this.enforcement = opened.enforcement;
    this.shortfalls = opened.shortfalls;
    this.#connection = connection;
    this.#rings = rings;
  }

  /** Starts a command; settles when its program has been executed. */
  async start(argv: readonly string[], options: StartOptions = {}): Promise<Child> {
    const { attach = true, whenFull = 'wait', stdout = 'pipe', stderr = 'pipe', terminal } = options;
    const outputs: [Stream, string][] = [
      ['stdout', stdout],
      ['stderr', stderr],
    ];
    const streams: Stream[] =
      terminal === undefined ? outputs.filter(([, to]) => to === 'pipe').map(([of]) => of) : ['terminal'];
    const words = [...argv];
    const asked: StartCommand = {
      ring: this.number,
      argv: words,
      stdin: options.stdin ?? 'null',
      stdout,
      stderr,
      attach,
      when_full: whenFull,
      clear_env: options.clearEnv ?? false,
      keep_background: options.keepBackground ?? false,
      ...(options.directory !== undefined && { directory: options.directory }),
      ...(options.env !== undefined && { env: options.env }),
      ...(terminal !== undefined && { terminal }),
      ...(options.timeout !== undefined && { time_limit_ms: options.timeout }),
      ...(options.memory !== undefined && { memory_limit: options.memory }),
      ...(options.buffer !== undefined && { buffer: options.buffer }),
    };
    let child: Child | undefined;
    await this.#connection.call('command.start', asked, ({ command }) => {
      // Known before its output comes.
      const strict = attach && whenFull === 'wait';
      child = new Child(this.#connection, command, words, streams, attach, strict);
    });
    return child as unknown as Child;
  }

  /**
   * Runs a command to its end. What it prints is in what is returned. When its `timeout` is over it is ended
   * and that is `TimedOut`. Whoever aborts this by its `signal` ends the command, and all that it started.
   */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Done> {
    const { input, limit = LIMIT, onOutput, signal, check: checked, ...more } = options;
    signal?.throwIfAborted();
    const piped = input !== undefined && more.terminal === undefined;
    const child = await this.start(argv, { ...more, stdin: piped ? 'pipe' : 'null' });
    const abort = () => child.letGo();
    signal?.addEventListener('abort', abort);
    try {
      const feeding = input === undefined ? undefined : feed(child, input);
      // It is looked at below, or not any more.
      feeding?.catch(() => {});
      const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
      const length = { stdout: 0, stderr: 0 };
      let dropped = 0;
      signal?.throwIfAborted();
      for await (const chunk of child.output()) {
        if (onOutput !== undefined) {
          onOutput(chunk);
          continue;
        }
        const to = chunk.stream === 'stderr' ? 'stderr' : 'stdout';
        const part = chunk.data.subarray(0, Math.max(0, limit - length[to]));
        kept[to].push(part);
        length[to] += part.length;
        dropped += chunk.data.length - part.length;
      }
      signal?.throwIfAborted();
      const ended = await child.wait();
      await feeding;
      const done: Done = {
        argv: [...argv],
        code: ended.code ?? null,
        signal: ended.signal ?? null,
        stdout: Buffer.concat(kept.stdout),
        stderr: Buffer.concat(kept.stderr),
        timedOut: ended.timed_out,
        dropped,
        ended,
      };
      if (done.timedOut) {
        throw new TimedOut(done);
      }
      return checked ? check(done) : done;
    } finally {
      signal?.removeEventListener('abort', abort);
      child.letGo();
    }
  }

  /**
   * Widens the ring while it lives; commands that run go on. One of: `write`, a path that commands that start from
   * now on may write; `reveal`, what is hidden by default, by its name (`hide.npm`); `socket`, a Unix socket of a
   * service outside. Whether it may be is not asked anybody: ask before.
   */
  async grant(
    what: { write: string } | { reveal: string } | { socket: string } | Wanted,
  ): Promise<void> {
    await this.#connection.call('grant.request', { ring: this.number, ...what });
  }

  /** What the ring kept until now. */
  async outcome(): Promise<RingOutcome> {
    return await this.#connection.call('ring.outcome', { ring: this.number });
  }

  /** Ends the ring and all that runs in it. One that has ended is no error. */
  async close(): Promise<void> {
    if (this.#rings.delete(this.number) && this.#connection.gone === undefined) {
      await this.#connection.call('ring.close', { ring: this.number });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function feed(child: Child, input: string | Uint8Array): Promise<void> {
  try {
    await child.write(input, { eof: true });
  } catch (error) {
    // It did not want to know; its exit code says whether that is well.
    if (!(error instanceof StdinClosed)) {
      throw error;
    }
  }
}
