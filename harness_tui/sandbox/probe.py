"""What really works here: each sandbox runs a child that tries to get out, once per process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from ..domain.errors import HarnessError
from . import bubblewrap, child, container, hidden, limits, view
from .base import Command

SECONDS = 20
INSTALL = "Install the package {}."

# Prints a line for each thing that a sandboxed child must not manage, and for what it must.
_TRIES = r"""
echo in > "$1/inside" && echo works
{ echo out > "$2/outside"; } 2>/dev/null && echo 'it could write outside the workspace'
cat "$2/marker" >/dev/null 2>&1 && echo 'it could read outside the workspace'
cat "$1/state/marker" >/dev/null 2>&1 && echo 'it could read the state folder'
{ echo out > "$1/state/made"; } 2>/dev/null && echo 'it could write to the state folder'
{ cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern; } 2>/dev/null && echo 'it could set the kernel'
while read -r name _; do
  case $name in lo:*|Inter-*|face) ;; *) echo "it has the network interface ${name%%:*}" ;; esac
done < /proc/net/dev
[ -d "/proc/$3" ] && [ "$(cat "/proc/$3/comm" 2>/dev/null)" = "$4" ] && echo 'it could see our processes'
exit 0
"""

_REASONS = (
    ("setting up uid map", "the kernel lets no ordinary user map itself into a namespace (AppArmor or a sysctl)"),
    ("No permissions to create new namespace", "the kernel lets no ordinary user make namespaces"),
    ("Creating new namespace failed", "making namespaces is forbidden here, as it is in most containers"),
    ("Failed to make / slave", "mounting is forbidden here, as it is in most containers"),
    ("Can't mount proc", "/proc cannot be mounted here, as in most containers"),
    ("loopback", "the network namespace cannot be set up here"),
    ("unknown option", "the installed version is too old"),
)
_USERNS = "Allow it for bwrap: an AppArmor profile with `userns,`, or kernel.apparmor_restrict_unprivileged_userns=0."
_CONTAINER = "Run outside of the container, or give the container leave to make user namespaces."


class Probe(msgspec.Struct, frozen=True):
    """What a try said.

    Attributes:
        detail: one sentence.
        remedy: the one thing to do when it does not work.
        packages: Debian packages that would mend it.
    """

    ok: bool
    detail: str
    remedy: str = ""
    packages: tuple[str, ...] = ()


@cache
def probe(kind: str, *, image: str = "", places: Sequence[str] = ()) -> Probe:
    """Try one kind of sandbox for real, once per process (`probe.cache_clear` forgets). Blocking, up to SECONDS.

    Args:
        kind: of a sandbox, or "wide": bubblewrap as a worktree uses it.
        image: of a container.
        places: where the program is looked for, a tuple; () = the system's own places.
    """
    if kind in ("bubblewrap", "wide"):
        return _bubblewrap(places or bubblewrap.PLACES, wide=kind == "wide")
    if kind == "container":
        return _container(image, places or container.PLACES)
    if kind == "worktree":
        git = shutil.which("git", path=child.PATH)
        return (
            Probe(True, f"{git} is there.")
            if git
            else Probe(False, "git is not installed.", INSTALL.format("git"), ("git",))
        )
    return Probe(True, "Children run as you do; nothing is enforced.")


def _bubblewrap(places: Sequence[str], *, wide: bool) -> Probe:
    program = bubblewrap.program(places)
    if not program:
        return Probe(False, "bubblewrap is not installed.", INSTALL.format("bubblewrap"), ("bubblewrap",))
    with _Stage() as stage:
        unseen = hidden.paths([stage.state])
        if wide:
            stage.reads_all()
            mounts = view.wide(stage.workspace, (), unseen)
        else:
            mounts = view.narrow(stage.workspace, bubblewrap.own_home(), (), unseen)
        argv = bubblewrap.arguments(program, mounts, stage.command, stage.workspace, network=False)
        return _judged("bubblewrap", argv, child.clean(bubblewrap.own_home(), Path("/tmp")))


def _container(image: str, places: Sequence[str]) -> Probe:
    client = container.program(places)
    if not client:
        return Probe(False, "Neither podman nor docker is installed.", INSTALL.format("podman"), ("podman",))
    name = os.path.basename(client)
    if not image:
        return Probe(False, f"{name} is there, but no image is named.", "Set [sandbox] image to one that is pulled.")
    with _Stage() as stage:
        try:
            argv = container.arguments(
                client,
                image,
                stage.command,
                name=f"harness-{os.getpid()}-probe",
                workspace=stage.workspace,
                cwd=stage.workspace,
                env=child.clean(Path("/tmp"), Path("/tmp")),
                masked=[stage.state],
            )
        except HarnessError as error:
            return Probe(False, error.what, error.next_step)
        return _judged(name, argv, container.client_env(Path.home()))


class _Stage:
    """A workspace with a state folder in it, and a marker outside of it."""

    def __enter__(self) -> _Stage:
        self._folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="harness-probe-", dir=_place())))
        self.workspace, self._outside = self._folder / "workspace", self._folder / "outside"
        self.state = self.workspace / "state"
        for folder in (self.workspace, self._outside, self.state):
            folder.mkdir()
        for folder in (self._outside, self.state):
            (folder / "marker").write_text("seen", encoding="ascii")
        comm = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
        words = ("sh", "-c", _TRIES, "sh", str(self.workspace), str(self._outside), str(os.getpid()), comm)
        self.command = Command(words, "/bin/sh")
        return self

    def reads_all(self) -> None:
        """What a child of a worktree reads outside is no failure."""
        (self._outside / "marker").unlink()

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _place() -> str:
    """Not below /tmp, if that can be had: what a private /tmp hides proves less."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()


def _judged(name: str, argv: Sequence[str], env: dict[str, str]) -> Probe:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=env, cwd="/", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Probe(False, f"{name} did not answer within {SECONDS} s.", "Try it by hand.")
    except OSError as error:
        return Probe(False, f"{name} cannot be started: {error.strerror}.", INSTALL.format(f"of {name} again"))
    said = done.stdout.decode(errors="replace").splitlines()
    if "works" not in said:
        return _failed(name, done.stderr.decode(errors="replace").strip())
    if wrong := [line for line in said if line != "works"]:
        return Probe(False, f"{name} does not hold: {'; '.join(wrong)}.", "Do not rely on it; look at its version.")
    return Probe(True, f"{name} holds: a child could not get out. Limits: {limits.current().describe()}.")


def _failed(name: str, said: str) -> Probe:
    line = said.splitlines()[-1][:300] if said else "it said nothing"
    for part, reason in _REASONS:
        if part in said:
            remedy = _CONTAINER if "container" in reason else f"Install a newer {name}." if "old" in reason else _USERNS
            return Probe(False, f"{name} does not work: {reason} ({line}).", remedy)
    return Probe(False, f"{name} does not work: {line}.", "Try it by hand: the message is its own.")
