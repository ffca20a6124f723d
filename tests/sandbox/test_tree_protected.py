"""What other programs execute or obey is not written, present or absent, in any spelling: F11, F12."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness_tui.sandbox.protected import PROTECTED
from harness_tui.sandbox.tree import Escape, Tree, protected

CATALOGUE = (".bashrc", ".gitconfig", ".gitmodules", ".mcp.json", ".git/hooks", ".git/config", ".vscode", ".idea")
SPELLINGS = (
    ".GIT/Config",
    ".Git/hooks/pre-commit",
    "sub/module/.git",
    "sub/.git/config",
    ".git./config",
    ".git /config",
    ".git. . /config",
    ".g\u200cit/config",
    ".gi\u00adt/config",
    "\ufeff.git/config",
    ".\uff47\uff49\uff54/config",
    ".git::$INDEX_ALLOCATION/config",
    "GIT~1/config",
    ".git\\hooks\\pre-commit",
    ".vscode/tasks.json",
    ".VSCode/Tasks.json",
    "a/.config/git/config",
    ".Config/Fish/config.fish",
    ".bashrc...",
    ".harness-tui/hooks.toml",
    ".\u212a\u0073hrc",  # the Kelvin sign
)
EVERYDAY = (
    "git/config",
    ".gitignore",
    ".gitattributes",
    ".github/workflows/ci.yml",
    "src/git.py",
    "config",
    ".config/app.toml",
    "docs/.gitkeep",
    "my.git.txt",
    "a.bashrc",
    "Makefile",
    ".env.example",
    "...",
    "caf\u00e9/cafe\u0301.txt",
)


@pytest.mark.parametrize("path", [*CATALOGUE, *SPELLINGS, *PROTECTED])
def test_it_is_protected_at_any_depth_and_with_all_below(path: str) -> None:
    assert protected(path)
    assert protected(f"deep/down/{path}")
    assert protected(f"{path}/and/below")


@pytest.mark.parametrize("path", EVERYDAY)
def test_everyday_files_are_not(path: str) -> None:
    assert protected(path) == ""


def test_the_reason_is_said() -> None:
    assert protected(".git/hooks/x") == ".git is protected: git executes hooks, filters and settings from it."


@pytest.mark.parametrize("path", [*CATALOGUE, *SPELLINGS])
@pytest.mark.parametrize("present", [True, False])
def test_the_tree_refuses_it_and_makes_nothing(tmp_path: Path, path: str, present: bool) -> None:
    if present:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("theirs")
    before = sorted(tmp_path.rglob("*"))
    tree = Tree(tmp_path)
    for call in (lambda: tree.replace(path, b"mine"), lambda: tree.present(path, 100)):
        with pytest.raises(Escape, match="protected"):
            call()
    assert sorted(tmp_path.rglob("*")) == before
    if present:
        with tree.open(path) as file:  # reading is not the harm
            assert file.read() == b"theirs"
    tree.close()


def test_a_link_or_a_folder_yet_to_be_made_is_no_way_round(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "door").symlink_to(".git")
    (tmp_path / "soon").symlink_to(".vscode")
    tree = Tree(tmp_path)
    for path in ("door/config", "door/hooks/pre-commit", "soon/tasks.json"):
        with pytest.raises(Escape, match="protected"):
            tree.replace(path, b"mine")
        with pytest.raises(Escape, match="protected"):
            tree.present(path, 100)
    assert not any((tmp_path / ".git").iterdir())
    assert not (tmp_path / ".vscode").exists()
    tree.close()


def test_a_root_that_is_gone_protects_the_names_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(Escape, match="protected"):
        Tree(tmp_path / "gone").present(".git/config", 100)


FILLER = st.sampled_from(["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\ufe0f", "\u034f"])


@given(st.sampled_from(sorted(PROTECTED)), st.data())
def test_no_case_filler_or_ending_hides_a_name(name: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([char, char.upper()]), "case") + data.draw(FILLER | st.just(""), "filler")
        for char in name
    )
    ending = data.draw(st.text(". ", max_size=3), "ending")
    assert protected(f"a/{spelled}{ending}/b")


@given(st.text())
@example("\ud800/.git")
@example("\0")
def test_any_text_has_an_answer(path: str) -> None:
    assert isinstance(protected(path), str)
