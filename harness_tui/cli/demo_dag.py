"""`demo dag`: a graph of jobs that retries, replans and asks, watched in pane 3, or told on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import output, tours
from .output import Format

if TYPE_CHECKING:
    from ..domain.dag.state import DagState
    from ..domain.views import RunRow
    from ..port.commands import StartDag

PANE = 3


def command() -> StartDag:
    """The graph, on a fresh folder. Raises SetupError without room for it."""
    from ..demo import dag
    from ..port.commands import StartDag
    from . import link

    dag.cleanup_old()
    made = dag.prepare()
    return StartDag(made.spec, made.jobs, link.operator())


def attached() -> NoReturn:
    """The console on pane 3, before the first job begins. The run goes on when the operator leaves it."""
    from .attach import attach

    attach(command(), pane=PANE)
    raise click.exceptions.Exit(0)


def headless(*, yes: bool, wait: bool, output_format: Format) -> NoReturn:
    """Follow the run to its end; prints what `demo` and `dag run` print of a run, with `folder` and `published`.

    Args:
        yes: approve the demo's own plan and gate.
        wait: False = leave at the first approval (exit 4); the run waits for it.
    """
    import asyncio

    from ..config.paths import Paths
    from ..domain.dag.picture import restore
    from . import dag_run, follow, link

    start = command()
    stream = output_format is Format.stream
    wish = follow.Wish(wait=wait, stream=stream, approve=tours.may_approve_step if yes else None)

    async def go() -> tuple[RunRow, DagState, str]:
        async with link.running_or_hosted(Paths.default()) as port:
            output.tell(f"demo: a graph of jobs works in {start.spec.workspace}; a scripted stand-in plays its model")
            row, waits = await follow.start(port, start, wish)
            return row, restore(await port.dag(row.id)), waits

    row, state, waits = asyncio.run(go())
    document, code = _document(row, state, waits, start.spec.workspace)
    if output_format is Format.json:
        output.finish(document, code)
    if output_format is Format.text:
        dag_run.print_table(state)
        for line in document["answer"].splitlines():
            output.say(line)
        verdict = {True: "verified", False: "not verified", None: "not checked"}[row.verified]
        output.tell(f"{row.id} {row.state}: {verdict}: {document['error'] or row.reason}")
    raise click.exceptions.Exit(code)


def _document(row: RunRow, state: DagState, waits: str, folder: str) -> tuple[dict[str, Any], int]:
    """(the document, the exit code). The answer is what was published, as the file itself says."""
    from pathlib import Path

    from ..demo import dag
    from . import result

    code, error = (4, f"Approval {waits} is needed; the run waits for it.") if waits else (row.exit, "")
    if state.refused and not code:
        by = f"by {state.refused.by}" if state.refused.by else ""
        code, error = 4, " ".join(f"The plan to publish was refused {by}: {state.refused.reason}.".split())
    text = dag.published(Path(folder))
    of_dag = result.of_dag(row, state)
    more = {key: of_dag[key] for key in ("jobs", "goal", "replans", "reused")}
    document = {
        "demo": tours.DAG,
        **result.of_run(row, exit_code=code, error=error),
        "answer": text.strip(),
        **more,
        "folder": folder,
        "published": str(Path(folder) / dag.PUBLISHED) if text else None,
    }
    return document, code
