"""Checks of programs the tests drive: a missing one fails here and there, with the same remedy."""

from __future__ import annotations

import shutil

from . import Check, apt

REMEDY = "harness-tui doctor --fix --for tests"
PROGRAMS = {
    "tmux": "tmux",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsvg-convert": "librsvg2-bin",
    "git": "git",
    "rg": "ripgrep",
    "jq": "jq",
    "dbus-daemon": "dbus",
    "gnome-keyring-daemon": "gnome-keyring",
}
"""Program -> Debian package."""
LIGHT = "chromium-headless-shell"
"""Chromium without windows, at half the cost of a start: for the tests where Debian has it as a package."""
ALSO = ("fonts-dejavu-core",)
"""No program, but a picture without a font is empty."""


def find(program: str) -> str | None:
    """Like `which`, with the folders of the system's programs: sshd is not on everybody's PATH."""
    import os

    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def programs() -> list[Check]:
    """One check for each program the tests need."""
    wanted = PROGRAMS | ({LIGHT: LIGHT} if apt.system() == "debian" else {})
    found = {name: find(name) for name in wanted}
    return [
        Check(name, True, f"{where}.")
        if where
        else Check(name, False, f"{name} is not installed.", REMEDY, (wanted[name], *ALSO))
        for name, where in found.items()
    ]
