"""What is taken of a maker's files is what git itself would have staged, whatever was done to them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.repository import Repository

from .repositories import replayed, take, world

NAMES = st.sampled_from(["a.txt", "b", "d/x", "d/y", "d", "e/f/g", "-rf", "ü\n", "x.log", ".gitignore"])
EDITS = st.lists(
    st.tuples(st.sampled_from(["write", "link", "delete", "mode"]), NAMES, st.binary(max_size=30)), max_size=12
)


def edit(top: Path, edits: list[tuple[str, str, bytes]]) -> None:
    for what, name, data in edits:
        path = top / name
        try:
            if what == "write":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            elif what == "link":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                path.symlink_to("b" if name != "b" else "nowhere")
            elif what == "delete":
                path.unlink()
            else:
                path.chmod(0o755)
        except OSError:
            continue


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=EDITS, after=EDITS)
def test_it_is_what_git_itself_would_stage(
    before: list[tuple[str, str, bytes]], after: list[tuple[str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="htui-taking-") as folder:
        top = Path(folder).resolve()
        repository = Repository(top / "repository")
        edit(repository.folder, before)
        repository.git("add", "-A", "-f")
        repository.git("commit", "-q", "--allow-empty", "-m", "before")
        oracle = top / "oracle"
        repository.git("worktree", "add", "-q", "--detach", str(oracle))
        sandbox = world(repository, top / "home")
        asyncio.run(sandbox.open())
        for where in (oracle, sandbox.path):
            edit(where, after)
        repository.git("-C", str(oracle), "add", "-A")
        tree = repository.git("-C", str(oracle), "write-tree").strip()
        found = take(repository, sandbox.path)
        assert not found.note
        if found.change:
            assert found.change.tree == tree
            assert replayed(repository, found.diff, found.change.base, top) == tree
        else:
            assert repository.git("rev-parse", "HEAD^{tree}").strip() == tree
