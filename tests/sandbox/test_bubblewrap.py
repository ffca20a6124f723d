"""Inside bubblewrap: what a child cannot write, read, reach or leave behind. Real children, real kernel."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from harness_tui.domain.errors import SandboxError
from harness_tui.sandbox import hidden
from harness_tui.sandbox.base import Command, Finished
from harness_tui.sandbox.bubblewrap import Bubblewrap
from harness_tui.sandbox.tree import Escape

from .repository import Repository


def core_pattern() -> bytes:
    """A program in it is started by the kernel as the real root; uid 0 without any capability owns the file."""
    return Path("/proc/sys/kernel/core_pattern").read_bytes()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout, with this program's state and a further secret inside of it, and a marker beside it."""
    folder = Repository((tmp_path / "workspace").resolve()).folder
    (folder / "state").mkdir()
    (folder / "state" / "journal.db").write_text("canary")
    (folder / "key").write_text("canary")
    (tmp_path / "beside").write_text("canary")
    return folder


@pytest.fixture
async def sandbox(workspace: Path) -> AsyncIterator[Bubblewrap]:
    made = Bubblewrap(workspace, hidden=hidden.paths([workspace / "state", workspace / "key"]))
    await made.open()
    yield made
    await made.close()


async def sh(sandbox: Bubblewrap, text: str, cwd: str = "", deadline: float = 60.0) -> Finished:
    return await sandbox.run(Command(("bash", "-c", text), "/bin/bash", cwd=cwd, deadline=deadline))


async def test_it_writes_the_workspace_and_nothing_else(sandbox: Bubblewrap, workspace: Path, tmp_path: Path) -> None:
    assert (await sh(sandbox, "echo in > new.txt; rm a.txt")).code == 0
    assert (workspace / "new.txt").read_text() == "in\n"
    assert not (workspace / "a.txt").exists()
    places = ["/", "/etc", "/usr", "/usr/bin", "/opt", "/bin", "/lib", str(workspace / "state")]
    for place in places:
        assert "Read-only" in (await sh(sandbox, f"touch {place}/x")).output, place
    # These are its own, and go with it.
    await sh(sandbox, f"touch ~/x /tmp/x /dev/shm/x {tmp_path}/x")
    assert not (hidden.of_operator() / "x").exists()
    assert not (tmp_path / "x").exists()
    assert "x" not in os.listdir("/tmp")


async def test_it_reads_the_system_and_the_workspace_only(sandbox: Bubblewrap, workspace: Path, tmp_path: Path) -> None:
    assert (await sh(sandbox, "cat a.txt")).output == "first\n"
    for path in (tmp_path / "beside", workspace / "state" / "journal.db", workspace / "key", "/etc/shadow"):
        done = await sh(sandbox, f"cat {path}; cat /proc/1/root{path}; cat /proc/$PPID/root{path}")
        assert "canary" not in done.output
        assert "root:" not in done.output
    done = await sh(sandbox, "ls -A ~ /root /home /run /var /sys /mnt /srv 2>/dev/null; ls -A state")
    assert {line for line in done.output.splitlines() if line and not line.endswith(":")} <= {
        part for place in (workspace, hidden.of_operator()) for part in place.parts
    }


async def test_nothing_that_speaks_for_the_operator_is_there(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, bus = workspace / "agent.sock", workspace / "bus"
    monkeypatch.chdir(workspace)  # a socket's path is short
    for path in (agent, bus):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={bus},guid=1")
    sandbox = Bubblewrap(workspace, hidden=hidden.paths([workspace / "state"]))
    done = await sh(
        sandbox,
        "for s in agent.sock bus /run/docker.sock /run/dbus/system_bus_socket; do [ -S $s ] && echo $s; done; env",
    )
    assert "sock" not in done.output.lower()
    assert "DBUS" not in done.output
    assert "HARNESS" not in done.output
    assert (await sh(sandbox, "ls -d ~/.ssh ~/.gnupg ~/.config ~/.aws 2>/dev/null")).output == ""


async def test_it_has_no_network_not_even_names_in_the_air(sandbox: Bubblewrap) -> None:
    name = f"harness-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as port:
        abstract.bind(f"\0{name}")
        abstract.listen()
        port.bind(("127.0.0.1", 0))
        port.listen()
        number = port.getsockname()[1]
        text = f"""
import socket
for family, address in ((socket.AF_UNIX, "\\0{name}"), (socket.AF_INET, ("127.0.0.1", {number}))):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error:
        print(error.errno)
print([name for _, name in socket.if_nameindex()])
"""
        done = await sandbox.run(Command(("python3", "-I", "-c", text), "/usr/bin/python3"))
    assert done.output == "111\n111\n['lo']\n"


async def test_the_network_is_there_when_it_was_given(workspace: Path) -> None:
    sandbox = Bubblewrap(workspace, hidden=(), network=True)
    assert "network" not in sandbox.enforced
    assert "network open" in sandbox.profile
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()
        done = await sh(sandbox, f"exec 3<>/dev/tcp/127.0.0.1/{port.getsockname()[1]} && echo connected")
    assert done.output == "connected\n"


async def test_further_paths_are_read_and_stay_unwritten(workspace: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    (extra / "secret").mkdir(parents=True)
    (extra / "tool").write_text("tool\n")
    sandbox = Bubblewrap(workspace, hidden=[extra / "secret"], read=[extra])
    done = await sh(sandbox, f"cat {extra}/tool; touch {extra}/x {extra}/secret/x")
    assert done.output.startswith("tool\n")
    assert done.output.count("Read-only file system") == 2
    assert str(extra) in sandbox.profile


async def test_who_only_reads_has_nothing_to_write_in(tmp_path: Path) -> None:
    sandbox = Bubblewrap(tmp_path, hidden=(), writable=False)
    assert "Read-only" in (await sh(sandbox, "touch x")).output
    await sandbox.close()
    assert os.listdir(tmp_path) == []
    whole = Bubblewrap(Path("/"), hidden=hidden.paths([tmp_path]), writable=False)
    assert "Read-only" in (await sh(whole, "touch /var/x; ls -A /run /etc/ssh")).output
    assert "root:" not in (await sh(whole, "cat /etc/shadow")).output


@pytest.mark.parametrize("cwd", ["/", "..", "/etc", "state", "out"])
async def test_no_other_directory_becomes_the_one_to_write_in(sandbox: Bubblewrap, workspace: Path, cwd: str) -> None:
    (workspace / "out").symlink_to("/")
    with pytest.raises(Escape):
        await sh(sandbox, "touch x", cwd=cwd)


async def test_the_operators_git_finds_nothing_planted(sandbox: Bubblewrap, workspace: Path) -> None:
    before = (workspace / ".git" / "config").read_bytes()
    tries = (
        "git config core.fsmonitor /tmp/x",
        "echo x >> .git/config",
        "echo x > .git/hooks/post-checkout",
        "echo ../../x > .git/commondir",
        "mv .git moved",
        "rm -rf .git; mkdir .git; echo x > .git/HEAD",
        "git -c user.name=x -c user.email=x commit --allow-empty -m x",
    )
    for text in tries:
        assert (await sh(sandbox, text)).code != 0, text
    assert (workspace / ".git" / "config").read_bytes() == before
    assert (await sh(sandbox, "git log --oneline; git status --short")).code == 0


async def test_where_there_is_no_repository_a_child_makes_none(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    sandbox = Bubblewrap(folder, hidden=())
    assert (await sh(sandbox, "git init . || mkdir .git/hooks")).code != 0
    await sandbox.close()
    assert list(folder.iterdir()) == []


async def test_a_sandbox_that_closes_takes_nothing_from_another_run_in_the_same_workspace(tmp_path: Path) -> None:
    one, other = Bubblewrap(tmp_path, hidden=()), Bubblewrap(tmp_path, hidden=())
    assert (await sh(one, "true")).code == (await sh(other, "true")).code == 0
    running = asyncio.create_task(sh(other, "read -t 1 < /dev/zero; ls -A"))
    await one.close()
    assert (tmp_path / ".git").is_dir()
    assert (await running).output.split() == [".git"]
    await other.close()
    assert os.listdir(tmp_path) == []


async def test_what_a_killed_engine_left_in_its_place_goes_with_the_next_sandbox(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    sandbox = Bubblewrap(tmp_path, hidden=())
    assert (await sh(sandbox, "ls -A")).output.split() == [".git"]
    await sandbox.close()
    assert os.listdir(tmp_path) == []


async def test_what_editors_and_shells_obey_is_read_only(sandbox: Bubblewrap, workspace: Path) -> None:
    (workspace / ".envrc").write_text("mine\n")
    (workspace / ".vscode").mkdir()
    done = await sh(sandbox, "echo x > .envrc; mv .envrc y; echo x > .vscode/tasks.json; rm -rf .vscode")
    assert done.code != 0
    assert (workspace / ".envrc").read_text() == "mine\n"
    assert list((workspace / ".vscode").iterdir()) == []


async def test_no_privilege_no_kernel_setting_no_mount(sandbox: Bubblewrap) -> None:
    done = await sh(sandbox, "grep -E 'Cap(Eff|Prm|Bnd)|NoNew' /proc/self/status | tr -d '\\n\\t'")
    assert done.output == f"CapPrm:{0:016}CapEff:{0:016}CapBnd:{0:016}NoNewPrivs:1"
    before = core_pattern()
    tries = (
        "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern",
        "echo > /proc/sysrq-trigger",
        "mount -t tmpfs none /tmp",
        "umount -l state",
        "unshare -Ur umount -l state",
        "unshare -Urm cat state/journal.db",
        "mknod disk b 8 0",
    )
    for text in tries:
        assert (await sh(sandbox, text)).code != 0, text
    assert core_pattern() == before


async def test_keys_cannot_be_typed_into_a_terminal(sandbox: Bubblewrap) -> None:
    text = "import fcntl, os, termios; fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), termios.TIOCSTI, b'x')"
    done = await sandbox.run(Command(("python3", "-I", "-c", text), "/usr/bin/python3"))
    assert "No such device or address: '/dev/tty'" in done.output
    assert done.code == 1


@pytest.mark.parametrize(("end", "ended"), [("exit", "exit"), ("sleep 600", "deadline"), ("kill -9 $$", "exit")])
async def test_all_ends_with_the_call(sandbox: Bubblewrap, end: str, ended: str) -> None:
    before = {process.pid for process in psutil.process_iter()}
    mark = f"{os.getpid()}{len(end)}"
    text = f"setsid sleep 6{mark} & (trap '' TERM; sleep 6{mark} &) ; sleep 0.2; {end}"
    done = await sh(sandbox, text, deadline=2 if ended == "deadline" else 60)
    assert done.ended == ended
    left = [process for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    assert [process for process in left if f"6{mark}" in " ".join(process.info["cmdline"] or ())] == []


async def test_without_the_program_it_does_not_open(workspace: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        await Bubblewrap(workspace, hidden=(), places=("/nowhere/bwrap",)).open()
    assert caught.value.exit_code == 6
