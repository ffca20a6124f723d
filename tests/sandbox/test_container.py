"""The container's argument builder: what it asks of podman or docker, and what it does not let through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import SandboxError
from harness_tui.sandbox import container, probe
from harness_tui.sandbox.base import Command
from harness_tui.sandbox.container import Container, arguments, valid_image

HEX = "0123456789abcdef" * 4


def built(workspace: Path, image: str = "debian:12", executable: str = "/usr/bin/git", **options: object) -> list[str]:
    command = Command(("git", "status", "--", "-v/:/h"), executable)
    given_: dict[str, object] = {"name": "harness-1-1", "workspace": workspace, "cwd": workspace, "env": {"LANG": "C"}}
    return arguments("/usr/bin/podman", image, command, **{**given_, **options})  # type: ignore[arg-type]


def test_all_that_holds_a_child_in_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert built(tmp_path, masked=[tmp_path / "state"], read=[Path("/opt")]) == [
        *("/usr/bin/podman", "run", "--rm", "--interactive", "--name", "harness-1-1", "--pull", "never"),
        *("--network", "none", "--read-only", "--tmpfs", "/tmp"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--pids-limit", "1024", "--memory", "4g", "--ulimit", "core=0"),
        *("--user", f"{os.getuid()}:{os.getgid()}", "--hostname", "sandbox", "--workdir", str(tmp_path)),
        *("--mount", f"type=bind,source={tmp_path},destination={tmp_path}"),
        *("--mount", f"type=bind,source={tmp_path}/.git,destination={tmp_path}/.git,readonly"),
        *("--mount", "type=bind,source=/opt,destination=/opt,readonly"),
        *("--mount", f"type=bind,source=/dev/null,destination={tmp_path}/state"),
        *("--env", "LANG=C", "--entrypoint", "git", "--", "debian:12", "status", "--", "-v/:/h"),
    ]


def test_a_network_only_where_it_was_given(tmp_path: Path) -> None:
    assert "none" in built(tmp_path)
    words = built(tmp_path, network=True)
    assert words[words.index("--network") + 1] == "bridge"


@pytest.mark.parametrize(
    "image",
    [
        "debian",
        "debian:12",
        "docker.io/library/debian:12-slim",
        "localhost:5000/team/a_b:1.0",
        f"debian@sha256:{HEX}",
        f"registry.example.org/x/y:1@sha256:{HEX}",
    ],
)
def test_names_of_images(image: str) -> None:
    assert valid_image(image) == image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "--privileged",
        "-v/:/h",
        "-",
        "--",
        "debian --privileged",
        "debian\n--privileged",
        "debian\n",
        "a//b",
        "/debian",
        "debian:",
        "debian:-x",
        "debian@sha256:12",
        f"@sha256:{HEX}",
        "ä",
        "x" * 256,
    ],
)
def test_what_is_no_name_of_an_image(image: str, tmp_path: Path) -> None:
    with pytest.raises(SandboxError):
        built(tmp_path, image)
    with pytest.raises(SandboxError):
        Container(tmp_path, image, hidden=())


@given(st.text())
def test_an_accepted_image_is_never_an_option(image: str) -> None:
    try:
        valid_image(image)
    except SandboxError:
        return
    assert image[0].isalnum()
    assert image.isascii()
    assert not set(image) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/@")


@pytest.mark.parametrize("part", ["a,readonly=false", 'a"b', "a\nb"])
def test_a_path_that_would_read_as_more_than_one_is_refused(tmp_path: Path, part: str) -> None:
    folder = tmp_path / part
    folder.mkdir()
    with pytest.raises(SandboxError, match="cannot be given"):
        built(folder)
    with pytest.raises(SandboxError, match="cannot be given"):
        built(tmp_path, masked=[folder])
    with pytest.raises(SandboxError, match="cannot be given"):
        built(tmp_path, read=[folder])


@pytest.mark.parametrize("field", ["name", "executable"])
@pytest.mark.parametrize("word", ["--privileged", "", "a b", "-x"])
def test_a_name_that_is_an_option_is_refused(tmp_path: Path, field: str, word: str) -> None:
    with pytest.raises(SandboxError, match="cannot be named"):
        built(tmp_path, **{field: word if field == "name" else f"/bin/{word}"})  # type: ignore[arg-type]


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Stands in for podman: notes its words; `run` never ends."""
    script = tmp_path / "podman"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ncase $1 in run) echo began; exec sleep 600;; esac\n')
    script.chmod(0o755)
    return script


async def test_at_the_deadline_the_container_is_removed_by_name(client: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    sandbox = Container(workspace, "debian:12", hidden=(), places=(str(client),))
    await sandbox.open()
    done = await sandbox.run(Command(("true",), "/bin/true", deadline=3.0))
    began, ended = (tmp_path / "said").read_text().splitlines()
    assert done.ended == "deadline"
    name = began.split()[began.split().index("--name") + 1]
    assert ended == f"rm --force -- {name}"
    assert "image debian:12" in sandbox.profile


async def test_without_a_client_it_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="podman") as caught:
        await Container(tmp_path, "debian:12", hidden=(), places=("/nowhere",)).open()
    assert caught.value.exit_code == 6


def test_the_probe_says_why_it_does_not_work(tmp_path: Path) -> None:
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\necho 'Cannot connect to the daemon. Is it running?' >&2\nexit 1\n")
    script.chmod(0o755)
    assert not probe.probe("container", image="debian:12", places=("/nowhere",)).ok
    named = probe.probe("container", places=(str(script),))
    assert (named.ok, "no image is named" in named.detail) == (False, True)
    tried = probe.probe("container", image="debian:12", places=(str(script),))
    assert (tried.ok, "Is it running?" in tried.detail) == (False, True)
    refused = probe.probe("container", image="--privileged", places=(str(script),))
    assert (refused.ok, "no name of a container image" in refused.detail) == (False, True)


def test_a_client_is_given_where_its_service_is_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/x.sock")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    found = container.client_env(Path("/home/x"))
    assert found["DOCKER_HOST"] == "unix:///run/x.sock"
    assert "canary" not in found.values()
