"""A sandbox that is a folder: for file tools, which start no child in it."""

from __future__ import annotations

from pathlib import Path

from harness_tui.sandbox.base import Command, Finished, Sandbox
from harness_tui.sandbox.tree import Tree


class Plain(Sandbox):
    kind = asked = "none"

    def __init__(self, root: Path, *hidden: Path) -> None:
        self.workspace = root
        self.files = Tree(root, hidden)

    async def run(self, command: Command) -> Finished:
        raise AssertionError("a file tool starts no child of the sandbox")
