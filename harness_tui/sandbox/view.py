"""What a child sees of the file system, as mounts: parents first, so that the deeper path has the last word."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from . import git
from .tree import protected

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store")
"""Seen read-only, as far as there."""

Kind = Literal["private", "read", "write", "hide"]
_STRICTER: tuple[Kind, ...] = ("private", "read", "write", "hide")


class Mount(msgspec.Struct, frozen=True):
    """One path of the view, absolute and real.

    Attributes:
        kind: private (an empty one of its own), read, write, or hide (empty, whatever is there).
    """

    path: Path
    kind: Kind


def narrow(
    workspace: Path,
    home: Path,
    read: Iterable[Path],
    hidden: Collection[Path],
    *,
    kind: Kind = "write",
    links: Iterable[Path] = (),
) -> list[Mount]:
    """The system, the workspace, `read`, and nothing else of the host.

    Args:
        kind: of the workspace, write or read.
        links: submodules in it.
    """
    system = [path for path in SYSTEM if os.path.isdir(path) and not os.path.islink(path)]
    mounts = [*_all("read", [*map(Path, system), *read]), *_all("private", [Path("/tmp"), home])]
    return _settled([*mounts, *_workspace(workspace, kind, links), *_all("hide", hidden)])


def wide(
    worktree: Path,
    read: Iterable[Path],
    hidden: Collection[Path],
    *,
    kind: Kind = "write",
    links: Iterable[Path] = (),
) -> list[Mount]:
    """All that the operator sees but what is hidden, and a /tmp of its own; at most `worktree` can be written."""
    mounts = [*_all("read", [Path("/"), *read]), *_all("private", [Path("/tmp")])]
    return _settled([*mounts, *_workspace(worktree, kind, links), *_all("hide", hidden)])


def words(mounts: Iterable[Mount]) -> list[str]:
    """bubblewrap's options for these mounts, with /dev and /proc of the sandbox's own."""
    listed = list(mounts)
    root = [mount for mount in listed if mount.path == Path("/")]
    found = [word for mount in root for word in _words(mount)]
    if not root:
        for path in SYSTEM:
            if os.path.islink(path):
                found += ["--symlink", os.readlink(path), path]
    found += ["--dev", "/dev", "--proc", "/proc"]
    found += [word for mount in listed if mount not in root for word in _words(mount)]
    # Last: mounts deeper down need their mount points made first. And /proc, since uid 0 without any capability still
    # owns /proc/sys, where a core pattern is a program that the kernel starts as the real root.
    sealed = ["/proc", *(str(mount.path) for mount in listed if mount.kind == "hide" and mount.path.is_dir())]
    found += [word for path in [*sealed, *([] if root else ["/"])] for word in ("--remount-ro", path)]
    return found


def _words(mount: Mount) -> list[str]:
    path = str(mount.path)
    if mount.kind == "private" or (mount.kind == "hide" and mount.path.is_dir()):
        return ["--tmpfs", path]
    source = "/dev/null" if mount.kind == "hide" else path
    return ["--bind" if mount.kind == "write" else "--ro-bind", source, path]


def _all(kind: Kind, paths: Iterable[Path]) -> list[Mount]:
    """What is there of `paths`; what is to be private need not be."""
    return [Mount(path, kind) for path in paths if kind == "private" or path.exists()]


def _workspace(workspace: Path, kind: Kind, links: Iterable[Path]) -> list[Mount]:
    """The workspace, and read-only in it what the operator's own programs execute or obey at its top.

    Its `.git` is read as a whole: a child that could rename it would plant hooks and settings in a new one.
    """
    guarded = [workspace / name for name in os.listdir(workspace) if protected(name)]
    return [
        Mount(workspace, kind),
        *_all("read", [path for path in guarded if not path.is_symlink()]),
        *_all("read", git.folders(workspace)),
        *(mount for link in links for mount in _submodule(workspace, link, kind)),
    ]


def _submodule(workspace: Path, link: Path, kind: Kind) -> list[Mount]:
    """Its `.git` is read, or all of it where it has none yet; no folder on the way can be moved away."""
    if link.is_symlink() or not link.is_dir() or os.path.realpath(link) != str(link):
        return []
    kept = link / ".git"
    way = [folder for folder in [link, *link.parents] if folder != workspace and folder.is_relative_to(workspace)]
    if not kept.exists():
        return [Mount(link, "read"), *(Mount(folder, kind) for folder in way[1:])]
    return [Mount(kept, "read"), *(Mount(folder, kind) for folder in way)]


def _settled(mounts: Iterable[Mount]) -> list[Mount]:
    """One mount a path, parents first; of two for one path the later word in `_STRICTER` counts."""
    best: dict[Path, Mount] = {}
    for mount in mounts:
        known = best.get(mount.path)
        if known is None or _STRICTER.index(mount.kind) > _STRICTER.index(known.kind):
            best[mount.path] = mount
    ordered = sorted(best.values(), key=lambda mount: (len(mount.path.parts), mount.path))
    return [mount for mount in ordered if mount.kind != "hide" or _seen(mount.path, ordered)]


def _seen(path: Path, mounts: list[Mount]) -> bool:
    """Whether it would be there but for the mount at `path` itself, or is bound by it."""
    above = [mount for mount in mounts if mount.path != path and path.is_relative_to(mount.path)]
    return bool(above) and above[-1].kind in ("read", "write")
