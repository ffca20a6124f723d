"""A container for each child, by podman or docker: an argument builder, and an end that the client cannot forget."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..domain.errors import HarnessError, SandboxError
from . import child, limits
from .base import Command, Finished, Guarantee, Sandbox
from .tree import Tree

PLACES = ("/usr/bin/podman", "/usr/bin/docker", "/usr/local/bin/podman", "/usr/local/bin/docker")
MEMORY = "4g"
KILL_SECONDS = 20.0

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9_.-]*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_AWKWARD = re.compile(r'[,"\x00-\x1f]')
"""In a path these would end a field of `--mount`."""

_numbers = itertools.count(1)


def program(places: Sequence[str] = PLACES) -> str:
    """The client's path, or "" where none is installed."""
    return next((path for path in places if os.access(path, os.X_OK)), "")


def valid_image(image: str) -> str:
    """The name as it is. Raises SandboxError for what is no image name, options above all."""
    name = _DIGEST.sub("", image, count=1) if _DIGEST.search(image) else image
    if len(image) > 255 or not _NAME.fullmatch(name):
        raise SandboxError(f"{image!r} is no name of a container image.", "Set [sandbox] image, as in debian:12.")
    return image


def arguments(
    client: str,
    image: str,
    command: Command,
    *,
    name: str,
    workspace: Path,
    cwd: Path,
    env: Mapping[str, str],
    read: Sequence[Path] = (),
    masked: Sequence[Path] = (),
    network: bool = False,
) -> list[str]:
    """The client's own argv for one command; the workspace keeps its path inside.

    The program is looked up by its name in the image's PATH: where the host has it says nothing about the image.

    Args:
        masked: paths below the workspace that are there and must not be seen.

    Raises SandboxError for an image, a path or a program that could be read as something else.
    """
    entry = os.path.basename(command.executable)
    for word in (name, entry):
        if not _WORD.fullmatch(word):
            raise SandboxError(f"{word!r} cannot be named to {os.path.basename(client)}.")
    mounts = [_bind(workspace), *(_bind(path, "readonly") for path in [*_git(workspace), *read])]
    for path in masked:
        kind = "type=tmpfs" if path.is_dir() else "type=bind,source=/dev/null"
        mounts.append(f"{kind},destination={_plain(path)}")
    return [
        *(client, "run", "--rm", "--interactive", "--name", name, "--pull", "never"),
        *("--network", "bridge" if network else "none", "--read-only", "--tmpfs", "/tmp"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--pids-limit", str(limits.PROCESSES), "--memory", MEMORY, "--ulimit", "core=0"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--hostname", "sandbox", "--workdir", _plain(cwd)),
        *(word for mount in mounts for word in ("--mount", mount)),
        *(word for key, value in env.items() for word in ("--env", f"{key}={value}")),
        *("--entrypoint", entry, "--", valid_image(image), *command.argv[1:]),
    ]


class Container(Sandbox):
    """Enforced by the container engine for as long as the probe holds."""

    kind = "container"

    def __init__(
        self,
        workspace: Path,
        image: str,
        *,
        hidden: Collection[Path],
        read: Sequence[Path] = (),
        network: bool = False,
        asked: str = "container",
        notes: tuple[str, ...] = (),
        places: Sequence[str] = PLACES,
    ) -> None:
        self.asked = asked
        self.workspace = workspace
        self.files = Tree(workspace, hidden)
        guarantees: set[Guarantee] = {"writes", "reads", "processes", "controls"}
        self.enforced = frozenset(guarantees if network else {*guarantees, "network"})
        self.notes = notes
        self._image = valid_image(image)
        self._read = tuple(read)
        self._network = network
        self._client = program(places)

    @property
    def profile(self) -> str:
        also = f"; reads {', '.join(map(str, self._read))}" if self._read else ""
        return f"{super().profile}; image {self._image}; network {'open' if self._network else 'none'}{also}"

    async def open(self) -> None:
        if not self._client:
            raise SandboxError("Neither podman nor docker is installed.", "Install podman, or use another sandbox.")

    async def run(self, command: Command) -> Finished:
        cwd = child.directory(self.workspace, command.cwd, tuple(self.files.hidden))
        name = f"harness-{os.getpid()}-{next(_numbers)}"
        inside = child.clean(Path("/tmp"), Path("/tmp"), command.env)
        argv = arguments(
            self._client,
            self._image,
            command,
            name=name,
            workspace=self.workspace,
            cwd=cwd,
            env=inside,
            read=self._read,
            masked=[path for path in self.files.hidden if path.is_relative_to(self.workspace) and path.exists()],
            network=self._network,
        )
        try:
            done = await self._client_runs(argv, command.deadline)
        except asyncio.CancelledError:
            await asyncio.shield(self._kill(name))
            raise
        if done.ended != "exit":
            await self._kill(name)
        return done

    async def _kill(self, name: str) -> None:
        """The client is dead; what it started is the service's, and may not be."""
        with suppress(HarnessError):
            await self._client_runs([self._client, "rm", "--force", "--", name], KILL_SECONDS)

    async def _client_runs(self, argv: Sequence[str], deadline: float) -> Finished:
        env = client_env(Path.home())
        # Rootless podman maps its users by a set-uid program.
        return await child.run(argv, executable=self._client, cwd=Path("/"), env=env, deadline=deadline, gain=True)


def client_env(home: Path) -> dict[str, str]:
    """The client's variables: the operator's own, as far as they say where images and the service are."""
    named = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "DOCKER_HOST") if os.environ.get(name)}
    return {**child.clean(home, Path("/tmp")), **named, "PATH": f"{child.PATH}:/usr/sbin:/sbin"}


def _git(workspace: Path) -> list[Path]:
    git = workspace / ".git"
    return [git] if git.exists() and not git.is_symlink() else []


def _bind(path: Path, mode: str = "") -> str:
    return f"type=bind,source={_plain(path)},destination={_plain(path)}{',' + mode if mode else ''}"


def _plain(path: Path) -> str:
    if _AWKWARD.search(str(path)):
        raise SandboxError(f"The path {str(path)!r} cannot be given to a container.")
    return str(path)
