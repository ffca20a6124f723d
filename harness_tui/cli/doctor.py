"""`harness-tui doctor`: does everything a run needs really work here, and one remedy for what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from .checks import Check

BROWSER = ("chromium", "libatomic1")
"""What the browser needs on Debian: Playwright's driver links libatomic1, which neither brings."""
TESTS = (
    "dbus",
    "gnome-keyring",
    "bubblewrap",
    "tmux",
    "openssh-server",
    "openssh-client",
    "librsvg2-bin",
    "git",
    "ripgrep",
    "jq",
    "fonts-dejavu-core",
)


@click.command()
@click.option("--fix", is_flag=True, help="Install what is missing (Debian, Ubuntu; root or sudo needed).")
@click.option("--for", "purpose", type=click.Choice(["tests"]), help="Look for what the test suite drives, too.")
@format_option
def doctor(fix: bool, purpose: str | None, output_format: Format) -> None:
    """Check that everything a run needs works here.

    Every check really tries the thing; one that fails names its remedy.
    """
    checks = gather(for_tests=bool(purpose))
    if fix and not all(check.ok for check in checks):
        from .checks import apt

        wanted = [name for check in checks for name in check.packages]
        if wanted:
            apt.install([*wanted, *(TESTS if purpose else ())])
        for mend in [check.mend for check in checks if check.mend and not check.ok]:
            mend()
        checks = gather(for_tests=bool(purpose))
    code = 0 if all(check.ok for check in checks) else 78
    if output_format is not Format.text:
        output.finish({"ok": code == 0, "checks": [check.as_json() for check in checks], "exit": code}, code)
    for check in checks:
        output.say(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12}  {check.detail}")
        if not check.ok and check.remedy:
            output.say(f"      {'':<12}  -> {check.remedy}")
    raise click.exceptions.Exit(code)


def gather(*, for_tests: bool = False) -> list[Check]:
    """Run all checks. Each really tries the thing; the browser's starts driver and browser (about a second)."""
    from ..config.paths import Paths
    from .checks import keys, machine, node, parts, sandboxes, state

    paths = Paths.default()
    found = [machine.python(), machine.package(), machine.sqlite(), *state.all_of(paths), machine.terminal()]
    found += [*keys.all_of(), *sandboxes.all_of(for_tests=for_tests), browser()]
    return found + ([*parts.programs(), node.aimock()] if for_tests else [])


def browser() -> Check:
    """Start driver and browser for real."""
    import asyncio

    from ..tools.browser import chromium
    from .checks import Check

    found = asyncio.run(chromium.probe())
    if not found.ok:
        packages = BROWSER if chromium.APT in found.remedy else ()
        return Check("browser", False, found.problem, found.remedy, packages)
    guard = "in its own sandbox" if found.sandboxed else "unsandboxed, as root"
    return Check("browser", True, f"Chromium {found.version} at {found.path} starts, {guard}.")


def mend_browser(*, fix: bool) -> None:
    """Offer at a terminal to install the browser, or do it unasked with `--fix`. Raises SetupError when it stays away.

    Called by `demo` after its first failed look, so that a working machine pays nothing.
    """
    import sys

    from ..domain.errors import SetupError
    from .checks import apt

    found = browser()
    if found.ok:
        return
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if found.packages and (fix or (at_terminal and apt.agrees(f"{found.detail} Install it now?"))):
        apt.install(found.packages)
        found = browser()
    if not found.ok:
        raise SetupError(found.detail, found.remedy)
