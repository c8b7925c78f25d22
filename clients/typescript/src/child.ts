/** A command in a ring. */

import type { Connection, Told } from './connection.js';
import { CommandFailed, NoSuchCommand, OutputLost, ServerGone } from './errors.js';
import type { CommandEnded, CommandOutput, Denial, Ended, SignalName, Stream } from './protocol.js';

/** Bytes that are kept here for whoever reads a command's output; then reading pauses. */
const WINDOW = 1024 * 1024;
/** Bytes that are kept here at most, where it may not pause. */
const HOLD = 16 * 1024 * 1024;
/** Bytes of input that are sent at once. */
const WRITE = 256 * 1024;
/** Bytes of output that are asked for at once. */
const READ = 256 * 1024;

/** A piece of output. */
export interface Chunk {
  /** `stdout`, `stderr`, or `terminal`. */
  stream: Stream;
  /** What was printed. */
  data: Buffer;
  /** The first byte's place in all that was printed there. */
  offset: number;
  /** How many bytes before it were dropped. */
  dropped: number;
}

/** A command that has ended, and what it printed. */
export interface Done {
  /** Program and arguments. */
  argv: string[];
  /** Its exit code, unless a signal ended it. */
  code: number | null;
  /** The signal that ended it. */
  signal: number | null;
  /** What it printed; with a terminal, what that showed. */
  stdout: Buffer;
  /** What it printed of errors. */
  stderr: Buffer;
  /** Its time was up. */
  timedOut: boolean;
  /** Bytes of output that are missing at the end of `stdout` and `stderr`: there was more than `limit`. */
  dropped: number;
  /** All that is known of its end. */
  ended: Ended;
}

/** A command that has ended, or `CommandFailed` unless it ended with 0. */
export function check(done: Done): Done {
  if (done.code !== 0) {
    throw new CommandFailed(done);
  }
  return done;
}

/** A command that was started with `Ring.start`. With `await using` it is ended on the way out. */
export class Child implements Told {
  /** Its number, unlike any other's of this server. */
  readonly command: number;
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** How it ended, once that is known here. */
  ended: Ended | undefined;

  readonly #connection: Connection;
  readonly #next: Map<Stream, number>;
  /** It is told as it comes; else it is fetched. */
  #attached: boolean;
  /** A gap is an error. */
  readonly #strict: boolean;
  #queue: Chunk[] = [];
  #held = 0;
  /** All of its output has been told. */
  #allTold = false;
  #gone: ServerGone | undefined;
  #discards = false;
  #news: (() => void) | undefined;
  #taking = false;
  #written: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(
    connection: Connection,
    command: number,
    argv: readonly string[],
    streams: Stream[],
    attached: boolean,
    strict: boolean,
  ) {
    this.#connection = connection;
    this.command = command;
    this.argv = argv;
    this.#next = new Map(streams.map((stream) => [stream, 0]));
    this.#attached = attached;
    this.#strict = strict;
    connection.children.set(command, this);
  }

  /** @internal */
  onOutput(params: CommandOutput): void {
    if (!this.#attached || this.#discards || this.#allTold) {
      return;
    }
    if (!this.#keep(params.stream, params)) {
      return;
    }
    if (this.#held > HOLD) {
      // Others wait for what comes after this. The server keeps the newest.
      this.#attached = false;
      this.#connection.tell('command.detach', { command: this.command });
      this.#connection.setFull(this, false);
    } else if (this.#held > WINDOW) {
      this.#connection.setFull(this, true);
    }
    this.#news?.();
  }

  /** @internal */
  onEnded({ command: _, ...ended }: CommandEnded): void {
    this.ended = ended;
    if (this.#attached) {
      this.#allTold = true;
      // Nothing more is told of it.
      this.#connection.children.delete(this.command);
    }
    this.#news?.();
  }

  /** @internal */
  onGone(error: ServerGone): void {
    this.#gone = error;
    this.#news?.();
  }

  /** Puts away what is new of it here, and says whether there is any. */
  #keep(stream: Stream, said: { offset: number; text?: string | null; base64?: string | null }): boolean {
    const expected = this.#next.get(stream) ?? 0;
    const known = Math.max(0, expected - said.offset);
    const data = bytesOf(said).subarray(known);
    if (data.length === 0) {
      return false;
    }
    const offset = said.offset + known;
    this.#next.set(stream, offset + data.length);
    this.#queue.push({ stream, data, offset, dropped: offset - expected });
    this.#held += data.length;
    return true;
  }

  /**
   * What it prints, as it comes, to its end. What was not taken yet is kept for the next who asks.
   *
   * A command whose output is not taken waits. But one connection carries everything: while something else
   * is waited for by it, up to 16 MiB are kept here, and then the server keeps the newest only. What is
   * missed is an `OutputLost`; where the command was started with `whenFull: 'drop'` or `attach: false`, it
   * is said in `Chunk.dropped`.
   *
   * It ends when the command does. What a background process prints after that (`keepBackground`) is for
   * `read`.
   */
  output(): AsyncIterableIterator<Chunk> {
    const iterator: AsyncIterableIterator<Chunk> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => {
        const value = await this.#take();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
    };
    return iterator;
  }

  async #take(): Promise<Chunk | undefined> {
    if (this.#taking) {
      throw new Error('the output of a command is for one reader at a time');
    }
    this.#taking = true;
    try {
      for (;;) {
        const chunk = this.#queue[0];
        if (chunk !== undefined) {
          if (chunk.dropped > 0 && this.#strict) {
            const { stream, dropped } = chunk;
            // The next who asks goes on behind the gap.
            chunk.dropped = 0;
            throw new OutputLost(stream, dropped);
          }
          this.#queue.shift();
          this.#held -= chunk.data.length;
          if (this.#held <= WINDOW / 2) {
            this.#connection.setFull(this, false);
          }
          return chunk;
        }
        if (this.#allTold || this.#discards) {
          return undefined;
        }
        if (this.#gone !== undefined) {
          throw new ServerGone(this.#gone.message);
        }
        if (this.#attached) {
          await this.#connection.waits(new Promise<void>((resolve) => (this.#news = resolve)));
        } else {
          await this.#fetch();
        }
      }
    } finally {
      this.#taking = false;
      this.#news = undefined;
    }
  }

  /** Takes what the server has kept; where that is all, it is to tell again what comes. */
  async #fetch(): Promise<void> {
    const command = this.command;
    let eof = true;
    for (const [stream, from] of [...this.#next]) {
      const read = await this.#connection.call('command.read', { command, stream, from, max: READ });
      eof &&= read.eof;
      this.#keep(stream, read);
    }
    if (this.#queue.length > 0) {
      return;
    }
    if (eof) {
      this.ended = await this.#connection.call('command.wait', { command });
      this.#allTold = true;
      return;
    }
    this.#attached = true;
    await this.#connection.call('command.attach', { command, from: Object.fromEntries(this.#next) });
  }

  /**
   * What the server has kept of an output (1 MiB, or `buffer`), from a place on, without waiting for more;
   * and whether nothing comes after it. This takes nothing away from `output`.
   */
  async read(
    options: { stream?: Stream; from?: number; max?: number } = {},
  ): Promise<Chunk & { eof: boolean }> {
    const stream = options.stream ?? [...this.#next.keys()][0] ?? 'stdout';
    const from = options.from ?? 0;
    const max = options.max ?? READ;
    const read = await this.#connection.call('command.read', { command: this.command, stream, from, max });
    const dropped = Math.max(0, read.offset - from);
    return { stream, data: bytesOf(read), offset: read.offset, dropped, eof: read.eof };
  }

  /** What it prints is not wanted (any more), and it does not wait for anybody to take it. */
  discard(): void {
    this.#drop();
    this.#connection.tell('command.detach', { command: this.command });
  }

  #drop(): void {
    this.#discards = true;
    this.#attached = false;
    this.#queue = [];
    this.#held = 0;
    this.#connection.setFull(this, false);
    this.#news?.();
  }

  /**
   * Writes to its stdin, or types at its terminal. Settles when it has been written, so one that does not
   * read holds up whoever waits for that, and one whose output nobody takes comes not to read. `eof`: nothing
   * comes after this.
   */
  async write(data: string | Uint8Array, { eof = false }: { eof?: boolean } = {}): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
    const before = this.#written;
    const all = (async () => {
      // In the order in which it was asked for, also after one that failed.
      await before.catch(() => {});
      for (let start = 0; start === 0 || start < bytes.length; start += WRITE) {
        const base64 = bytes.subarray(start, start + WRITE).toString('base64');
        const last = start + WRITE >= bytes.length;
        const typed = { command: this.command, base64, eof: eof && last };
        await this.#connection.call('command.stdin', typed, undefined, this);
      }
    })();
    this.#written = all;
    await all;
  }

  /** Nothing comes any more (at a terminal: Ctrl-D). */
  async closeStdin(): Promise<void> {
    await this.write('', { eof: true });
  }

  /** Waits for its end. This does not hang on output that nobody takes. */
  async wait(): Promise<Ended> {
    if (this.ended === undefined) {
      if (this.#gone !== undefined) {
        throw new ServerGone(this.#gone.message);
      }
      const ended = await this.#connection.call('command.wait', { command: this.command });
      this.ended ??= ended;
    }
    return this.ended;
  }

  /**
   * What of its output is its ring's doing, once it has ended, with the smallest grant that would let each pass: for a
   * person to be asked, and then for `Ring.grant(grant)`.
   */
  async denied(): Promise<Denial[]> {
    return (await this.#connection.call('command.denied', { command: this.command })).denied;
  }

  /** Ends it and all that it started. One that has ended is no error. */
  async kill(): Promise<void> {
    await this.#connection.call('command.kill', { command: this.command });
  }

  /** Sends it a signal; `all`: each of its processes. */
  async signal(signal: SignalName, { all = false }: { all?: boolean } = {}): Promise<void> {
    await this.#connection.call('command.signal', { command: this.command, signal, all });
  }

  /** Gives its terminal another size. */
  async resize(rows: number, columns: number): Promise<void> {
    await this.#connection.call('command.resize', { command: this.command, rows, columns });
  }

  /** Ends it and all that it started, and has the server forget it and its output. */
  async close(): Promise<void> {
    try {
      await this.kill();
      await this.wait();
    } catch (error) {
      // What has been forgotten has ended; so has what a server had.
      if (!(error instanceof NoSuchCommand || error instanceof ServerGone)) {
        throw error;
      }
    } finally {
      this.letGo();
    }
  }

  /** Ends it, if it runs, else has the server forget it; waits for nothing. */
  letGo(): void {
    const method = this.ended === undefined ? 'command.kill' : 'command.forget';
    this.#connection.tell(method, { command: this.command });
    this.#connection.children.delete(this.command);
    this.#drop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function bytesOf({ text, base64 }: { text?: string | null; base64?: string | null }): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : Buffer.from(base64 ?? '', 'base64');
}
