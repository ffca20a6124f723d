"""Commands that run another command: `sudo env nice rm x` is judged as itself and as `rm x`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .bash import parse, seen

MAX_DEPTH = 8
MAX_FOUND = 1_000
TAIL = 32
"""Words kept of a rest that may be a command."""
Words = tuple[str, ...]


class Unwrapped(NamedTuple):
    """All commands, outer and inner; why no rule may allow them, or ""."""

    commands: tuple[Words, ...]
    why: str = ""


class Options(NamedTuple):
    """Options of a wrapper that only set how its command runs. Any other one is not understood.

    flags, valued: short ones without and with a value; long, long_valued: the same of long ones, space-separated.
    skip: words between its options and its command.
    """

    flags: str = ""
    valued: str = ""
    long: str = ""
    long_valued: str = ""
    skip: int = 0


_NAMESPACES = "mount uts ipc net pid user cgroup time fork"
PREFIXES = {
    "env": Options("i0v", "uC", "ignore-environment null debug", "unset chdir"),
    "nice": Options("", "n", "", "adjustment"),
    "ionice": Options("t", "cn", "ignore", "class classdata"),
    "nohup": Options(),
    "timeout": Options("v", "ks", "foreground preserve-status verbose", "kill-after signal", skip=1),
    "time": Options("pvaq", "fo", "portability verbose append quiet", "format output"),
    "stdbuf": Options("", "ioe", "", "input output error"),
    "setsid": Options("cfw", "", "ctty fork wait"),
    "sudo": Options("nEHSkbAP", "ugprCDTh", "non-interactive set-home stdin background", "user group prompt chdir"),
    "doas": Options("nL", "u"),
    "chroot": Options("", "", "skip-chdir", "userspec groups", skip=1),
    "unshare": Options("muinpUCTfrc", "SG", f"{_NAMESPACES} map-root-user map-current-user", "setuid setgid"),
    "nsenter": Options("muinpUCTaF", "tSG", f"{_NAMESPACES} all no-fork", "target setuid setgid"),
    "flock": Options("exnsuoF", "wE", "exclusive nonblock shared unlock close no-fork", "timeout wait", skip=1),
    "xargs": Options("0rtpx", "nLPIsdEa", "null no-run-if-empty verbose", "max-args max-lines max-procs delimiter"),
    "busybox": Options(),
    "toybox": Options(),
}
SHELLS = ("sh", "bash", "dash", "ash", "rbash", "zsh", "ksh", "mksh", "fish")
_LIKE_BASH = ("sh", "bash", "dash")
OPAQUE = (
    *("parallel", "runuser", "setpriv", "setarch", "taskset", "chrt", "numactl", "fakeroot", "xvfb-run", "systemd-run"),
    *("strace", "ltrace", "bwrap", "firejail", "proot", "capsh", "start-stop-daemon", "dbus-run-session", "unbuffer"),
    *("command", "builtin", "exec", "eval", "trap", "coproc"),
    *("pkexec", "sg", "run0", "torsocks", "proxychains", "faketime", "daemonize", "cpulimit", "prlimit", "softlimit"),
)
"""Others that run a command; nobody reads their options here."""

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.S)
_CLUSTER = re.compile(r"-([A-Za-z0-9]+)")


class _Unknown(Exception):
    """Why a wrapper is not understood; what could still be seen of its commands."""

    def __init__(self, why: str, inner: tuple[Words, ...] = ()) -> None:
        super().__init__(why)
        self.inner = inner


def unwrap(commands: Iterable[Words]) -> Unwrapped:
    """Every command as it stands, and what each of them runs, to the innermost."""
    found: dict[Words, None] = {}
    why = ""
    waiting = deque((words, 0) for words in commands)
    while waiting:
        words, depth = waiting.popleft()
        if words in found:
            continue
        if len(found) >= MAX_FOUND:
            left = (each for each, _ in waiting)
            return Unwrapped((*found, words, *left), why or f"it holds more than {MAX_FOUND} commands")
        found[words] = None
        try:
            inner = _inside(words)
            if inner and depth == MAX_DEPTH:
                raise _Unknown(f"it is wrapped more than {MAX_DEPTH} deep")
        except _Unknown as unknown:
            why = why or str(unknown)
            inner = unknown.inner
            if not inner:
                found.update(dict.fromkeys(_tails(words)))
                inner = _texts_anywhere(words) if depth < MAX_DEPTH else ()
        waiting.extend((each, depth + 1) for each in inner if each)
    return Unwrapped(tuple(found), why)


def _inside(words: Words) -> tuple[Words, ...]:
    """The commands one level below. Raises _Unknown."""
    name = words[0].rsplit("/", 1)[-1]
    if name in OPAQUE:
        raise _Unknown(f"{name} runs another command in a way that is not read here")
    if name in SHELLS:
        return _shell(name, words)
    if reader := _READERS.get(name):
        return reader(words)
    return _prefixed(name, words, PREFIXES[name]) if name in PREFIXES else ()


def _prefixed(name: str, words: Words, options: Options) -> tuple[Words, ...]:
    """What follows a wrapper's options, assignments and operands."""
    if name == "nice" and len(words) > 1 and re.fullmatch(r"-\d+", words[1]):
        words = (words[0], *words[2:])
    rest = words[_after_options(name, words, options) + options.skip :]
    if name in ("env", "sudo", "doas") and rest and _ASSIGNMENT.fullmatch(rest[0]):
        while rest and _ASSIGNMENT.fullmatch(rest[0]):
            rest = rest[1:]
        raise _Unknown(f"{name} sets variables that its command obeys", (rest,))
    if name == "xargs":
        raise _Unknown("xargs adds words from its input", (rest,))
    if name == "flock" and rest[:1] in (("-c",), ("--command",)):
        return _commands_of(name, " ".join(rest[1:]))
    return (rest,)


def _after_options(name: str, words: Words, options: Options) -> int:
    """Index of the first word that is no option. Raises _Unknown for an option that is not listed."""
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            return at + 1
        if word.startswith("--"):
            long, given, _ = word[2:].partition("=")
            if long in options.long_valued.split():
                at += 1 if given else 2
            elif long in options.long.split():
                at += 1
            else:
                raise _Unknown(f"{name} {word.partition('=')[0]} is not read here")
        elif word.startswith("-") and len(word) > 1:
            at += 1 + _takes_next(name, word, options)
        else:
            return at
    return at


def _takes_next(name: str, word: str, options: Options) -> bool:
    """Whether the last letter of a cluster of short options has its value in the next word."""
    for place, letter in enumerate(word[1:], 1):
        if letter in options.valued:
            return place == len(word) - 1
        if letter not in options.flags:
            raise _Unknown(f"{name} -{letter} is not read here")
    return False


def _commands_of(name: str, text: str) -> tuple[Words, ...]:
    """The commands of a word that is read as shell text once more."""
    script = parse(text)
    if isinstance(script, str):
        raise _Unknown(f"{name} reads a text that is not understood: {script}", seen(text))
    return script.commands


def _shell(name: str, words: Words) -> tuple[Words, ...]:
    """`sh -c TEXT`; `sh FILE` is a plain command, its file's bytes are in the digest."""
    at, text = 1, False
    while at < len(words) and words[at].startswith(("-", "+")):
        word = words[at]
        at += 1
        if word == "--":
            break
        cluster = _CLUSTER.fullmatch(word)
        if word in ("--norc", "--noprofile", "--posix"):
            continue
        if not cluster or set(cluster[1]) - set("ceux") or name not in _LIKE_BASH:
            raise _Unknown(f"{name} {word} is not read here")
        text = text or "c" in cluster[1]
    if at == len(words):
        raise _Unknown(f"{name} runs what it reads from its input")
    return _commands_of(name, words[at]) if text else ()


def _starts_a_shell(words: Words) -> tuple[Words, ...]:
    raise _Unknown(f"{words[0]} starts a shell")


def _ssh(words: Words) -> tuple[Words, ...]:
    at = _after_options("ssh", words, Options("46qTtxnvCN", "pli"))
    return _commands_of("ssh", " ".join(words[at + 1 :]))


def _watch(words: Words) -> tuple[Words, ...]:
    at = _after_options("watch", words, Options("bcdegtx", "nq", "exec beep color errexit no-title", "interval"))
    if any(word == "--exec" or (_CLUSTER.fullmatch(word) and "x" in word) for word in words[1:at]):
        return (words[at:],)
    return _commands_of("watch", " ".join(words[at:]))


_EXEC = ("-exec", "-execdir", "-ok", "-okdir")


def _find(words: Words) -> tuple[Words, ...]:
    """Every `-exec COMMAND ;`. A `{}` that is part of a word, or in a text, becomes a file's name: not understood."""
    found = tuple(_commands_of_find(words))
    for command in found:
        if any("{}" in word and word != "{}" for word in command) or command[:1] == ("{}",):
            raise _Unknown("find puts file names into a command's text", found)
    return found


def _commands_of_find(words: Words) -> Iterator[Words]:
    at = 1
    while at < len(words):
        if words[at] not in _EXEC:
            at += 1
            continue
        end = at + 1
        while end < len(words) and words[end] != ";" and not (words[end] == "+" and words[end - 1] == "{}"):
            end += 1
        yield words[at + 1 : end]
        at = end + 1


_READERS: dict[str, Callable[[Words], tuple[Words, ...]]] = {
    "find": _find,
    "script": _starts_a_shell,
    "ssh": _ssh,
    "su": _starts_a_shell,
    "watch": _watch,
}


def _tails(words: Words) -> Iterator[Words]:
    """Every rest of a command: one of them is what it runs, so a rule that denies it is hit."""
    return (words[at : at + TAIL] for at in range(1, len(words)))


def _texts_anywhere(words: Words) -> tuple[Words, ...]:
    """What its words would run if they were texts: `env -S 'rm x'`, `su -c 'rm x'`."""
    texts = (re.sub(r"^-S|^--[a-z-]+=", "", word) for word in words[1:])
    return tuple(command for text in texts if re.search(r"\s", text) for command in seen(text))
