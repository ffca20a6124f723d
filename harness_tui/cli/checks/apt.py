"""`doctor --fix`: the one line that installs what is missing, run as root, offered through sudo, else printed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ...domain.errors import SetupError
from .. import output


def system() -> str:
    """`debian`, `ubuntu` or "" by /etc/os-release: where this program knows how to install."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    names = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    known = next((name for name in names if name in ("debian", "ubuntu")), "")
    return known if shutil.which("apt-get") else ""


def line(packages: Iterable[str]) -> str:
    """The shell line root runs for these packages: one update, one install.

    Ubuntu's `chromium` is a snap, which needs a session and a daemon; there Playwright's own build takes its place.
    """
    names = list(dict.fromkeys(packages))
    own = _own_browser(names)
    listed = " ".join(name for name in names if not (own and name == "chromium"))
    command = f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {listed}"
    return f"{command} && {shlex.quote(sys.executable)} -m playwright install-deps chromium" if own else command


def _own_browser(packages: list[str]) -> bool:
    return "chromium" in packages and system() == "ubuntu"


def install(packages: Iterable[str]) -> None:
    """Install Debian packages: as root at once, with sudo after a question at a terminal.

    Raises:
        SetupError: with the exact line (exit 78) when this user cannot install, or the installation failed.
    """
    packages = list(packages)
    if not system():
        raise SetupError("This is not Debian or Ubuntu, so nothing is installed for you.", _elsewhere(packages))
    command = line(packages)
    if os.geteuid() == 0:
        argv = ["sh", "-c", command]
    elif shutil.which("sudo") and sys.stdin.isatty() and sys.stderr.isatty():
        argv = ["sudo", "sh", "-c", command]
        output.tell(f"This needs root once. It runs: sudo sh -c {shlex.quote(command)}")
        if not agrees("Run it now?"):
            raise SetupError("Nothing was installed.", f"Run as root: {command}")
    else:
        raise SetupError("Installing needs root, and this user is not.", f"Run as root: {command}")
    _perform(argv, command)
    if _own_browser(packages):
        own = [sys.executable, "-m", "playwright", "install", "chromium"]
        _perform(own, shlex.join(own))


def _perform(argv: list[str], command: str) -> None:
    """Run it with its output on stderr; sudo may ask for a password, nothing else may ask for anything."""
    output.tell(f"installing: {command}")
    stdin = None if argv[0] == "sudo" else subprocess.DEVNULL
    if subprocess.run(argv, stdin=stdin, stdout=sys.stderr, check=False).returncode:
        raise SetupError("The installation failed; its own words are above.", f"Mend that and run again: {command}")


def agrees(question: str) -> bool:
    """Ask on stderr; only y or yes is a yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _elsewhere(packages: list[str]) -> str:
    return f"Install with your system's package manager what Debian calls: {' '.join(dict.fromkeys(packages))}."
