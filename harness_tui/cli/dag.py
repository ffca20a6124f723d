"""`harness-tui dag`: one goal as a graph of jobs: run it, watch it, steer it. Reading never starts an engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..port.commands import AnyCommand

no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Exit 4 when an approval is needed; the run waits for it."
)
reason_option = click.option("--reason", default="", help="Why, for the record.")


@click.group()
def dag() -> None:
    """Graphs of jobs: one goal, many steps, tried again, replanned and resumed."""


@dag.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--url", default="", help="Base URL of the model's API.")
@click.option("--api", default="", help="Its protocol, as in `run`.")
@click.option("--model", default="", help="The model's name at that URL.")
@click.option("--level", type=click.Choice(["L1", "L2", "L3"]), help="Of jobs that name none (default: as the plan).")
@click.option("--concurrency", type=click.IntRange(1), help="Attempts at work at a time.")
@click.option("--budget-tokens", type=click.IntRange(1), help="Tokens for the whole run.")
@click.option("--budget-usd", type=click.FloatRange(0), help="Money for the whole run.")
@no_wait_option
@click.option("--detach", is_flag=True, help="Hand it to an engine that stays, and print its id.")
@format_option
def run(
    file: Path,
    url: str,
    api: str,
    model: str,
    level: Any,
    concurrency: int | None,
    budget_tokens: int | None,
    budget_usd: float | None,
    no_wait: bool,
    detach: bool,
    output_format: Format,
) -> None:
    """Run the plan in FILE (TOML or JSON, - for stdin) to its end.

    Running it approves what is in it. Uses the running engine, else hosts one meanwhile. What is killed half-way goes
    on with `dag resume`.
    """
    from ..config.planfile import Given
    from . import dag_run

    given = Given(level, concurrency, budget_tokens, budget_usd)
    dag_run.run(
        file, (url, api, model), given, _wish(no_wait, output_format), detach=detach, output_format=output_format
    )


@dag.command("list")
@click.option("--limit", type=click.IntRange(1), default=200, help="At most this many, newest first.")
@format_option
def list_dags(limit: int, output_format: Format) -> None:
    """List runs of graphs, newest first."""
    from . import dag_show

    dag_show.listed(limit, output_format)


@dag.command()
@click.argument("run")
@click.option("--job", default="", metavar="ID", help="One job: attempts, what it was given, what it answered.")
@click.option(
    "--format",
    "drawn",
    type=click.Choice(["text", "mermaid", "dot", "toml"]),
    default="text",
    help="Or a drawing, or its jobs as a plan file.",
)
@format_option
def show(run: str, job: str, drawn: str, output_format: Format) -> None:
    """Show a run: its jobs, the critical path, what waits, how the plan changed."""
    from . import dag_show

    if job and drawn != "text":
        raise click.UsageError("--format draws the whole run: leave --job out.")
    if job:
        dag_show.show_job(run, job, output_format)
    else:
        dag_show.show(run, drawn, output_format)


@dag.command()
@click.argument("run")
@click.argument("job")
@format_option
def why(run: str, job: str, output_format: Format) -> None:
    """Say why a job does not run."""
    from . import dag_show

    dag_show.why(run, job, output_format)


@dag.command()
@click.argument("run")
@click.option("--job", default="", metavar="ID", help="Only the branch that begins with this job; not followed.")
@no_wait_option
@format_option
def resume(run: str, job: str, no_wait: bool, output_format: Format) -> None:
    """Go on with a run that was left, killed or paused, and follow it to its end."""
    from ..port.commands import ResumeDag
    from . import dag_run, dag_show

    row = dag_show.open_run(run)
    if job:
        _send(ResumeDag(run, _operator(), job), output_format)
    else:
        dag_run.resume(row, _wish(no_wait, output_format), output_format)


@dag.command()
@click.argument("run")
@click.option("--from", "job", default="", metavar="JOB", help="Begin with this one (default: all that failed).")
@click.option("--feedback", default="", help="What that job is told beside its last answer.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done again and what is saved.")
@no_wait_option
@click.option("--detach", is_flag=True, help="Hand it to an engine that stays.")
@format_option
def retry(run: str, job: str, feedback: str, dry_run: bool, no_wait: bool, detach: bool, output_format: Format) -> None:
    """Do a job again, and of what follows only what is then given something else."""
    from ..port.commands import RetryDag
    from . import dag_retry, dag_run

    if feedback and not job:
        raise click.UsageError("--feedback is told to one job: name it with --from.")
    preview = dag_retry.preview(run, job)
    if dry_run:
        dag_retry.show(preview, output_format)
        return
    if output_format is Format.text:
        output.tell(dag_retry.sentence(preview))
    word = RetryDag(run, _operator(), job, feedback)
    if detach:
        dag_run.hand_over(word, output_format)
    else:
        dag_run.retry(word, _wish(no_wait, output_format), output_format)


@dag.command()
@click.argument("run")
@click.argument("patch", metavar="[PATCH]", type=click.Path(path_type=Path, allow_dash=True), required=False)
@reason_option
@format_option
def replan(run: str, patch: Path | None, reason: str, output_format: Format) -> None:
    """Change the plan of a run with a PATCH file (jobs, drop, reason), or ask its planner now."""
    from msgspec.structs import replace

    from ..port.commands import ReplanDag
    from . import dag_plan, dag_show

    dag_show.open_run(run)
    if patch is None:
        _send(ReplanDag(run, _operator(), reason=reason), output_format)
        return
    word = dag_plan.patch_of(patch, dag_show.state(run), _operator())
    _send(replace(word, reason=reason) if reason else word, output_format)


@dag.command()
@click.argument("run")
@click.option("--job", default="", metavar="ID", help="Only this job and what follows from it.")
@reason_option
@format_option
def pause(run: str, job: str, reason: str, output_format: Format) -> None:
    """Start nothing more of a run; what is at work ends as it would. `dag resume` lets it go on."""
    from ..port.commands import PauseDag

    _send(PauseDag(run, _operator(), reason, job), output_format)


@dag.command()
@click.argument("run")
@click.option("--job", default="", metavar="ID", help="Only this job and what follows from it.")
@reason_option
@format_option
def cancel(run: str, job: str, reason: str, output_format: Format) -> None:
    """Cancel a run, or a branch of it."""
    from ..port.commands import CancelJob, CancelRun

    by = _operator()
    _send(CancelJob(run, job, by, reason) if job else CancelRun(run, by, reason), output_format)


def _wish(no_wait: bool, output_format: Format) -> Any:
    from .follow import Wish

    return Wish(wait=not no_wait, stream=output_format is Format.stream)


def _operator() -> str:
    from . import link

    return link.operator()


def _send(command: AnyCommand, output_format: Format) -> None:
    from . import link

    link.send(command, output_format)
