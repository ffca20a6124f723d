"""What a maker left becomes one commit, whole and shown as it is, whatever it and the repository say to git."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness_tui.domain.errors import HarnessError, SandboxError
from harness_tui.loops import base, change
from harness_tui.sandbox import git
from tests.sandbox.repository import Repository

from .repositories import appended, replayed, take, taken, trapped, worktree

ODD = ["-rf", "new\nline", "tab\there", "ü", " lead", 'quo"te', "back\\slash", ":(top)", "a b/c d", "*", "$(x)"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def test_everything_is_in_it_and_the_diff_makes_the_same(
    repository: Repository, home: Path, tmp_path: Path
) -> None:
    for name in ("gone.txt", "mode.sh", "link", "folder/x", "turns"):
        (repository.folder / name).parent.mkdir(exist_ok=True)
        (repository.folder / name).write_text(f"{name}\n")
    (repository.folder / ".gitignore").write_text("*.log\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    path = await worktree(repository, home)
    appended(path)
    (path / "gone.txt").unlink()
    (path / "mode.sh").chmod(0o755)
    (path / "link").unlink()
    (path / "link").symlink_to("a.txt")
    (path / "folder" / "x").unlink()
    (path / "folder").rmdir()
    (path / "folder").write_text("now a file\n")
    (path / "turns").unlink()
    (path / "turns").mkdir()
    (path / "turns" / "inner").write_text("now a folder\n")
    (path / "bytes").write_bytes(bytes(range(256)) * 9)
    (path / "noise.log").write_text("ignored\n")
    for name in ODD:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("odd\n")
    found = take(repository, path)
    made = found.change
    assert made
    assert set(made.files) == {"a.txt", "gone.txt", "mode.sh", "link", "folder", "folder/x", "turns", "turns/inner"} | {
        "bytes",
        *ODD,
    }
    assert (made.onto, made.branch, made.diff) == ("main", "loops/l-1", hashlib.sha256(found.diff).hexdigest())
    assert repository.git("rev-list", "--parents", "-1", "loops/l-1").split() == [made.commit, made.base]
    assert (
        repository.git("log", "-1", "--format=%an %at %B", made.commit).strip() == "harness-tui 1700000000 what it does"
    )
    assert replayed(repository, found.diff, made.base, tmp_path) == made.tree
    assert repository.git("status", "--porcelain") == ""
    assert found.flags == ()


async def test_a_crash_in_between_changes_nothing(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    appended(path)
    first = take(repository, path)
    assert take(repository, path) == first
    later = change.take(repository.folder, path, branch="loops/l-1", message="what it does", at=1_800_000_000_000_000)
    assert later == first
    assert repository.git("branch", "--list", "loops/*").split() == ["loops/l-1"]


async def test_a_message_steers_no_terminal(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    appended(path)
    text = "subject\x1b]52;c;x\x07\n\nbody \u202e ü\0"
    made = change.take(repository.folder, path, branch="loops/l-1", message=text, at=0, author="a\n<b>").change
    assert made
    said = repository.git("log", "-1", "--format=%an%n%B", made.commit)
    assert said.startswith("ab\nsubject\\x1b]52")
    assert "ü" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


async def test_nothing_changed_is_no_change(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    assert take(repository, path) == change.Taken(None)
    os.utime(path / "a.txt", (1, 1))
    assert take(repository, path) == change.Taken(None)
    change.discard(repository.folder, path)
    assert not path.exists()
    assert repository.git("worktree", "list").count("\n") == 1
    assert repository.git("branch", "--list").split() == ["*", "main"]
    with pytest.raises(HarnessError, match="not there any more"):
        take(repository, path)


async def test_a_branch_of_that_name_is_not_touched(repository: Repository, home: Path) -> None:
    repository.git("branch", "loops/l-1")
    (made, _) = await taken(repository, home, appended)
    assert made.branch == "loops/l-1-2"
    assert repository.git("rev-parse", "loops/l-1").strip() == made.base


async def test_what_a_maker_says_to_git_counts_for_nothing(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    for words in (["update-index", "--assume-unchanged", "a.txt"], ["commit", "-q", "--allow-empty", "-m", "own"]):
        assert "fatal" not in repository.git("-C", str(path), *words)
    appended(path)
    (path / "new.txt").write_text("new\n")
    repository.git("-C", str(path), "add", "-f", "new.txt")
    (path / "new.txt").write_text("newer\n")
    repository.git("-C", str(path), "checkout", "-q", "-b", "elsewhere")
    found = take(repository, path)
    assert found.change
    assert (found.change.files, found.change.onto) == (("a.txt", "new.txt"), "main")
    assert found.change.base == repository.git("rev-parse", "main").strip()
    assert b"+newer" in found.diff


async def test_nothing_that_the_repository_names_is_run(repository: Repository, home: Path, tmp_path: Path) -> None:
    (repository.folder / "old.dat").write_text("filtered\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    sprung = tmp_path / "sprung"
    trapped(repository, sprung)
    path = await worktree(repository, home)
    appended(path)
    (path / "new.dat").write_text("filtered too\n")
    (path / "old.dat").write_text("changed\n")
    found = take(repository, path)
    assert found.change
    assert not sprung.exists()
    edited, whole = change.replace(repository.folder, found.change, found.diff.replace(b"+second", b"+other"))
    assert edited.commit != found.change.commit
    assert b"+other" in whole
    assert base.look(repository.folder, edited).state == "unmoved"
    change.discard(repository.folder, path)
    change.drop(repository.folder, edited)
    assert not sprung.exists()
    assert not path.exists()
    assert "loops" not in git.call(repository.folder, "branch")[1]
    repository.git("commit", "-q", "--allow-empty", "-m", "x")
    assert sprung.exists()  # the trap is one


async def test_a_submodule_is_neither_entered_nor_changed(repository: Repository, home: Path, tmp_path: Path) -> None:
    source = Repository((tmp_path / "source").resolve())
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source.folder), "vendor")
    repository.git("commit", "-qm", "submodule")
    path = await worktree(repository, home)
    # As a maker would that is not held in: a repository in its place whose filter is run by who looks for changes.
    sub, sprung = path / "vendor", tmp_path / "sprung"
    inner = Repository(tmp_path / "inner")
    (inner.folder / ".git").rename(sub / ".git")
    (sub / "a.txt").write_text("frist\n")  # as long as it was, so that git has to look inside
    inner.git("-C", str(sub), "config", "filter.f.clean", f"touch {sprung}; cat")
    (sub / ".git" / "info").mkdir(exist_ok=True)
    (sub / ".git" / "info" / "attributes").write_text("* filter=f\n")
    appended(path)
    found = take(repository, path)
    assert found.change
    assert found.change.files == ("a.txt",)
    assert not sprung.exists()
    repository.git("-C", str(path), "status")
    assert sprung.exists()  # the trap is one


async def test_what_a_person_must_look_at_is_told(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    inner = Repository(path / "inner")
    (inner.folder / "left out").write_text("x")
    for name in (
        ".envrc",
        "sub/.vscode/tasks.json",
        ".github/workflows/x.yml",
        ".gitattributes",
        "f.dat",
        "Jenkinsfile",
    ):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("*.dat filter=lfs\n")
    (path / "out").symlink_to("../../etc/passwd")
    (path / "whole").symlink_to("/etc/passwd")
    (path / "sub" / "fine").symlink_to("../a.txt")
    os.close(os.open(os.path.join(os.fsencode(path), b"\xff"), os.O_CREAT))
    found = take(repository, path)
    assert found.change
    assert "\\xff" in found.change.files
    assert "inner/a.txt" not in found.change.files
    said = "\n".join(found.flags)
    words = [".envrc is protected", ".vscode is protected", "CI service", ".gitattributes is obeyed", "filter lfs"]
    words += ["out is a link", "whole is a link", "no UTF-8", "inner is a repository of its own", "Jenkinsfile is run"]
    for word in words:
        assert word in said, word
    assert "sub/fine" not in said


async def test_no_attribute_hides_what_is_changed(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    (path / ".gitattributes").write_text("* -diff\n")
    appended(path)
    assert b"+second" in take(repository, path).diff


async def test_the_diff_is_the_same_whatever_is_configured(repository: Repository, home: Path) -> None:
    def make(path: Path) -> None:
        (path / "ü").write_text("1\n2\n3\n")
        appended(path)

    one = await taken(repository, home, make)
    settings = "diff.noprefix=true diff.mnemonicPrefix=true color.ui=always core.quotePath=false diff.context=9 "
    settings += (
        "diff.renames=copies diff.algorithm=patience core.abbrev=4 diff.interHunkContext=5 core.bigFileThreshold=1 "
    )
    settings += "i18n.commitEncoding=latin1 diff.suppressBlankEmpty=true core.autocrlf=input diff.indentHeuristic=false"
    for each in settings.split():
        repository.git("config", *each.split("=", 1))
    assert await taken(repository, home, make, run="l1-2") == one


@pytest.mark.parametrize("what", ["long diff", "large file", "fifo in place of a file"])
async def test_what_cannot_be_offered_is_a_note(repository: Repository, home: Path, what: str) -> None:
    path = await worktree(repository, home)
    if what == "long diff":
        (path / "long").write_bytes(os.urandom(5 << 20))
    elif what == "large file":
        with (path / "large").open("wb") as file:
            file.truncate(change.MOST_ADDED + 1)
    else:
        (path / "a.txt").unlink()
        os.mkfifo(path / "a.txt")
    found = take(repository, path)
    assert found.change is None
    assert found.note
    assert "loops" not in repository.git("branch")


async def test_a_detached_head_has_no_branch_to_land_on(repository: Repository, home: Path) -> None:
    repository.git("checkout", "-q", "--detach")
    made, _ = await taken(repository, home, appended)
    assert made.onto == ""


async def test_the_branch_is_the_one_of_the_beginning(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    base = repository.git("rev-parse", "HEAD").strip()
    repository.git("checkout", "-q", "-b", "other")
    repository.git("commit", "-q", "--allow-empty", "-m", "other")
    appended(path)
    found = take(repository, path)
    assert found.change
    assert (found.change.base, found.change.onto) == (base, "main")


async def test_an_unborn_branch_gives_no_worktree(home: Path, tmp_path: Path, repository: Repository) -> None:
    repository.git("checkout", "-q", "--orphan", "new")
    with pytest.raises(SandboxError, match="no commit"):
        await worktree(repository, home)


async def test_a_sparse_checkout_of_the_operators_deletes_nothing(repository: Repository, home: Path) -> None:
    for name in ("in/x", "out/y"):
        (repository.folder / name).parent.mkdir()
        (repository.folder / name).write_text("x\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    repository.git("sparse-checkout", "set", "in")
    assert not (repository.folder / "out").exists()
    path = await worktree(repository, home)
    assert (path / "out" / "y").exists()
    appended(path)
    found = take(repository, path)
    assert found.change
    assert found.change.files == ("a.txt",)


async def test_files_that_no_sandbox_holds_in_are_found_beneath_links(repository: Repository, home: Path) -> None:
    (repository.folder / "d").mkdir()
    (repository.folder / "d" / "x").write_text("x\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    path = await worktree(repository, home)
    outside = path.parent / "outside"
    outside.mkdir()
    (outside / "x").write_text("not ours\n")
    (path / "d" / "x").unlink()
    (path / "d").rmdir()
    (path / "d").symlink_to(outside)
    found = take(repository, path)
    assert found.change
    assert found.change.files == ("d", "d/x")
    assert b"not ours" not in found.diff


async def test_a_worktree_killed_while_it_was_made_is_made_anew(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    repository.git("-C", str(path), "update-ref", "-d", "refs/worktree/base")
    (path / "a.txt").unlink()
    assert (await worktree(repository, home) / "a.txt").exists()
    change.discard(repository.folder, path)
    path.mkdir(parents=True)
    assert (await worktree(repository, home) / "a.txt").exists()


async def test_whatever_is_in_a_worktree_it_goes(repository: Repository, home: Path) -> None:
    path = await worktree(repository, home)
    deep = path
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (path / "locked").mkdir()
    (path / "locked" / "x").write_text("x")
    (path / "locked").chmod(0)
    (path / ".git").unlink()
    change.discard(repository.folder, path)
    change.discard(repository.folder, path)
    assert not path.exists()
    assert repository.git("worktree", "list").count("\n") == 1
