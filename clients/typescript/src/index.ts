/**
 * Commands in a ring that the operating system enforces: a client of `ringfence serve`.
 *
 *     const server = await serve();
 *     const ring = await server.open({ workspace: '/home/ada/project' });
 *     const done = await ring.run(['cargo', 'test']);
 */

export { check, Child, type Chunk, type Done } from './child.js';
export {
  BadParams,
  CommandFailed,
  Failed,
  NoCommonVersion,
  NoSuchCommand,
  NoSuchRing,
  NotATerminal,
  NotInstalled,
  OutputLost,
  ProgramNotExecutable,
  ProgramNotFound,
  Refused,
  RequestError,
  RingfenceError,
  ServerGone,
  StdinClosed,
  StillRuns,
  TimedOut,
  TooMuchWaiting,
} from './errors.js';
export * as protocol from './protocol.js';
export {
  connect,
  find,
  type OpenOptions,
  Ring,
  type RunOptions,
  serve,
  type ServeOptions,
  Server,
  type StartOptions,
} from './server.js';
