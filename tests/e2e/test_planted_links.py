"""What a sandboxed child leaves in the workspace leads neither the file tools nor an archive's content out of it."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from harness_tui.config.vault import Stores
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import ToolOutcome
from harness_tui.domain.task import FILE_TOOLS, SHELL_TOOLS, ModelSpec, RunSpec, SandboxTable, TaskFile
from harness_tui.engine import worlds
from harness_tui.journal.blobs import BlobStore
from harness_tui.tools.environment import RunEnvironment


@pytest.fixture
def world(tmp_path: Path) -> RunEnvironment:
    """A run's environment with files and a shell in bubblewrap."""
    workspace = tmp_path / "outside" / "workspace"
    workspace.mkdir(parents=True)
    (tmp_path / "outside" / "secret.txt").write_text("out of reach\n")
    task = TaskFile("x", tools=(*FILE_TOOLS, *SHELL_TOOLS), sandbox=SandboxTable(kind="bubblewrap"))
    spec = RunSpec(task, ModelSpec("openai-chat", "m"), workspace=str(workspace))
    paths = Paths(tmp_path / "home")
    sources = worlds.Sources(Stores.of(paths.home, {}), {}, BlobStore(paths.blobs), paths=paths)
    return worlds.environment(spec, "r1/1.1", worlds.vault(spec, {}, sources), sources)


async def tell(world: RunEnvironment, tool: str, **arguments: Any) -> ToolOutcome | str:
    """Judge, and do it as if it had been approved; the reason where it is refused."""
    call = ToolCall(f"{tool} {len(arguments)}", tool, arguments)
    judgement = await world.judge(call, "L2")
    return judgement.reason if judgement.verdict == "refuse" else await world.perform(call)


async def test_a_link_a_child_made_leads_no_file_tool_out(world: RunEnvironment, tmp_path: Path) -> None:
    await world.open()
    try:
        made = await tell(
            world, "shell_exec", command="ln -s .. up; ln -s ../secret.txt secret; mkdir d; ln -s /etc d/e"
        )
        assert isinstance(made, ToolOutcome) and made.ok, made
        for path in ("up/secret.txt", "secret", "d/e/passwd"):
            for tool, more in (
                ("read_file", {}),
                ("write_file", {"content": "x"}),
                ("edit_file", {"old_string": "out", "new_string": "in"}),
                ("grep", {"pattern": "reach"}),
            ):
                said = await tell(world, tool, path=path, **more)
                assert isinstance(said, str) or not said.ok, (tool, path, said)
                assert "out of reach" not in str(said) and "root:" not in str(said)
        listed = await tell(world, "list_dir", path="up")
        assert isinstance(listed, str) or "secret.txt" not in listed.text
    finally:
        await world.close()
    assert (tmp_path / "outside" / "secret.txt").read_text() == "out of reach\n"


def evil_archives(workspace: Path) -> None:
    with tarfile.open(workspace / "evil.tar", "w") as tar:
        for name in ("../climbed.txt", "/tmp/harness-tui-absolute.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"bad"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        tar.addfile(link)
        through = tarfile.TarInfo("link/climbed.txt")
        through.size = 3
        tar.addfile(through, io.BytesIO(b"bad"))
    with zipfile.ZipFile(workspace / "evil.zip", "w") as archive:
        archive.writestr("../climbed.txt", "bad")


def around(folder: Path) -> set[Path]:
    """All files beside the workspace, and the one the archive names by an absolute path."""
    absolute = Path("/tmp/harness-tui-absolute.txt")
    return {path for path in folder.rglob("*") if "workspace" not in path.parts} | (
        {absolute} if absolute.exists() else set()
    )


async def test_an_archive_is_unpacked_by_nobody_but_the_shell_and_stays_inside(
    world: RunEnvironment, tmp_path: Path
) -> None:
    """No tool of ours unpacks anything; what the shell unpacks after an approval cannot land outside."""
    assert world.sandbox
    evil_archives(world.sandbox.workspace)
    before = around(tmp_path)
    assert not {tool.name for tool in world.tools} & {"unpack", "extract", "untar", "unzip"}
    await world.open()
    try:
        for program in ("tar", "unzip", "bsdtar"):
            said = await tell(world, "shell_read", program=program, args=["-xf", "evil.tar"])
            assert isinstance(said, str) and "not proven to read" in said.lower()
        await tell(world, "shell_exec", command="tar -P -xf evil.tar; python3 -m zipfile -e evil.zip .; ls")
        page = await tell(world, "read_file", path="evil.tar")
        assert isinstance(page, ToolOutcome) and "bad" not in page.text.split("\n")[0]
    finally:
        await world.close()
    assert around(tmp_path) == before
