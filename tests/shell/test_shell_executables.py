"""A program's name stands for a file of the system, never for one that an agent could have written."""

import pytest

from harness_tui.tools.shell import executables
from harness_tui.tools.shell.executables import find, named


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two directories of the system; what is in the first hides what is in the second."""
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    for path in ("first/ls", "second/ls", "second/rm"):
        (tmp_path / path).write_text("#!/bin/sh\n")
        (tmp_path / path).chmod(0o755)
    monkeypatch.setattr(executables, "DIRECTORIES", (f"{tmp_path}/first", f"{tmp_path}/second"))
    return tmp_path


def test_the_first_directory_counts(system):
    assert find("ls").path == f"{system}/first/ls"
    assert find("rm").path == f"{system}/second/rm"
    assert find(f"{system}/second/ls").path == f"{system}/second/ls"


@pytest.mark.parametrize(
    "name", ["./ls", "sub/ls", "/tmp/ls", "/ls", "../first/ls", "", ".", "..", "ls\0", "gone", "/"]
)
def test_no_other_place_is_looked_in(system, monkeypatch, name):
    (system / "ls").write_text("#!/bin/sh\n")
    (system / "ls").chmod(0o755)
    monkeypatch.chdir(system)
    monkeypatch.setenv("PATH", f".:{system}")
    assert find(name) is None


def test_only_files_that_can_be_executed(system):
    (system / "first" / "data").write_text("x")
    (system / "first" / "folder").mkdir()
    (system / "first" / "dangling").symlink_to("nowhere")
    (system / "first" / "ring").symlink_to("ring")
    assert [find(name) for name in ("data", "folder", "dangling", "ring")] == [None] * 4


def test_a_link_is_followed_and_pinned(system):
    (system / "first" / "list").symlink_to("ls")
    before = find("list")
    assert before.real == f"{system}/first/ls"
    (system / "first" / "ls").write_text("#!/bin/sh\nid\n")
    assert find("list") != before


def test_commands_are_judged_by_the_programs_name(system):
    assert named(("ls", "-l")) == (("ls", "-l"),)
    assert named((f"{system}/second/rm", "x")) == (("rm", "x"),)
    for elsewhere in ("./rm", "/tmp/rm", "/rm", "sub/rm", f"{system}/second/ls"):
        base = elsewhere.rpartition("/")[2]
        assert named((elsewhere, "x")) == ((elsewhere, "x"), (base, "x"))
