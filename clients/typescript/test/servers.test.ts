/** Servers and rings: what holds, what goes wrong, what is left. */

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import {
  BadParams,
  connect,
  Failed,
  find,
  NoSuchRing,
  NotInstalled,
  ProgramNotExecutable,
  ProgramNotFound,
  protocol,
  Refused,
  RequestError,
  serve,
  ServerGone,
} from '../src/index.js';
import { inPlace, ROOT, running, sh, until } from './place.js';

const BINARY = process.env['RINGFENCE_BIN'] ?? '';
const CLIENT = join(import.meta.dirname, '../src/index.js');

inPlace('the ring holds', async ({ base, workspace, server: start }) => {
  const server = await start();
  const outside = join(base, 'outside');
  const read = (path: string) => readFileSync(path, 'utf8');
  writeFileSync(outside, 'as it was');
  const write = 'echo x > ../outside';
  let ring = await server.open({ workspace });
  assert.notEqual((await ring.run(sh(write))).code, 0);
  assert.equal(read(outside), 'as it was');
  assert.equal((await ring.run(sh('echo x > inside'))).code, 0);
  assert.equal(read(join(workspace, 'inside')), 'x\n');
  ring = await server.open({ workspace, policy: { mode: 'read-only' } });
  assert.notEqual((await ring.run(sh('echo y > inside'))).code, 0);
  ring = await server.open({ workspace, policy: { write: [base] } });
  assert.equal((await ring.run(sh(write))).code, 0);
  assert.equal(read(outside), 'x\n');
  // The control: without a ring nothing stops it.
  writeFileSync(outside, 'as it was');
  execFileSync('sh', ['-c', write], { cwd: workspace });
  assert.equal(read(outside), 'x\n');
});

inPlace('errors say what and why', async ({ workspace, server: start }) => {
  const server = await start();
  const ring = await server.open({ workspace });
  await assert.rejects(ring.run(['no-such-program']), (error) => {
    assert.ok(error instanceof ProgramNotFound && error instanceof RequestError);
    assert.deepEqual([error.code, error.how, error.name], [-32000, 'not-found', 'ProgramNotFound']);
    assert.match(error.message, /no-such-program/);
    return true;
  });
  writeFileSync(join(workspace, 'plain'), '');
  await assert.rejects(ring.run(['./plain']), ProgramNotExecutable);
  await assert.rejects(server.open({ workspace, policy: { time: 'soon' } }), BadParams);
  await assert.rejects(server.open({ workspace, policy: { colour: 'red' } as protocol.Policy }), BadParams);
  await assert.rejects(ring.run([]), BadParams);
  await assert.rejects(ring.run(['echo', 'x'.repeat(17_000_000)]), BadParams);
  await assert.rejects(server.open({ workspace, policy: { mode: 'full-access' } }), (error) => {
    assert.ok(error instanceof Refused || error instanceof Failed);
    assert.equal(error.code, -32000);
    return true;
  });
  const unknown = server.call('no.such' as 'doctor', {});
  await assert.rejects(unknown, (error) => error instanceof RequestError && error.code === -32601);
  await ring.close();
  await ring.close();
  await assert.rejects(ring.run(['true']), NoSuchRing);
});

inPlace('reports and lists', async ({ workspace, server: start }) => {
  const server = await start();
  assert.ok(protocol.VERSIONS.includes(server.initialized.version));
  const ring = await server.open({ workspace });
  const listed = await server.rings();
  assert.deepEqual([listed.length, listed[0]?.ring, listed[0]?.client], [1, ring.number, 'typescript']);
  assert.equal(((await server.doctor()) as { can_enforce: boolean }).can_enforce, true);
  assert.equal((await ring.outcome()).enforcement, ring.enforcement);
  const idle = await server.open({ workspace, idle: 50 });
  await until(() => idle.gone !== undefined);
  await idle.close();
});

inPlace('a dead server is told to all who wait', async ({ workspace, server: start }) => {
  const server = await start();
  const ring = await server.open({ workspace });
  const marker = '8765433.25';
  const child = await ring.start(['sleep', marker]);
  const waits = [child.output().next(), child.wait(), ring.run(['sleep', marker])];
  const settled = Promise.allSettled(waits);
  await until(() => running(marker) === 2);
  process.kill(server.pid, 'SIGKILL');
  for (const one of await settled) {
    assert.ok(one.status === 'rejected' && one.reason instanceof ServerGone, JSON.stringify(one));
  }
  await assert.rejects(ring.run(['true']), ServerGone);
  await until(() => running(marker) === 0);
});

inPlace('closing leaves nothing', async ({ workspace, server: start }) => {
  const marker = '8765434.25';
  let server = await start();
  let ring = await server.open({ workspace });
  await ring.start(sh(`setsid sleep ${marker} & yes`));
  await until(() => running(marker) > 0);
  await server.close();
  assert.equal(running(marker), 0);
  assert.ok(!existsSync(`/proc/${server.pid}`));
  server = await start();
  ring = await server.open({ workspace });
  await ring.start(['sleep', marker]);
  await until(() => running(marker) > 0);
  await ring.close();
  await until(() => running(marker) === 0);
});

inPlace('who dies leaves nothing', async ({ workspace }) => {
  const marker = '8765435.25';
  const program = `
    import { serve } from ${JSON.stringify(CLIENT)};
    const server = await serve();
    const ring = await server.open({ workspace: ${JSON.stringify(workspace)} });
    await ring.start(['sh', '-c', 'setsid sleep ${marker} & echo; yes']);
    process.stdout.write(String(server.pid), () => process.kill(process.pid, 9));`;
  const died = spawnSync(process.execPath, ['--input-type=module', '--eval', program]);
  assert.equal(died.signal, 'SIGKILL');
  const pid = Number(died.stdout.toString());
  assert.ok(pid > 0);
  await until(() => running(marker) === 0 && !existsSync(`/proc/${pid}`));
});

inPlace('by a socket', async ({ base, workspace }) => {
  const path = join(base, 'own/serve.sock');
  const server = spawn(BINARY, ['serve', '--socket', path], { stdio: 'inherit' });
  const exited = once(server, 'exit');
  try {
    await until(() => existsSync(path));
    const one = await connect(path);
    const kept = await one.open({ workspace, keep: true });
    const child = await kept.start(sh('echo begun; read l; echo $l'), { stdin: 'pipe' });
    const { value } = await child.output().next();
    assert.equal(value?.data.toString(), 'begun\n');
    assert.equal((await kept.run(['echo', 'one'])).stdout.toString(), 'one\n');
    await one.close();
    const other = await connect(path);
    assert.deepEqual((await other.rings()).map((ring) => ring.ring), [kept.number]);
    await other.call('command.stdin', { command: child.command, text: 'go\n' });
    assert.equal((await other.call('command.wait', { command: child.command })).code, 0);
    await other.close();
  } finally {
    server.kill('SIGTERM');
  }
  assert.deepEqual((await exited)[0], 0);
  await assert.rejects(connect(path));
});

inPlace('the program is named or found', async ({ base }) => {
  const before = { ...process.env };
  try {
    delete process.env['RINGFENCE_BIN'];
    process.env['PATH'] = `${dirname(BINARY)}:${before['PATH']}`;
    assert.equal(find(), BINARY);
    process.env['RINGFENCE_BIN'] = '/from/the/variable';
    assert.equal(find(), '/from/the/variable');
    assert.equal(find('/named'), '/named');
    await assert.rejects(serve({ binary: join(base, 'nothing') }), NotInstalled);
    delete process.env['RINGFENCE_BIN'];
    process.env['PATH'] = base;
    await assert.rejects(serve(), NotInstalled);
    // One that is no server.
    await assert.rejects(serve({ binary: '/bin/false' }), /ServerGone: .*exit code 1/);
    // In a ring no rings are served.
    process.env['RINGFENCE'] = 'namespaces';
    await assert.rejects(serve({ binary: BINARY, stderr: 'ignore' }), /ServerGone: .*exit code 125/);
  } finally {
    process.env = before;
  }
});

inPlace('the example of the readme runs', async ({ workspace }) => {
  const text = readFileSync(join(ROOT, 'clients/README.md'), 'utf8');
  const example = text.split('```js\n')[1]?.split('```')[0] ?? '';
  const program = example.replace("from 'ringfence'", `from ${JSON.stringify(CLIENT)}`);
  assert.notEqual(program, example);
  const done = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: workspace });
  assert.equal(done.status, 0, done.stderr.toString());
  assert.match(done.stdout.toString(), /^hello from a ring\nstdout /);
});
