"""Editing from a shell: a scripted model on a socket, the program, a real engine process, real commands and files."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness_tui.config.paths import Paths
from tests.cli.program import ARGV, PATIENCE, Done, run
from tests.e2e.shell import call, model_server, say
from tests.e2e.test_hands import go, run_words, workspace_in

JSON = ("--output-format", "json")


def shell(command: str, ident: str = "c1") -> list[bytes]:
    return call("shell_exec", json.dumps({"command": command}), ident)


def write(path: str, ident: str = "c1") -> list[bytes]:
    return call("write_file", json.dumps({"path": path, "content": "x\n"}), ident)


def waiting(home: Paths) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(home, "approvals", "list", *JSON).json
    return found


def shown(home: Paths, ident: str) -> dict[str, Any]:
    found: dict[str, Any] = run(home, "approvals", "show", ident, *JSON).json
    return found


def edited(home: Paths, asked: dict[str, Any], *words: str, **environ: str) -> Done:
    done = subprocess.run(
        [*ARGV, "approvals", "edit", asked["id"], "--digest", asked["digest"], *words],
        env={**os.environ, "HARNESS_TUI_HOME": str(home.home), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def approved(home: Paths, *pairs: tuple[str, str]) -> Done:
    words = [word for _, digest in pairs for word in ("--digest", digest)]
    return run(home, "approvals", "approve", *(ident for ident, _ in pairs), *words, *JSON)


@contextmanager
def engine(home: Paths) -> Iterator[None]:
    assert run(home, "engine", "start").code == 0
    try:
        yield
    finally:
        run(home, "engine", "stop")


@pytest.fixture
def editor(tmp_path: Path) -> Any:
    """`editor("body")`: a program that edits its `file` by these lines of Python; `text` is what is in it."""

    def make(body: str) -> str:
        script = tmp_path / "editor.py"
        head = "import sys\nfrom pathlib import Path\nfile = Path(sys.argv[1])\ntext = file.read_text()\n"
        script.write_text(head + body)
        return f"{sys.executable} '{script}'"

    return make


def test_the_edited_command_runs_and_the_original_never(home: Paths, tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    with model_server(shell("touch original.txt"), say("done")) as server:
        left = go(home, workspace, *run_words(server.url, "L2", "--no-wait"))
        assert left.code == 4, left.err
        (asked,) = waiting(home)
        new = ("--arguments", '{"command": "touch edited.txt"}', *JSON)
        assert edited(home, asked, *new).code == 78, "nobody is there to judge it"
        with engine(home):
            for wrong, code, said in (
                ('{"command": 7}', 2, "was not changed: shell_exec was not called"),
                ('{"command": "touch x",}', 2, "Line 1, column 23: this is not JSON"),
                ('{"command": "touch edited.txt", "cwd": "../.."}', 4, "was not changed"),
                ('{"command": "touch original.txt"}', 0, "nothing was sent"),
            ):
                refused = edited(home, asked, "--arguments", wrong, *JSON)
                assert refused.code == code, refused
                assert said in str(refused.json.get("error") or refused.json["text"])
            assert waiting(home) == [asked]
            done = edited(home, asked, *new)
            assert done.code == 0, done.err
            digest = done.json["digest"]
            (now,) = waiting(home)
            assert (now["id"], now["digest"], now["state"]) == (asked["id"], digest, "requested")
            card = shown(home, asked["id"])
            assert card["original"] == {"command": "touch original.txt"} and card["edited"].endswith("(cli)")
            assert "touch edited.txt" in json.dumps(card["facts"])
            assert "original    command: touch original.txt" in run(home, "approvals", "show", asked["id"]).out
            stale = approved(home, (asked["id"], asked["digest"]))
            assert stale.code == 4 and "now shows digest" in stale.json["error"]
            assert edited(home, asked, *new).code == 4, "so does an edit of what is no longer shown"
            assert not (workspace / "edited.txt").exists()
            assert approved(home, (asked["id"], digest)).code == 0
            go(home, workspace, "runs", "tail", left.json["run"])
            late = edited(home, {**asked, "digest": digest}, "--arguments", "{}", *JSON)
            assert late.code == 4 and "no longer waits: it is done" in late.json["error"]
    assert sorted(each.name for each in workspace.iterdir()) == ["edited.txt", "kept.txt"]
    (told,) = [m["content"] for m in server.seen[-1].body["messages"] if m["role"] == "tool"]
    assert told.startswith('The operator changed the arguments of this call to {"command":"touch edited.txt"}')


def test_an_edit_outlives_an_engine_that_was_killed(home: Paths, tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    with model_server(shell("touch original.txt"), say("done")) as server:
        left = go(home, workspace, *run_words(server.url, "L2", "--no-wait"))
        (asked,) = waiting(home)
        run(home, "engine", "start")
        digest = edited(home, asked, "--arguments", '{"command": "touch edited.txt"}', *JSON).json["digest"]
        os.kill(run(home, "engine", "status", *JSON).json["pid"], signal.SIGKILL)
        with engine(home):
            (now,) = waiting(home)
            assert (now["id"], now["digest"]) == (asked["id"], digest)
            assert approved(home, (asked["id"], asked["digest"])).code == 4
            assert approved(home, (asked["id"], digest)).code == 0
            go(home, workspace, "runs", "tail", left.json["run"])
        assert shown(home, asked["id"])["state"] == "done"
    assert sorted(each.name for each in workspace.iterdir()) == ["edited.txt", "kept.txt"]


def test_an_editor_gets_a_private_file_and_what_goes_wrong_keeps_it(home: Paths, tmp_path: Path, editor: Any) -> None:
    workspace, drafts = workspace_in(tmp_path), tmp_path / "drafts"
    drafts.mkdir()
    with model_server(shell("touch original.txt"), say("done")) as server:
        left = go(home, workspace, *run_words(server.url, "L2", "--no-wait"))
        (asked,) = waiting(home)

        def through(body: str, *words: str) -> Done:
            return edited(home, asked, "--editor", *words, EDITOR=editor(body), VISUAL="", TMPDIR=str(drafts))

        with engine(home):
            for body in ("pass", "file.write_text('')", "file.write_text('# only this is left\\n')"):
                same = through(body, *JSON)
                assert same.code == 0 and "nothing was sent" in same.json["text"]
            gone = through("sys.exit(3)", *JSON)
            assert gone.code == 1 and "ended with 3; nothing was sent. Your text is kept in" in gone.json["error"]
            torn = through("file.write_text(text.replace('original.txt\"', 'original.txt\",'))", *JSON)
            assert torn.code == 2
            kept = Path(torn.json["error"].partition("kept in ")[2])
            line = kept.read_text().splitlines().index("}") + 1
            assert torn.json["error"].startswith(f"Line {line}, column 1: this is not JSON")
            modes = [stat.S_IMODE(each.stat().st_mode) for each in (kept, kept.parent)]
            assert modes == [0o600, 0o700] and kept.suffix == ".json"
            unfit = through("file.write_text('{\"command\": 7}')", *JSON)
            assert unfit.code == 2 and "was not changed" in unfit.json["error"] and "kept in" in unfit.json["error"]
            nobody = edited(home, asked, "--editor", VISUAL="/nonexistent/ed", TMPDIR=str(drafts))
            assert nobody.code == 78 and "cannot be started: No such file" in nobody.err
            assert waiting(home) == [asked]
            before = len(list(drafts.iterdir()))
            done = through("file.write_text(text.replace('original', 'edited'))")
            assert done.code == 0, done.err
            (now,) = waiting(home)
            assert f"approvals approve {asked['id']} --digest {now['digest'][:16]}" in done.err
            assert "touch edited.txt" in done.out and "command: touch original.txt" in done.out
            assert len(list(drafts.iterdir())) == before, "what was sent leaves nothing behind"
            assert approved(home, (asked["id"], now["digest"])).code == 0
            go(home, workspace, "runs", "tail", left.json["run"])
    assert (workspace / "edited.txt").exists() and not (workspace / "original.txt").exists()


def test_at_a_terminal_the_editor_opens_by_itself_and_without_one_it_is_a_usage_error(
    home: Paths, tmp_path: Path, editor: Any
) -> None:
    workspace = workspace_in(tmp_path)
    with model_server(shell("touch original.txt")) as server:
        go(home, workspace, *run_words(server.url, "L2", "--no-wait"))
        (asked,) = waiting(home)
        bare = edited(home, asked)
        assert bare.code == 2 and "there is no terminal" in bare.err
        with engine(home):
            master, slave = pty.openpty()
            environ = {**os.environ, "HARNESS_TUI_HOME": str(home.home), "TMPDIR": str(tmp_path)}
            body = "assert sys.stdin.isatty()\nfile.write_text(text.replace('original', 'edited'))"
            process = subprocess.Popen(
                [*ARGV, "approvals", "edit", asked["id"], "--digest", asked["digest"]],
                env={**environ, "EDITOR": editor(body), "VISUAL": ""},
                stdin=slave,
                stdout=slave,
                stderr=subprocess.PIPE,
            )
            os.close(slave)
            _, err = process.communicate(timeout=PATIENCE)
            os.close(master)
            assert process.returncode == 0, err
            assert shown(home, asked["id"])["arguments"] == {"command": "touch edited.txt"}
            run(home, "runs", "cancel", asked["run"])


def test_a_batch_is_shown_whole_and_holds_nothing_of_high_risk(home: Paths, tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    runs = []
    with model_server(write("a.txt"), write("b.txt"), shell("touch c.txt"), *[say("done")] * 3) as server:
        for _ in range(3):
            runs.append(go(home, workspace, *run_words(server.url, "L2", "--no-wait", "--sandbox", "none")).json["run"])
        a, b, c = waiting(home)
        assert (a["risk"], b["risk"], c["risk"]) == ("med", "med", "high")
        with engine(home):
            for pairs, said in (
                ([(a["id"], a["digest"]), (c["id"], c["digest"])], f"{c['id']} cannot be part of a batch"),
                ([(a["id"], a["digest"]), (b["id"], a["digest"])], f"{b['id']} cannot be part of a batch: it shows"),
                ([(a["id"], a["digest"]), ("A-9", a["digest"])], "There is no approval A-9"),
            ):
                refused = approved(home, *pairs)
                assert refused.code in (2, 4) and said in refused.json["error"], refused
            for words in ((a["id"], b["id"], "--digest", a["digest"]), (a["id"], a["id"], *["--digest", "0"] * 2)):
                assert run(home, "approvals", "approve", *words).code == 2
            assert [each["state"] for each in waiting(home)] == ["requested"] * 3
            words = (a["id"], b["id"], "--digest", a["digest"], "--digest", b["digest"])
            done = run(home, "approvals", "approve", *words)
            assert done.code == 0, done.err
            assert f"{a['digest']}" in done.out and f"{b['digest']}" in done.out and "a.txt" in done.out
            for each in runs[:2]:
                go(home, workspace, "runs", "tail", each)
            assert approved(home, (c["id"], c["digest"])).code == 0
            go(home, workspace, "runs", "tail", runs[2])
    assert sorted(each.name for each in workspace.iterdir()) == ["a.txt", "b.txt", "c.txt", "kept.txt"]


def test_only_a_change_is_pushed_back(home: Paths, tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path)
    with model_server(write("a.txt")) as server:
        go(home, workspace, *run_words(server.url, "L2", "--no-wait"))
        (asked,) = waiting(home)
        with engine(home):
            words = ("approvals", "pushback", asked["id"], "--digest", asked["digest"])
            assert run(home, *words).code == 2 and run(home, *words, "--reason", " ").code == 2
            refused = run(home, *words, "--reason", "smaller", *JSON)
            assert refused.code == 4 and "nobody could do it anew" in refused.json["error"]
            run(home, "runs", "cancel", asked["run"])
