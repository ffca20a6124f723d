"""Finding and ending the processes of one browser, whatever state its driver is in (Linux: read from /proc)."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """One process; `started` (clock ticks since boot) guards against a pid that was given to another."""

    pid: int
    started: int


def marked(marker: str) -> list[Process]:
    """Processes that carry `marker` as an argument, the parent driver of each, and everything below them."""
    found = [pid for pid in _pids() if marker in _argv(pid)]
    roots = set(found)
    for pid in found:
        parent = _stat(pid)[0]
        if "run-driver" in _argv(parent):
            roots.add(parent)
    return _below(roots)


def values(option: str, marker: str) -> list[str]:
    """What follows `option` in the arguments of processes that carry `marker`, each once."""
    found = [argument for pid in _pids() if marker in (argv := _argv(pid)) for argument in argv]
    return list(dict.fromkeys(each.removeprefix(option) for each in found if each.startswith(option)))


def kill(processes: list[Process]) -> None:
    """SIGKILL those that still are who they were."""
    for process in processes:
        if alive(process):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except OSError:
                continue


def alive(process: Process) -> bool:
    """Whether the very process still runs; one that waits to be reaped does not."""
    _, started, state = _stat(process.pid)
    return started == process.started and state not in "ZX"


def _below(roots: set[int]) -> list[Process]:
    parents = {pid: _stat(pid) for pid in _pids()}
    tree = set(roots)
    while more := {pid for pid, (parent, *_) in parents.items() if parent in tree} - tree:
        tree |= more
    return [Process(pid, parents[pid][1]) for pid in sorted(tree) if pid in parents]


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _argv(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _stat(pid: int) -> tuple[int, int, str]:
    """(parent, start time, state); (0, 0, "X") for a process that is gone."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[1]), int(fields[19]), fields[0]
    except (OSError, IndexError, ValueError):
        return 0, 0, "X"
