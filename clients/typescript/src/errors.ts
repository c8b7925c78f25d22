/** What goes wrong, as classes. */

import type { Done } from './child.js';
import { CODES, type ErrorData, type Shortfall } from './protocol.js';

/** All of them. */
export class RingfenceError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** There is no `ringfence` where it was looked for. */
export class NotInstalled extends RingfenceError {}

/** The server ended, or its connection did. What was asked of it may or may not have been done. */
export class ServerGone extends RingfenceError {}

/**
 * Output was dropped before it could be read here. Only where more than one thing is waited for by one
 * connection and output is not taken for long: see `Child.output`.
 */
export class OutputLost extends RingfenceError {
  constructor(
    /** Of which output. */
    readonly stream: string,
    /** How many bytes. */
    readonly dropped: number,
  ) {
    super(`${dropped} bytes of ${stream} were dropped before they were read`);
  }
}

/** What the server answers when it did not do what it was asked. */
export class RequestError extends RingfenceError {
  /** `refused`, `failed`, `not-found`, `not-executable`. */
  readonly how: string | undefined;
  /** The promises that this machine cannot keep. */
  readonly lacking: Shortfall[];
  /** The versions of the protocol that the server speaks. */
  readonly versions: number[];

  constructor(
    /** JSON-RPC's code, or one of `CODES`. */
    readonly code: number,
    /** What, why, and the remedy if there is one. */
    message: string,
    data: ErrorData = {},
  ) {
    super(message);
    this.how = data.how ?? undefined;
    this.lacking = data.lacking ?? [];
    this.versions = data.versions ?? [];
  }
}

/** The policy asks for what this machine cannot enforce (`lacking`), or is not to be had at all. */
export class Refused extends RequestError {}
/** Ringfence itself failed. */
export class Failed extends RequestError {}
/** There is no such program in the ring. */
export class ProgramNotFound extends RequestError {}
/** The program is there, and cannot be executed. */
export class ProgramNotExecutable extends RequestError {}
/** A parameter is not what it can be. */
export class BadParams extends RequestError {}
/** This client is too old or too new for that server. */
export class NoCommonVersion extends RequestError {}
/** The ring has ended. */
export class NoSuchRing extends RequestError {}
/** The command has been forgotten. */
export class NoSuchCommand extends RequestError {}
/** The command takes no input (any more). */
export class StdinClosed extends RequestError {}
/** Too much waits to be done already. */
export class TooMuchWaiting extends RequestError {}
/** The command is not on a terminal. */
export class NotATerminal extends RequestError {}
/** The command still runs. */
export class StillRuns extends RequestError {}

/** A command that was to succeed did not. */
export class CommandFailed extends RingfenceError {
  constructor(
    /** How it ended, and what it printed. */
    readonly done: Done,
  ) {
    const how = done.signal === null ? `exit code ${done.code}` : `signal ${done.signal}`;
    super(`${JSON.stringify(done.argv)} ended with ${how}`);
  }
}

/** A command's time was up. */
export class TimedOut extends RingfenceError {
  constructor(
    /** How it ended, and what it printed until then. */
    readonly done: Done,
  ) {
    super(`${JSON.stringify(done.argv)} took too long and was ended`);
  }
}

type Kind = new (code: number, message: string, data?: ErrorData) => RequestError;

const BY_CODE: Record<number, Kind> = {
  [-32602]: BadParams,
  [-32002]: NoCommonVersion,
  [-32003]: NoSuchRing,
  [-32004]: NoSuchCommand,
  [-32005]: StdinClosed,
  [-32006]: TooMuchWaiting,
  [-32007]: NotATerminal,
  [-32008]: StillRuns,
};

const BY_HOW: Record<string, Kind> = {
  refused: Refused,
  failed: Failed,
  'not-found': ProgramNotFound,
  'not-executable': ProgramNotExecutable,
};

/** What JSON-RPC calls an error object. */
export interface ErrorObject {
  code: number;
  message?: string;
  data?: ErrorData;
}

/** The error for what a server answered. */
export function ofAnswer({ code, message, data }: ErrorObject): RequestError {
  const kind = (data?.how ? BY_HOW[data.how] : BY_CODE[code]) ?? RequestError;
  return new kind(code, message ?? CODES[code] ?? '', data);
}
