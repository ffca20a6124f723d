"""Git as the host calls it: a repository's own configuration runs nothing, whoever wrote it.

A child can write `.gitattributes`, and in a plain checkout `.git/config` and hooks too. Git would run what they name
at the operator's next `git status`, so every call of ours overrides each setting that starts a program.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    """(exit code, stdout, stderr) of a hardened call on the host, its content filters off. Blocking.

    Raises SandboxError when git is not there or does not end.
    """

    def run(words: Sequence[str], more: Mapping[str, str]) -> tuple[int, str, str]:
        own, variables = hardened(words)
        clean = child.clean(Path("/nonexistent"), Path("/tmp"), {**variables, **(env or {}), **more})
        try:
            done = subprocess.run(
                ["git", *own], cwd=cwd, env=clean, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"git {words[0]} did not work in {cwd}: {error}.") from None
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    return run(args, repo_overrides(run(FILTERS, {})[1]))


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
    return lines[0].removeprefix("fatal: ") if lines else "git said nothing"
