"""Commands: what they are given, what they print, how they end."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

import ringfence

from conftest import ring_in, running, until


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


async def test_a_command_runs_and_its_end_is_told(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        assert ring.directory == str(workspace) and ring.enforcement in ("full", "partial")
        done = await ring.run(sh("echo out; echo err >&2; exit 7"))
        assert (done.stdout, done.stderr, done.code, done.returncode) == (b"out\n", b"err\n", 7, 7)
        assert (await ring.run(["true"], check=True)).code == 0
        done = await ring.run(sh("kill -TERM $$"))
        assert (done.code, done.signal, done.returncode) == (None, 15, -15)
        done = await ring.run(sh("echo a; echo b >&2; echo c"), stderr="stdout")
        assert (done.stdout, done.stderr) == (b"a\nb\nc\n", b"")
        (workspace / "sub").mkdir()
        done = await ring.run(
            sh("pwd; echo $WORD${HOME-none}"), directory="sub", env={"WORD": "wörd ", "HOME": None}
        )
        assert done.stdout.decode() == f"{workspace}/sub\nwörd none\n"
        with pytest.raises(ringfence.CommandFailed) as failed:
            await ring.run(sh("echo why; exit 3"), check=True)
        assert (failed.value.done.code, failed.value.done.stdout) == (3, b"why\n")


async def test_bytes_go_in_and_come_out_as_they_are(workspace: Path) -> None:
    every = bytes(range(256)) * 1000
    async with ring_in(workspace) as ring:
        assert (await ring.run(["cat"], input=every)).stdout == every
        assert (await ring.run(["cat"], input=b"")).stdout == b""
        # Characters that lie across the pieces they are told in.
        text = "x" + "äöü€🦀" * 100_000
        assert (await ring.run(["cat"], input=text.encode())).stdout == text.encode()
        # One that does not read what it is given.
        assert (await ring.run(["true"], input=every * 20)).code == 0
        async with await ring.start(["cat"], stdin="pipe") as child:
            await child.write(b"\xff\0")
            await child.write(b"\xfe")
            await child.close_stdin()
            assert b"".join([chunk.data async for chunk in child.output()]) == b"\xff\0\xfe"
            assert (await child.wait())["code"] == 0
            with pytest.raises(ringfence.StdinClosed):
                await child.write(b"late")
        async with await ring.start(["cat"]) as child:
            with pytest.raises(BrokenPipeError):
                await child.write(b"it reads nothing")


async def test_megabytes_arrive_whole(workspace: Path) -> None:
    data = hashlib.shake_128(b"seed").digest(20_000_000)
    (workspace / "data").write_bytes(data)
    async with ring_in(workspace) as ring:
        async with await ring.start(["cat", "data"]) as child:
            seen, place = hashlib.sha256(), 0
            async for chunk in child.output():
                assert (chunk.offset, chunk.dropped, chunk.stream) == (place, 0, "stdout")
                seen.update(chunk.data)
                place += len(chunk.data)
        assert (place, seen.digest()) == (len(data), hashlib.sha256(data).digest())
        done = await ring.run(["cat"], input=data)
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
        done = await ring.run(["cat", "data"], limit=1000)
        assert (done.stdout, done.dropped) == (data[:1000], len(data) - 1000)


async def test_a_slow_reader_makes_the_command_wait(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        script = "i=0; while :; do echo $i > count; head -c 100000 /dev/zero; i=$((i + 1)); done"
        async with await ring.start(sh(script)) as child:
            output = child.output()
            first = await anext(output)
            # Nobody waits for anything: the command comes to a halt. That nothing happens is no event.
            count, before = workspace / "count", -1
            while (now := int(count.read_text() or 0)) != before:
                before = now
                await asyncio.sleep(0.5)
            assert now < 80 and child._held < 2_000_000
            # And goes on where it was.
            place = first.offset + len(first.data)
            async for chunk in output:
                assert chunk.offset == place
                place += len(chunk.data)
                if place > 30_000_000:
                    break
            # Whoever asks again gets what comes next.
            assert (await anext(child.output())).offset == place


async def test_a_slow_reader_makes_the_writer_wait(workspace: Path) -> None:
    data = hashlib.shake_128(b"filtered").digest(30_000_000)
    async with ring_in(workspace) as ring:
        child = await ring.start(["cat"], stdin="pipe")
        writing = asyncio.ensure_future(child.write(data, eof=True))
        # As slow as that: until it is full here, and for a while after.
        while child not in child._connection._full:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        assert child._held < 2_000_000 and not writing.done()
        seen = hashlib.sha256()
        async for chunk in child.output():
            seen.update(chunk.data)
        await writing
        assert seen.digest() == hashlib.sha256(data).digest()


async def test_output_that_nobody_takes_hangs_nobody(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        size = 40_000_000
        unread = await ring.start(sh(f"head -c {size} /dev/zero; echo end >&2"))
        dropping = await ring.start(sh(f"head -c {size} /dev/zero"), when_full="drop")
        # Neither another command, nor its own end.
        assert (await ring.run(["echo", "other"])).stdout == b"other\n"
        assert (await unread.wait())["code"] == 0
        assert (await dropping.wait())["code"] == 0
        assert unread._held < 18_000_000
        # What is missed is said: as an error, unless one wanted that.
        place = 0
        with pytest.raises(ringfence.OutputLost) as lost:
            async for chunk in unread.output():
                assert chunk.offset == place or chunk.stream == "stderr"
                place += len(chunk.data) if chunk.stream == "stdout" else 0
        rest = [chunk async for chunk in unread.output()]
        there = sum(len(chunk.data) for chunk in rest if chunk.stream == "stdout")
        assert place + lost.value.dropped + there == size
        whole = sum([len(chunk.data) + chunk.dropped async for chunk in dropping.output()])
        assert whole == size


async def test_what_runs_in_the_background_is_looked_at(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        child = await ring.start(
            sh("seq 100000; read l; printf tail"), stdin="pipe", attach=False, buffer=1000
        )
        place, eof = 0, False
        while place < 588_895:
            chunk, eof = await child.read(start=place)
            place = chunk.offset + len(chunk.data)
        assert chunk.data.endswith(b"100000\n") and not eof
        await child.write(b"\n")
        chunks = [chunk async for chunk in child.output()]
        # A place that is no more there is behind a gap, and that is said.
        assert chunks[0].dropped in (588_895 - 1000, 588_899 - 1000)
        printed = b"".join(chunk.data for chunk in chunks)
        assert printed.endswith(b"100000\ntail") and chunks[0].dropped + len(printed) == 588_899
        assert (await child.wait())["code"] == 0


async def test_terminals(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        script = 'stty size; while read l; do echo "<$l>"; stty size; done; exit 5'
        async with await ring.start(sh(script), terminal=(21, 33)) as child:
            output, shown = child.output(), b""

            async def shows(wanted: bytes) -> None:
                nonlocal shown
                while wanted not in shown:
                    chunk = await anext(output)
                    assert chunk.stream == "terminal"
                    shown += chunk.data

            await shows(b"21 33\r\n")
            await child.resize(7, 9)
            await child.write(b"word\n")
            await shows(b"<word>\r\n7 9\r\n")
            with pytest.raises(ringfence.BadParams):
                await child.resize(0, 80)
            await child.close_stdin()
            assert (await child.wait())["code"] == 5
        done = await ring.run(["stty", "size"], terminal=(4, 5))
        assert done.stdout == b"4 5\r\n"
        async with await ring.start(["sleep", "1000"]) as child:
            with pytest.raises(ringfence.NotATerminal):
                await child.resize(1, 1)


async def test_what_the_server_notices_disturbs_nothing(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        for _ in range(3):
            done = await ring.run(sh("echo x > .envrc && echo on"))
            assert (done.code, done.stdout) == (0, b"on\n")
        assert not (workspace / ".envrc").exists()
        assert (workspace / ".envrc.from-ring").exists()


async def test_times_and_signals(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        with pytest.raises(ringfence.TimedOut) as late:
            await ring.run(sh("echo begun; trap '' TERM; sleep 1000"), timeout=0.3)
        assert (late.value.done.stdout, late.value.done.timed_out) == (b"begun\n", True)
        assert isinstance(late.value, TimeoutError)
        dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"]
        codes = [(await ring.run(dd, memory=size << 20)).code for size in (200, 600)]
        assert codes == [1, 0]
        child = await ring.start(sh("trap 'echo got; exit 4' USR1; echo up; while :; do sleep 0.01; done"))
        assert (await anext(child.output())).data == b"up\n"
        await child.signal("USR1")
        assert [chunk.data async for chunk in child.output()] == [b"got\n"]
        assert (await child.wait())["code"] == 4
        child = await ring.start(["sleep", "1000"])
        await child.kill()
        assert (await child.wait()).get("signal") == 9
        await child.kill()


async def test_a_living_ring_is_widened(workspace: Path) -> None:
    other = workspace.parent / "granted"
    other.mkdir()
    async with ring_in(workspace) as ring:
        touch = ["touch", str(other / "file")]
        async with await ring.start(touch) as child:
            assert (await child.wait())["code"] != 0
            (denied,) = await child.denied()
        assert denied["tried"] == "write"
        grant = denied.get("grant")
        assert grant is not None and grant == {"write": str(other)}
        await ring.grant(write=grant["write"])
        assert (await ring.run(touch)).code == 0
        with pytest.raises(ringfence.BadParams):
            await ring.grant()


async def test_fifty_at_once(workspace: Path) -> None:
    async with ring_in(workspace) as ring:

        async def one(number: int) -> None:
            done = await ring.run(sh(f"cat; echo {number}; exit {number}"), input=b"x" * number)
            assert (done.stdout, done.code) == (b"x" * number + b"%d\n" % number, number)

        await asyncio.gather(*(one(number) for number in range(50)))


async def test_who_cancels_leaves_nothing(workspace: Path) -> None:
    async with ring_in(workspace) as ring:
        for number in range(4):
            marker = f"765432{number}.5"
            work = asyncio.ensure_future(ring.run(sh(f"setsid sleep {marker} & sleep {marker}")))
            if number == 0:
                # Cancelled before it is known that it has started.
                await asyncio.sleep(0)
            elif number == 1:
                # And as soon as that is known.
                known = len(ring._connection.children)
                while len(ring._connection.children) == known:
                    await asyncio.sleep(0)
            else:
                await until("it runs", lambda: len(running(marker)) >= 2)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            # An answered request: what was asked before it has been done.
            assert (await ring.run(["echo", "on"])).stdout == b"on\n"
            await until("nothing of it runs", lambda: not running(marker))
        async with await ring.start(["sleep", "7654329.5"]):
            await until("it runs", lambda: bool(running("7654329.5")))
        await until("nothing of it runs", lambda: not running("7654329.5"))
        script = sh("setsid sleep 7654328.5 >/dev/null 2>&1 & echo")
        async with await ring.start(script, keep_background=True) as child:
            assert (await child.wait())["code"] == 0
            await until("what it left runs on", lambda: bool(running("7654328.5")))
        await until("that has ended too", lambda: not running("7654328.5"))
