"""Checks of the home: that it is ours alone, that the engine answers, that the journal is whole."""

from __future__ import annotations

import os
import stat

from ...config.paths import Paths
from ...domain.errors import HarnessError
from . import Check


def all_of(paths: Paths) -> list[Check]:
    """Home, engine and, while no engine holds it, the journal. Creates nothing."""
    found = [_home(paths)]
    try:
        from ...clients.read import status

        state = status(paths)
    except HarnessError as error:
        return [*found, Check("engine", False, error.what, error.next_step)]
    if state["running"]:
        return [*found, Check("engine", True, f"Engine {state['version']} runs, pid {state['pid']}.")]
    return [*found, Check("engine", True, "No engine runs; harness-tui starts one when it needs it."), _journal(paths)]


def _home(paths: Paths) -> Check:
    home = paths.home
    if not home.exists():
        nearest = next(folder for folder in home.parents if folder.exists())
        if os.access(nearest, os.W_OK):
            return Check("home", True, f"{home} does not exist yet; the first engine makes it.")
        return Check("home", False, f"{home} cannot be made: {nearest} is not writable.", "Set HARNESS_TUI_HOME.")
    found = home.stat()
    if found.st_uid != os.getuid():
        return Check("home", False, f"{home} belongs to uid {found.st_uid}.", "Set HARNESS_TUI_HOME to your own.")
    if not os.access(home, os.W_OK | os.X_OK):
        return Check("home", False, f"{home} is not writable.", f"chmod u+rwx {home}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return Check("home", False, f"{home} is open to other users.", f"chmod 700 {home}")
    return Check("home", True, f"{home}, yours alone.")


def _journal(paths: Paths) -> Check:
    if not paths.journal.exists():
        return Check("journal", True, "No journal yet.")
    from ...journal.reader import Reader

    try:
        with Reader(paths.journal) as reader:
            wrong = reader.check()
    except HarnessError as error:
        return Check("journal", False, error.what, error.next_step)
    if wrong:
        keep = f"Keep a copy of {paths.journal} and report it; runs that ended stay readable."
        return Check("journal", False, f"The journal is not whole: {wrong[0]}", keep)
    return Check("journal", True, "The journal is whole, and folding it gives the stored views.")
