/** One connection: requests, their answers, and what is told beside them. */

import type { Readable, Writable } from 'node:stream';

import { BadParams, type ErrorObject, ofAnswer, ServerGone } from './errors.js';
import type { CommandEnded, CommandOutput, Methods, Notifications } from './protocol.js';

/** The longest line that is taken from the server, in bytes. */
const LINE_MAX = 256 * 1024 * 1024;

const NEWLINE = 0x0a;

/** What hears of a command. */
export interface Told {
  onOutput(params: CommandOutput): void;
  onEnded(params: CommandEnded): void;
  onGone(error: ServerGone): void;
}

interface Call {
  resolve(result: unknown): void;
  reject(error: Error): void;
  /** Gets the result as it comes, before what comes after it. */
  onAnswer: ((result: never) => void) | undefined;
}

interface Message {
  id?: number | null;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: ErrorObject;
}

/**
 * Everything comes by one stream, and nothing of it is put away without bound: while a command's output is
 * full here, no more is read, so that the command waits. But whoever waits for something else that has to
 * come by the same stream is not kept waiting for that: then it is read on, and `Child` bounds what it keeps.
 * (Input for a command that is full is nothing else: it reads again when its output is taken.)
 */
export class Connection {
  readonly children = new Map<number, Told>();
  /** The longest line that the server takes, until it says another number. */
  frameMax = 16 * 1024 * 1024;
  gone: ServerGone | undefined;
  onRingEnded: (ended: Notifications['ring.ended']) => void = () => {};

  readonly #from: Readable;
  readonly #to: Writable;
  readonly #calls = new Map<number, Call>();
  #last = 0;
  #rest: Buffer[] = [];
  #restLength = 0;
  readonly #full = new Set<Told>();
  /** How many wait; those that feed a command by which. */
  readonly #waiting = new Map<Told | undefined, number>();
  #room: Promise<void> | undefined;

  constructor(from: Readable, to: Writable) {
    this.#from = from;
    this.#to = to;
    const gone = (error?: Error) => {
      this.#end(new ServerGone(error ? `the server is gone: ${error.message}` : 'the server is gone'));
    };
    from.on('data', (data: Buffer) => this.#received(data));
    from.on('error', gone);
    from.on('close', () => gone());
    from.on('end', () => gone());
    if (to !== (from as unknown)) {
      // That nobody reads any more is told by the end of what is read as well.
      to.on('error', () => {});
    }
  }

  /** Asks, and waits for the answer. `feeds`: the command whose input it is. */
  async call<M extends keyof Methods>(
    method: M,
    params: Methods[M]['params'],
    onAnswer?: (result: Methods[M]['result']) => void,
    feeds?: Told,
  ): Promise<Methods[M]['result']> {
    while (this.#room !== undefined && this.gone === undefined) {
      await this.#room;
    }
    if (this.gone !== undefined) {
      throw new ServerGone(this.gone.message);
    }
    const id = ++this.#last;
    const line = this.#line({ jsonrpc: '2.0', id, method, params });
    return await this.waits(
      new Promise<Methods[M]['result']>((resolve, reject) => {
        this.#calls.set(id, { resolve: resolve as (result: unknown) => void, reject, onAnswer });
        this.#write(line);
      }),
      feeds,
    );
  }

  /** Asks for no answer, and waits for nothing. */
  tell<M extends keyof Methods>(method: M, params: Methods[M]['params']): void {
    if (this.gone === undefined) {
      this.#write(this.#line({ jsonrpc: '2.0', method, params }));
    }
  }

  #line(message: object): string {
    const line = `${JSON.stringify(message)}\n`;
    if (Buffer.byteLength(line) > this.frameMax) {
      // The server could not say to whom its answer goes.
      throw new BadParams(-32602, `the request is longer than ${this.frameMax} bytes`);
    }
    return line;
  }

  #write(line: string): void {
    if (!this.#to.write(line) && this.#room === undefined) {
      this.#room = new Promise((resolve) => {
        const done = () => {
          this.#to.off('drain', done).off('close', done);
          this.#room = undefined;
          resolve();
        };
        this.#to.on('drain', done).on('close', done);
      });
    }
  }

  /** Something is waited for that has to come by this connection. */
  async waits<T>(what: Promise<T>, feeds?: Told): Promise<T> {
    this.#waiting.set(feeds, (this.#waiting.get(feeds) ?? 0) + 1);
    this.#steer();
    try {
      return await what;
    } finally {
      const others = (this.#waiting.get(feeds) ?? 0) - 1;
      if (others > 0) {
        this.#waiting.set(feeds, others);
      } else {
        this.#waiting.delete(feeds);
      }
      this.#steer();
    }
  }

  /** As much is kept for a command as should be, or that is over. */
  setFull(child: Told, full: boolean): void {
    if (full) {
      this.#full.add(child);
    } else {
      this.#full.delete(child);
    }
    this.#steer();
  }

  #steer(): void {
    if (this.gone !== undefined) {
      return;
    }
    const full = (child: Told | undefined) => child !== undefined && this.#full.has(child);
    const pause = this.#full.size > 0 && [...this.#waiting.keys()].every(full);
    if (pause !== this.#from.isPaused()) {
      if (pause) {
        this.#from.pause();
      } else {
        this.#from.resume();
      }
    }
  }

  #received(data: Buffer): void {
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      let line = data.subarray(start, end);
      start = end + 1;
      if (this.#rest.length > 0) {
        line = Buffer.concat([...this.#rest, line]);
        this.#rest = [];
        this.#restLength = 0;
      }
      if (this.gone === undefined) {
        this.#message(line.toString());
      }
    }
    if (start < data.length) {
      this.#rest.push(data.subarray(start));
      this.#restLength += data.length - start;
      if (this.#restLength > LINE_MAX) {
        this.#break('it sent a line without end');
      }
    }
  }

  #message(line: string): void {
    let message: Message | null;
    try {
      message = JSON.parse(line) as Message | null;
    } catch {
      message = null;
    }
    if (typeof message !== 'object' || message === null) {
      this.#break('it sent what is no message');
    } else if (message.method !== undefined) {
      this.#notified(message.method, message.params);
    } else if (typeof message.id !== 'number') {
      // It could not read what it was sent, so some call would wait for ever.
      this.#break(String(message.error?.message));
    } else {
      this.#answered(message.id, message);
    }
  }

  #answered(id: number, { result, error }: Message): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error !== undefined) {
      call?.reject(ofAnswer(error));
    } else if (call !== undefined) {
      call.onAnswer?.(result as never);
      call.resolve(result);
    }
  }

  #notified(method: string, params: unknown): void {
    // A newer server may tell more than is known here.
    switch (method) {
      case 'ring.ended':
        this.onRingEnded(params as Notifications['ring.ended']);
        break;
      case 'command.output': {
        const output = params as CommandOutput;
        this.children.get(output.command)?.onOutput(output);
        break;
      }
      case 'command.ended': {
        const ended = params as CommandEnded;
        this.children.get(ended.command)?.onEnded(ended);
        break;
      }
    }
  }

  /** Sends what is to be sent, and no more. */
  close(): void {
    this.#end(new ServerGone('the connection was closed'));
    this.#to.end(() => this.#from.destroy());
  }

  #break(why: string): void {
    this.#end(new ServerGone(`the server is not understood: ${why}`));
    this.#from.destroy();
    this.#to.destroy();
  }

  #end(error: ServerGone): void {
    if (this.gone !== undefined) {
      return;
    }
    this.gone = error;
    // Nobody takes what still comes.
    this.#from.resume();
    for (const call of this.#calls.values()) {
      call.reject(new ServerGone(error.message));
    }
    this.#calls.clear();
    for (const child of this.children.values()) {
      child.onGone(error);
    }
    this.children.clear();
  }
}
