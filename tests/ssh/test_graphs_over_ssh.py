"""A graph of 300 tasks over ssh, by key presses only: seen in every view, its gate approved, a job done again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import montage

from .test_changes_over_ssh import press
from .test_vote_over_ssh import Operator
from .way_in import Sshd, Window, wait


@pytest.fixture
def operator(program: Callable[[str], str]) -> Iterator[Operator]:
    folder = Path(tempfile.mkdtemp(prefix="htui-"))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        sshd = Sshd(folder / "sshd", program)
        undo.callback(sshd.close)
        window = Window(folder, program, ["sh"])
        undo.callback(window.close)
        operator = Operator(folder, sshd, window)
        undo.callback(operator.shell, "engine", "stop", "--now")
        operator.log_in()
        yield operator


def plan(folder: Path) -> Path:
    """A mosaic of 298 tasks, a gate behind it, and one task behind that."""
    jobs: list[dict[str, Any]] = [
        {"id": job.id, "deps": list(job.deps), "wait": 0.002 * (len(job.id) % 3)} for job in montage(298)
    ]
    jobs += [{"id": "gate", "deps": [jobs[-1]["id"]], "gate": "Publish the mosaic?"}]
    jobs += [{"id": "publish", "deps": ["gate"], "wait": 0.0}]
    file = folder / "mosaic.json"
    file.write_text(json.dumps({"goal": "a mosaic of the sky", "concurrency": 8, "jobs": jobs}))
    return file


def jobs_of(operator: Operator) -> dict[str, Any]:
    found: dict[str, Any] = operator.shell("dag", "show", "r1")["jobs"]
    return found


def test_three_hundred_tasks_by_key_presses(operator: Operator) -> None:
    window = operator.window
    operator.shell("dag", "run", str(plan(operator.folder)), "--detach")
    wait(lambda: operator.shell("approvals", "list"), lambda: "the gate asked nothing")
    operator.attach()

    press(window, "3", "3")
    seen = [window.sees("mProject")]
    for columns, rows in ((80, 24), (120, 40)):
        window.resize(columns, rows)
        window.sees(r"r1\b")
        for _ in range(3):
            press(window, "v")
            wait(lambda: window.text != seen[-1], lambda: f"the view stayed:\n{window.text}")
            seen.append(window.text)
            assert max(map(len, seen[-1].splitlines())) <= columns

    window.resize(80, 24)
    press(window, "4", "4")
    window.sees(r"(?s)A-1.*Publish the mosaic\?")
    while "space: next page" in window.text:
        press(window, "Space")
    window.sees(r"(?m)^ armed ")
    press(window, "a")
    wait(lambda: jobs_of(operator)["publish"]["state"] == "succeeded", lambda: window.text)

    press(window, "3", "3")
    window.sees("mProject")
    press(window, "G", "r")
    window.sees("enter does, esc does not")
    press(window, "Enter")

    def again() -> dict[str, Any]:
        return {ident: job for ident, job in jobs_of(operator).items() if job["attempts"] > 1}

    wait(again, lambda: window.text)
    wait(lambda: operator.shell("runs", "show", "r1")["state"] == "succeeded", lambda: window.text)
    jobs = jobs_of(operator)
    assert set(again()) == {"publish"}, "the last one was under the cursor; what is given the same is not done again"
    assert {job["state"] for job in jobs.values()} == {"succeeded"}
    press(window, "q")
    window.sees("code=0")
    operator.assert_back_at_the_shell()
