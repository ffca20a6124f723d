"""A checkout made to run a program of its own wherever git, ripgrep or a pager can be told to: the canary.

The canary writes a file beside the checkout; a read that is one leaves neither that file nor any change.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness_tui.sandbox.git import FILTERS, hardened, repo_overrides
from harness_tui.tools.shell.reads import Reading

HELPERS = (
    *(
        "less",
        "more",
        "pager",
        "pr",
        "sh",
        "bash",
        "ls",
        "cat",
        "gzip",
        "xz",
        "bzip2",
        "zstd",
        "gpg",
        "ssh",
        "vim",
        "vi",
    ),
    *("git", "git-canary", "id", "env", "diff", "git-upload-pack", "git-remote-ext", "column", "sort", "hostname"),
)
CONFIG = """
[core]
    pager = {canary}
    fsmonitor = {canary}
    hooksPath = {hooks}
    sshCommand = {canary}
    editor = {canary}
    gitProxy = {canary}
    askPass = {canary}
[diff]
    external = {canary}
    submodule = log
[diff "evil"]
    command = {canary}
    textconv = {canary}
[filter "evil"]
    clean = {canary}
    smudge = {canary}
    process = {canary}
[gpg]
    program = {canary}
[gpg "ssh"]
    program = {canary}
[log]
    showSignature = true
[format]
    pretty = format:%h %G? %GS
[pretty]
    mine = format:%G?
[pager]
    log = {canary}
    status = {canary}
    diff = {canary}
[alias]
    lg = !{canary}
    log = !{canary}
    status = !{canary}
[status]
    submoduleSummary = true
[credential]
    helper = {canary}
[column]
    ui = always
[remote "origin"]
    url = ext::{canary}
    promisor = true
    uploadpack = {canary}
[extensions]
    partialClone = origin
"""
SIGNED = """tree {tree}
parent {parent}
author A <a@b> 1700000000 +0000
committer A <a@b> 1700000000 +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 x
 -----END PGP SIGNATURE-----

signed
"""


class Checkout:
    """One hostile checkout in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root, self.trace, self._bin = folder / "checkout", folder / "trace", folder / "bin"
        self.root.mkdir()
        self._bin.mkdir()
        self._files()
        self._history()
        self.bait()
        self.before = self.snapshot()

    def _files(self) -> None:
        files = {"a.txt": "one\ntwo\ntwo\n", "sub/c.txt": "x\n", "src/b.py": "def f():\n    return 1\n"}
        files |= {"data.json": '{"name": [1]}', "list": "a.txt\0sub/c.txt\0", ".ripgreprc": "--pre=canary\n"}
        for name, text in files.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text)

    def _history(self) -> None:
        self._git("init", "-q", "-b", "main")
        for text in ("first", "second"):
            self._git("add", ".")
            self._git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", text)
            (self.root / "a.txt").write_text(f"one\ntwo\n{text}\n")
        signed = SIGNED.format(tree=self._git("rev-parse", "HEAD^{tree}"), parent=self._git("rev-parse", "HEAD"))
        self._git(
            "update-ref", "refs/heads/main", self._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
        )

    def bait(self) -> None:
        """Name the canary everywhere."""
        canary = self._bin / "canary"
        canary.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{self.trace}'\n/bin/cat\n")
        canary.chmod(0o755)
        for name in HELPERS:
            (self._bin / name).symlink_to(canary)
        hooks = self.root / ".git" / "evil"
        hooks.mkdir()
        for name in (
            "post-index-change",
            "post-checkout",
            "reference-transaction",
            "fsmonitor-watchman",
            "pre-auto-gc",
        ):
            (hooks / name).symlink_to(canary)
        (self.root / ".gitattributes").write_text("* diff=evil filter=evil\n")
        with (self.root / ".git" / "config").open("a") as config:
            config.write(CONFIG.format(canary=canary, hooks=hooks))
        (self.root / "sub" / "c.txt").write_text("changed\n")

    def _git(self, *words: str, stdin: str = "") -> str:
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            ["git", *words], cwd=self.root, env=env, input=stdin, check=True, capture_output=True, text=True
        ).stdout.strip()

    def snapshot(self) -> dict[str, tuple[int, str]]:
        """Every file and directory: time of change (ns) and what it holds."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(self.root))] = (path.lstat().st_mtime_ns, held)
        return found

    def run(self, executable: str, words: Sequence[str], env: dict[str, str], seconds: float = 60.0) -> str:
        """Run it among the bait, without input; what it wrote. One that does not end is stopped."""
        bait = {name: str(self._bin / "canary") for name in ("GIT_PAGER", "PAGER", "GIT_EXTERNAL_DIFF", "GIT_EDITOR")}
        bait |= {"PATH": str(self._bin), "LESSOPEN": f"|{self._bin}/canary %s", "HOME": str(self.root)}
        bait["RIPGREP_CONFIG_PATH"] = str(self.root / ".ripgreprc")
        try:
            done = subprocess.run(
                words,
                executable=executable,
                cwd=self.root,
                env=bait | env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        return (done.stdout + done.stderr).decode(errors="replace")

    def read(self, executable: str, reading: Reading) -> str:
        """Run a proven read as its caller does: the repository's filters are listed and switched off before."""
        env = dict(reading.env)
        if reading.program == "git":
            listing, clean = hardened(FILTERS)
            env |= repo_overrides(self.run(executable, ["git", *listing], clean))
        return self.run(executable, reading.words, env)

    def harm(self) -> list[str]:
        """What is changed, and what the canary saw."""
        now = self.snapshot()
        changed = [name for name in now.keys() | self.before.keys() if now.get(name) != self.before.get(name)]
        return changed + (self.trace.read_text().splitlines() if self.trace.exists() else [])
