"""Who may not come in: what a tool of this very engine has started, for it would approve its own calls."""

from __future__ import annotations

import os
import resource

from ..sandbox.limits import MARK

_ATTEMPTS = 3
"""A process on the way up may end while we look, and its children move to another parent."""


def refusal(pid: int) -> str:
    """Why the process may not come in, or "". What cannot be seen for sure may not.

    Orphans do not get away: each child of a tool has a nanny, which inherits what its descendants leave behind. And
    all of them bear a mark (`limits.MARK`) that an ordinary user's process cannot take off.
    """
    if pid == os.getpid():
        return ""
    for _ in range(_ATTEMPTS):
        try:
            if _is_below_us(pid) or _is_marked(pid):
                return "it was started by a tool of this engine"
            return ""
        except (OSError, ValueError):
            continue
    return "nobody can tell what started it"


def _is_below_us(pid: int) -> bool:
    """Raises OSError or ValueError when the way up cannot be followed to its end."""
    seen = set()
    while pid not in seen:
        if pid == os.getpid():
            return True
        seen.add(pid)
        with open(f"/proc/{pid}/stat", "rb") as file:
            pid = int(file.read().rpartition(b")")[2].split()[1])
        if pid == 0:
            return False
    raise ValueError("it moved while we looked")


def _is_marked(pid: int) -> bool:
    ours, theirs = resource.getrlimit(MARK)[1], resource.prlimit(pid, MARK)[1]
    unbounded = resource.RLIM_INFINITY
    return theirs != unbounded and (ours == unbounded or theirs < ours)
