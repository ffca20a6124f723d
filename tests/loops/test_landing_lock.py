"""One action at a time on one workspace, in this process and among several."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from harness_tui.domain.errors import HarnessError
from harness_tui.loops import landing
from tests.sandbox.repository import Repository


async def test_two_never_hold_it_at_once(tmp_path: Path) -> None:
    inside, most = 0, 0

    async def act() -> None:
        nonlocal inside, most
        async with landing.lock(tmp_path, tmp_path / "home"):
            inside += 1
            most = max(most, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(act() for _ in range(20)))
    assert most == 1


async def test_others_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with landing.lock(tmp_path / "one", tmp_path / "home"), landing.lock(tmp_path / "two", tmp_path / "home"):
        pass


@pytest.mark.parametrize("other", ["link", "repository/below", "linked"])
async def test_a_workspace_is_what_it_really_is(tmp_path: Path, other: str) -> None:
    repository = Repository((tmp_path / "repository").resolve())
    (repository.folder / "below").mkdir()
    (tmp_path / "link").symlink_to(repository.folder)
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"))
    tried = asyncio.Event()

    async def second() -> None:
        async with landing.lock(tmp_path / other, tmp_path / "home"):
            tried.set()

    async with landing.lock(repository.folder, tmp_path / "home"):
        task = asyncio.create_task(second())
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert not tried.is_set()
    await asyncio.wait_for(task, 60)


async def test_another_process_is_waited_for_also_when_it_is_killed(tmp_path: Path) -> None:
    home, polls = tmp_path / "home", 0
    ready, said = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            descriptor = landing._lock_file(home, landing._key(tmp_path))
            landing.fcntl.flock(descriptor, landing.fcntl.LOCK_EX)
            os.write(said, b"x")
            signal.pause()
        finally:
            os._exit(1)
    assert os.read(ready, 1)

    async def sleep(seconds: float) -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - dead already

    async with landing.lock(tmp_path, home, sleep=sleep):
        assert polls == 3
    os.close(ready)
    os.close(said)


async def test_patience_has_an_end(tmp_path: Path) -> None:
    waited = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal waited
        waited += seconds

    held = landing._lock_file(tmp_path / "home", landing._key(tmp_path))
    landing.fcntl.flock(held, landing.fcntl.LOCK_EX)
    with pytest.raises(HarnessError, match="still at work"):
        async with landing.lock(tmp_path, tmp_path / "home", sleep=sleep):
            pytest.fail("it was held by another")
    assert waited == pytest.approx(landing.PATIENCE)
    os.close(held)


async def test_who_is_cancelled_leaves_nothing_half_done() -> None:
    go, ended = threading.Event(), []

    def work() -> None:
        assert go.wait(60)
        ended.append(True)

    task = asyncio.create_task(landing.whole(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
