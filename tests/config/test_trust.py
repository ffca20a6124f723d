"""The digest of what a workspace has interpreted: any change is another one, nothing outside is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_tui.config import trust
from harness_tui.config.trust import read
from harness_tui.domain.errors import UsageError


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    place = tmp_path / "w"
    tools = place / ".harness-tui" / "tools"
    tools.mkdir(parents=True)
    (tools / "notes.py").write_text("x = 1")
    (tools / "more").mkdir()
    (tools / "link").symlink_to("notes.py")
    (place / "README.md").write_text("text")
    return place


def tools(workspace: Path) -> Path:
    return workspace / ".harness-tui" / "tools"


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda w: (tools(w) / "notes.py").write_text("x = 2"),
    "mode": lambda w: (tools(w) / "notes.py").chmod(0o755),
    "name": lambda w: (tools(w) / "notes.py").rename(tools(w) / "note.py"),
    "a new file": lambda w: (tools(w) / "b.py").write_text(""),
    "a new folder": lambda w: (tools(w) / "empty").mkdir(),
    "a file gone": lambda w: (tools(w) / "notes.py").unlink(),
    "a link's target": lambda w: (os.unlink(tools(w) / "link"), (tools(w) / "link").symlink_to("/etc/passwd")),
    "a link for a file": lambda w: (os.unlink(tools(w) / "notes.py"), (tools(w) / "notes.py").symlink_to("/dev/null")),
    "a pipe": lambda w: os.mkfifo(tools(w) / "pipe"),
    "moved deeper": lambda w: (tools(w) / "notes.py").rename(tools(w) / "more" / "notes.py"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_what_is_interpreted_is_another_digest(workspace: Path, change: str) -> None:
    before = read(workspace)
    assert read(workspace) == before
    CHANGES[change](workspace)
    assert read(workspace).digest != before.digest


def test_what_is_not_interpreted_is_not_looked_at(workspace: Path) -> None:
    before = read(workspace)
    (workspace / "README.md").write_text("other")
    (workspace / ".git").mkdir()
    (workspace / ".git" / "commondir").write_text("/trusted/repository/.git")
    assert read(workspace) == before
    assert before.files == {".harness-tui/tools/notes.py": b"x = 1"}


def test_trust_is_of_a_real_path_and_nothing_is_inherited(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(workspace)
    assert read(tmp_path / "alias") == read(workspace)
    assert read(workspace).path == str(workspace)
    (workspace / "inner").mkdir()
    assert (read(workspace / "inner").digest, read(tmp_path).digest) == ("", "")


def test_links_are_never_followed(workspace: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.py").write_text("key")
    (tools(workspace) / "out").symlink_to(secret)
    assert list(read(workspace).files) == [".harness-tui/tools/notes.py"]
    other = tmp_path / "other"
    other.mkdir()
    (other / ".harness-tui").symlink_to(workspace / ".harness-tui")
    content = read(other)
    assert content.files == {}
    assert content.digest


def test_it_is_bounded(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "MAX_ENTRIES", 5)
    assert read(workspace).digest
    (tools(workspace) / "one").write_text("")
    with pytest.raises(UsageError, match="more than can be looked through"):
        read(workspace)
    monkeypatch.setattr(trust, "MAX_ENTRIES", 100)
    monkeypatch.setattr(trust, "MAX_BYTES", 4)
    with pytest.raises(UsageError, match="more than can be looked through"):
        read(workspace)


def test_a_folder_without_end_is_refused(workspace: Path) -> None:
    tools(workspace).joinpath(*"d" * trust.MAX_DEPTH).mkdir(parents=True)
    with pytest.raises(UsageError, match="more than can be looked through"):
        read(workspace)


def test_a_workspace_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot look into"):
        read(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot look into"):
        read(tmp_path / "file")
