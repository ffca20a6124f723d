"""Files that no tool writes: what other programs execute or obey without asking, as data, each with its reason."""

from __future__ import annotations

import re
import unicodedata

_SHELL = "shells execute it"
_EDITOR = "editors run tasks and settings from it"
_AGENT = "other agents take orders, hooks or servers from it"
_DEBUGGER = "the debugger or interpreter executes it"
_PACKAGES = "it tells the package manager what to run and from where"
_LOGIN = "it grants logins or holds keys"

PROTECTED: dict[str, str] = {
    ".git": "git executes hooks, filters and settings from it",
    "git~1": "it is the short name of .git on some file systems",
    ".gitconfig": "git obeys it",
    ".gitmodules": "git fetches from the addresses in it",
    ".config/git": "git obeys it",
    ".hg": "Mercurial executes hooks from it",
    ".hgrc": "Mercurial executes hooks from it",
    ".husky": "git hooks are run from it",
    **dict.fromkeys([".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile"], _SHELL),
    **dict.fromkeys([".zshrc", ".zprofile", ".zshenv", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc"], _SHELL),
    ".config/fish": _SHELL,
    ".envrc": "direnv executes it",
    ".inputrc": "shells bind keys by it",
    ".config/systemd": "the session starts programs from it",
    ".config/autostart": "the session starts programs from it",
    **dict.fromkeys([".vscode", ".idea", ".devcontainer", ".vimrc", ".exrc", ".nvimrc", ".nvim.lua"], _EDITOR),
    **dict.fromkeys([".mcp.json", ".claude", ".cursor", ".gemini", ".codex"], _AGENT),
    ".harness-tui": "this program obeys it",
    **dict.fromkeys([".gdbinit", ".lldbinit", ".pdbrc", ".rprofile", ".irbrc", ".pythonrc.py"], _DEBUGGER),
    **dict.fromkeys([".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", ".pypirc"], _PACKAGES),
    ".ripgreprc": "ripgrep takes options from it",
    ".curlrc": "curl takes options from it",
    ".wgetrc": "wget takes options from it",
    ".tmux.conf": "tmux runs commands from it",
    ".screenrc": "screen runs commands from it",
    ".ssh": _LOGIN,
    ".gnupg": _LOGIN,
    ".netrc": _LOGIN,
}
"""Name -> why: a file, or a folder with all that is below it, at any depth. `.config/git` are two parts in a row.

Not in it, because editing them is everyday work and the approval shows the change: `.gitattributes`, `.gitignore`,
`Makefile`, `package.json`, workflows of a CI service.
"""

_RULES = {tuple(name.split("/")): why for name, why in PROTECTED.items()}
_SEPARATORS = re.compile(r"[/\\]")


def protected(path: str) -> str:
    """Why tools may not write there, or "": what programs execute or obey (`.git/hooks`, `.bashrc`, `.vscode`, ...).

    Held against the path as every file system might read it: case, Unicode form, trailing dots; also where absent.
    """
    parts = tuple(part for part in map(_folded, _SEPARATORS.split(path)) if part)
    for start in range(len(parts)):
        for width in (1, 2):
            if why := _RULES.get(parts[start : start + width]):
                return f"{'/'.join(parts[start : start + width])} is protected: {why}."
    return ""


def _folded(part: str) -> str:
    """A name as the laxest file system compares it: HFS+ drops ignorable characters, NTFS streams and last dots."""
    if part.isascii():
        plain = part.lower()
    else:
        seen = "".join(char for char in unicodedata.normalize("NFKC", part) if not _ignorable(char))
        plain = unicodedata.normalize("NFKC", seen.casefold())
    name = plain.split(":", 1)[0]
    return name if name in (".", "..") else name.rstrip(". ")


def _ignorable(char: str) -> bool:
    return unicodedata.category(char) in ("Cf", "Cc") or "\ufe00" <= char <= "\ufe0f" or char == "\u034f"
