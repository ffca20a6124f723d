"""Engines in processes of their own: started, found, raced for, killed, stopped; and what the lock says meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from harness_tui.clients.read import reading
from harness_tui.config.paths import Paths
from harness_tui.daemon import spawn
from harness_tui.daemon.host import hosting
from harness_tui.daemon.lock import Lock, held, holder
from harness_tui.domain.errors import LinkLost, SetupError
from harness_tui.port.dial import Dial
from harness_tui.port.snapshot import EngineInfo

from .double import Double

PROGRAM = str(Path(__file__).with_name("double.py"))


class Home:
    """A home whose detached engines are ended with the test."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.argv = (sys.executable, PROGRAM, str(paths.home))
        self.started: list[int] = []

    def start(self) -> EngineInfo:
        info = spawn.start_detached(self.paths, timeout=60, argv=self.argv)
        self.started.append(info.pid)
        return info

    def end(self) -> None:
        for pid in self.started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def detached(home: Paths) -> Iterator[Home]:
    it = Home(home)
    yield it
    it.end()


def wait_gone(pid: int) -> None:
    """Until the process is gone and collected (no zombie)."""
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
    assert not psutil.pid_exists(pid)


def test_a_detached_engine_outlives_its_terminal_and_stops_when_asked(detached: Home) -> None:
    assert not spawn.alive(detached.paths)
    info = detached.start()
    process = psutil.Process(info.pid)
    assert spawn.alive(detached.paths)
    assert os.getsid(info.pid) == info.pid != os.getsid(0)
    assert process.terminal() is None
    assert process.cwd() == str(detached.paths.home)
    assert os.readlink(f"/proc/{info.pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{info.pid}/fd/2") == str(detached.paths.log)
    assert stat.S_IMODE(detached.paths.log.stat().st_mode) == 0o600
    os.kill(info.pid, signal.SIGHUP)
    assert detached.start() == info  # a second start finds the first
    assert spawn.stop_running(detached.paths).text == "done."
    assert not held(detached.paths)
    assert not detached.paths.socket.exists()
    wait_gone(info.pid)
    with pytest.raises(LinkLost):
        spawn.stop_running(detached.paths)


def test_secrets_are_handed_over_by_a_pipe_and_stand_in_no_environment(
    detached: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_API_KEY", "sk-canary-handed")
    info = detached.start()
    assert (detached.paths.home / "received").read_text().split(",").count("A_API_KEY") == 1
    for place in ("environ", "cmdline"):
        assert b"sk-canary-handed" not in Path(f"/proc/{info.pid}/{place}").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_is_a_clean_stop(detached: Home, number: signal.Signals) -> None:
    detached.paths.ensure()
    with detached.paths.log.open("wb") as log:
        child = subprocess.Popen(detached.argv, stderr=log)
    detached.started.append(child.pid)
    while not spawn.alive(detached.paths):
        assert child.poll() is None
    child.send_signal(number)
    assert child.wait(60) == 0
    assert not detached.paths.socket.exists()
    assert not held(detached.paths)
    assert holder(detached.paths.lock) is None
    assert detached.paths.log.read_text() == ""


def test_after_sigkill_the_stale_socket_is_taken_over(detached: Home) -> None:
    first = detached.start()
    os.kill(first.pid, signal.SIGKILL)
    wait_gone(first.pid)
    assert detached.paths.socket.exists()
    assert not spawn.alive(detached.paths)
    assert not held(detached.paths)
    second = detached.start()
    assert second.pid != first.pid
    assert holder(detached.paths.lock).pid == second.pid  # type: ignore[union-attr]
    spawn.stop_running(detached.paths)


def test_a_second_engine_is_refused_by_name(detached: Home) -> None:
    info = detached.start()
    second = subprocess.run(detached.argv, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 78
    assert second.stderr.strip() == (
        f"An engine already runs for {detached.paths.home} (pid {info.pid}). "
        "Use it, or stop it first: harness-tui engine stop"
    )
    assert spawn.alive(detached.paths)


def test_of_many_that_start_at_once_exactly_one_wins(detached: Home) -> None:
    with ThreadPoolExecutor(4) as pool:
        infos = list(pool.map(lambda _: detached.start(), range(4)))
    assert len({info.pid for info in infos}) == 1
    spawn.stop_running(detached.paths)
    home = str(detached.paths.home)
    psutil.wait_procs([p for p in psutil.process_iter() if home in _argv(p)], timeout=60)
    assert not held(detached.paths)  # no late loser took over
    assert not [p.pid for p in psutil.process_iter() if home in _argv(p)]


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_an_engine_that_cannot_start_says_why(home: Paths) -> None:
    argv = (sys.executable, "-c", "import sys; print('old'); sys.exit('the disk is \\x1b[31mfull')")
    with pytest.raises(SetupError) as caught:
        spawn.start_detached(home, timeout=60, argv=argv)
    assert "the disk is \\x1b[31mfull" in caught.value.what
    assert str(home.log) in caught.value.next_step
    assert caught.value.exit_code == 78


def test_a_start_waits_for_an_engine_that_is_still_stopping(detached: Home) -> None:
    detached.paths.ensure()
    lock = Lock.take(detached.paths)
    with pytest.raises(SetupError, match=f"pid {os.getpid()}\\) has not answered for 0.1 s"):
        spawn.start_detached(detached.paths, timeout=0.1, argv=detached.argv)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(detached.start)
        lock.release()
        assert starting.result().pid != os.getpid()


def test_an_engine_that_never_answers_is_given_up(home: Paths, tmp_path: Path) -> None:
    given_up = tmp_path / "given up"
    os.mkfifo(given_up)
    argv = (sys.executable, "-c", f"open({str(given_up)!r}).read()")
    with pytest.raises(SetupError, match="did not answer within 0"):
        spawn.start_detached(home, timeout=0.3, argv=argv)
    given_up.write_text("")


def test_a_large_log_is_rotated_once_at_start(detached: Home) -> None:
    detached.paths.ensure()
    detached.paths.log.write_bytes(b"x" * (spawn.MAX_LOG + 1))
    detached.start()
    assert detached.paths.log.stat().st_size == 0
    assert detached.paths.log.with_suffix(".log.1").stat().st_size == spawn.MAX_LOG + 1


def test_the_log_is_never_written_through_a_link(home: Paths, tmp_path: Path) -> None:
    home.ensure()
    home.log.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="Cannot write the engine's log"):
        spawn.start_detached(home)
    assert not (tmp_path / "elsewhere").exists()


def test_the_lock_is_free_after_release_and_probing_does_not_take_it(home: Paths) -> None:
    assert not held(home)
    assert not home.home.exists()
    home.ensure()
    with Lock.take(home):
        assert held(home)
        with pytest.raises(SetupError, match=f"pid {os.getpid()}"):
            Lock.take(home)
    assert not held(home)
    home.lock.unlink()
    home.lock.symlink_to("/tmp/elsewhere")
    with pytest.raises(SetupError, match="Cannot open the lock"):
        Lock.take(home)


async def test_an_engine_that_fails_to_open_leaves_the_home_free(home: Paths) -> None:
    async def refuse() -> Double:
        raise SetupError("newer database")

    with pytest.raises(SetupError, match="newer"):
        async with hosting(home, refuse):
            pass
    assert not held(home)
    assert not home.socket.exists()


async def test_an_engine_hosted_in_process_is_reached_by_blocking_readers(home: Paths, engine: Double) -> None:
    assert await asyncio.to_thread(spawn.alive, home)
    info = await asyncio.to_thread(spawn.start_detached, home)
    assert info.pid == os.getpid()
    with pytest.raises(SetupError, match="already runs"):
        async with hosting(home, lambda: Double.open(home)):
            pass
    assert home.socket.exists()


def test_the_real_engine_through_kill_and_stop(home: Paths) -> None:
    """What was committed before SIGKILL is on record, SIGTERM leaves a clean end, and the log has nothing to say."""
    first = spawn.start_detached(home, timeout=60)
    assert (first.home, first.socket) == (str(home.home), str(home.socket))
    os.kill(first.pid, signal.SIGKILL)
    wait_gone(first.pid)
    second = spawn.start_detached(home, timeout=60)
    os.kill(second.pid, signal.SIGTERM)
    wait_gone(second.pid)
    with reading(home) as source:
        kinds = [type(envelope.event).__name__ for envelope in source.events("")]
    assert kinds == ["EngineStarted", "EngineStarted", "EngineStopped"]
    assert home.log.read_text() == ""
    for path in (home.journal, home.log, home.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stuck_engine_is_told_from_none(detached: Home) -> None:
    info = detached.start()
    os.kill(info.pid, signal.SIGSTOP)
    with pytest.raises(LinkLost, match="does not answer"):
        Dial(detached.paths.socket, timeout=0.2)
    os.kill(info.pid, signal.SIGCONT)
    assert spawn.alive(detached.paths)
