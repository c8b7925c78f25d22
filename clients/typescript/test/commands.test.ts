/** Commands: what they are given, what they print, how they end. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  BadParams,
  type Child,
  type Chunk,
  CommandFailed,
  NotATerminal,
  OutputLost,
  StdinClosed,
  TimedOut,
} from '../src/index.js';
import { inPlace, noise, running, sh, until } from './place.js';

function sum(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

async function all(child: Child): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of child.output()) {
    chunks.push(chunk);
  }
  return chunks;
}

async function next(child: Child): Promise<Chunk> {
  const { value, done } = await child.output().next();
  assert.ok(!done, 'its output has ended');
  return value as Chunk;
}

function joined(chunks: Chunk[]): string {
  return Buffer.concat(chunks.map((chunk) => chunk.data)).toString('latin1');
}

inPlace('what the server notices disturbs nothing', async ({ workspace, ring: open }) => {
  const ring = await open();
  for (let round = 0; round < 3; round += 1) {
    const done = await ring.run(sh('echo x > .envrc && echo on'));
    assert.deepEqual([done.code, done.stdout.toString()], [0, 'on\n']);
  }
  assert.ok(!existsSync(join(workspace, '.envrc')) && existsSync(join(workspace, '.envrc.from-ring')));
});

inPlace('a command runs, and its end is told', async ({ workspace, ring: open }) => {
  const ring = await open();
  assert.equal(ring.directory, workspace);
  assert.ok(['full', 'partial'].includes(ring.enforcement));
  let done = await ring.run(sh('echo out; echo err >&2; exit 7'));
  assert.deepEqual([done.stdout.toString(), done.stderr.toString(), done.code], ['out\n', 'err\n', 7]);
  assert.equal((await ring.run(['true'], { check: true })).code, 0);
  done = await ring.run(sh('kill -TERM $$'));
  assert.deepEqual([done.code, done.signal], [null, 15]);
  done = await ring.run(sh('echo a; echo b >&2; echo c'), { stderr: 'stdout' });
  assert.deepEqual([done.stdout.toString(), done.stderr.length], ['a\nb\nc\n', 0]);
  mkdirSync(join(workspace, 'sub'));
  const env = { WORD: 'wörd ', HOME: null };
  done = await ring.run(sh('pwd; echo $WORD${HOME-none}'), { directory: 'sub', env });
  assert.equal(done.stdout.toString(), `${workspace}/sub\nwörd none\n`);
  await assert.rejects(ring.run(sh('echo why; exit 3'), { check: true }), (error) => {
    assert.ok(error instanceof CommandFailed && error.name === 'CommandFailed');
    assert.deepEqual([error.done.code, error.done.stdout.toString()], [3, 'why\n']);
    return true;
  });
});

inPlace('bytes go in and come out as they are', async ({ ring: open }) => {
  const ring = await open();
  const every = Buffer.from(Array.from({ length: 256_000 }, (_, at) => at % 256));
  assert.ok((await ring.run(['cat'], { input: every })).stdout.equals(every));
  assert.equal((await ring.run(['cat'], { input: '' })).stdout.length, 0);
  // Characters that lie across the pieces they are told in.
  const text = `x${'äöü€🦀'.repeat(100_000)}`;
  assert.equal((await ring.run(['cat'], { input: text })).stdout.toString(), text);
  // One that does not read what it is given.
  assert.equal((await ring.run(['true'], { input: Buffer.alloc(5_000_000) })).code, 0);
  const child = await ring.start(['cat'], { stdin: 'pipe' });
  await Promise.all([child.write(Buffer.from([255, 0])), child.write(Buffer.from([254])), child.closeStdin()]);
  assert.equal(joined(await all(child)), '\xff\0\xfe');
  assert.equal((await child.wait()).code, 0);
  await assert.rejects(child.write('late'), StdinClosed);
  const deaf = await ring.start(['cat']);
  await assert.rejects(deaf.write('it reads nothing'), StdinClosed);
});

inPlace('megabytes arrive whole', async ({ workspace, ring: open }) => {
  const ring = await open();
  const data = noise(20_000_000);
  writeFileSync(join(workspace, 'data'), data);
  const child = await ring.start(['cat', 'data']);
  const seen = createHash('sha256');
  let place = 0;
  for await (const chunk of child.output()) {
    assert.deepEqual([chunk.offset, chunk.dropped, chunk.stream], [place, 0, 'stdout']);
    seen.update(chunk.data);
    place += chunk.data.length;
  }
  assert.deepEqual([place, seen.digest('hex')], [data.length, sum(data)]);
  assert.equal(sum((await ring.run(['cat'], { input: data })).stdout), sum(data));
  const done = await ring.run(['cat', 'data'], { limit: 1000 });
  assert.ok(done.stdout.equals(data.subarray(0, 1000)));
  assert.equal(done.dropped, data.length - 1000);
});

inPlace('a slow reader makes the command wait', async ({ workspace, ring: open }) => {
  const ring = await open();
  const child = await ring.start(
    sh('i=0; while :; do echo $i > count; head -c 100000 /dev/zero; i=$((i + 1)); done'),
  );
  const first = await next(child);
  // Nobody waits for anything: the command comes to a halt. That nothing happens is no event.
  const count = () => Number(readFileSync(join(workspace, 'count'), 'utf8'));
  let now = count();
  for (let before = -1; now !== before; now = count()) {
    before = now;
    await sleep(500);
  }
  assert.ok(now < 80, `${now}`);
  // And goes on where it was.
  let place = first.offset + first.data.length;
  for await (const chunk of child.output()) {
    assert.equal(chunk.offset, place);
    place += chunk.data.length;
    if (place > 30_000_000) {
      break;
    }
  }
  // Whoever asks again gets what comes next.
  assert.equal((await next(child)).offset, place);
  await child.close();
});

inPlace('a slow reader makes the writer wait', async ({ ring: open }) => {
  const ring = await open();
  const data = noise(30_000_000);
  const child = await ring.start(['cat'], { stdin: 'pipe' });
  let written = false;
  const writing = child.write(data, { eof: true }).then(() => (written = true));
  const chunks = [await next(child)];
  await sleep(1000);
  assert.ok(!written);
  chunks.push(...(await all(child)));
  await writing;
  assert.equal(sum(Buffer.concat(chunks.map((chunk) => chunk.data))), sum(data));
});

inPlace('output that nobody takes hangs nobody', async ({ ring: open }) => {
  const ring = await open();
  const size = 40_000_000;
  const unread = await ring.start(sh(`head -c ${size} /dev/zero; echo end >&2`));
  const dropping = await ring.start(sh(`head -c ${size} /dev/zero`), { whenFull: 'drop' });
  // Neither another command, nor its own end.
  assert.equal((await ring.run(['echo', 'other'])).stdout.toString(), 'other\n');
  assert.equal((await unread.wait()).code, 0);
  assert.equal((await dropping.wait()).code, 0);
  // What is missed is said: as an error, unless one wanted that.
  let place = 0;
  const lost = await (async () => {
    try {
      for await (const chunk of unread.output()) {
        place += chunk.stream === 'stdout' ? chunk.data.length : 0;
      }
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  assert.ok(lost instanceof OutputLost, String(lost));
  assert.ok(place > 10_000_000 && place < 18_000_000, `${place}`);
  const rest = (await all(unread)).filter((chunk) => chunk.stream === 'stdout');
  const there = rest.reduce((sum, chunk) => sum + chunk.data.length, 0);
  assert.equal(place + lost.dropped + there, size);
  const whole = (await all(dropping)).reduce((sum, chunk) => sum + chunk.data.length + chunk.dropped, 0);
  assert.equal(whole, size);
});

inPlace('what runs in the background is looked at', async ({ ring: open }) => {
  const ring = await open();
  const child = await ring.start(sh('seq 100000; read l; printf tail'), {
    stdin: 'pipe',
    attach: false,
    buffer: 1000,
  });
  let from = 0;
  while (from < 588_895) {
    const chunk = await child.read({ from });
    from = chunk.offset + chunk.data.length;
    assert.equal(chunk.eof, false);
  }
  await child.write('\n');
  const chunks = await all(child);
  // A place that is no more there is behind a gap, and that is said.
  assert.ok([588_895 - 1000, 588_899 - 1000].includes(chunks[0]?.dropped ?? 0));
  const printed = joined(chunks);
  assert.ok(printed.endsWith('100000\ntail'));
  assert.equal((chunks[0]?.dropped ?? 0) + printed.length, 588_899);
  assert.equal((await child.wait()).code, 0);
});

inPlace('terminals', async ({ ring: open }) => {
  const ring = await open();
  const script = 'stty size; while read l; do echo "<$l>"; stty size; done; exit 5';
  const child = await ring.start(sh(script), { terminal: { rows: 21, columns: 33 } });
  let shown = '';
  const shows = async (wanted: string) => {
    while (!shown.includes(wanted)) {
      const chunk = await next(child);
      assert.equal(chunk.stream, 'terminal');
      shown += chunk.data.toString();
    }
  };
  await shows('21 33\r\n');
  await child.resize(7, 9);
  await child.write('word\n');
  await shows('<word>\r\n7 9\r\n');
  await assert.rejects(child.resize(0, 80), BadParams);
  await child.closeStdin();
  assert.equal((await child.wait()).code, 5);
  const done = await ring.run(['stty', 'size'], { terminal: { rows: 4, columns: 5 } });
  assert.equal(done.stdout.toString(), '4 5\r\n');
  const plain = await ring.start(['sleep', '1000']);
  await assert.rejects(plain.resize(1, 1), NotATerminal);
});

inPlace('times and signals', async ({ ring: open }) => {
  const ring = await open();
  const slow = ring.run(sh("echo begun; trap '' TERM; sleep 1000"), { timeout: 300 });
  await assert.rejects(slow, (error) => {
    assert.ok(error instanceof TimedOut);
    assert.deepEqual([error.done.stdout.toString(), error.done.timedOut], ['begun\n', true]);
    return true;
  });
  const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=300M', 'count=1'];
  for (const [size, code] of [
    [200, 1],
    [600, 0],
  ] as const) {
    assert.equal((await ring.run(dd, { memory: size * 2 ** 20 })).code, code);
  }
  let child = await ring.start(sh("trap 'echo got; exit 4' USR1; echo up; while :; do sleep 0.01; done"));
  assert.equal((await next(child)).data.toString(), 'up\n');
  await child.signal('USR1');
  assert.equal(joined(await all(child)), 'got\n');
  assert.equal((await child.wait()).code, 4);
  child = await ring.start(['sleep', '1000']);
  await child.kill();
  assert.equal((await child.wait()).signal, 9);
  await child.kill();
});

inPlace('a living ring is widened', async ({ base, ring: open }) => {
  const other = join(base, 'granted');
  mkdirSync(other);
  const ring = await open();
  const touch = ['touch', join(other, 'file')];
  await using child = await ring.start(touch);
  assert.notEqual((await child.wait()).code, 0);
  const [denied] = await child.denied();
  assert.deepEqual([denied?.tried, denied?.grant], ['write', { write: other }]);
  assert.ok(denied?.grant);
  await ring.grant(denied.grant);
  assert.equal((await ring.run(touch)).code, 0);
});

inPlace('fifty at once', async ({ ring: open }) => {
  const ring = await open();
  const one = async (number: number) => {
    const done = await ring.run(sh(`cat; echo ${number}; exit ${number}`), { input: 'x'.repeat(number) });
    assert.deepEqual([done.stdout.toString(), done.code], [`${'x'.repeat(number)}${number}\n`, number]);
  };
  await Promise.all(Array.from({ length: 50 }, (_, number) => one(number)));
});

inPlace('who aborts leaves nothing', async ({ ring: open }) => {
  const ring = await open();
  for (const late of [false, true, true]) {
    const marker = '8765431.5';
    const abort = new AbortController();
    const work = ring.run(sh(`setsid sleep ${marker} & sleep ${marker}`), { signal: abort.signal });
    if (late) {
      await until(() => running(marker) >= 2);
    }
    abort.abort(new Error('no more'));
    await assert.rejects(work, /no more/);
    await until(() => running(marker) === 0);
    assert.equal((await ring.run(['echo', 'on'])).stdout.toString(), 'on\n');
  }
  const child = await ring.start(['sleep', '8765432.5']);
  await until(() => running('8765432.5') > 0);
  await child[Symbol.asyncDispose]();
  await until(() => running('8765432.5') === 0);
  const script = sh('setsid sleep 8765436.5 >/dev/null 2>&1 & echo');
  const leaving = await ring.start(script, { keepBackground: true });
  assert.equal((await leaving.wait()).code, 0);
  await until(() => running('8765436.5') > 0);
  await leaving.close();
  await until(() => running('8765436.5') === 0);
});
