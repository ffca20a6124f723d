"""One child: what it is given, what is kept of what it says, and what ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.errors import SetupError
from harness_tui.sandbox import child
from harness_tui.sandbox.base import HEAD, TAIL, Finished
from harness_tui.sandbox.tree import Escape

Bash = Callable[..., Awaitable[Finished]]


@pytest.fixture
def bash(tmp_path: Path) -> Bash:
    """`await bash("text", deadline=..)`: run it in a directory of this test."""

    async def run(text: str, *words: str, extra: dict[str, str] | None = None, **options: Any) -> Finished:
        options = {"deadline": 60.0, **options}
        return await child.run(
            ["bash", "-c", text, "bash", *words],
            executable="/bin/bash",
            cwd=tmp_path,
            env=child.clean(tmp_path, tmp_path, extra),
            **options,
        )

    return run


async def test_a_child_gets_the_clean_set_and_nothing_of_ours(
    bash: Bash, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HARNESS_TUI_HOME", "OPENAI_API_KEY", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary")
    done = await bash("tr '\\0' '\\n' < /proc/$$/environ", extra={"GIT_DIR": "x"})
    found = dict(line.split("=", 1) for line in done.output.splitlines())
    assert found == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_DIR": "x",
    }


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "HARNESS_TUI_HOME", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "BASH_ENV", "ENV", "", "=x"]
)
def test_some_variables_no_child_is_given(name: str) -> None:
    with pytest.raises(SetupError, match="variable"):
        child.clean(Path("/"), Path("/"), {name: "x"})


async def test_no_terminal_no_input_no_descriptor_and_a_session_of_its_own(bash: Bash) -> None:
    spare = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(spare, True)
    try:
        done = await bash(
            "cat; for i in {3..300}; do [ -e /proc/$$/fd/$i ] && echo $i; done; "
            "(exec < /dev/tty) 2>&1; cut -d' ' -f6,7 /proc/$$/stat; echo $$"
        )
    finally:
        os.close(spare)
    terminal, session, pid = done.output.splitlines()
    assert "No such device" in terminal
    assert session == f"{pid} 0"


async def test_no_privileges_can_be_gained_and_no_core_is_written(bash: Bash) -> None:
    done = await bash("grep NoNewPrivs /proc/self/status; ulimit -Hc; cat /proc/self/oom_score_adj")
    assert done.output.split() == ["NoNewPrivs:", "1", "0", "900"]


async def test_both_streams_come_in_the_order_of_their_writes(bash: Bash) -> None:
    done = await bash("for i in 1 2 3; do echo out$i; echo err$i >&2; done; exit 3")
    assert done == Finished(3, "out1\nerr1\nout2\nerr2\nout3\nerr3\n")


async def test_long_output_keeps_both_ends_and_counts_the_rest(bash: Bash) -> None:
    done = await bash("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo last")
    total = len("first\n") + 3_000_000 + len("last\n")
    assert done.dropped == total - HEAD - TAIL
    assert done.output.startswith("first\nxxx")
    assert done.output.endswith("xxxlast\n")
    assert f"\n... {done.dropped} bytes left out ...\n" in done.output


async def test_undecodable_output_is_replaced(bash: Bash) -> None:
    assert (await bash("printf 'a\\377b'")).output == "a\ufffdb"


async def test_a_flood_stops_it(bash: Bash) -> None:
    done = await bash("yes", flood=1 << 20)
    assert (done.ended, done.code) == ("flood", None)
    assert done.output.startswith("y\ny\n")


async def test_the_deadline_stops_also_one_that_ignores_sigterm(bash: Bash) -> None:
    done = await bash("trap '' TERM HUP INT; echo started; while :; do sleep 60; done", deadline=0.5)
    assert (done.ended, done.code) == ("deadline", None)


@pytest.mark.parametrize("number", [9, 11])
async def test_a_signal_is_told_from_an_exit(bash: Bash, number: int) -> None:
    done = await bash(f"kill -{number} $$")
    assert (done.code, done.ended) == (None, "killed")


async def test_what_cannot_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="No such file"):
        await child.run(["x"], executable="/nowhere/x", cwd=tmp_path, env={}, deadline=60)
    with pytest.raises(SetupError, match="null byte"):
        await child.run(["x\0"], executable="/bin/true", cwd=tmp_path, env={}, deadline=60)
    with pytest.raises(SetupError, match="too long"):
        await child.run(["x" * (1 << 20)], executable="/bin/true", cwd=tmp_path, env={}, deadline=60)


@pytest.mark.parametrize("cwd", ["/", "..", "a/../..", "link", "secret", "file", "absent", "/etc"])
def test_a_working_directory_is_one_of_the_workspace(tmp_path: Path, cwd: str) -> None:
    root = tmp_path / "root"
    (root / "secret").mkdir(parents=True)
    (root / "a").mkdir()
    (root / "file").touch()
    (root / "link").symlink_to("/etc")
    with pytest.raises(Escape):
        child.directory(root, cwd, [root / "secret"])
    assert child.directory(root, "a/..", [tmp_path]) == root


async def test_memory_for_a_machine_is_refused_and_the_engine_lives(bash: Bash) -> None:
    done = await bash('"$1" -I -S -c "x = bytearray(64 << 30)" 2>&1', sys.executable)
    assert done.code != 0
    assert (await bash("echo alive")).output == "alive\n"


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 20), st.integers(1, 20))
def test_output_is_whole_or_says_what_is_missing(chunks: list[bytes], head: int, tail: int) -> None:
    whole = b"".join(chunks).replace(b"\xff", b"f").decode("latin-1").encode("ascii", "replace")
    with patch.object(child, "HEAD", head), patch.object(child, "TAIL", tail):
        output = child.Output()
        at = 0
        for chunk in chunks:
            output.feed(whole[at : at + len(chunk)])
            at += len(chunk)
        text, dropped = output.text()
    if len(whole) <= head + tail:
        assert (text, dropped) == (whole.decode(), 0)
    else:
        assert dropped == len(whole) - head - tail
        assert text == f"{whole[:head].decode()}\n... {dropped} bytes left out ...\n{whole[-tail:].decode()}"
