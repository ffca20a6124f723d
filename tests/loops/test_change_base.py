"""A change held against what its branch has become, edited by the operator, and looked for after it landed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tui.domain.errors import ApprovalError
from harness_tui.domain.events import Change, Receipt
from harness_tui.loops import base, change, landing
from tests.sandbox.repository import Repository

from .repositories import appended, taken


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


@pytest.fixture
async def made(repository: Repository, tmp_path: Path) -> tuple[Change, bytes]:
    return await taken(repository, tmp_path / "home", appended)


def commit(repository: Repository, name: str, text: str) -> str:
    (repository.folder / name).write_text(text)
    repository.git("add", ".")
    repository.git("commit", "-qm", "theirs")
    return repository.git("rev-parse", "HEAD").strip()


def test_where_nothing_happened_it_is_unmoved(repository: Repository, made: tuple[Change, bytes]) -> None:
    found = base.look(repository.folder, made[0])
    assert (found.state, found.text) == ("unmoved", f"main is still at {made[0].base[:12]}")


@pytest.mark.parametrize(("name", "applies"), [("b.txt", True), ("a.txt", False)])
def test_a_moved_base_says_how_far_and_whether_it_applies(
    repository: Repository, made: tuple[Change, bytes], name: str, applies: bool
) -> None:
    commit(repository, name, "theirs\n")
    commit(repository, "c.txt", "theirs too\n")
    found = base.look(repository.folder, made[0])
    assert found.state == "moved"
    assert "main moved on by 2 commits" in found.text
    assert ("would still apply" in found.text) == applies
    assert (repository.folder / "a.txt").read_text() == ("first\n" if applies else "theirs\n")


def test_a_rewritten_base_is_called_that(repository: Repository, made: tuple[Change, bytes]) -> None:
    repository.git("commit", "-q", "--amend", "-m", "rewritten")
    found = base.look(repository.folder, made[0])
    assert found.state == "moved"
    assert "rewritten" in found.text
    assert "would still apply" in found.text


@pytest.mark.parametrize("how", ["merged", "squashed", "picked on other work"])
def test_what_is_in_it_already_has_landed(repository: Repository, made: tuple[Change, bytes], how: str) -> None:
    if how == "merged":
        commit(repository, "b.txt", "theirs\n")
        repository.git("merge", "-q", "--no-edit", made[0].branch)
    elif how == "squashed":
        commit(repository, "a.txt", "first\nsecond\n")
    else:
        commit(repository, "b.txt", "theirs\n")
        repository.git("cherry-pick", made[0].branch)
    assert base.look(repository.folder, made[0]).state == "landed"


def test_what_is_not_there_any_more_is_gone(repository: Repository, made: tuple[Change, bytes], tmp_path: Path) -> None:
    repository.git("checkout", "-q", "-b", "other")
    repository.git("branch", "-D", "main")
    assert base.look(repository.folder, made[0]).state == "gone"
    assert base.look(tmp_path / "home", made[0]).state == "gone"
    lost = Change(made[0].base, "other", "x", "0" * 40, made[0].tree, made[0].diff, ())
    assert base.look(repository.folder, lost).state == "gone"


def test_another_target_is_looked_at_instead(repository: Repository, made: tuple[Change, bytes]) -> None:
    assert base.look(repository.folder, made[0], target="new").state == "unmoved"
    repository.git("checkout", "-q", "-b", "old")
    commit(repository, "b.txt", "theirs\n")
    assert base.look(repository.folder, made[0], target="old").state == "moved"
    assert base.look(repository.folder, made[0]).state == "unmoved"


def test_a_detached_head_is_held_against_where_it_is(repository: Repository, made: tuple[Change, bytes]) -> None:
    repository.git("checkout", "-q", "--detach")
    one = Change(made[0].base, "", made[0].branch, made[0].commit, made[0].tree, made[0].diff, made[0].files)
    assert base.look(repository.folder, one).state == "unmoved"
    commit(repository, "b.txt", "theirs\n")
    assert base.look(repository.folder, one).state == "moved"


# -- edited ---------------------------------------------------------------------------------------------------------


def test_an_edited_diff_takes_its_place_on_the_branch(repository: Repository, made: tuple[Change, bytes]) -> None:
    old, diff = made
    edited, whole = change.replace(repository.folder, old, diff.replace(b"+second", b"+edited"))
    assert b"+edited" in whole
    assert (edited.base, edited.branch, edited.files) == (old.base, old.branch, old.files)
    assert len({old.commit, edited.commit}) == len({old.tree, edited.tree}) == len({old.diff, edited.diff}) == 2
    assert repository.git("rev-parse", old.branch).strip() == edited.commit
    message = "--format=%an %ae %at %B"
    assert repository.git("log", "-1", message, edited.commit) == repository.git("log", "-1", message, old.commit)
    # After a crash, the same again.
    assert change.replace(repository.folder, old, diff.replace(b"+second", b"+edited")) == (edited, whole)
    landing.commit(repository.folder, edited, whole)
    assert (repository.folder / "a.txt").read_text() == "first\nedited\n"


def test_hunks_need_not_be_counted_again(repository: Repository, made: tuple[Change, bytes]) -> None:
    edited, _ = change.replace(repository.folder, made[0], made[1].replace(b"+second", b"+one\n+two\n+three"))
    assert (edited.added, edited.removed) == (3, 0)


def everything(path: Path) -> None:
    appended(path)
    (path / "bytes").write_bytes(bytes(range(256)) * 20)
    (path / "unended").write_text("no line feed")
    (path / "empty").touch()
    (path / "blank").write_text("x\n\n\n")
    (path / "run").write_text("x\n")
    (path / "run").chmod(0o755)
    (path / "link").symlink_to("a.txt")


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n\n"])
async def test_an_edit_that_changes_nothing_comes_to_the_same(
    repository: Repository, tmp_path: Path, tail: bytes
) -> None:
    one, diff = await taken(repository, tmp_path / "home", everything)
    assert change.replace(repository.folder, one, diff + tail) == (one, diff)


PLANTED = b"--- /dev/null\n+++ b/%s\n@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "No valid patches|unrecognized|nothing"),
        (b"not a diff\n", "No valid patches"),
        (b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-other\n+x\n", "patch failed"),
        (b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-first\n+first\n", "changes nothing"),
        (PLANTED % b".git/hooks/pre-commit", "invalid path|does not apply"),
        (PLANTED % b"../outside", "invalid path|does not apply"),
        (PLANTED % b"a.txt", "already exists"),
    ],
)
def test_what_does_not_apply_is_refused_with_gits_reason(
    repository: Repository, made: tuple[Change, bytes], text: bytes, why: str
) -> None:
    with pytest.raises(ApprovalError, match=why) as caught:
        change.replace(repository.folder, made[0], text)
    assert caught.value.next_step
    assert repository.git("rev-parse", made[0].branch).strip() == made[0].commit


def test_a_branch_that_is_somebody_elses_now_is_left_alone(
    repository: Repository, made: tuple[Change, bytes], tmp_path: Path
) -> None:
    old, edited = made[0], made[1].replace(b"+second", b"+edited")
    repository.git("worktree", "add", "-q", str(tmp_path / "look"), old.branch)
    with pytest.raises(ApprovalError, match="checked out in"):
        change.replace(repository.folder, old, edited)
    change.drop(repository.folder, old)
    repository.git("-C", str(tmp_path / "look"), "commit", "-q", "--allow-empty", "-m", "theirs")
    with pytest.raises(ApprovalError, match="somebody else"):
        change.replace(repository.folder, old, edited)
    repository.git("worktree", "remove", str(tmp_path / "look"))
    change.drop(repository.folder, old)
    assert old.branch in repository.git("branch")


def test_what_somebody_amended_is_theirs_too(repository: Repository, made: tuple[Change, bytes]) -> None:
    old = made[0]
    repository.git("checkout", "-q", old.branch)
    (repository.folder / "a.txt").write_text("amended\n")
    repository.git("commit", "-q", "-a", "--amend", "--no-edit")
    repository.git("checkout", "-q", "main")
    with pytest.raises(ApprovalError, match="somebody else"):
        change.replace(repository.folder, old, made[1].replace(b"+second", b"+edited"))
    change.drop(repository.folder, old)
    assert old.branch in repository.git("branch")


# -- afterwards -----------------------------------------------------------------------------------------------------


def landed(repository: Repository, made: tuple[Change, bytes]) -> Receipt:
    done = landing.commit(repository.folder, *made)
    return Receipt("commit", "", "", done.ref, done.before, done.after)


def test_a_revert_a_reset_and_a_deleted_branch_are_roll_backs(
    repository: Repository, made: tuple[Change, bytes]
) -> None:
    receipt = landed(repository, made)
    assert base.rolled_back(repository.folder, receipt) == ""
    commit(repository, "b.txt", "theirs\n")
    assert base.rolled_back(repository.folder, receipt) == ""
    repository.git("revert", "--no-edit", made[0].commit)
    assert "reverts it" in base.rolled_back(repository.folder, receipt)
    repository.git("reset", "-q", "--hard", made[0].base)
    assert "no longer in main" in base.rolled_back(repository.folder, receipt)
    repository.git("checkout", "-q", "-b", "other")
    repository.git("branch", "-D", "main")
    assert "was deleted" in base.rolled_back(repository.folder, receipt)


def test_what_moved_no_branch_cannot_be_told(repository: Repository, tmp_path: Path) -> None:
    assert base.rolled_back(repository.folder, Receipt("patch", "", "")) == ""
    assert base.rolled_back(tmp_path, Receipt("commit", "", "", "refs/heads/main", "", "0" * 40)) == ""
