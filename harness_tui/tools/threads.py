"""Threads lent to functions of this process: kept when the work is done, and never in the way of an exit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], Callable[[], object]]
"""Work for a thread; it returns how to tell that it is done."""

_resting: list[SimpleQueue[Work]] = []
"""Inboxes of threads without work: starting a thread costs several times what the call does."""
RESTING = 16
"""Threads kept at most; as many loops at once call sync tools without starting any."""
os.register_at_fork(after_in_child=_resting.clear)


def lend(work: Work) -> None:
    """Do it on a thread that rests, else on a new one. None keeps the process alive: a function may never return."""
    try:
        inbox = _resting.pop()
    except IndexError:
        inbox = SimpleQueue()
        threading.Thread(target=_work, args=(inbox,), name="tools", daemon=True).start()
    inbox.put(work)


def _work(inbox: SimpleQueue[Work]) -> None:
    stays = True
    while stays:
        tell = inbox.get()()
        stays = len(_resting) < RESTING
        if stays:
            _resting.append(inbox)  # before it is told, so that the next call finds it
        try:
            tell()
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more
