"""Hardened git runs nothing that a repository names, in its configuration, its attributes, its hooks or its remotes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import UsageError
from harness_tui.sandbox import git

from .repository import Repository

READS = [
    ("status",),
    ("status", "--porcelain"),
    ("diff",),
    ("diff", "--stat", "HEAD"),
    ("diff-files", "-p"),
    ("diff-index", "-p", "HEAD"),
    ("log", "-p", "--format=%H %G? %GS"),
    ("show", "HEAD"),
    ("show", "HEAD:a.txt"),
    ("blame", "a.txt"),
    ("reflog", "-p"),
    ("reflog", "show", "-p"),
    ("whatchanged", "-p"),
    ("ls-files", "-m"),
    ("grep", "second"),
    ("cat-file", "--filters", "HEAD:a.txt"),
    ("shortlog", "HEAD"),
    ("rev-parse", "HEAD"),
    ("branch", "-a"),
    ("worktree", "list"),
]


@pytest.fixture
def trap(tmp_path: Path) -> Repository:
    """A repository that runs a program wherever git can be made to; it leaves the file `sprung`."""
    repository = Repository(tmp_path / "repository")
    run = f"touch {tmp_path}/sprung;"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "diff.external"):
        repository.git("config", key, f"{run} cat")
    for name in ("d", "a=b.c", "Ä x"):
        for part in ("filter.{}.clean", "filter.{}.smudge", "filter.{}.process", "diff.{}.textconv", "diff.{}.command"):
            repository.git("config", part.format(name), f"{run} cat")
    repository.git("config", "filter.a=b.c.required", "true")
    repository.git("config", "alias.status", f"!{run}")
    repository.git("config", "pager.log", f"{run} cat")
    repository.git("config", "log.showSignature", "true")
    (repository.folder / ".gitattributes").write_text("*.txt filter=a=b.c diff=d\n")
    hooks = repository.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\n{run}\n")
        (hooks / name).chmod(0o755)
    (repository.folder / "a.txt").write_text("second\n")
    (tmp_path / "sprung").unlink(missing_ok=True)
    return repository


@pytest.mark.parametrize("args", READS, ids=" ".join)
def test_reading_runs_nothing(trap: Repository, tmp_path: Path, args: tuple[str, ...]) -> None:
    code, said, wrong = git.call(trap.folder, *args)
    assert (code, wrong) == (0, "")
    assert said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("args", [("status",), ("diff",), ("log", "-p", "--format=%G?"), ("blame", "a.txt")])
def test_the_trap_is_one(trap: Repository, tmp_path: Path, args: tuple[str, ...]) -> None:
    trap.git(*args)
    assert (tmp_path / "sprung").exists()


def test_making_a_worktree_runs_neither_filter_nor_hook(trap: Repository, tmp_path: Path) -> None:
    assert git.call(trap.folder, "worktree", "add", "-b", "new", str(tmp_path / "new"), "HEAD")[0] == 0
    assert (tmp_path / "new" / "a.txt").read_text() == "first\n"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("url", ["{}", "ext::sh -c touch% {}/sprung"])
def test_a_partial_clone_fetches_nothing_by_a_program_of_its_own(tmp_path: Path, url: str) -> None:
    repository = Repository(tmp_path / "repository")
    name = repository.git("rev-parse", "HEAD:a.txt").strip()
    (repository.folder / ".git" / "objects" / name[:2] / name[2:]).unlink()
    settings = {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": url.format(tmp_path),
        "remote.origin.uploadpack": f"touch {tmp_path}/sprung;",
        "protocol.file.allow": "always",
        "protocol.ext.allow": "always",
    }
    for key, value in settings.items():
        repository.git("config", key, value)
    assert git.call(repository.folder, "show", "HEAD:a.txt")[0] != 0
    assert not (tmp_path / "sprung").exists()
    repository.git("show", "HEAD:a.txt")
    assert (tmp_path / "sprung").exists()


def test_a_bare_repository_inside_a_tree_is_no_repository(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.git("clone", "-q", "--bare", ".", "inner")
    code, _, wrong = git.call(repository.folder / "inner", "log")
    assert code != 0
    assert "safe.bareRepository" in wrong


def test_a_repository_of_another_user_is_refused_in_one_sentence() -> None:
    said = "fatal: detected dubious ownership in repository at '/x'\nTo add an exception for this directory, call:\n"
    assert git.explain(said) == "the repository belongs to another user, so git refuses to read it"
    assert git.explain("fatal: not a git repository\n") == "not a git repository"
    assert git.explain("") == "git said nothing"


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("foo",),
        ("-c", "alias.x=!id", "x"),
        ("--exec-path=/tmp", "status"),
        ("push",),
        ("diff", "--ext-diff"),
        ("log", "--textconv"),
        ("cat-file", "--textc", "HEAD:a"),
        ("grep", "-Oless", "x"),
        ("grep", "--open-files-in-pager", "x"),
        ("status", "-sv"),
        ("status", "--verbose"),
    ],
)
def test_what_brings_a_program_back_is_refused(args: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        git.hardened(args)


def test_what_only_looks_like_an_option_is_let_through() -> None:
    words, _ = git.hardened(("log", "--text", "--", "--ext-diff", "-v"))
    assert words[-4:] == ("--text", "--", "--ext-diff", "-v")


@given(st.lists(st.text(st.characters(exclude_characters="\0\n", exclude_categories=("Cs",)), min_size=1), max_size=5))
def test_every_filter_is_switched_off_whatever_it_is_called(names: list[str]) -> None:
    listed = "".join(f"filter.{name}.{part}\0" for name in names for part in ("clean", "required"))
    found = git.repo_overrides(listed)
    count = int(found.get("GIT_CONFIG_COUNT", "0"))
    pairs = {found[f"GIT_CONFIG_KEY_{at}"]: found[f"GIT_CONFIG_VALUE_{at}"] for at in range(count)}
    for name in names:
        off = {part: pairs[f"filter.{name}.{part}"] for part in ("clean", "smudge", "process", "required")}
        assert off == {"clean": "", "smudge": "", "process": "", "required": "false"}
