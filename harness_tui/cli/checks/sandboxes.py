"""What each sandbox would hold here, as its probe found it."""

from __future__ import annotations

from ...sandbox.probe import probe
from . import Check


def all_of(*, for_tests: bool = False) -> list[Check]:
    """A row a sandbox. Only L3 cannot do without one, so a missing one is a note, but for the tests, which drive it."""
    probe.cache_clear()
    none = Check("no sandbox", True, probe("none").detail)
    return [none, _bubblewrap(for_tests=for_tests), _worktree(for_tests=for_tests), _container()]


def _bubblewrap(*, for_tests: bool) -> Check:
    found = probe("bubblewrap")
    if found.ok:
        return Check("bubblewrap", True, f"{found.detail} Enforced: writes, reads, network, processes, controls.")
    without = f"{found.detail} Children of tools run unconfined, and L3 refuses to act. {found.remedy}"
    if not for_tests:
        return Check("bubblewrap", True, without)
    return Check("bubblewrap", False, found.detail, found.remedy, found.packages)


def _worktree(*, for_tests: bool) -> Check:
    found = probe("worktree")
    if not found.ok:
        return Check("worktree", not for_tests, found.detail, found.remedy, found.packages)
    if probe("wide").ok:
        return Check(
            "worktree", True, "Works in git checkouts. Enforced: changes, writes, network, processes, controls."
        )
    return Check("worktree", True, "Works in git checkouts, but without bubblewrap children can leave it.")


def _container() -> Check:
    found = probe("container")
    return Check("container", True, f"{found.detail} {'' if found.ok else found.remedy}".strip())
