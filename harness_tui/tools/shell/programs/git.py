"""git: subcommands that read, called so that nothing the repository names is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ....domain.errors import UsageError
from ....sandbox.git import hardened
from .arguments import understand
from .git_options import COMMANDS
from .program import Call, Given, Program, Reading, names, refused

_INSTEAD = {
    "-C": "give the directory as cwd",
    "-c": "it may set a program to start",
    "--config-env": "it may set a program to start",
    "--exec-path": "it says where git's own programs are",
}
_FORMATS = names("oneline short medium full fuller reference email mboxrd raw")
_PERSON = "[nNeElLdDrtiIsh]"
_PLACE = re.compile(
    rf"[^%]|%(?:%|n|x[0-9A-Fa-f]{{2}}|[-+ ]?(?:[HhTtPpesfbBNDdSm]|a{_PERSON}|c{_PERSON}|g[dDsnNeE])"
    r"|C(?:red|green|blue|reset|\([a-z0-9, #]+\))|w\([0-9, ]{0,16}\)|[<>]{1,2}\|?\([0-9]{1,4}(?:, ?[a-z]+)?\))",
    re.DOTALL,
)
"""What a format may hold: no %G, which starts gpg, and no %(...), which may start git."""
_KEY = re.compile(
    r"-?(?:refname|(?:v|version):refname|creatordate|committerdate|authordate|taggerdate|objectsize|objectname)"
)
_AT_THE_END = ("--contains", "--no-contains", "--merged", "--no-merged")
_MAGIC = re.compile(r":(?:\([^)]*\)|[/!^]+:?)")


def _read(words: Sequence[str]) -> Reading | str:
    words = list(words)
    while words[:1] == ["--no-pager"]:
        del words[0]
    if not words:
        return refused("git", "", "no subcommand is named")
    if words[0].startswith("-") and words != ["--version"]:
        return refused("git", words[0], _INSTEAD.get(words[0].partition("=")[0], ""))
    if words[:2] == ["stash", "list"] and len(words) == 2:
        # `git stash` is a program that starts others; its list is a log. The glob keeps git from asking for a stash.
        words = ["log", "--walk-reflogs", "--format=%gd: %gs", "--glob=refs/stas[h]"]
    name, arguments = words[0].removeprefix("--"), words[1:]
    command = COMMANDS.get(name)
    if command is None:
        return refused("git", words[0], "it is not among the subcommands proven to only read")
    call = understand(command, _completed(name, arguments), f"git {name}")
    if isinstance(call, str):
        return call
    if reason := _changes(name, command, call):
        return refused(f"git {name}", " ".join(arguments), reason)
    return _hardened(name, call, _paths(command, call))


def _hardened(name: str, call: Call, paths: tuple[str, ...]) -> Reading | str:
    try:
        words, env = hardened((name, *_written(call)))
    except UsageError as error:
        return error.what
    # Here a pattern such as '*.py' is meant as one.
    literal = words.index("--literal-pathspecs") if "--literal-pathspecs" in words else len(words)
    words = (*words[:literal], *words[literal + 1 :])
    return Reading("git", ("git", *words), env, f"read: git {name}", paths)


def _completed(name: str, arguments: Sequence[str]) -> list[str]:
    """What git adds by itself, spelt out: the commit of a last --merged, and what shortlog reads when not its input."""
    if name in ("branch", "tag") and arguments and arguments[-1] in _AT_THE_END:
        return [*arguments, "HEAD"]
    if name == "shortlog" and all(word.startswith("-") and word not in ("--all", "--") for word in arguments):
        return [*arguments, "HEAD"]
    return list(arguments)


def _changes(name: str, command: Program, call: Call) -> str:
    """Why a call with listed options alone would not be a reading; "" when it is one."""
    if command.most is not None and len(call.operands) > command.most:
        return f"it has more than {command.most} operands"
    if name in ("branch", "tag") and call.operands and not call.has("-l", "--list"):
        return "without --list a name creates one"
    if name == "worktree" and call.operands[:1] != ("list",):
        return "only `git worktree list` is"
    if name == "reflog" and call.operands[:1] and call.operands[0] in ("expire", "delete", "exists", "drop", "write"):
        return "it changes the reflog"
    for given in call.options:
        value = given.value or ""
        if given.option.name in ("--format", "--pretty") and value and not _plain_format(value):
            return "its format may start a program"
        if given.option.name == "--sort" and not _KEY.fullmatch(value):
            return "its order may start a program"
    return ""


def _plain_format(value: str) -> bool:
    """Whether it is a format of git's own or made of known places; another name may be one of the repository."""
    return value in _FORMATS or (("%" in value or ":" in value) and not _PLACE.sub("", value))


def _written(call: Call) -> Iterator[str]:
    """The arguments anew and in their order, with `--` where it was."""
    operands = 0
    divided = call.divided
    for each in call.order:
        if isinstance(each, Given):
            yield from each.words
            continue
        if operands == divided:
            yield "--"
        operands += 1
        yield each
    if divided is not None and divided == operands:
        yield "--"


def _paths(command: Program, call: Call) -> tuple[str, ...]:
    """Values that are files, what stands behind `--`, and of the other operands those that leave their directory."""
    named = [given.value for given in call.options if given.option.path and given.value]
    ranges = [given.value.rpartition(":")[2] for given in call.options if given.option.name == "-L" and given.value]
    skipped = 1 if command.first is not None and not call.has(*command.first) else 0
    operands = call.operands[skipped:]
    behind = len(operands) if call.divided is None else max(0, call.divided - skipped)
    before = operands if call.has("--no-index") else [part for word in operands[:behind] for part in _leaving(word)]
    after = () if call.has("--no-index") else operands[behind:]
    found = [_MAGIC.sub("", path, count=1) for path in (*named, *ranges, *before, *after)]
    return tuple(path for path in found if path and path != "-")


def _leaving(word: str) -> Iterator[str]:
    """What of a revision or path is a path: behind the colon of `HEAD:path`, or all of it when it leads elsewhere."""
    revision, colon, path = word.partition(":")
    if colon and revision and path:
        yield path
    if word.startswith("/") or ".." in re.split("[/:]", word):
        yield word


PROGRAMS = (Program("git", read=_read),)
