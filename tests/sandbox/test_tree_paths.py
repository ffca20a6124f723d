"""No path leads a tool out of the root, to what is hidden, or to anything that is no file: F01-F03, F05-F08."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.sandbox.tree import Entry, Escape, Tree

SECRET = "not for tools"


@pytest.fixture(params=[True, False], ids=["openat2", "by hand"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    """A root `w/repo` with a file or two; beside it what must stay out of reach."""
    root = tmp_path / "w" / "repo"
    (root / "src").mkdir(parents=True)
    (root / "src" / "app.py").write_text("inside")
    (root / ".state").mkdir()
    (root / ".state" / "journal.db").write_text(SECRET)
    for outside in (tmp_path / "w" / "repo-evil", tmp_path / "out"):
        outside.mkdir()
        (outside / "x").write_text(SECRET)
    made = Tree(root, [root / ".state"], openat2=request.param)
    yield made
    made.close()


def every_way(tree: Tree, path: str) -> None:
    """Each primitive refuses the path."""
    with pytest.raises(Escape):
        tree.open(path)
    with pytest.raises(Escape):
        tree.scan(path)
    with pytest.raises(Escape):
        tree.real(path)
    with pytest.raises(Escape):
        tree.present(path, 1000)
    with pytest.raises(Escape):
        tree.replace(path, b"changed")


def test_ordinary_paths_are_read_however_they_are_written(tree: Tree) -> None:
    for path in ("src/app.py", "./src/app.py", "src//app.py", "src/./app.py", "src/app.py/."):
        with tree.open(path) as file:
            assert file.read() == b"inside"
        assert tree.real(path) == "src/app.py"
    assert tree.stat("src/app.py").st_size == 6
    assert tree.scan() == tree.scan(".") == [Entry("src", "dir")]


@pytest.mark.parametrize(
    "path",
    [
        "../repo-evil/x",
        "../../etc/passwd",
        "src/../../repo-evil/x",
        "/etc/passwd",
        "//etc/passwd",
        "~/x",
        "~root/x",
        "~",
        "file:///etc/passwd",
        "https://example.org/x",
        "a\0b",
        "../repo/src/app.py",
        "\ud800",
        "/".join(["d"] * 1000),
    ],
)
def test_words_that_lead_out_are_refused(tree: Tree, path: str) -> None:
    every_way(tree, path)


def test_an_absolute_path_is_refused_even_into_the_root(tree: Tree) -> None:
    every_way(tree, str(tree.root / "src" / "app.py"))


def test_a_name_with_backslashes_is_a_name(tree: Tree) -> None:
    tree.replace("..\\..\\x", b"plain")
    assert (tree.root / "..\\..\\x").read_bytes() == b"plain"
    tree.replace("./~x", b"plain")
    assert (tree.root / "~x").read_bytes() == b"plain"


@pytest.mark.parametrize("target", ["../repo-evil", "/etc", "../../out", "src/../../repo-evil", "/proc/self", "."])
def test_a_link_is_followed_only_inside(tree: Tree, target: str) -> None:
    (tree.root / "link").symlink_to(target)
    if target == ".":
        with tree.open("link/src/app.py") as file:
            assert file.read() == b"inside"
        return
    every_way(tree, "link/x")
    every_way(tree, "link/environ")


def test_a_link_to_a_file_is_read_but_never_written(tree: Tree) -> None:
    (tree.root / "bin").mkdir()
    (tree.root / "bin" / "app").symlink_to("../src/app.py")
    (tree.root / "out").symlink_to("../repo-evil/x")
    (tree.root / "dangling").symlink_to("src/new.py")
    with tree.open("bin/app") as file:
        assert file.read() == b"inside"
    assert tree.real("bin/app") == "src/app.py"
    for path in ("bin/app", "out", "dangling"):
        with pytest.raises(Escape):
            tree.replace(path, b"changed")
        with pytest.raises(Escape):
            tree.present(path, 100)
    with pytest.raises(Escape):
        tree.open("out")
    assert (tree.root / "src" / "app.py").read_text() == "inside"
    assert not (tree.root / "src" / "new.py").exists()


def test_links_in_a_circle_end(tree: Tree) -> None:
    (tree.root / "a").symlink_to("b")
    (tree.root / "b").symlink_to("a")
    (tree.root / "self").symlink_to("self/self")
    for path in ("a", "a/x", "self"):
        with pytest.raises(Escape):
            tree.open(path)


def test_nothing_special_is_opened_and_nothing_blocks(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe")
    os.mknod(tree.root / "zero", 0o20666, os.makedev(0, 0))  # the one device that needs no privilege
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tree.root)  # a socket's path has 108 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        (tree.root / "to-pipe").symlink_to("pipe")
        for path in ("pipe", "zero", "socket", "to-pipe"):
            with pytest.raises(Escape):
                tree.open(path)
            with pytest.raises(Escape):
                tree.real(path)
            with pytest.raises(Escape):
                tree.replace(path, b"changed")
    assert [e.kind for e in tree.scan()] == ["other", "other", "dir", "link", "other"]


def test_a_file_is_no_directory_and_a_directory_no_file(tree: Tree) -> None:
    for path in ("src", ".", "", "src/."):
        with pytest.raises(IsADirectoryError):
            tree.open(path)
        with pytest.raises(IsADirectoryError):
            tree.replace(path, b"")
    for call in (tree.scan, tree.open):
        with pytest.raises(NotADirectoryError):
            call("src/app.py/x")
    with pytest.raises(FileNotFoundError):
        tree.open("src/absent")
    with pytest.raises(FileNotFoundError):
        tree.scan("absent/folder")


def test_what_is_hidden_is_not_there_under_any_name(tree: Tree) -> None:
    (tree.root / "door").symlink_to(".state")
    (tree.root / "src" / "file").symlink_to("../.state/journal.db")
    for path in (".state/journal.db", "door/journal.db", "src/file", ".STATE/journal.db", ".state/new/file"):
        every_way(tree, path)
    every_way(tree, ".state")
    assert [entry.name for entry in tree.scan()] == ["door", "src"]


def test_what_is_hidden_is_known_when_it_moves_inside_the_root(tree: Tree) -> None:
    (tree.root / ".state").rename(tree.root / "src" / "moved")
    (tree.root / ".state").symlink_to("src/moved")
    every_way(tree, "src/moved/journal.db")
    assert [entry.name for entry in tree.scan("src")] == ["app.py"]


def test_a_root_of_its_own_inside_the_state_is_still_a_root(tmp_path: Path) -> None:
    (tmp_path / "state" / "worktree").mkdir(parents=True)
    made = Tree(tmp_path / "state" / "worktree", [tmp_path / "state"])
    made.replace("x", b"1")
    assert [entry.name for entry in made.scan()] == ["x"]
    with pytest.raises(Escape, match="own state"):
        Tree(tmp_path / "state", [tmp_path / "state"]).scan()


def test_a_root_that_was_replaced_is_not_followed(tree: Tree, tmp_path: Path) -> None:
    """The parent of the root is pointed elsewhere after the first call: the old root stays, and is never re-opened."""
    assert tree.scan() == [Entry("src", "dir")]
    (tmp_path / "w").rename(tmp_path / "was")
    (tmp_path / "evil" / "repo").mkdir(parents=True)
    (tmp_path / "w").symlink_to("evil")
    tree.replace("new", b"in the old root")
    assert (tmp_path / "was" / "repo" / "new").exists()
    tree.close()
    with pytest.raises(Escape, match="replaced"):
        tree.scan()
    (tmp_path / "w").unlink()
    (tmp_path / "evil").rename(tmp_path / "w")
    with pytest.raises(Escape, match="replaced"):
        tree.scan()


def test_a_root_given_by_a_link_is_what_the_link_led_to(tmp_path: Path) -> None:
    (tmp_path / "real" / "state").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    tree = Tree(tmp_path / "link", [tmp_path / "link" / "state"])
    tree.replace("x", b"1")
    assert (tree.root, tree.scan()) == (tmp_path / "real", [Entry("x", "file")])
    tree.close()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    assert tree.scan() == [Entry("x", "file")]


def test_a_mount_is_not_entered(tree: Tree) -> None:
    """A root with mounts in it, as every system's own is."""
    system = Tree(Path("/"), openat2=tree._openat2)
    for path in ("proc/self/environ", "proc/version", "dev/zero"):
        every_way(system, path)
    assert "usr" in [entry.name for entry in system.scan()]
    system.close()
