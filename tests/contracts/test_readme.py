"""What the README says is so: its commands, its tables, its task file and its program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tui.cli.main import app
from harness_tui.config.loopfile import Given, load_loop
from harness_tui.config.planfile import load_plan
from harness_tui.config.taskfile import load_task
from harness_tui.console.actions import key_table
from harness_tui.domain import errors
from harness_tui.domain.task import BUILT_IN_TOOLS, ModelSpec
from tests.loops.crew import repository
from tests.models.endpoint_server import call_piece, chunk, serving, sse, usage

from .readme import ROOT, TEXT, between

USE = "python3 -m venv .venv && .venv/bin/pip install '.[browser]' && .venv/bin/harness-tui demo --fix"
TESTS = (
    "python3 -m venv .venv && .venv/bin/pip install -e '.[browser,web,test]' "
    "&& .venv/bin/harness-tui doctor --fix --for tests && .venv/bin/pytest -n auto --dist loadfile"
)


def test_the_two_commands_are_there_and_ci_runs_the_second() -> None:
    assert f"```sh\n{USE}\n```" in TEXT
    assert between("ci").strip("`\n") == TESTS
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    take = re.search(r"^command=\$\((.*)\)$", script, re.M)
    assert take
    taken = subprocess.run(["bash", "-c", take[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert taken.stdout.strip() == TESTS
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_pictures_and_files_it_links_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / target).is_file(), f"README.md links {target}"


def test_keys_are_those_of_the_action_table() -> None:
    assert between("keys").strip() == key_table().strip()


def test_every_exit_code_of_an_error_is_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    for code in {getattr(kind, "exit_code", 1) for kind in kinds}:
        assert re.search(rf"^\| {code} \|", TEXT, re.M), code


def test_the_task_file_is_one(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(between("task").strip("`\n"), "utf-8")
    task = load_task(file)
    assert task.stories
    assert task.login
    assert task.verify


def test_the_loop_file_is_one(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    file = repo / "tidy.toml"
    file.write_text(between("loop").strip("`\n"), "utf-8")
    model = ModelSpec("stand-in", "stand-in")
    loaded = load_loop(file, Given(BUILT_IN_TOOLS, lambda tables: dict.fromkeys(tables, model), "UTC", repo))
    assert loaded.spec.changes
    assert loaded.spec.checker
    assert loaded.spec.accept


async def test_the_quick_start_runs(tmp_path: Path) -> None:
    """In a process of its own, against a real socket that first asks for the tool and then answers."""
    code = between("library").strip("`\n")
    assert len([line for line in code.splitlines() if line.strip()]) <= 14
    ask = sse(
        chunk(tool_calls=[call_piece(0, '{"city": "Oslo"}', id="c1", name="weather")]),
        chunk("tool_calls"),
        usage(20, 5),
        "[DONE]",
    )
    answer = sse(chunk(content="Sunny."), chunk("stop"), usage(30, 2), "[DONE]")
    import asyncio

    async with serving(ask, answer) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            cwd=tmp_path,
            env={**os.environ, "OPENAI_BASE_URL": server.url, "HARNESS_TUI_HOME": str(tmp_path / "home")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    assert out.decode() == "Sunny. ['weather'] model\n"


def test_the_plan_file_is_one(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(between("plan").strip("`\n").removeprefix("toml\n"), "utf-8")
    model = ModelSpec("stand-in", "stand-in")
    spec, jobs = load_plan(file, known_tools=BUILT_IN_TOOLS, models=lambda *_: {"main": model})
    assert spec.planner
    assert {job.kind for job in jobs} == {"prompt", "command", "gate", "verify"}


async def test_the_graph_in_a_program_runs(tmp_path: Path) -> None:
    import asyncio

    code = between("graph").strip("`\n").removeprefix("python\n")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    assert out.decode().startswith("succeeded {'publish': {'approved': True")


@pytest.mark.parametrize("verb", sorted(app.commands))
def test_every_verb_is_described(verb: str) -> None:
    assert f"harness-tui {verb}" in between_commands()


def between_commands() -> str:
    return TEXT.split("## Commands")[1].split("##")[0]
