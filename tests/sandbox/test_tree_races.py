"""Links swapped in by another process while a tool works: thousands of calls of each primitive, nothing gets out (F04).

HARNESS_TUI_RACE_ROUNDS sets the calls of each primitive (the promise is held with 10,000).
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from harness_tui.sandbox.tree import Escape, FileChanged, Tree

ROUNDS = int(os.environ.get("HARNESS_TUI_RACE_ROUNDS", "2000"))
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


class Race(NamedTuple):
    tree: Tree
    rounds: int


@pytest.fixture(params=[(True, ROUNDS), (False, ROUNDS // 4)], ids=["openat2", "by hand"])
def race(request: pytest.FixtureRequest) -> Iterator[Race]:
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
    openat2, rounds = request.param
    tree = Tree(root, openat2=openat2)
    before = snapshot(out)
    try:
        yield Race(tree, rounds)
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


def hammer(race: Race, call: Callable[[], object]) -> None:
    """Some calls get through and some are refused; an error outside the contract fails the test.

    On a busy machine the other process may have had no turn yet: it goes on until both were seen.
    """
    ended: Counter[str] = Counter()
    until = time.monotonic() + 60
    while ended.total() < race.rounds or (not (ended["done"] and ended["Escape"]) and time.monotonic() < until):
        try:
            call()
        except (Escape, FileChanged, OSError) as error:
            ended[type(error).__name__] += 1
        else:
            ended["done"] += 1
    assert ended["done"]
    assert ended["Escape"]


def test_reading(race: Race) -> None:
    def read() -> None:
        with race.tree.open("d/e/f") as file:
            assert file.read() in INSIDE

    hammer(race, read)


def test_listing(race: Race) -> None:
    def listing() -> None:
        assert "only-outside" not in [entry.name for entry in race.tree.scan("d/e")]

    hammer(race, listing)


def test_writing(race: Race) -> None:
    hammer(race, lambda: race.tree.replace("d/e/f", INSIDE[1]))


def test_writing_into_new_folders(race: Race) -> None:
    count = itertools.count()
    hammer(race, lambda: race.tree.replace(f"d/e/{next(count) % 50}/g", INSIDE[1]))


def test_editing(race: Race) -> None:
    def edit() -> None:
        found = race.tree.present("d/e/f", 100)
        if found.data is not None:
            assert found.data in INSIDE
            new = INSIDE[found.data == INSIDE[0]]
            race.tree.replace("d/e/f", new, expected=hashlib.sha256(found.data).hexdigest(), real=found.real)

    hammer(race, edit)
