"""`harness-tui demo`: a keyless tour on a site of its own; with the console, or told on stderr."""

from __future__ import annotations

import sys
from typing import NoReturn

import click
from click.core import ParameterSource

from . import output, tours
from .output import Format, format_option


@click.command()
@click.argument("name", metavar="[NAME]", default="upvote")
@click.option("--headless", is_flag=True, help="No console: steps on stderr, the run's JSON on stdout.")
@click.option("--yes", is_flag=True, help="Approve what the demo itself asks for; implies --headless.")
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
    """Watch an agent do a real task in a real browser, loops at work on a schedule, or a graph of jobs.

    NAME is upvote: go to a news site and upvote its first story; loops: three loops, one at each level, on a git
    repository made for them; or dag: three tools are looked into and compared, and the plan grows on the way. None
    needs a key or an account: a scripted stand-in plays the model, and the news site runs on this machine.
    """
    from ..config.paths import Paths

    chosen = click.get_current_context().get_parameter_source("output_format") is not ParameterSource.DEFAULT
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty() and not (headless or yes or chosen)
    if name == tours.LOOPS:
        _loops(at_terminal, yes, stage, no_wait, output_format if chosen else Format.json)
    if name == tours.DAG:
        _dag(at_terminal, yes, stage, no_wait, output_format if chosen else Format.json)
    paths = Paths.default()
    start = tours.upvote(paths, name, stage=stage, variant=variant)
    if not tours.browser_in_sight():
        from .doctor import mend_browser

        output.tell("demo: no browser in the usual places; trying to start one ...")
        mend_browser(fix=fix)
    if at_terminal:
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
        approve=(lambda row: tours.may_approve(row, spec)) if yes else None,
    )
    output_format = output_format if chosen else Format.json
    run.report(start, wish, output_format, {"stage": stage}, lambda: {"votes": tour.votes(spec)})


def _loops(at_terminal: bool, yes: bool, stage: int | None, no_wait: bool, output_format: Format) -> NoReturn:
    from ..domain.errors import UsageError
    from . import demo_loops

    if stage:
        raise UsageError("The demo of loops has no stages.", "Leave --stage away, or: harness-tui demo upvote")
    if at_terminal:
        demo_loops.attached()
    demo_loops.headless(yes=yes, wait=not no_wait, output_format=output_format)


def _dag(at_terminal: bool, yes: bool, stage: int | None, no_wait: bool, output_format: Format) -> NoReturn:
    from ..domain.errors import UsageError
    from . import demo_dag

    if stage:
        raise UsageError("The demo of a graph has no stages.", "Leave --stage away, or: harness-tui demo upvote")
    if at_terminal:
        demo_dag.attached()
    demo_dag.headless(yes=yes, wait=not no_wait, output_format=output_format)
