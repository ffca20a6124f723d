"""Many nodes shown as one: by the beginning of their names (`fetch-*`) or by rank (`rank:3`), always within a rank.

Jobs of one rank do not depend on each other, so what is shown stays a graph without circles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ...domain.dag.graph import Dag

CROWD = 40
"""Nodes of a rank from which on it is hard to read."""
FEW = 4
"""Names with the same beginning from which on they are suggested as one node."""

_NUMBER = re.compile(r"\d+$")
_PART = re.compile(r"[^-_.:/ ]+$")


def fold_of(ident: str, rank: int, prefixes: Iterable[str], ranks: frozenset[int]) -> str:
    """The fold a job falls under, or "": the longest beginning goes before its rank. prefixes: longest first."""
    for prefix in prefixes:
        if ident.startswith(prefix):
            return f"{prefix}*"
    return f"rank:{rank}" if rank in ranks else ""


def parse(folds: Iterable[str]) -> tuple[tuple[str, ...], frozenset[int]]:
    """Beginnings of names, longest first, and ranks."""
    prefixes = sorted((fold[:-1] for fold in folds if fold.endswith("*")), key=lambda each: (-len(each), each))
    ranks = frozenset(int(fold[5:]) for fold in folds if fold.startswith("rank:") and fold[5:].isdecimal())
    return tuple(prefixes), ranks


def groups(dag: Dag, ranks: dict[str, int], folds: Iterable[str]) -> list[tuple[str, str, list[str]]]:
    """What is shown as one node, in the plan's order: (key, fold or "", jobs). The key of a single job is its id."""
    prefixes, whole = parse(folds)
    if not prefixes and not whole:
        return [(ident, "", [ident]) for ident in dag.jobs]
    found: dict[tuple[str, int, str], list[str]] = {}
    for ident in dag.jobs:
        fold = fold_of(ident, ranks[ident], prefixes, whole)
        found.setdefault((fold, ranks[ident], "" if fold else ident), []).append(ident)
    out: list[tuple[str, str, list[str]]] = []
    for (fold, rank, _), jobs in found.items():
        if len(jobs) == 1:
            out.append((jobs[0], "", jobs))
            continue
        key = f"{fold}@{rank}"
        while key in dag.jobs:
            key += "*"
        out.append((key, fold, jobs))
    return out


def suggest(dag: Dag, crowd: int = CROWD) -> frozenset[str]:
    """Folds after which no rank has more than about `crowd` nodes: numbered names first, then names with a common
    part, then the rank as it is."""
    ranks: dict[int, list[str]] = {}
    for ident, rank in dag.ranks().items():
        ranks.setdefault(rank, []).append(ident)
    folds: set[str] = set()
    for rank, idents in ranks.items():
        left, fresh = [ident for ident in idents if not ident.startswith(_beginnings(folds))], set[str]()
        for ending in (_NUMBER, _PART):
            if len(left) + len(fresh) > crowd:
                stems = [ending.sub("", ident) for ident in left]
                often = {stem for stem, count in Counter(stems).items() if stem and count >= FEW}
                fresh.update(f"{stem}*" for stem in often)
                left = [ident for ident, stem in zip(left, stems, strict=True) if stem not in often]
        folds.update(fresh if len(left) + len(fresh) <= crowd else {f"rank:{rank}"})
    return frozenset(folds)


def _beginnings(folds: Iterable[str]) -> tuple[str, ...]:
    return tuple(fold[:-1] for fold in folds if fold.endswith("*"))
