"""`harness-tui demo`: a keyless tour on a site of its own; with the console, or told on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .output import Format, FormatOption

if TYPE_CHECKING:
    from ..config.paths import Paths
    from ..domain.task import RunSpec
    from ..domain.views import ApprovalRow
    from ..port.commands import StartRun

NAMES = ("upvote",)


def demo(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="upvote: go to a news site and upvote a story.")] = (
        "upvote"
    ),
    headless: Annotated[bool, typer.Option("--headless", help="No console; narrate on stderr.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the demo's own vote by itself; implies --headless.")] = (
        False
    ),
    stage: Annotated[int | None, typer.Option("--stage", help="1 raw loop, 2 guardrails, 3 verify, 4 login.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Install a missing browser unasked (as root).")] = False,
    variant: Annotated[str, typer.Option("--variant", hidden=True)] = "normal",
    no_wait: Annotated[bool, typer.Option("--no-wait", hidden=True)] = False,
    output_format: FormatOption = Format.text,
) -> None:
    """Watch an agent do a real task in a real browser.

    It needs no key and no account: a scripted stand-in plays the model, and the news site runs on this machine.
    """
    from ..config.paths import Paths
    from .doctor import mend_browser

    paths = Paths.default()
    start = command(paths, name, stage=stage, variant=variant)
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


def may_approve(row: ApprovalRow, spec: RunSpec) -> bool:
    """Whether `--yes` may decide this: the task's own `[approve]` click, on the demo's own loopback site."""
    from urllib.parse import urlsplit

    loopback = urlsplit(spec.task.start_url).hostname in ("127.0.0.1", "::1", "localhost")
    return bool(loopback and spec.service and row.kind == "action" and row.selector)
