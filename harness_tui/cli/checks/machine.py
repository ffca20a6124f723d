"""Checks of what we stand on: Python, the package itself, SQLite, the terminal."""

from __future__ import annotations

import os
import sys

from . import Check

SQLITE_FLOOR = (3, 37, 0)
"""STRICT tables."""
WAL_RESET_MENDED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""Versions that mend the rare corruption by two connections that write and checkpoint at once; we hold one writer."""


def python() -> Check:
    return Check("python", True, f"Python {'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}.")


def package() -> Check:
    """The names `harness-tui` and `harness_tui` belong to another project on the package index."""
    from importlib import metadata
    from pathlib import Path

    import harness_tui

    remedy = "In a checkout: python3 -m venv .venv && .venv/bin/pip install '.[browser]'."
    where = Path(str(harness_tui.__file__)).parent
    if not (where / "domain" / "safetext.py").is_file():
        return Check("package", False, f"The package imported from {where} is another project's.", remedy)
    try:
        found = metadata.metadata("harness-tui")
    except metadata.PackageNotFoundError:
        return Check("package", True, f"harness-tui {harness_tui.__version__} from {where}, not installed.")
    if found["Version"] != harness_tui.__version__ or "autonomous agents" not in (found["Summary"] or ""):
        what = f"The installed distribution harness-tui {found['Version']} is not the code in {where}."
        return Check("package", False, what, remedy)
    return Check("package", True, f"harness-tui {harness_tui.__version__} from {where}.")


def sqlite() -> Check:
    import sqlite3

    version, found = sqlite3.sqlite_version, sqlite3.sqlite_version_info
    if found < SQLITE_FLOOR:
        floor = ".".join(map(str, SQLITE_FLOOR))
        return Check("sqlite", False, f"SQLite {version} is older than {floor}.", "Use a Python with a newer SQLite.")
    mended = any(found[:2] == fix[:2] and found >= fix for fix in WAL_RESET_MENDED) or found >= WAL_RESET_MENDED[-1]
    note = "" if mended else " Its write-ahead log has a rare bug with several writers; one writer at a time is ours."
    return Check("sqlite", True, f"SQLite {version}.{note}")


def terminal() -> Check:
    """What the console will find. Without a terminal nobody needs it; only a terminal that cannot draw fails."""
    import shutil

    term = os.environ.get("TERM", "")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Check("terminal", True, "No terminal: demo and run work, the console needs one.")
    if term in ("", "dumb"):
        return Check("terminal", False, f"TERM is {term or 'not set'}.", "Set TERM, for example to xterm-256color.")
    size = shutil.get_terminal_size()
    colours = "24-bit" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256" if "256" in term else "16"
    if os.environ.get("NO_COLOR"):
        colours = "no (NO_COLOR)"
    encoding = "UTF-8" if "utf" in (sys.stdout.encoding or "").lower() else "ASCII glyphs"
    over = ", over SSH" if os.environ.get("SSH_CONNECTION") else ""
    return Check("terminal", True, f"{term}, {size.columns}x{size.lines}, {colours} colours, {encoding}{over}.")
