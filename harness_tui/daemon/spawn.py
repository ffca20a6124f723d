"""A detached engine: started in a session of its own, found by its socket, stopped by asking it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, cast

from ..config.paths import Paths
from ..config.secret_variables import take
from ..domain.errors import LinkLost, SetupError
from ..domain.safetext import clip
from ..port import wire
from ..port.commands import Reply, StopEngine
from ..port.dial import START, Dial
from ..port.snapshot import EngineInfo
from .lock import held, holder
from .server import make_private

MAX_LOG = 5 * 1024 * 1024
POLL = 0.02
"""Seconds between two looks at a starting or stopping engine."""

HANDED = "HARNESS_TUI_HANDED"
"""Set for a child that is to read its secrets from stdin."""

ARGV = (sys.executable, "-P", "-m", "harness_tui", "engine", "serve")
"""-P: the working directory is no place to import from."""


def alive(paths: Paths) -> bool:
    """Whether an engine answers on the home's socket. Creates nothing."""
    try:
        Dial(paths.socket, timeout=2.0).close()
    except LinkLost:
        return False
    return True


def start_detached(paths: Paths, *, timeout: float = 5.0, argv: tuple[str, ...] = ARGV) -> EngineInfo:
    """Start an engine that outlives us and return once it answers; one that runs already is as good.

    Raises SetupError with the last line of its log when it ends or does not answer within `timeout` seconds.
    """
    child: subprocess.Popen[Any] | None = None
    deadline = time.monotonic() + timeout
    while True:
        running = _info(paths)
        if running:
            # Two may start at once. A slow loser must not take the home later, when the winner has been stopped.
            if child and running.pid != child.pid:
                child.terminate()
            return running
        if time.monotonic() > deadline:
            raise _late(paths, timeout, child is not None)
        if not held(paths):  # else one is starting, or one that stops has not let go yet
            if child is None:
                child = _launch(paths, argv)
            elif child.poll() is not None:
                raise SetupError(f"The engine ended at once: {_last_line(paths)}", f"Its log: {paths.log}")
        time.sleep(POLL)


def stop_running(paths: Paths, *, now: bool = False, timeout: float = 30.0) -> Reply:
    """Ask the running engine to stop and wait until it has let go of its home.

    Raises LinkLost when none runs, SetupError when it has not stopped within `timeout` seconds.
    """
    with Dial(paths.socket) as dial:
        pid = cast(EngineInfo, dial.ask(wire.Info)).pid
        reply = cast(Reply, dial.ask(wire.Send, command=StopEngine(now=now)))
    deadline = time.monotonic() + timeout
    while held(paths) and getattr(holder(paths.lock), "pid", pid) == pid:
        if time.monotonic() > deadline:
            raise SetupError(f"The engine has not stopped within {timeout:g} s.", "Try: harness-tui engine stop --now")
        time.sleep(POLL)
    return reply


def _info(paths: Paths) -> EngineInfo | None:
    try:
        with Dial(paths.socket, timeout=1.0) as dial:
            return cast(EngineInfo, dial.ask(wire.Info))
    except LinkLost:
        return None


def _late(paths: Paths, timeout: float, launched: bool) -> SetupError:
    if launched:
        said = _last_line(paths)
        return SetupError(f"The engine did not answer within {timeout:g} s: {said}", f"Its log: {paths.log}")
    found = holder(paths.lock)
    who = f"pid {found.pid}" if found else "unknown pid"
    return SetupError(
        f"The engine of {paths.home} ({who}) has not answered for {timeout:g} s.", f"Look at it; its log: {paths.log}"
    )


def _launch(paths: Paths, argv: tuple[str, ...]) -> subprocess.Popen[Any]:
    paths.ensure()
    make_private(paths.home)
    try:
        if paths.log.stat().st_size > MAX_LOG:
            paths.log.replace(paths.log.with_suffix(".log.1"))
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        log = os.open(paths.log, flags, 0o600)
    except OSError as error:
        raise SetupError(f"Cannot write the engine's log {paths.log}: {error.strerror}.", START) from None
    environ = {**os.environ, "HARNESS_TUI_HOME": str(paths.home), HANDED: "1"}
    secrets = take(environ)
    try:
        os.fchmod(log, 0o600)
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=paths.home,
            env=environ,
            start_new_session=True,
        )
    finally:
        os.close(log)
    _hand_over(child, secrets)
    # The console lives for days: whenever the engine ends meanwhile, somebody must collect it.
    threading.Thread(target=child.wait, name="engine-reaper", daemon=True).start()
    return child


def _hand_over(child: subprocess.Popen[Any], secrets: dict[str, str]) -> None:
    """Secrets travel by a pipe: what stands in a process's environment, its children and every other tool can read."""
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write(json.dumps(secrets).encode())


def received() -> dict[str, str]:
    """What `start_detached` handed over; {} when somebody else started this engine."""
    if not os.environ.pop(HANDED, ""):
        return {}
    told = sys.stdin.read()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, sys.stdin.fileno())
    os.close(nowhere)
    try:
        given = json.loads(told or "{}")
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _last_line(paths: Paths) -> str:
    """The last line of the log, safe to show."""
    try:
        with paths.log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        lines = []
    return clip(next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing"), 400)
