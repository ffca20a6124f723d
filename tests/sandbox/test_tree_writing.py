"""A file is written whole or not at all, only over what was judged, and as it was before but for its content."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness_tui.sandbox import atomic
from harness_tui.sandbox.tree import Escape, FileChanged, Found, TooLarge, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    yield made
    made.close()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_folders_are_made_and_a_new_file_is_readable(tree: Tree) -> None:
    old = os.umask(0o027)
    try:
        tree.replace("a/b/c.txt", b"new", expected="")
    finally:
        os.umask(old)
    assert (tree.root / "a/b/c.txt").read_bytes() == b"new"
    assert stat.S_IMODE((tree.root / "a/b/c.txt").stat().st_mode) == 0o640
    assert [p.name for p in (tree.root / "a/b").iterdir()] == ["c.txt"]


def test_mode_and_owner_stay_and_set_id_bits_do_not(tree: Tree) -> None:
    script = tree.root / "run.sh"
    script.write_text("old")
    if os.geteuid() == 0:
        os.chown(script, 1234, 1234)
    owner = script.stat().st_uid
    script.chmod(0o4751)
    tree.replace("run.sh", b"new")
    assert (script.stat().st_mode & 0o7777, script.stat().st_uid) == (0o751, owner)


def test_what_would_be_replaced_is_told_and_held_to(tree: Tree) -> None:
    assert tree.present("new/file", 100) == Found("new/file", None)
    assert not (tree.root / "new").exists()
    (tree.root / "x").write_bytes(b"one")
    (tree.root / "here").symlink_to(".")
    assert tree.present("here/x", 100) == Found("x", b"one")
    tree.replace("x", b"two", expected=sha(b"one"))
    for expected in (sha(b"one"), ""):
        with pytest.raises(FileChanged):
            tree.replace("x", b"three", expected=expected)
    with pytest.raises(FileChanged):
        tree.replace("absent/y", b"three", expected=sha(b"one"))
    with pytest.raises(FileChanged):
        tree.replace("y", b"three", expected=sha(b""))
    assert (tree.root / "x").read_bytes() == b"two"
    assert sorted(p.name for p in tree.root.iterdir()) == ["here", "x"]
    with pytest.raises(TooLarge):
        tree.present("x", 2)


def test_a_folder_pointed_elsewhere_since_it_was_judged_is_a_change(tree: Tree) -> None:
    for folder in ("build", "src"):
        (tree.root / folder).mkdir()
    (tree.root / "out").symlink_to("build")
    real = tree.present("out/new", 100).real
    (tree.root / "out").unlink()
    (tree.root / "out").symlink_to("src")
    with pytest.raises(FileChanged):
        tree.replace("out/new", b"", expected="", real=real)
    assert not list((tree.root / "src").iterdir())


def test_a_file_with_further_hard_links_is_not_written(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("out") / "secret"
    outside.write_text("theirs")
    os.link(outside, tree.root / "mine")
    for call in (lambda: tree.replace("mine", b"x"), lambda: tree.present("mine", 100)):
        with pytest.raises(Escape, match="hard links"):
            call()
    assert outside.read_text() == "theirs"


def test_a_link_at_the_temporary_name_is_not_followed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree.root / "victim").write_text("theirs")
    (tree.root / ".cafe.tmp").symlink_to("victim")
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _: "cafe")
    with pytest.raises(FileExistsError):
        tree.replace("x", b"mine")
    assert (tree.root / "victim").read_text() == "theirs"


def test_a_change_between_the_look_and_the_rename_is_found(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree.root / "x").write_bytes(b"one")
    sync = os.fsync

    def meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        (tree.root / "other").write_bytes(b"somebody else's")
        (tree.root / "other").rename(tree.root / "x")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(FileChanged):
        tree.replace("x", b"mine", expected=sha(b"one"))
    assert [(p.name, p.read_bytes()) for p in tree.root.iterdir()] == [("x", b"somebody else's")]


@contextmanager
def little_room(folder: Path) -> Iterator[None]:
    """At most 64 KiB fit into the folder: it is a small file system or, where none can be mounted, a limit is set."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    with little_room(tmp_path):
        tree = Tree(tmp_path)
        tree.replace("x", b"old")
        with pytest.raises(OSError) as full:
            tree.replace("x", b"n" * 1024 * 1024)
        assert full.value.errno in (errno.ENOSPC, errno.EFBIG)
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"old")]
        tree.replace("x", b"new")
        assert (tmp_path / "x").read_bytes() == b"new"
        tree.close()


def test_closing_during_a_call_hurts_nobody_and_the_next_call_opens_again(tree: Tree) -> None:
    (tree.root / "x").write_bytes(b"one")
    file = tree.open("x")
    tree.close()
    tree.close()
    with file:
        assert file.read() == b"one"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        tree.replace("x", b"two")
        tree.scan()
        with pytest.raises(FileNotFoundError):
            tree.open("absent/deep/down")
    tree.close()
    assert len(os.listdir("/proc/self/fd")) <= before
