"""A change lands whole or not at all, never over the operator's own work, and runs nothing on its way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness_tui.domain.errors import HarnessError
from harness_tui.domain.events import Change
from harness_tui.loops import landing
from harness_tui.sandbox import git
from harness_tui.sandbox.refs import Moving
from tests.sandbox.repository import Repository

from .repositories import appended, taken, trapped


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository((tmp_path / "repository").resolve())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def rich(path: Path) -> None:
    """Changed, new, deleted, binary, a mode, a link and odd names."""
    appended(path)
    (path / "b.txt").unlink()
    (path / "run.sh").chmod(0o755)
    (path / "d" / "e").mkdir(parents=True)
    for name in ("-rf", "new\nline", "ü b", "d/e/f"):
        (path / name).write_text("odd\n")
    (path / "bytes").write_bytes(bytes(range(256)))
    (path / "link").symlink_to("a.txt")


@pytest.fixture
async def made(repository: Repository, home: Path) -> tuple[Change, bytes]:
    for name in ("b.txt", "run.sh", "other.txt"):
        (repository.folder / name).write_text(f"{name}\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    return await taken(repository, home, rich)


def state(repository: Repository) -> tuple[str, ...]:
    """All that an operator would see of it, files included."""
    files = sorted(
        (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in repository.folder.rglob("*")
        if ".git" not in path.parts
    )
    asked = (["status", "--porcelain=v2"], ["for-each-ref"], ["symbolic-ref", "HEAD"], ["ls-files", "--stage"])
    return (str(files), *(repository.git(*words) for words in asked))


def test_a_commit_lands_and_the_files_follow(repository: Repository, made: tuple[Change, bytes]) -> None:
    (repository.folder / "other.txt").write_text("the operator's own\n")
    (repository.folder / "untracked").write_text("theirs\n")
    done = landing.commit(repository.folder, *made)
    assert (done.ref, done.before, done.after, done.here) == ("refs/heads/main", made[0].base, made[0].commit, True)
    assert repository.git("rev-parse", "HEAD").strip() == made[0].commit
    assert repository.git("status", "--porcelain") == " M other.txt\n?? untracked\n"
    assert (repository.folder / "link").readlink() == Path("a.txt")
    assert (repository.folder / "bytes").read_bytes() == bytes(range(256))
    assert (repository.folder / "run.sh").stat().st_mode & 0o111
    # Again, as after a crash before it was written down.
    assert landing.commit(repository.folder, *made) == done


def test_a_patch_is_applied_and_nothing_staged(repository: Repository, made: tuple[Change, bytes]) -> None:
    (repository.folder / "other.txt").write_text("the operator's own\n")
    assert landing.apply(repository.folder, *made) == repository.folder
    assert repository.git("diff", "--cached") == ""
    assert repository.git("rev-parse", "HEAD").strip() == made[0].base
    assert (repository.folder / "a.txt").read_text() == "first\nsecond\n"
    assert not (repository.folder / "b.txt").exists()
    assert landing.applied(repository.folder, *made) is True


async def test_a_sparse_checkout_stays_one(repository: Repository, home: Path) -> None:
    for name in ("in", "out"):
        (repository.folder / name).mkdir()
        (repository.folder / name / "x").write_text("x\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "more")
    repository.git("sparse-checkout", "set", "in")

    def make(path: Path) -> None:
        for name in ("in", "out"):
            (path / name / "x").write_text("changed\n")

    made = await taken(repository, home, make)
    assert landing.hindrance(repository.folder, *made, "commit") == ""
    landing.commit(repository.folder, *made)
    assert repository.git("status", "--porcelain") == ""
    assert (repository.folder / "in" / "x").read_text() == "changed\n"
    assert not (repository.folder / "out").exists()


LAND = {"commit": landing.commit, "patch": landing.apply}
Land = Callable[..., object]


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
@pytest.mark.parametrize(
    "what",
    ["changed", "staged", "deleted", "untracked in the way", "ignored in the way", "mode", "folder in the way"],
)
def test_the_operators_own_work_is_never_touched(
    repository: Repository, made: tuple[Change, bytes], land: Land, what: str
) -> None:
    folder = repository.folder
    if what in ("changed", "staged"):
        (folder / "a.txt").write_text("first\nmine\n")
    if what == "staged":
        repository.git("add", "a.txt")
        (folder / "a.txt").write_text("first\n")
    if what == "deleted":
        (folder / "b.txt").unlink()
    if what == "untracked in the way":
        (folder / "bytes").write_text("mine\n")
    if what == "ignored in the way":
        (folder / ".git" / "info" / "exclude").write_text("bytes\n")
        (folder / "bytes").write_text("mine\n")
    if what == "mode":
        (folder / "run.sh").chmod(0o755)
    if what == "folder in the way":
        (folder / "link").mkdir()
    before = state(repository)
    do = next(name for name in LAND if LAND[name] is land)
    assert "not committed" in landing.hindrance(repository.folder, *made, do)
    with pytest.raises(HarnessError, match="not committed") as caught:
        land(repository.folder, *made)
    assert caught.value.next_step
    assert state(repository) == before


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
def test_nothing_is_written_through_a_link(
    repository: Repository, made: tuple[Change, bytes], land: Land, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "e").mkdir(parents=True)
    (repository.folder / "d").symlink_to(outside)
    before = state(repository)
    with pytest.raises(HarnessError):
        land(repository.folder, *made)
    assert state(repository) == before
    assert list((outside / "e").iterdir()) == []


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
@pytest.mark.parametrize("name", ["MERGE_HEAD", "rebase-merge"])
def test_what_the_operator_is_in_the_middle_of_is_not_disturbed(
    repository: Repository, made: tuple[Change, bytes], land: Land, name: str
) -> None:
    (repository.folder / ".git" / name).write_text(made[0].base + "\n")
    before = state(repository)
    with pytest.raises(HarnessError, match="not finished"):
        land(repository.folder, *made)
    assert state(repository) == before


@pytest.mark.parametrize(("name", "applies"), [("other.txt", True), ("a.txt", False)])
def test_a_moved_base_stops_a_commit_and_a_patch_if_it_conflicts(
    repository: Repository, made: tuple[Change, bytes], name: str, applies: bool
) -> None:
    (repository.folder / name).write_text("theirs\n")
    repository.git("commit", "-qam", "theirs")
    before = state(repository)
    with pytest.raises(HarnessError, match="no longer at") as caught:
        landing.commit(repository.folder, *made)
    assert "Push the change back" in caught.value.next_step
    assert state(repository) == before
    if applies:
        landing.apply(repository.folder, *made)
        assert (repository.folder / "a.txt").read_text() == "first\nsecond\n"
        assert landing.applied(repository.folder, *made) is True
        return
    with pytest.raises(HarnessError, match="does not apply"):
        landing.apply(repository.folder, *made)
    assert state(repository) == before
    assert landing.applied(repository.folder, *made) is None


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
def test_only_what_was_shown_lands(repository: Repository, made: tuple[Change, bytes], land: Land) -> None:
    real, diff = made
    other = repository.git("commit-tree", "-p", real.base, "-m", "x", f"{real.base}^{{tree}}").strip()
    tries = [
        (real, diff + b"\n", "not the one that was decided on"),
        (replace(real, commit=other), diff, "not what was shown"),
        (replace(real, tree=real.base), diff, "not what was shown"),
        (replace(real, base=real.commit), diff, "not what was shown"),
        (replace(real, commit="0" * 40), diff, "is gone"),
    ]
    before = state(repository)
    for change, shown, why in tries:
        with pytest.raises(HarnessError, match=why):
            land(repository.folder, change, shown)
    assert state(repository) == before


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
async def test_nothing_is_run_on_the_way(repository: Repository, home: Path, tmp_path: Path, land: Land) -> None:
    sprung = tmp_path / "sprung"
    trapped(repository, sprung)
    made = await taken(repository, home, appended)
    land(repository.folder, *made)
    assert landing.applied(repository.folder, *made) is True
    assert (repository.folder / "a.txt").read_text() == "first\nsecond\n"
    assert not sprung.exists()


@pytest.mark.parametrize("land", LAND.values(), ids=LAND)
async def test_files_of_a_content_filter_are_left_to_the_operator(
    repository: Repository, home: Path, land: Land
) -> None:
    (repository.folder / ".gitattributes").write_text("*.dat filter=lfs\n")
    repository.git("add", ".")
    repository.git("commit", "-qm", "lfs")
    made = await taken(repository, home, lambda path: (path / "x.dat").write_text("x\n"))
    before = state(repository)
    with pytest.raises(HarnessError, match="filter lfs") as caught:
        land(repository.folder, *made)
    assert "by hand: git " in caught.value.next_step
    assert state(repository) == before


def test_a_branch_that_is_not_checked_out_moves_alone(repository: Repository, made: tuple[Change, bytes]) -> None:
    repository.git("checkout", "-q", "-b", "elsewhere")
    (repository.folder / "a.txt").write_text("dirty\n")
    done = landing.commit(repository.folder, *made)
    assert not done.here
    assert repository.git("rev-parse", "main").strip() == made[0].commit
    assert (repository.folder / "a.txt").read_text() == "dirty\n"


def test_a_branch_that_is_not_there_is_made(repository: Repository, made: tuple[Change, bytes]) -> None:
    done = landing.commit(repository.folder, *made, "bot/new")
    assert (done.ref, done.before, done.here) == ("refs/heads/bot/new", "", False)
    assert repository.git("rev-parse", "bot/new", "main").split() == [made[0].commit, made[0].base]
    assert landing.landed(repository.folder, made[0], "bot/new")
    assert not landing.landed(repository.folder, made[0])
    for name in ("bad..name", "-x", "a b"):
        with pytest.raises(HarnessError):
            landing.commit(repository.folder, *made, name)


def test_no_branch_moves_under_the_feet_of_another_checkout(
    repository: Repository, made: tuple[Change, bytes], tmp_path: Path
) -> None:
    repository.git("checkout", "-q", "-b", "here")
    repository.git("worktree", "add", "-q", str(tmp_path / "there"), "main")
    before = state(repository)
    with pytest.raises(HarnessError, match="is checked out in") as caught:
        landing.commit(repository.folder, *made)
    assert "merge --ff-only loops/l-1" in caught.value.next_step
    assert state(repository) == before
    landing.commit(tmp_path / "there", *made)
    assert (tmp_path / "there" / "a.txt").read_text() == "first\nsecond\n"


def test_a_detached_head_has_nowhere_to_land(repository: Repository, made: tuple[Change, bytes]) -> None:
    detached = replace(made[0], onto="")
    with pytest.raises(HarnessError, match="no branch") as caught:
        landing.commit(repository.folder, detached, made[1])
    assert "[action] branch" in caught.value.next_step
    landing.apply(repository.folder, detached, made[1])


def test_a_branch_that_was_deleted_is_not_made_again_by_itself(
    repository: Repository, made: tuple[Change, bytes]
) -> None:
    repository.git("checkout", "-q", "-b", "other")
    repository.git("branch", "-D", "main")
    with pytest.raises(HarnessError, match="not there any more"):
        landing.commit(repository.folder, *made)


def test_a_workspace_below_the_checkout_will_do(repository: Repository, made: tuple[Change, bytes]) -> None:
    below = repository.folder / "packages"
    below.mkdir()
    assert landing.apply(below, *made) == repository.folder
    assert (repository.folder / "a.txt").read_text() == "first\nsecond\n"


def test_a_repository_that_claims_files_of_elsewhere_is_refused(
    repository: Repository, made: tuple[Change, bytes], tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    repository.git("config", "core.worktree", str(tmp_path / "victim"))
    for land in LAND.values():
        with pytest.raises(HarnessError, match=r"core\.worktree|no git checkout|its files are"):
            land(repository.folder, *made)
    assert list((tmp_path / "victim").iterdir()) == []


def test_somebody_at_work_with_git_is_waited_for_by_the_operator(
    repository: Repository, made: tuple[Change, bytes]
) -> None:
    (repository.folder / ".git" / "index.lock").touch()
    before = state(repository)
    with pytest.raises(HarnessError, match="cannot follow"):
        landing.commit(repository.folder, *made)
    assert state(repository) == before
    (repository.folder / ".git" / "index.lock").unlink()
    (repository.folder / ".git" / "refs" / "heads" / "main.lock").touch()
    with pytest.raises(HarnessError, match="was not moved"):
        landing.commit(repository.folder, *made)
    (repository.folder / ".git" / "refs" / "heads" / "main.lock").unlink()
    assert state(repository) == before
    landing.commit(repository.folder, *made)


def test_a_branch_is_locked_while_the_files_follow(
    repository: Repository, made: tuple[Change, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, said = landing._follow, []

    def meanwhile(place: git.Checkout, *args: object) -> None:
        said.append(repository.git("commit", "-q", "--allow-empty", "-m", "in between"))
        follow(place, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(landing, "_follow", meanwhile)
    landing.commit(repository.folder, *made)
    assert "lock" in said[0]
    assert repository.git("log", "-1", "--format=%H").strip() == made[0].commit


def test_the_files_go_back_when_the_branch_does_not_move(
    repository: Repository, made: tuple[Change, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Moving) -> None:
        raise HarnessError("refs/heads/main was not moved: No space left on device.")

    before = state(repository)
    monkeypatch.setattr(Moving, "commit", full)
    with pytest.raises(HarnessError, match="No space"):
        landing.commit(repository.folder, *made)
    assert state(repository) == before


def test_a_patch_that_breaks_off_leaves_nothing(
    repository: Repository, made: tuple[Change, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = landing._refused

    def breaks(place: git.Checkout, diff: bytes, *options: str) -> str:
        if not options:
            subprocess.run(["git", "apply", "-"], cwd=place.top, input=diff, check=True)
            (place.top / "bytes").unlink()
            return "No space left on device"
        return refused(place, diff, *options)

    before = state(repository)
    monkeypatch.setattr(landing, "_refused", breaks)
    with pytest.raises(HarnessError, match="No space"):
        landing.apply(repository.folder, *made)
    assert state(repository) == before
