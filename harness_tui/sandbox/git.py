"""Git as the host calls it: a repository's own configuration runs nothing, whoever wrote it.

A child can write `.gitattributes`, and in a plain checkout `.git/config` and hooks too. Git would run what they name
at the operator's next `git status`, so every call of ours overrides each setting that starts a program.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..domain.errors import SandboxError, UsageError
from . import child

SECONDS = 60.0
"""One call on the host."""

_READING = (
    "blame branch cat-file check-attr check-ignore config count-objects describe diff diff-files diff-index diff-tree "
    "for-each-ref grep log ls-files ls-tree merge-base name-rev reflog rev-list rev-parse shortlog show show-branch "
    "show-ref status symbolic-ref tag var version whatchanged worktree"
)
COMMANDS = frozenset(_READING.split())
"""Built-in, so that no alias of a repository stands in for one; none of them needs a network, an editor or a key."""

_DIFFING = frozenset(["diff", "diff-files", "diff-index", "diff-tree", "log", "reflog", "show", "whatchanged"])
_COMPARING = frozenset(["diff", "diff-files", "diff-index", "status"])
"""These look into submodules, whose own configuration we have not read."""
WRITING = frozenset(["apply", "commit-tree", "read-tree", "update-index", "update-ref", "write-tree"])
"""What we write with ourselves, for `run` alone. Neither `add` nor `checkout` nor `merge`: they look into submodules,
or run more than can be switched off."""

_ASKS: defaultdict[str, re.Pattern[str]] = defaultdict(lambda: re.compile(r"--ext|--textc"))
"""Options, abbreviated ones too, that bring back what we switch off."""
_ASKS["cat-file"] = re.compile(r"--te")
_ASKS["grep"] = re.compile(r"-[A-Za-z]*O|--op|--textc")
_ASKS["status"] = re.compile(r"-[a-z]*v|--v")

_OFF = (
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.attributesFile", "/dev/null"),
    ("core.pager", "cat"),
    ("core.sshCommand", "/bin/false"),
    ("core.gitProxy", ""),
    ("core.editor", "/bin/false"),
    ("credential.helper", ""),
    ("log.showSignature", "false"),
    ("gpg.format", "openpgp"),
    ("gpg.program", "/bin/false"),
    ("gpg.openpgp.program", "/bin/false"),
    ("gpg.ssh.program", "/bin/false"),
    ("gpg.x509.program", "/bin/false"),
    ("safe.bareRepository", "explicit"),
    ("protocol.allow", "never"),
    ("protocol.ext.allow", "never"),
    ("submodule.recurse", "false"),
    ("status.submoduleSummary", "false"),
    ("diff.submodule", "short"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("color.ui", "false"),
)

_ALIKE = (
    ("apply.ignoreWhitespace", "no"),
    ("apply.whitespace", "nowarn"),
    ("commit.gpgSign", "false"),
    ("core.bigFileThreshold", "512m"),
    ("core.quotePath", "true"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("worktree.guessRemote", "false"),
)
"""What makes our own calls come to the same wherever they run."""
WHOLE = ("core.sparseCheckout=false", "core.sparseCheckoutCone=false", "index.sparse=false")
"""Settings for checkouts and indices of our own: all files, however few the operator has checked out."""

_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_EDITOR": "/bin/false",
    "GIT_PAGER": "cat",
    # A partial clone fetches what it lacks in the middle of `git show`, by a program its configuration names.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
}

WORKTREE = "core.worktree"
FILTERS: tuple[str, ...] = ("config", "-z", "--name-only", "--get-regexp", r"^(filter\.|core\.worktree$)")
"""Arguments that list a repository's filter settings, for `repo_overrides`, and whether it names other files as its
own (WORKTREE). Exit code 1 = neither."""


def hardened(args: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words after `git`, and variables beyond the clean set, for a call that runs no program the repository names.

    Its content filters are not among that: list them first (`FILTERS`) and add `repo_overrides` to the variables.

    Args:
        args: a subcommand and its arguments, without options of git itself.

    Raises UsageError for a subcommand that is not in COMMANDS, and for an option that asks for such a program.
    """
    if not args or args[0] not in COMMANDS:
        raise UsageError(f"`git {args[0] if args else ''}` is none of git's own reading commands.")
    name, rest = args[0], tuple(args[1:])
    options = rest[: rest.index("--")] if "--" in rest else rest
    if asked := next((word for word in options if _ASKS[name].match(word)), None):
        raise UsageError(f"`git {name} {asked}` may run a program that the repository names.")
    extra: tuple[str, ...] = ()
    if name in _DIFFING:
        extra += ("--no-ext-diff", "--no-textconv")
    if name == "blame":
        extra += ("--no-textconv",)
    if name in _COMPARING:
        extra += ("--ignore-submodules=dirty",)
    if name == "reflog" and rest[:1] and not rest[0].startswith("-"):
        # `git reflog show`: options come after the verb.
        rest, extra = rest[1:], (rest[0], *extra) if rest[0] == "show" else (rest[0],)
    settings = tuple(word for key, value in _OFF for word in ("-c", f"{key}={value}"))
    return ("--no-pager", "--literal-pathspecs", *settings, name, *extra, *rest), dict(_ENV)


def repo_overrides(listed: str) -> dict[str, str]:
    """Variables that switch off every content filter named in the output of `FILTERS`.

    By variables, not `-c`: there a filter called `a=b` could not be named.
    """
    keys = [key for key in listed.split("\0") if key.startswith("filter.") and key.count(".") > 1]
    names = sorted({key.split(".", 1)[1].rpartition(".")[0] for key in keys})
    pairs: list[tuple[str, str]] = []
    for name in names:
        pairs += [(f"filter.{name}.{part}", "") for part in ("clean", "smudge", "process")]
        pairs.append((f"filter.{name}.required", "false"))
    found = {"GIT_CONFIG_COUNT": str(len(pairs))} if pairs else {}
    for at, (key, value) in enumerate(pairs):
        found |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return found


def call(cwd: Path, *args: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a hardened reading call on the host, its content filters off. Blocking.

    Raises SandboxError when git is not there or does not end; UsageError as `hardened`.
    """
    hardened(args)
    said = run(cwd, *args, env=env)
    return said.code, said.out.decode(errors="replace"), said.wrong


class Said(NamedTuple):
    """What a call came to; `out` as bytes, since paths and diffs are."""

    code: int
    out: bytes
    wrong: str

    @property
    def words(self) -> str:
        return self.out.decode(errors="replace").rstrip("\n")


def run(
    cwd: Path,
    *args: str,
    env: Mapping[str, str] | None = None,
    data: bytes = b"",
    most: int = 64 * 1024 * 1024,
    settings: Sequence[str] = (),
) -> Said:
    """A hardened call on the host, also of a command in WRITING; its content filters are off. Blocking.

    Args:
        data: its stdin.
        most: bytes of output after which it is ended; then `out` is longer than that.
        settings: further `key=value` for this call.

    Raises SandboxError when git is not there or does not end.
    """
    listed = _run(cwd, hardened(FILTERS), env or {}, b"", most).out.decode(errors="replace")
    return _run(cwd, writing(args, settings), {**(env or {}), **repo_overrides(listed)}, data, most)


def writing(args: Sequence[str], settings: Sequence[str] = ()) -> tuple[tuple[str, ...], dict[str, str]]:
    """As `hardened`, for a command in WRITING too, and made to come to the same wherever it runs."""
    always = args[:1] and args[0] in WRITING
    own = (f"{key}={value}" for key, value in (*(_OFF if always else ()), *_ALIKE))
    before = tuple(word for setting in (*own, *settings) for word in ("-c", setting))
    if always:
        return ("--no-pager", "--literal-pathspecs", *before, *args), dict(_ENV)
    words, env = hardened(args)
    return (*before, *words), env


def _run(
    cwd: Path, how: tuple[tuple[str, ...], dict[str, str]], env: Mapping[str, str], data: bytes, most: int
) -> Said:
    words, variables = how
    clean = child.clean(Path("/nonexistent"), Path("/tmp"), {**variables, **env})
    name = next((word for word in words if word in COMMANDS | WRITING), "")
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as wrong:
        given.write(data)
        given.seek(0)
        try:
            process = subprocess.Popen(
                ["git", *words], cwd=cwd, env=clean, stdin=given, stdout=subprocess.PIPE, stderr=wrong
            )
        except OSError as error:
            raise SandboxError(f"git {name} did not work in {cwd}: {error}.") from None
        late = threading.Timer(SECONDS, process.kill)
        late.start()
        with process:
            assert process.stdout is not None
            out = process.stdout.read(most + 1)
            if len(out) > most:
                process.kill()
        timely = late.is_alive()
        late.cancel()
        if not timely:
            raise SandboxError(f"git {name} did not end within {SECONDS:g} s in {cwd}.")
        wrong.seek(0)
        return Said(process.returncode, out, wrong.read(64 * 1024).decode(errors="replace"))


class Checkout(NamedTuple):
    """Where a workspace's repository is: real paths.

    Attributes:
        top: of the checkout that the workspace is in.
        dir: git's folder of this checkout; `common` the repository's, the same unless it is a linked worktree.
    """

    top: Path
    dir: Path
    common: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables that hold git to it, whatever the repository's configuration says."""
        return {"GIT_DIR": str(self.dir), "GIT_WORK_TREE": str(self.top)}


def checkout(workspace: Path) -> Checkout:
    """Raises SandboxError where there is none, where it belongs to somebody else, or claims files of elsewhere."""
    asked = ("--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir")
    code, said, wrong = call(workspace, "rev-parse", *asked)
    lines = said.splitlines()
    if code or len(lines) != 3:
        raise SandboxError(f"{workspace} is no git checkout: {explain(wrong)}.", "Name a directory inside of one.")
    top, mine, common = (Path(os.path.realpath(line)) for line in lines)
    if not os.path.lexists(top / ".git") or not Path(os.path.realpath(workspace)).is_relative_to(top):
        raise SandboxError(f"The repository of {workspace} says that its files are in {top}.", "Unset core.worktree.")
    return Checkout(top, mine, common)


def links(checkout: Path) -> tuple[Path, ...]:
    """Submodules in the index, at or below `checkout`; () where there is no repository. Blocking.

    The operator's `git status` looks into each of them and obeys what it finds there.
    """
    try:
        code, said, _ = call(checkout, "ls-files", "--stage", "-z")
    except SandboxError:
        return ()  # no git, so none that would look
    listed = [] if code else [line.partition("\t")[2] for line in said.split("\0") if line.startswith("160000 ")]
    return tuple(checkout / path for path in listed)


def folders(checkout: Path) -> tuple[Path, ...]:
    """Where a linked worktree keeps its part of the repository, and the repository: real paths, both outside of it.

    () for anything else. A `.git` file may name any folder, so one is believed only when it names the checkout in turn.
    """
    link = checkout / ".git"
    try:
        if not link.is_file() or link.is_symlink():
            return ()
        mine = Path(os.path.realpath(checkout / link.read_text(encoding="utf-8").removeprefix("gitdir:").strip()))
        if Path((mine / "gitdir").read_text(encoding="utf-8").strip()) != link:
            return ()
    except (OSError, ValueError):
        return ()
    common = mine.parent.parent
    return (mine, common) if mine.parent.name == "worktrees" else ()


def explain(said: str) -> str:
    """One sentence for what git answered on stderr when it failed."""
    if "dubious ownership" in said:
        return "the repository belongs to another user, so git refuses to read it"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0].removeprefix("fatal: ").removeprefix("error: ").rstrip(".") if lines else "git said nothing"
