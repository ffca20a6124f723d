"""Which sandbox a run gets, what it says when that is less than was asked for, and when it gets none at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness_tui.cli.checks import sandboxes
from harness_tui.domain.errors import SandboxError
from harness_tui.domain.task import Level, SandboxTable
from harness_tui.sandbox import bubblewrap, choose, container, hidden, probe
from harness_tui.sandbox.base import Sandbox

# What bubblewrap says where it cannot work, and what we make of it.
BLOCKED = {
    "bwrap: setting up uid map: Permission denied": "AppArmor",
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow it": "no ordinary user",
    "bwrap: Creating new namespace failed: Operation not permitted": "in most containers",
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted": "in most containers",
    "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted": "network namespace",
    "bwrap: unknown option --unshare-cgroup-try": "too old",
    "": "it said nothing",
}

Choose = Callable[..., Sandbox]


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    probe.probe.cache_clear()
    yield
    probe.probe.cache_clear()


@pytest.fixture
def pick(tmp_path: Path) -> Choose:
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    def picked(
        kind: str = "auto", level: Level = "L2", *, acts: bool = True, at: Path = workspace, **more: object
    ) -> Sandbox:
        table = SandboxTable(kind=kind, **more)  # type: ignore[arg-type]
        places = {"state": [tmp_path / "state"], "scratch": tmp_path / "scratch", "run": "r1"}
        return choose.choose(table, at, level=level, acts=acts, **places)  # type: ignore[arg-type]

    return picked


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A bubblewrap that only says why it does not work."""

    def made(said: str) -> str:
        script = tmp_path / "bwrap"
        script.write_text(f'#!/bin/sh\ncat >&2 <<"END"\n{said}\nEND\nexit 1\n')
        script.chmod(0o755)
        monkeypatch.setattr(bubblewrap, "PLACES", (str(script),))
        return str(script)

    return made


def test_auto_is_bubblewrap_where_it_works(pick: Choose) -> None:
    made = pick()
    assert (made.kind, made.asked, made.notes) == ("bubblewrap", "auto", ())
    assert "workspace write" in made.profile
    assert "workspace read" in pick(level="L1").profile
    assert "workspace read" in pick(at=Path("/"), acts=False).profile
    assert made.enforced == {"writes", "reads", "network", "processes", "controls"}
    assert pick("none").enforced == frozenset()


@pytest.mark.parametrize("said", BLOCKED)
def test_where_it_does_not_work_the_run_says_why(pick: Choose, broken: Callable[[str], str], said: str) -> None:
    broken(said)
    made = pick("bubblewrap", "L2")
    assert (made.kind, made.asked, made.enforced) == ("none", "bubblewrap", frozenset())
    [first, second] = made.notes
    assert first == "no sandbox"
    assert second.startswith("asked bubblewrap, enforced none: bubblewrap does not work: ")
    assert BLOCKED[said] in second
    for kind in ("bubblewrap", "auto"):
        with pytest.raises(SandboxError) as caught:
            pick(kind, "L3")
        assert caught.value.exit_code == 6
        assert BLOCKED[said] in caught.value.what
        assert caught.value.next_step


def test_where_it_is_missing_auto_is_none_with_the_reason(pick: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "PLACES", ("/nowhere/bwrap",))
    assert pick().notes == ("no sandbox", "bubblewrap is not installed.")
    rows = {row.name: row for row in sandboxes.all_of()}
    assert rows["bubblewrap"].ok
    assert "L3 refuses" in rows["bubblewrap"].detail
    assert "children can leave it" in rows["worktree"].detail
    needed = {row.name: row for row in sandboxes.all_of(for_tests=True)}["bubblewrap"]
    assert (needed.ok, needed.packages) == (False, ("bubblewrap",))


def test_one_that_lets_a_child_out_does_not_pass_the_probe(tmp_path: Path) -> None:
    """A program that runs its command without any of the namespaces it was asked for."""
    script = tmp_path / "bwrap"
    script.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    script.chmod(0o755)
    found = probe.probe("bubblewrap", places=(str(script),))
    assert not found.ok
    for part in ("write outside", "read outside", "read the state folder", "see our processes"):
        assert part in found.detail


@pytest.mark.parametrize("kind", ["none", "worktree"])
def test_l3_refuses_less_than_all(pick: Choose, kind: str) -> None:
    with pytest.raises(SandboxError, match="does not enforce"):
        pick(kind, "L3")
    assert pick(kind, "L3", acts=False).kind == kind
    assert pick(kind, "L2").kind == kind


def test_l3_acts_without_a_network_unless_it_was_given(pick: Choose) -> None:
    assert "network" in pick("bubblewrap", "L3").enforced
    given = pick("bubblewrap", "L3", network=True)
    assert given.enforced == {"writes", "reads", "processes", "controls"}


def test_a_container_without_a_service_is_none_and_says_so(pick: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PLACES", ("/nowhere/podman",))
    made = pick("container", image="debian:12")
    assert made.kind == "none"
    assert "asked container, enforced none" in made.notes[1]
    with pytest.raises(SandboxError, match="container was asked for"):
        pick("container", "L3", image="debian:12")


def test_the_whole_machine_and_our_own_state_are_no_workspace(pick: Choose, tmp_path: Path) -> None:
    for place in (Path("/"), tmp_path / "state", tmp_path / "state" / "deep"):
        with pytest.raises(SandboxError):
            pick(at=place)
    assert pick(at=Path("/"), acts=False).workspace == Path("/")


def test_places_that_hold_more_than_a_project_are_said(pick: Choose, tmp_path: Path) -> None:
    assert "the workspace is your whole home" in pick(at=hidden.of_operator()).notes
    around = pick(at=tmp_path)
    assert "this program's state lies in the workspace, hidden" in around.notes
    assert tmp_path / "state" in around.files.hidden


def test_further_paths_are_real_and_none_of_ours(pick: Choose, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/opt")
    made = pick(read=(str(tmp_path / "link"), "/nowhere/x"))
    assert "reads /opt" in made.profile
    assert "/nowhere/x is not there to be read" in made.notes
    for wrong in ("relative", str(tmp_path / "state" / "journal.db")):
        with pytest.raises(SandboxError):
            pick(read=(wrong,))


def test_what_speaks_for_the_operator_is_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/var/x/agent.1")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/var/x/bus,guid=0;unix:abstract=y")
    monkeypatch.setenv("DOCKER_HOST", "unix:///var/x/docker.sock")
    found = set(hidden.paths([tmp_path]))
    home = hidden.of_operator()
    assert {tmp_path, home / ".ssh", home / ".gnupg", home / ".config", home / ".aws"} <= found
    assert {Path("/var/x/agent.1"), Path("/var/x/bus"), Path("/var/x/docker.sock")} <= found
    assert {Path("/run"), Path(f"/run/user/{os.getuid()}"), Path("/etc/shadow"), Path("/etc/ssh")} <= found
