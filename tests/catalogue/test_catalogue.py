"""Every public case of the file, network, shell, git, credential, approval and loop families, from `cases.jsonl`.

A case is judged by its `checks` (calls through the judgement of a real run, at every level) and by the tests that
`proven_by` names, which act it out. A new row of either kind needs no code.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.vault import Stores
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.task import BUILT_IN_TOOLS, Level, ModelSpec, RunSpec, SandboxTable, TaskFile
from harness_tui.engine import worlds
from harness_tui.journal.blobs import BlobStore
from harness_tui.tools.environment import RunEnvironment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES: list[dict[str, Any]] = [json.loads(line) for line in (HERE / "cases.jsonl").read_text("utf-8").splitlines()]
CHECKS = [(case["id"], number, check) for case in CASES for number, check in enumerate(case.get("checks", ()))]
ACCEPTED = {
    "allow": {"allow"},
    "ask": {"ask"},
    "refuse": {"refuse"},
    "not allow": {"ask", "refuse"},
}


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., RunEnvironment]:
    """An environment of a real run in an empty workspace, not opened."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "workspace-evil").mkdir()
    paths = Paths(tmp_path / "home")

    def build(level: Level, sandbox: str = "none", allow_hosts: tuple[str, ...] = ()) -> RunEnvironment:
        tools = tuple(name for name in BUILT_IN_TOOLS if not name.startswith("browser_"))
        table = SandboxTable(kind=sandbox)  # type: ignore[arg-type]
        task = TaskFile("x", tools=tools, level=level, allow_hosts=allow_hosts, sandbox=table)
        spec = RunSpec(task, ModelSpec("openai-chat", "m"), workspace=str(workspace))
        sources = worlds.Sources(Stores.of(paths.home, {}), {}, BlobStore(paths.blobs), paths=paths)
        return worlds.environment(spec, "r1/1.1", worlds.vault(spec, {}, sources), sources, rehearsed=True)

    return build


def call_of(check: dict[str, Any]) -> ToolCall:
    arguments = dict(check["args"])
    if repeat := check.get("repeat"):
        name, piece, times = repeat
        arguments[name] += piece * times
    return ToolCall("c1", check["tool"], arguments)


@pytest.mark.parametrize(("case", "number", "check"), CHECKS, ids=[f"{case}-{number}" for case, number, _ in CHECKS])
async def test_a_call_of_the_case_is_judged_as_it_must_be(
    world: Callable[..., RunEnvironment], case: str, number: int, check: dict[str, Any]
) -> None:
    options = {"sandbox": check.get("sandbox", "none"), "allow_hosts": tuple(check.get("allow_hosts", ()))}
    level = check.get("level", "L2")
    judgement = await world(level, **options).judge(call_of(check), level)
    assert judgement.verdict in ACCEPTED[check["decision"]], judgement
    assert judgement.reason or judgement.proposal
    for other in {"L1", "L3"} - {level}:  # what asks a person never passes where nobody is asked
        if check["decision"] not in ("allow", "not allow"):
            assert (await world(other, **options).judge(call_of(check), other)).verdict == "refuse"  # type: ignore[arg-type]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_every_case_is_held_by_something(case: dict[str, Any]) -> None:
    assert case.get("checks") or case.get("proven_by"), case
    for name in case.get("proven_by", ()):
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in known, name
