"""Links swapped in by another process while a tool works: 10,000 calls of each primitive, nothing gets out (F04)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness_tui.sandbox.tree import Escape, FileChanged, Tree

ROUNDS = 10_000
OUTSIDE = b"outside"
INSIDE = (b"inside", b"new")

# Each thing on the way changes places with a link that leads outwards, and back; a write may have replaced either.
SWAPPER = """
import ctypes, os, sys
root, out = sys.argv[1:]
os.chdir(root)
libc, AT_FDCWD, EXCHANGE = ctypes.CDLL(None), -100, 2
swaps = [("d", out), ("d/e", out), ("d/e", "../../out"), ("d/e/f", out + "/f"), ("d/e/f", "../../../out/f")]
print("ready", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    for number, (name, target) in enumerate(swaps):
        link = f"link{number}"
        if os.path.islink(name):
            os.unlink(name)
        if not os.path.islink(link):
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink(target, link)
        for _ in range(2):
            libc.renameat2(AT_FDCWD, name.encode(), AT_FDCWD, link.encode(), EXCHANGE)
"""


@pytest.fixture(params=[True, False], ids=["openat2", "by hand"])
def raced(request: pytest.FixtureRequest) -> Iterator[Tree]:
    """A tree in which another process swaps links all the time; in memory, where a rename costs nothing."""
    base = Path(os.path.realpath(tempfile.mkdtemp(prefix="race-", dir="/dev/shm")))
    root, out = base / "root", base / "out"
    for top in (root / "d" / "e", out / "e"):
        top.mkdir(parents=True)
    (root / "d" / "e" / "f").write_bytes(INSIDE[0])
    for name in ("f", "e/f", "only-outside"):
        (out / name).write_bytes(OUTSIDE)
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, root, out], stdout=subprocess.PIPE)
    assert swapper.stdout
    assert swapper.stdout.readline() == b"ready\n"
    tree = Tree(root, openat2=request.param)
    before = snapshot(out)
    try:
        yield tree
    finally:
        assert swapper.poll() is None, "nothing was swapped any more"
        swapper.kill()
        swapper.communicate()
        tree.close()
        after = snapshot(out)
        shutil.rmtree(base)
    assert after == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hammer(call: Callable[[], object]) -> Counter[str]:
    """How the calls ended; an error outside the contract fails the test."""
    ended: Counter[str] = Counter()
    for _ in range(ROUNDS):
        try:
            call()
        except (Escape, FileChanged, OSError) as error:
            ended[type(error).__name__] += 1
        else:
            ended["done"] += 1
    assert ended["done"]
    assert ended["Escape"]
    return ended


def test_reading(raced: Tree) -> None:
    def read() -> None:
        with raced.open("d/e/f") as file:
            assert file.read() in INSIDE

    hammer(read)


def test_listing(raced: Tree) -> None:
    def listing() -> None:
        assert "only-outside" not in [entry.name for entry in raced.scan("d/e")]

    hammer(listing)


def test_writing(raced: Tree) -> None:
    hammer(lambda: raced.replace("d/e/f", INSIDE[1]))


def test_writing_into_new_folders(raced: Tree) -> None:
    count = iter(range(ROUNDS))
    hammer(lambda: raced.replace(f"d/e/{next(count) % 50}/g", INSIDE[1]))


def test_editing(raced: Tree) -> None:
    def edit() -> None:
        found = raced.present("d/e/f", 100)
        if found.data is not None:
            assert found.data in INSIDE
            new = INSIDE[found.data == INSIDE[0]]
            raced.replace("d/e/f", new, expected=hashlib.sha256(found.data).hexdigest(), real=found.real)

    hammer(edit)
