/** The tests run commands with a real server: the debug build, or what RINGFENCE_BIN names. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { type OpenOptions, type Ring, serve, type Server } from '../src/index.js';

export const ROOT = resolve(import.meta.dirname, '../../../..');

/** Nothing may hang: milliseconds that one test gets. */
const PATIENCE = 100_000;

if (process.env['RINGFENCE_BIN'] === undefined) {
  const target = join(ROOT, 'target');
  const built = (existsSync(target) ? readdirSync(target) : []).map((of) => join(target, of, 'debug/ringfence'));
  const found = built.find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error('needs the debug build: cargo build -p ringfence-cli -p ringfence-runner');
  }
  process.env['RINGFENCE_BIN'] = found;
}

/** Where a test works. */
export interface Place {
  /** Not below /tmp, which every ring has for itself. */
  base: string;
  /** In it. */
  workspace: string;
  /** A server, which is closed at the end. */
  server(): Promise<Server>;
  /** A ring on the workspace, in a server of its own. */
  ring(options?: OpenOptions): Promise<Ring>;
}

export function inPlace(name: string, body: (place: Place, context: TestContext) => Promise<void>): void {
  test(name, { timeout: PATIENCE }, async (context) => {
    const base = mkdtempSync(join(homedir(), 'ringfence-client-'));
    const workspace = join(base, 'workspace');
    mkdirSync(workspace);
    const servers: Server[] = [];
    const server = async () => {
      const one = await serve();
      servers.push(one);
      return one;
    };
    const ring = async (options: OpenOptions = {}) => (await server()).open({ workspace, ...options });
    try {
      await body({ base, workspace, server, ring }, context);
    } finally {
      await Promise.all(servers.map((one) => one.close()));
      rmSync(base, { recursive: true });
    }
  });
}

export function sh(script: string): string[] {
  return ['sh', '-c', script];
}

/** How many processes have this word in their command lines, but for this one. */
export function running(marker: string): number {
  let count = 0;
  for (const name of readdirSync('/proc')) {
    try {
      if (/^\d+$/.test(name) && Number(name) !== process.pid) {
        count += readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(marker) ? 1 : 0;
      }
    } catch {
      // It has just ended.
    }
  }
  return count;
}

/** Waits for what tells nobody when it happens; the test's own time is the bound. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await sleep(10);
  }
}

/** Bytes without a pattern, the same each time. */
export function noise(length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let at = 0, state = 1; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return data;
}
