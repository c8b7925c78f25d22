//! Node and Python, bare and in the default ring.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use ringfence_e2e::{Warm, flows, warm};

flows! {
    /// From `~/.npm` alone, then node's own test runner.
    npm_ci_and_node_test needs ["tool:npm", "tool:node"] |site| {
        let Some(cache) = warm(site.person(), Warm::Npm) else { return };
        site.ws.file("package.json", std::fs::read(cache.join("package.json")).unwrap());
        site.ws.file("package-lock.json", std::fs::read(cache.join("package-lock.json")).unwrap());
        site.ws.file("is.test.js", "const test = require('node:test'); const assert = require('node:assert'); const http = require('node:http');
            test('number', () => assert.ok(require('is-number')(5)));
            test('server', async () => {
              const server = http.createServer((_, r) => r.end('hello')).listen(0, '127.0.0.1');
              await new Promise(done => server.once('listening', done));
              const said = await (await fetch(`http://127.0.0.1:${server.address().port}`)).text();
              server.close();
              assert.equal(said, 'hello');
            });");
        site.run(["npm", "ci", "--offline", "--no-audit", "--no-fund"]).run().ok();
        let done = site.run(["node", "--test"]).run().ok();
        assert!(done.out().contains("pass 2"), "{done}");
        site.run(["npm", "ls"]).run().ok();
    }

    npm_run_script needs ["tool:npm"] |site| {
        site.ws.file("package.json", r#"{"name":"flow","version":"1.0.0","scripts":{"build":"node -e \"require('fs').writeFileSync('out', 'x')\""}}"#);
        site.run(["npm", "run", "build"]).run().ok();
        assert_eq!(site.ws.read("out"), "x");
    }

    venv_and_pytest needs ["tool:python3"] |site| {
        let Some(cache) = warm(site.person(), Warm::Wheels) else { return };
        let wheels = cache.join("wheels").display().to_string();
        site.ws.file("test_it.py", "def test_tmp(tmp_path):\n    (tmp_path / 'x').write_text('1')\n    assert (tmp_path / 'x').read_text() == '1'\n");
        site.run(["python3", "-m", "venv", "v"]).run().ok();
        site.run(["v/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", &wheels, "pytest"]).run().ok();
        let done = site.run(["v/bin/python", "-m", "pytest", "-q"]).run().ok();
        assert!(done.out().contains("1 passed"), "{done}");
    }

    /// From `~/.cache/uv` alone.
    uv needs ["tool:python3"] |site| {
        let Some(cache) = warm(site.person(), Warm::Uv) else { return };
        let uv = cache.join("tool/bin/uv").display().to_string();
        site.run([&uv, "venv", "--offline", "--quiet", "v"]).run().ok();
        site.run([&uv, "pip", "install", "--offline", "--quiet", "--python", "v/bin/python", "iniconfig"]).run().ok();
        site.run(["v/bin/python", "-c", "import iniconfig"]).run().ok();
    }

    python_multiprocessing needs ["tool:python3"] |site| {
        site.ws.file("mp.py", r#"
import multiprocessing as mp
from multiprocessing import shared_memory
def square(n): return n * n
def fill(name):
    part = shared_memory.SharedMemory(name=name); part.buf[0] = 42; part.close()
if __name__ == "__main__":
    for how in ("fork", "spawn", "forkserver"):
        with mp.get_context(how).Pool(2) as pool:
            assert pool.map(square, range(20)) == [n * n for n in range(20)]
    with mp.Manager() as manager:
        shared = manager.dict(); shared["a"] = 1; assert dict(shared) == {"a": 1}
    part = shared_memory.SharedMemory(create=True, size=4096)
    child = mp.Process(target=fill, args=(part.name,)); child.start(); child.join()
    assert child.exitcode == 0 and part.buf[0] == 42
    part.close(); part.unlink()
    lock, queue = mp.Lock(), mp.Queue()
    with lock: queue.put("ok")
    print(queue.get())
"#);
        assert_eq!(site.run(["python3", "mp.py"]).ok(), "ok");
    }

    python_subprocess_and_signals needs ["tool:python3"] |site| {
        site.ws.file("sig.py", r#"
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"], stdout=subprocess.PIPE, start_new_session=True)
assert child.stdout.readline() == b"up\n"
os.killpg(child.pid, signal.SIGTERM)
assert child.wait() == -signal.SIGTERM
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda *_: seen.append(2))
signal.setitimer(signal.ITIMER_REAL, 0.01)
while len(seen) < 2: signal.pause()
print(seen)
"#);
        assert_eq!(site.run(["python3", "sig.py"]).ok(), "[1, 2]");
    }

    python_asyncio_and_unix_sockets needs ["tool:python3"] |site| {
        site.ws.file("aio.py", r#"
import asyncio, socket, tempfile, os
async def serve(reader, writer):
    writer.write(await reader.readline()); await writer.drain(); writer.close()
async def main():
    where = os.path.join(tempfile.mkdtemp(), "s")
    async with await asyncio.start_unix_server(serve, where):
        r, w = await asyncio.open_unix_connection(where)
        w.write(b"over unix\n"); assert await r.readline() == b"over unix\n"; w.close()
    a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    run = await asyncio.create_subprocess_exec("echo", "sub", stdout=asyncio.subprocess.PIPE)
    print((await run.communicate())[0].decode().strip())
asyncio.run(main())
"#);
        assert_eq!(site.run(["python3", "aio.py"]).ok(), "sub");
    }

    node_workers_and_watch needs ["tool:node"] |site| {
        site.ws.file("work.js", "const { Worker, isMainThread, parentPort } = require('node:worker_threads'); const fs = require('node:fs');
            if (!isMainThread) { parentPort.postMessage(6 * 7); } else {
              const watcher = fs.watch('.', (_, name) => { if (name === 'seen') { watcher.close(); console.log('seen'); } });
              new Worker(__filename).on('message', n => { console.log(n); fs.writeFileSync('seen', 'x'); });
            }");
        assert_eq!(site.run(["node", "work.js"]).ok(), "42\nseen");
    }

    node_child_processes needs ["tool:node"] |site| {
        site.ws.file("kids.js", "const { execFileSync, fork } = require('node:child_process');
            if (process.send) { process.on('message', m => { process.send(m + 1); process.disconnect(); }); } else {
              console.log(execFileSync('echo', ['kid']).toString().trim());
              const kid = fork(__filename); kid.on('message', m => console.log(m)); kid.send(1);
            }");
        assert_eq!(site.run(["node", "kids.js"]).ok(), "kid\n2");
    }
}
