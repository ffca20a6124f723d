"""find: its tests and the actions that print. What starts a program, deletes or writes is not among them."""

from __future__ import annotations

from collections.abc import Sequence

from .program import Program, Reading, names, refused

_ALONE = names(
    "! ( ) , -not -a -and -o -or -true -false -print -print0 -ls -prune -quit -depth -d -mount -xdev -daystart -noleaf "
    "-warn -nowarn -ignore_readdir_race -noignore_readdir_race -empty -executable -readable -writable -nouser -nogroup "
    "-help -version --help --version"
)
_ONE = names(
    "-name -iname -path -ipath -wholename -iwholename -regex -iregex -lname -ilname -regextype -type -xtype -size "
    "-perm -user -group -uid -gid -links -inum -fstype -mtime -atime -ctime -mmin -amin -cmin -used -maxdepth "
    "-mindepth -newermt -newerat -newerct -newerBt -printf"
)
_FILE = names("-newer -anewer -cnewer -samefile") | {f"-newer{mine}{theirs}" for mine in "aBcm" for theirs in "aBcm"}
_LINKS = "it follows links out of the workspace"
_BECAUSE = {
    "-L": _LINKS,
    "-follow": _LINKS,
    "-delete": "it deletes files",
    "-files0-from": "it opens whatever files a list names",
    **dict.fromkeys(("-exec", "-execdir", "-ok", "-okdir"), "it starts a program"),
    **dict.fromkeys(("-fls", "-fprint", "-fprint0", "-fprintf"), "it writes a file"),
}


def _read(words: Sequence[str]) -> Reading | str:
    """Options, then where to start, then an expression word by word."""
    at = 0
    while at < len(words) and words[at] in ("-H", "-P"):
        at += 1
    paths: list[str] = []
    while at < len(words) and not (words[at].startswith("-") or words[at] in _ALONE):
        paths.append(words[at])
        at += 1
    while at < len(words):
        word, at = words[at], at + 1
        if word in _ALONE:
            continue
        if word not in _ONE and word not in _FILE:
            return refused("find", word, _BECAUSE.get(word, ""))
        if at == len(words):
            return refused("find", word, "its value is missing")
        if word in _FILE:
            paths.append(words[at])
        at += 1
    return Reading("find", ("find", *words), {}, "read: find", tuple(paths))


PROGRAMS = (Program("find", read=_read),)
