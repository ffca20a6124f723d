"""What in a change must be looked at by a person, wherever its files may be on an allow-list."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..sandbox.protected import protected
from .index import Entry, Index

_CI = re.compile(
    r"(.*/)?(\.(github|gitea|forgejo)/(workflows|actions)/.+|\.gitlab-ci\.ya?ml|\.circleci/.+|\.buildkite/.+|"
    r"\.woodpecker(\.ya?ml|/.+)|\.drone\.ya?ml|\.travis\.ya?ml|appveyor\.yml|azure-pipelines\.ya?ml|"
    r"bitbucket-pipelines\.yml|Jenkinsfile)",
    re.IGNORECASE,
)
_OBEYED = {
    ".gitattributes": "git takes drivers and filters from it",
    ".pre-commit-config.yaml": "hooks are run from it",
}
LINK, MODULE, NONE = "120000", "160000", "000000"


def flags(ix: Index, entries: Sequence[Entry], tree: str) -> tuple[str, ...]:
    """Reasons, a sentence each, why the change of these entries is not to be carried out unseen. Blocking."""
    found = [reason for entry in entries if (reason := _of(ix, entry))]
    return (*found, *filtered(ix, entries, tree))


def _of(ix: Index, entry: Entry) -> str:
    name = entry.name
    if MODULE in (entry.old, entry.new):
        return f"{name} is a submodule."
    if why := protected(name):
        return why
    if _CI.fullmatch(name):
        return f"{name} is run by a CI service, with its rights."
    if why := _OBEYED.get(name.rpartition("/")[2].lower(), ""):
        return f"{name} is obeyed: {why}."
    if entry.new == LINK:
        target = ix.ask("cat-file", "blob", entry.blob).out
        if _leaves(entry.path, target):
            return f"{name} is a link that leads out of the tree, to {target[:200].decode(errors='backslashreplace')}."
    try:
        entry.path.decode()
    except UnicodeDecodeError:
        return f"{name} has a name that is no UTF-8."
    return ""


def _leaves(path: bytes, target: bytes) -> bool:
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
        if depth < 0:
            return True
    return target.startswith(b"/")


def filtered(ix: Index, entries: Sequence[Entry], tree: str) -> tuple[str, ...]:
    """Files that a content filter (git-lfs, git-crypt) stands for; none is run, so theirs is not what git would."""
    ix.ask("read-tree", tree)
    data = b"".join(entry.path + b"\0" for entry in entries)
    words = ix.ask("check-attr", "--cached", "-z", "--stdin", "filter", data=data).out.split(b"\0")
    by = {path: value.decode(errors="replace") for path, value in zip(words[::3], words[2::3], strict=False)}
    return tuple(
        f"{entry.name} is kept by the content filter {by[entry.path]}, which is not run here."
        for entry in entries
        if by.get(entry.path, "unspecified") not in ("unspecified", "unset", "")
    )
