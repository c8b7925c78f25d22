"""Servers and rings: what holds, what goes wrong, what is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ringfence

from conftest import PATIENCE, ROOT, ring_in, running, until


async def test_the_ring_holds(place: Path, workspace: Path) -> None:
    outside = place / "outside"
    outside.write_text("as it was")
    write = ["sh", "-c", "echo x > ../outside"]
    async with ring_in(workspace) as ring:
        assert (await ring.run(write)).code != 0
        assert outside.read_text() == "as it was"
        assert (await ring.run(["sh", "-c", "echo x > inside"])).code == 0
        assert (workspace / "inside").read_text() == "x\n"
    async with ring_in(workspace, policy={"mode": "read-only"}) as ring:
        assert (await ring.run(["sh", "-c", "echo y > inside"])).code != 0
    async with ring_in(workspace, policy={"write": [str(place)]}) as ring:
        assert (await ring.run(write)).code == 0
    assert outside.read_text() == "x\n"
    # The control: without a ring nothing stops it.
    outside.write_text("as it was")
    subprocess.run(write, cwd=workspace, check=True)
    assert outside.read_text() == "x\n"


async def test_errors_say_what_and_why(workspace: Path) -> None:
    async with ringfence.serve() as server:
        ring = await server.open(workspace)
        with pytest.raises(ringfence.ProgramNotFound) as missing:
            await ring.run(["no-such-program"])
        assert (missing.value.code, missing.value.how) == (-32000, "not-found")
        assert "no-such-program" in str(missing.value)
        (workspace / "plain").write_text("")
        with pytest.raises(ringfence.ProgramNotExecutable):
            await ring.run(["./plain"])
        with pytest.raises(ringfence.BadParams):
            await server.open(workspace, policy={"time": "soon"})
        with pytest.raises(ringfence.BadParams):
            await server.open(workspace, policy={"colour": "red"})  # type: ignore[arg-type]
        with pytest.raises(ringfence.BadParams):
            await ring.run([])
        with pytest.raises(ringfence.BadParams):
            await ring.run(["echo", "x" * 17_000_000])
        with pytest.raises(TypeError):
            await ring.run("echo words")
        with pytest.raises((ringfence.Refused, ringfence.Failed)) as refused:
            await server.open(workspace, policy={"mode": "full-access"})
        assert refused.value.code == -32000 and refused.value.message
        with pytest.raises(ringfence.RequestError) as unknown:
            await server._connection.call("no.such", {})
        assert unknown.value.code == -32601
        await ring.close()
        await ring.close()
        with pytest.raises(ringfence.NoSuchRing):
            await ring.run(["true"])


async def test_reports_and_lists(workspace: Path) -> None:
    async with ringfence.serve(client="the test") as server:
        assert server.initialized["version"] in ringfence.protocol.VERSIONS
        ring = await server.open(workspace)
        listed = await server.rings()
        assert [(one["ring"], one.get("client")) for one in listed] == [(ring.number, "the test")]
        assert (await server.doctor())["can_enforce"] is True
        why = await server.methods.why({"workspace": str(workspace), "path": str(workspace)})
        assert why["report"]["write"]["decision"] == "allow"
        assert (await ring.outcome())["enforcement"] == ring.enforcement
        idle = await server.open(workspace, idle=0.05)
        await until("it is told that it ended", lambda: idle.gone is not None)
        await idle.close()


async def test_a_dead_server_is_told_to_all_who_wait(workspace: Path) -> None:
    async with ringfence.serve() as server:
        ring = await server.open(workspace)
        marker = "7654321.25"
        child = await ring.start(["sleep", marker])
        output = asyncio.ensure_future(anext(child.output()))
        waits = [asyncio.ensure_future(child.wait()), asyncio.ensure_future(ring.run(["sleep", marker]))]
        await until("both run", lambda: len(running(marker)) == 2)
        os.kill(server.pid, signal.SIGKILL)
        for one in [output, *waits]:
            with pytest.raises(ringfence.ServerGone):
                await one
        with pytest.raises(ringfence.ServerGone):
            await ring.run(["true"])
        await until("the kernel ended all", lambda: not running(marker))


async def test_closing_leaves_nothing(workspace: Path) -> None:
    marker = "7654322.25"
    async with ringfence.serve() as server:
        ring = await server.open(workspace)
        await ring.start(["sh", "-c", f"setsid sleep {marker} & yes"])
        await until("it runs", lambda: bool(running(marker)))
        pid = server.pid
    assert not running(marker)
    assert not Path(f"/proc/{pid}").exists()
    async with ringfence.serve() as server:
        async with await server.open(workspace) as ring:
            await ring.start(["sleep", marker])
            # Its words are seen a moment after it has been executed.
            await until("it runs", lambda: bool(running(marker)))
        await until("nothing of the ring runs", lambda: not running(marker))


def test_who_dies_leaves_nothing(workspace: Path) -> None:
    marker = "7654323.25"
    program = f"""if True:
        import asyncio, os, ringfence
        async def main():
            server = await ringfence.serve()
            ring = await server.open({str(workspace)!r})
            await ring.start(["sh", "-c", "setsid sleep {marker} & echo; yes"])
            print(server.pid, flush=True)
            os.kill(os.getpid(), 9)
        asyncio.run(main())"""
    died = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": ":".join(sys.path)}
    )
    pid = int(died.stdout)
    assert died.returncode == -9

    async def nothing() -> None:
        await until("nothing runs", lambda: not running(marker) and not Path(f"/proc/{pid}").exists())

    asyncio.run(asyncio.wait_for(nothing(), PATIENCE))


async def test_by_a_socket(place: Path, workspace: Path, binary: str) -> None:
    path = place / "own" / "serve.sock"
    server = subprocess.Popen([binary, "serve", "--socket", str(path)])
    try:
        await until("it listens", path.exists)
        async with ringfence.connect(path) as one:
            kept = await one.open(workspace, keep=True)
            child = await kept.start(["sh", "-c", "echo begun; read l; echo $l"], stdin="pipe")
            assert (await anext(child.output())).data == b"begun\n"
            assert (await kept.run(["echo", "one"])).stdout == b"one\n"
        async with ringfence.connect(path) as other:
            assert [ring["ring"] for ring in await other.rings()] == [kept.number]
            await other.methods.command_stdin({"command": child.command, "text": "go\n"})
            assert (await other.methods.command_wait({"command": child.command}))["code"] == 0
    finally:
        server.terminate()
        assert server.wait(30) == 0
    with pytest.raises(OSError):
        await ringfence.connect(path)


async def test_the_program_is_named_or_found(
    workspace: Path, place: Path, binary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGFENCE_BIN")
    monkeypatch.setenv("PATH", f"{Path(binary).parent}:{os.environ['PATH']}")
    assert ringfence.find() == binary
    monkeypatch.setenv("RINGFENCE_BIN", "/from/the/variable")
    assert ringfence.find() == "/from/the/variable"
    assert ringfence.find("/named") == "/named"
    with pytest.raises(ringfence.NotInstalled):
        await ringfence.serve(place / "nothing")
    monkeypatch.delenv("RINGFENCE_BIN")
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(FileNotFoundError):
        await ringfence.serve()
    # One that is no server.
    with pytest.raises(ringfence.ServerGone, match="exit code 1"):
        await ringfence.serve("/bin/false")
    # In a ring no rings are served.
    monkeypatch.setenv("RINGFENCE", "namespaces")
    with pytest.raises(ringfence.ServerGone, match="exit code 125"):
        await ringfence.serve(binary, stderr=subprocess.DEVNULL)


def test_one_command_without_asyncio(workspace: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = ringfence.run(["cat"], workspace=workspace, input=b"\xff\0", capture_output=True)
    assert (done.stdout, done.code) == (b"\xff\0", 0)
    done = ringfence.run(["sh", "-c", "echo out; echo err >&2"], workspace=workspace)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert capfdbinary.readouterr() == (b"out\n", b"err\n")
    with pytest.raises(ringfence.CommandFailed):
        ringfence.run(["false"], workspace=workspace, check=True)
    with pytest.raises(ringfence.TimedOut):
        ringfence.run(["sleep", "1000"], workspace=workspace, timeout=0.2)
    dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"]
    sizes = [ringfence.run(dd, workspace=workspace, memory=size << 20, capture_output=True).code for size in (200, 600)]
    assert sizes == [1, 0]
    with pytest.raises(ringfence.ProgramNotFound):
        ringfence.run(["no-such-program"], workspace=workspace)


def test_the_example_of_the_readme_runs(workspace: Path) -> None:
    text = (ROOT / "clients" / "README.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=workspace,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout.splitlines()[0] == b"hello from a ring", done.stdout
