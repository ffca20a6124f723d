"""Random trees with links, random paths, an oracle: what is read is inside, what is written is inside, no crash."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness_tui.domain.errors import HarnessError
from harness_tui.sandbox.tree import Tree

NAMES = st.sampled_from(["a", "b", "c", "é", "out", "root", "state", "x y"])
ODD = st.sampled_from(["", ".", "..", "~", "...", "a\\b", "\n", "\0", "\udcff", "\ud800", "a" * 300, "file:"])
PARTS = st.lists(st.one_of(NAMES, NAMES, NAMES, ODD), min_size=1, max_size=6)
TARGETS = st.builds(
    lambda up, parts, end: "../" * up + "/".join(parts) + end,
    st.integers(0, 4),
    st.lists(NAMES),
    st.sampled_from(["", "/"]),
).filter(bool)
ABSOLUTE = st.sampled_from(["/", "/etc", "/proc/self/cwd", "/proc/self/root", "OUT", "OUT/a", "ROOT", "ROOT/a"])
THINGS = st.one_of(st.just("dir"), st.just("file"), st.tuples(st.just("link"), TARGETS | ABSOLUTE))
TREES = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=4), THINGS), max_size=14)
PATHS = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "", "", "./", "/", "~/", "file://", "ROOT/", "../root" + "/"]),
    PARTS,
    st.sampled_from(["", "", "/", "/.", "/.."]),
)


class Playground:
    """`root` made of random things, a hidden folder `state` in it, `out` beside it. Contents tell where they are."""

    def __init__(self, things: list[tuple[list[str], object]]) -> None:
        self.base = Path(os.path.realpath(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm")))
        self.root, self.out = self.base / "root", self.base / "out"
        for folder in (self.root / "state" / "a", self.out / "a"):
            folder.mkdir(parents=True)
            (folder / "b").write_text("outside")
            (folder.parent / "c").write_text("outside")
        for parts, what in things:
            self._make(self.root.joinpath(*parts), what)
        self.before = self._outside()

    def spelled(self, text: str) -> str:
        return text.replace("OUT", str(self.out)).replace("ROOT", str(self.root))

    def _make(self, where: Path, what: object) -> None:
        try:
            real = os.path.realpath(where.parent)
            if not real.startswith(f"{self.root}") or real.startswith(f"{self.root}/state"):
                return
            where.parent.mkdir(parents=True, exist_ok=True)
            if what == "dir":
                where.mkdir()
            elif what == "file":
                with where.open("x") as file:
                    file.write("inside")
            elif isinstance(what, tuple):
                where.symlink_to(self.spelled(what[1]))
        except OSError:
            pass

    def _outside(self) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for top in (self.base, self.out, self.root / "state"):
            for path in [top, *(top.rglob("*") if top != self.base else top.iterdir())]:
                found[str(path)] = path.read_bytes() if path.is_file() else None
        return found

    def held(self) -> bool:
        return self._outside() == self.before

    def reads(self, path: str) -> bytes | None:
        """The oracle: what a path leads to when every step of it stays inside, None when one does not or nothing is
        there. It goes by names only, so it is right as long as nothing moves."""
        url = path.partition("/")[0].endswith(":") and "://" in path  # further in it is a folder whose name ends so
        if path.startswith(("/", "~")) or url or "\0" in path or ".." in path.split("/"):
            return None
        here, left, links = self.root, [p for p in path.split("/") if p not in ("", ".")], 0
        while left:
            part = left.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                if here == self.root:
                    return None
                here = here.parent
                continue
            try:
                here = here / part
                if here == self.root / "state":
                    return None
                if here.is_symlink():
                    links += 1
                    target = os.readlink(here)
                    if links > 40 or target.startswith("/"):
                        return None
                    here, left = here.parent, target.split("/") + left
                elif not here.exists() or (left and not here.is_dir()):
                    return None
            except (OSError, ValueError):
                return None
        return here.read_bytes() if here.is_file() else None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.lists(PATHS, min_size=1, max_size=6), st.booleans())
def test_the_walker_reads_what_the_oracle_reads_and_writes_nothing_outside(
    things: list[tuple[list[str], object]], paths: list[str], openat2: bool
) -> None:
    ground = Playground(things)
    tree = Tree(ground.root, [ground.root / "state"], openat2=openat2)
    try:
        for path in map(ground.spelled, paths):
            expected = ground.reads(path)
            try:
                with tree.open(path) as file:
                    got: bytes | None = file.read()
            except (HarnessError, OSError):
                got = None
            assert got == expected != b"outside"
            for call in (tree.scan, tree.stat, tree.real, lambda p: tree.present(p, 100)):
                try:
                    call(path)
                except (HarnessError, OSError):
                    continue
            try:
                tree.replace(path, b"written")
            except (HarnessError, OSError):
                pass
            else:
                assert ground.reads(path) == b"written"
            assert ground.held()
    finally:
        tree.close()
        shutil.rmtree(ground.base)


@settings(max_examples=120, deadline=None)
@given(TREES, PATHS)
def test_both_ways_down_agree(things: list[tuple[list[str], object]], path: str) -> None:
    ground = Playground(things)
    answers = []
    try:
        for openat2 in (True, False):
            tree = Tree(ground.root, [ground.root / "state"], openat2=openat2)
            try:
                answers.append(tree.real(ground.spelled(path)))
            except (HarnessError, OSError) as error:
                answers.append(type(error).__name__)
            tree.close()
    finally:
        shutil.rmtree(ground.base)
    assert answers[0] == answers[1]
