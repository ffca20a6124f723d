"""What one child and all it starts may take of the machine: a control group where we may make one, else rlimits."""

from __future__ import annotations

import itertools
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

PROCESSES = 1024
"""Processes and threads of one child, at once."""
FILES = 4096
FILE_BYTES = 8 << 30

MARK = resource.RLIMIT_RTTIME
MARK_MICROSECONDS = 3_600_000_000
"""Real-time CPU a child may use. It bounds nothing that runs here, but an ordinary user's process can only lower it:
whatever has less than the engine itself was started by a tool."""

_CGROUPS = Path("/sys/fs/cgroup")
_numbers = itertools.count(1)


class Group(msgspec.Struct, frozen=True):
    """Where a control group can be made, and what is written into it.

    Attributes:
        parent: the directory it is made in.
        settings: file -> value.
    """

    parent: str
    settings: tuple[tuple[str, str], ...]


class Limits(msgspec.Struct, frozen=True):
    """What holds.

    Attributes:
        rlimits: number -> value, soft and hard alike.
        groups: one for each hierarchy.
    """

    rlimits: tuple[tuple[int, int], ...]
    groups: tuple[Group, ...] = ()

    def words(self) -> tuple[str, str]:
        """Both as `nanny.main` reads them; each call names groups of its own."""
        name = f"harness-{os.getpid()}-{next(_numbers)}"
        lines = [
            "\t".join([f"{group.parent}/{name}", *(f"{file}={value}" for file, value in group.settings)])
            for group in self.groups
        ]
        return ",".join(f"{number}={value}" for number, value in self.rlimits), "\n".join(lines)

    def describe(self) -> str:
        """A few words for `doctor`."""
        if self.groups:
            return f"{PROCESSES} processes and half of the memory, by control group"
        if os.geteuid() == 0:
            return "half of the memory a process, by rlimit; processes of root are bounded by the deadline only"
        return f"{PROCESSES} more processes and half of the memory each, by rlimit"


def current() -> Limits:
    """Today's limits. What other processes of this user there are counts for one of them, so it is looked at afresh."""
    with open("/proc/loadavg", encoding="ascii") as file:
        tasks = int(file.read().split()[3].partition("/")[2])
    rlimits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        # Not RLIMIT_AS: V8, Go and Java reserve far more addresses than they use.
        resource.RLIMIT_DATA: _memory(),
        resource.RLIMIT_NPROC: tasks + PROCESSES,
        MARK: MARK_MICROSECONDS,
    }
    return Limits(tuple(rlimits.items()), _groups())


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@cache
def _groups() -> tuple[Group, ...]:
    pids = ("pids.max", str(PROCESSES))
    try:
        mine = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ()
    for _, controllers, path in mine:
        if not controllers:
            for parent in _places(_CGROUPS, path):
                settings = (pids, ("memory.max", str(_memory())), ("memory.oom.group", "1"))
                if _works(parent, settings):
                    return (Group(str(parent), settings),)
    found = []
    bounds = {"pids": (pids,), "memory": (("memory.limit_in_bytes", str(_memory())),)}
    for _, controllers, path in mine:
        if wanted := bounds.get(controllers):
            works = (place for place in _places(_CGROUPS / controllers, path) if _works(place, wanted))
            found += [Group(str(place), wanted) for place in itertools.islice(works, 1)]
    return tuple(found) if any(pids in group.settings for group in found) else ()


def _places(mount: Path, path: str) -> Iterator[Path]:
    """Our own group and the one above it: a version 2 group that holds processes cannot bound groups below it."""
    own = mount / path.strip("/")
    yield own
    if own != mount:
        yield own.parent


def _works(parent: Path, settings: tuple[tuple[str, str], ...]) -> bool:
    """Whether a group can really be made there, set up and entered."""
    group = parent / f"harness-{os.getpid()}-probe"
    try:
        group.mkdir()
    except OSError:
        return False
    try:
        for file, value in settings:
            (group / file).write_text(value, encoding="ascii")
        return os.access(group / "cgroup.procs", os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            group.rmdir()
