"""`harness-tui demo`: a keyless tour on a site of its own; with the console, or told on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..config.paths import Paths
    from ..domain.task import RunSpec
    from ..domain.views import ApprovalRow
    from ..port.commands import StartRun

NAMES = ("upvote",)


@click.command()
@click.argument("name", metavar="[NAME]", default="upvote")
@click.option("--headless", is_flag=True, help="No console; narrate on stderr.")
@click.option("--yes", is_flag=True, help="Approve the demo's own vote by itself; implies --headless.")
@click.option("--stage", type=click.IntRange(1, 4), help="1 raw loop, 2 guardrails, 3 verify, 4 login handler.")
@click.option("--fix", is_flag=True, help="Install a missing browser unasked (as root).")
@click.option("--variant", default="normal", hidden=True)
@click.option("--no-wait", is_flag=True, help="Exit 4 when the approval is needed; the run waits for it.")
@format_option
def demo(
    name: str,
    headless: bool,
    yes: bool,
    stage: int | None,
    fix: bool,
    variant: str,
    no_wait: bool,
    output_format: Format,
) -> None:
    """Watch an agent do a real task in a real browser.

    NAME is upvote: go to a news site and upvote its first story. It needs no key and no account: a scripted stand-in
    plays the model, and the news site runs on this machine.
    """
    from ..config.paths import Paths

    paths = Paths.default()
    start = command(paths, name, stage=stage, variant=variant)
    if not browser_in_sight():
        from .doctor import mend_browser

        output.tell("demo: no browser in the usual places; trying to start one ...")
        mend_browser(fix=fix)
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if at_terminal and not (headless or yes or output_format is not Format.text):
        from .attach import attach

        attach(start)
        return
    from ..demo import tour
    from . import run
    from .follow import Wish

    spec = start.spec
    wish = Wish(
        wait=not no_wait,
        stream=output_format is Format.stream,
        approve=(lambda row: may_approve(row, spec)) if yes else None,
    )
    run.report(start, wish, output_format, {"stage": stage}, lambda: {"votes": tour.votes(spec)})


def command(paths: Paths, name: str = "upvote", *, stage: int | None = None, variant: str = "normal") -> StartRun:
    """The run of a tour, on a fresh site. Raises UsageError for a name there is not (yet)."""
    from ..demo import tour
    from ..domain.errors import UsageError
    from ..port.commands import StartRun

    if name not in ("", *NAMES):
        raise UsageError(f'There is no demo "{name}".', f"Choose one of: {', '.join(NAMES)}.")
    tour.cleanup_old(paths)
    return StartRun(tour.prepare(paths, stage=stage, variant=variant))


def browser_in_sight() -> bool:
    """Whether a browser and what its driver needs are installed: a look, no start, so that the console comes at once.

    What a look cannot see, the run meets and says itself.
    """
    import ctypes
    import importlib.util

    from ..tools.browser import chromium

    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return False
    return importlib.util.find_spec("playwright") is not None and bool(chromium.find())


def may_approve(row: ApprovalRow, spec: RunSpec) -> bool:
    """Whether `--yes` may decide this: the task's own `[approve]` click, on the demo's own loopback site."""
    from urllib.parse import urlsplit

    loopback = urlsplit(spec.task.start_url).hostname in ("127.0.0.1", "::1", "localhost")
    return bool(loopback and spec.service and row.kind == "action" and row.selector)
