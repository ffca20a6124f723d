"""Setting up `demo dag`: notes about four tools in a folder of their own, and a graph of jobs that compares three.

What the notes name and nobody asked for, the planner adds by itself; that anything is published, it has to ask.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..domain.dag.spec import DagSpec, Job, Limits, PlannerSpec, Retry
from ..domain.errors import SetupError, UsageError
from ..domain.task import ModelSpec

GOAL = "Which tool keeps our inventory on a server of our own: Notion, Airtable or Coda?"
TITLE = "Compare the tools"
PUBLISHED = "comparison.md"
SIGN_OFF, PUBLISH, CHECK = PUBLISHING = ("sign-off", "publish", "check")
"""The jobs that the planner has to ask for."""
STUMBLES = "Stumble the first time."
"""In a prompt: the stand-in fails it once, so that it is seen what becomes of that."""

NOTES = (
    ("Airtable", "tables linked like a database, with views and forms", "no", "Grist"),
    ("Coda", "documents that hold tables and formulas", "no", "Notion, Grist"),
    ("Grist", "spreadsheets over a database, open source", "yes", "Airtable"),
    ("Notion", "pages, and databases made of pages", "no", "Coda"),
)
"""Tool, what it is, whether it runs on an own server, and what it is named beside."""
ASKED_FOR = ("notion", "airtable", "coda")

_PREFIX = "harness-tui-demo-dag-"
_NAME = "tools"
_OLD = 2 * 24 * 3600.0
"""Seconds; twice as long as a request lives that waits in it."""
_RETRY = Retry(attempts=3, backoff="exponential", delay=1.0, max=10.0)
_BUDGET = Limits(tokens=20_000)
_TURNS = 4


class DemoDag(NamedTuple):
    """Attributes: folder: where the notes are, and what is published will be."""

    folder: Path
    spec: DagSpec
    jobs: tuple[Job, ...]


def prepare() -> DemoDag:
    """A fresh folder and the graph that works in it; nothing is started. Raises SetupError without room for it.

    It lies among temporary files: the program's own folder is no workspace, and hidden from all children of tools.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve() / _NAME
        (folder / "notes").mkdir(parents=True)
        for name, what, own, beside in NOTES:
            text = f"{name}\nIt is: {what}\nOwn server: {own}\nBeside it: {beside}\n"
            (folder / "notes" / f"{name.lower()}.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(
            f"The demo cannot make a folder: {error.strerror}.", "It needs room in TMPDIR; look with: df"
        ) from None
    spec = DagSpec(
        goal=GOAL,
        concurrency=3,
        budget=Limits(tokens=400_000),
        models={"main": ModelSpec(api="stand-in", model="stand-in")},
        planner=PlannerSpec(
            prompt="Add the tools that the answers name and nobody looked at. Once the comparison leaves none out, "
            f"plan how it is published as {folder / PUBLISHED}: behind a gate, and checked afterwards.",
            budget=_BUDGET,
        ),
        max_replans=2,
        workspace=str(folder),
        title=TITLE,
    )
    return DemoDag(folder, spec, (*(research(name) for name in ASKED_FOR), compare("compare", ASKED_FOR)))


def research(name: str) -> Job:
    """The job that reads the notes on one tool."""
    stumbles = f" {STUMBLES}" if name == "airtable" else ""
    prompt = f"Read notes/{name}.txt and say what it is, and whether it runs on a server of our own.{stumbles}"
    return Job(name, prompt=prompt, tools=("read_file",), max_iterations=_TURNS, retry=_RETRY, budget=_BUDGET)


def compare(ident: str, names: tuple[str, ...]) -> Job:
    """The fan-in over these."""
    prompt = "Compare the tools: one line each, and first of all which of them run on a server of our own."
    return Job(ident, names, prompt=prompt, max_iterations=_TURNS, budget=_BUDGET)


def publishing(comparison: str, path: str, names: tuple[str, ...]) -> tuple[Job, ...]:
    """A gate, then the file, then the check that it has a line on each of these tools."""
    each = " ".join(names)
    script = f'for tool in {each}; do grep "^- $tool:" {PUBLISHED} || {{ echo "$tool is missing"; exit 1; }}; done'
    return (
        Job(SIGN_OFF, (comparison,), gate=f"Is this what {PUBLISHED} is to say?"),
        Job(PUBLISH, (SIGN_OFF, comparison), call=f"{__name__}:publish", arguments={"path": path}),
        Job(CHECK, (PUBLISH,), verify=("sh", "-c", script)),
    )


def publish(inputs: Mapping[str, Any], path: str, context: Any) -> str:
    """The `call` job: write the comparison to `path`, in a demo's own folder; the same again does no harm.

    Raises UsageError for a path elsewhere, OSError.
    """
    file = Path(path)
    if file.name != PUBLISHED or file.parent.name != _NAME or not file.parent.parent.name.startswith(_PREFIX):
        raise UsageError("The demo publishes in its own folder alone.")
    text = next(answer for answer in inputs.values() if isinstance(answer, str))
    file.write_text(f"# {context.goal}\n\n{text.strip()}\n", encoding="utf-8")
    return f"{file}: {file.stat().st_size} bytes"


def published(folder: Path) -> str:
    """What was published, read from the file itself; "" = nothing was."""
    try:
        return (folder / PUBLISHED).read_text(encoding="utf-8")
    except OSError:
        return ""


def cleanup_old(*, now: float | None = None) -> int:
    """Remove the folders of demos that nothing has written to for two days; how many went. `now` in seconds."""
    now = time.time() if now is None else now
    found = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    old = [folder for folder in found if _ours(folder) and now - _last_written(folder) > _OLD]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _ours(folder: Path) -> bool:
    return not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.getuid()


def _last_written(folder: Path) -> float:
    return max(each.stat().st_mtime for each in (folder, *folder.rglob("*")))
