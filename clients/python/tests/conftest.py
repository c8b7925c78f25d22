"""The tests run commands with a real server: the debug build, or what RINGFENCE_BIN names."""

from __future__ import annotations

import asyncio
import inspect
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ringfence

ROOT = Path(__file__).resolve().parents[3]

PATIENCE = 100.0
"""Nothing may hang: seconds that one test gets."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine runs in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await pyfuncitem.obj(**wanted)

    asyncio.run(bounded())
    return True


@pytest.fixture(scope="session", autouse=True)
def binary() -> str:
    """The server's program, which `ringfence.find` finds too."""
    if "RINGFENCE_BIN" not in os.environ:
        built = sorted(ROOT.glob("target/*/debug/ringfence"))
        if not built:
            pytest.skip("needs the debug build: cargo build -p ringfence-cli -p ringfence-runner")
        os.environ["RINGFENCE_BIN"] = str(built[0])
    return os.environ["RINGFENCE_BIN"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that is not below /tmp, which every ring has for itself."""
    with tempfile.TemporaryDirectory(prefix="ringfence-client-", dir=Path.home()) as path:
        (Path(path) / "workspace").mkdir()
        yield Path(path)


@pytest.fixture
def workspace(place: Path) -> Path:
    return place / "workspace"


@asynccontextmanager
async def ring_in(workspace: Path, **more: Any) -> AsyncIterator[ringfence.Ring]:
    async with ringfence.serve() as server:
        yield await server.open(workspace, **more)


def running(marker: str) -> list[int]:
    """The processes with this word in their command lines, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        except OSError:
            pass  # It has just ended.
    return found


async def until(what: str, holds: Callable[[], bool]) -> None:
    """Waits for what tells nobody when it happens; the test's own time is the bound."""
    while not holds():
        await asyncio.sleep(0.01)
