"""Nothing a child started outlives its call: not by daemons' tricks, not by ours being cancelled or killed."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness_tui.sandbox import child, limits
from harness_tui.sandbox.base import Command, Finished
from harness_tui.sandbox.none import NoSandbox

PYTHON = f"exec {sys.executable} -I -S -c"
# Each prints the pids of what it leaves behind, one a line.
LEAVERS = {
    "background": "sleep 600 & echo $!",
    "session": "setsid nohup sleep 600 > /dev/null 2>&1 & sleep 0.1; pgrep -P $$ sleep || echo $!",
    "holds the pipe": "(trap '' TERM; echo $BASHPID; exec sleep 600) & sleep 0.1",
    "double fork": PYTHON
    + """ '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    os._exit(0)
os.wait(); time.sleep(0.1)'""",
    "stopped": "sleep 600 & echo $!; kill -STOP $!",
    "a tree": "for i in 1 2 3; do (for j in 1 2; do (echo $BASHPID; exec sleep 600) & done; wait) & done; sleep 0.2",
}


async def run(text: str, folder: Path, deadline: float = 60.0) -> Finished:
    return await child.run(
        ["bash", "-c", text],
        executable="/bin/bash",
        cwd=folder,
        env=child.clean(folder, folder),
        deadline=deadline,
    )


def living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize("leaver", LEAVERS)
async def test_nothing_is_left_after_an_exit(leaver: str, tmp_path: Path) -> None:
    done = await run(LEAVERS[leaver], tmp_path)
    pids = [int(line) for line in done.output.split()]
    assert done.ended == "exit"
    assert pids
    assert living(pids) == []


@pytest.mark.parametrize("leaver", ["double fork", "a tree"])
async def test_nothing_is_left_after_a_deadline(leaver: str, tmp_path: Path) -> None:
    text = LEAVERS[leaver].removeprefix("exec ") + "\nsleep 600"
    pids: list[int] = []
    for deadline in (1.5, 15.0, 60.0):  # a loaded machine may not have started them within the first
        done = await run(text, tmp_path, deadline=deadline)
        assert done.ended == "deadline"
        if pids := [int(line) for line in done.output.split()]:
            break
    assert pids
    assert living(pids) == []


async def test_one_that_keeps_forking_is_bounded_and_ended(tmp_path: Path) -> None:
    """Bounded by the kernel where it can be; 3000 otherwise, so that the test itself does no harm."""
    text = f"""{PYTHON} '
import os, time
made = 0
try:
    while made < 3000:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
except OSError:
    pass
print(made, os.getpid(), flush=True)'"""
    done = await run(text, tmp_path)
    made, pid = map(int, done.output.split())
    bounded = bool(limits.current().groups) or os.geteuid() != 0
    assert done.ended == "exit"
    assert made < 3000 or not bounded
    assert [each for each in psutil.process_iter() if each.ppid() == pid or each.pid == pid] == []
    assert (await run("echo alive", tmp_path)).output == "alive\n"


async def test_a_cancelled_call_leaves_nothing(tmp_path: Path) -> None:
    fifo = tmp_path / "pids"
    os.mkfifo(fifo)
    task = asyncio.create_task(run(f"setsid sleep 600 & echo $$ $! > {fifo}; sleep 600", tmp_path))
    pids = [int(word) for word in (await asyncio.to_thread(fifo.read_text)).split()]
    assert living(pids) == pids
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert living(pids) == []


async def test_who_ends_its_nanny_ends_itself(tmp_path: Path) -> None:
    done = await run("sleep 600 & echo $!; kill -TERM $PPID; sleep 600", tmp_path)
    assert done.ended == "killed"
    assert living([int(done.output)]) == []


ENGINE = """
import asyncio, sys
from pathlib import Path
from harness_tui.sandbox.base import Command
from harness_tui.sandbox.bubblewrap import Bubblewrap
from harness_tui.sandbox.none import NoSandbox
folder = Path(sys.argv[1])
made = NoSandbox(folder, scratch=folder / "x") if sys.argv[2] == "none" else Bubblewrap(folder, hidden=())
text = "trap '' TERM; setsid sleep 600 & echo > began; sleep 600; sleep 600"
asyncio.run(made.run(Command(("bash", "-c", text), "/bin/bash", deadline=600)))
"""


@pytest.mark.parametrize("kind", ["none", "bubblewrap"])
def test_nothing_is_left_of_an_engine_that_is_killed(tmp_path: Path, kind: str) -> None:
    fifo = tmp_path / "began"
    os.mkfifo(fifo)
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path), kind])
    try:
        fifo.read_text()
        below = psutil.Process(engine.pid).children(recursive=True)
        handles = [os.pidfd_open(process.pid) for process in below]
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    assert len(handles) >= 3
    for handle in handles:
        assert select.select([handle], [], [], 60)[0], "it lives on"
        os.close(handle)


async def test_the_scratch_directory_goes_however_deep_it_became(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    sandbox = NoSandbox(tmp_path, scratch=scratch)
    text = "cd $TMPDIR && mkdir -p $(printf 'd/%.0s' {1..1900})"  # twice as deep as Python follows
    done = await sandbox.run(Command(("bash", "-c", text), "/bin/bash", deadline=60))
    assert done.code == 0
    await sandbox.close()
    assert not scratch.exists()


async def test_control_groups_are_taken_away_again(tmp_path: Path) -> None:
    await run("true", tmp_path)
    left = [name for group in limits.current().groups for name in os.listdir(group.parent)]
    assert [name for name in left if name.startswith(f"harness-{os.getpid()}-")] == []
