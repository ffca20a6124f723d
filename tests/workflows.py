"""Graphs in the shapes of published scientific workflows (Pegasus and WfCommons), of exactly `n` jobs that only wait.

Names are those of their traces, with the numbering these have (`individuals_ID0000001`). Every generator gives the
same jobs for the same arguments, dependencies before dependents (`random_dag`: in any order).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

from harness_tui.domain.dag.spec import Job

WAIT = 0.01
"""Seconds of every job."""

MOST = 100_000


class _Plan:
    """Jobs as they are added, numbered through."""

    def __init__(self, n: int, least: int) -> None:
        if not least <= n <= MOST:
            raise ValueError(f"n must be from {least} to {MOST}, not {n}")
        self.jobs: list[Job] = []

    def add(self, task: str, *deps: str) -> str:
        ident = f"{task}_ID{len(self.jobs) + 1:07d}"
        self.jobs.append(Job(ident, deps, wait=WAIT))
        return ident

    def many(self, number: int, task: str, *deps: str) -> list[str]:
        return [self.add(task, *deps) for _ in range(number)]


def montage(n: int) -> list[Job]:
    """A mosaic of the sky: images are projected, overlaps fitted, one model made of all, every image corrected by it
    (an edge over three ranks), and the mosaic put together. n >= 11."""
    plan = _Plan(n, 11)
    images = max(2, (n - 5) // 5)
    while n - 6 - 2 * images > images * (images - 1) // 2 and n - 8 - 2 * images > 0:  # more overlaps than pairs
        images += 1
    overlaps = min(n - 6 - 2 * images, images * (images - 1) // 2)
    projected = plan.many(images, "mProject")
    pairs = ((i, i + step) for step in range(1, images) for i in range(images - step))
    fits = [plan.add("mDiffFit", projected[a], projected[b]) for a, b in islice(pairs, overlaps)]
    model = plan.add("mBgModel", plan.add("mConcatFit", *fits))
    corrected = [plan.add("mBackground", model, image) for image in projected]
    table = plan.add("mImgtbl", *corrected)
    shrunk = plan.add("mShrink", plan.add("mAdd", table, *corrected))
    plan.many(n - len(plan.jobs), "mJPEG", shrunk)
    return plan.jobs


def epigenomics(n: int) -> list[Job]:
    """DNA methylation: lanes are split, each part goes through four steps alone, lanes are merged, then all. n >= 9."""
    plan = _Plan(n, 9)
    lanes = max(1, min(7, (n - 3) // 30))
    parts = max(lanes, (n - 3 - 2 * lanes) // 4)
    spare = n - 3 - 2 * lanes - 4 * parts
    merged: list[str] = []
    for lane in range(lanes):
        split = plan.add("fastqSplit")
        mapped: list[str] = []
        for _ in range(lane, parts, lanes):
            step = plan.add("sol2sanger", plan.add("filterContams", split))
            mapped.append(plan.add("map", plan.add("fast2bfq", step)))
        merged.append(plan.add("mapMerge", *mapped))
    index = plan.add("maqIndex", plan.add("mapMerge", *merged))
    plan.add("pileup", index)
    plan.many(spare, "chr21", index)
    return plan.jobs


def genome(n: int) -> list[Job]:
    """1000Genome: in each chromosome many `individuals` are merged, and every population looks at that and at what
    was sifted, twice. n >= 6."""
    plan = _Plan(n, 6)
    chromosomes = max(1, min(22, n // 52))
    sizes = [n // chromosomes + (i < n % chromosomes) for i in range(chromosomes)]
    for size in sizes:
        populations = max(1, min(7, (size - 2) // 6))
        merged = plan.add("individuals_merge", *plan.many(size - 2 - 2 * populations, "individuals"))
        sifted = plan.add("sifting")
        for _ in range(populations):
            plan.add("mutation_overlap", merged, sifted)
            plan.add("frequency", merged, sifted)
    return plan.jobs


def cybershake(n: int) -> list[Job]:
    """Earthquake hazard: strain tensors, thousands of seismograms out of each, a peak of each, both zipped. n >= 6."""
    plan = _Plan(n, 6)
    tensors = max(1, min(n // 20, 40))
    tensors += (n - 2 - tensors) % 2
    synthesis = (n - 2 - tensors) // 2
    extracted = plan.many(tensors, "ExtractSGT")
    seismograms = [plan.add("SeismogramSynthesis", extracted[i * tensors // synthesis]) for i in range(synthesis)]
    peaks = [plan.add("PeakValCalcOkaya", each) for each in seismograms]
    plan.add("ZipSeis", *seismograms)
    plan.add("ZipPSA", *peaks)
    return plan.jobs


def seismology(n: int) -> list[Job]:
    """One deconvolution per station, all sifted by one job. n >= 2."""
    plan = _Plan(n, 2)
    plan.add("wrapper_siftSTFByMisfit", *plan.many(n - 1, "sG1IterDecon"))
    return plan.jobs


def blast(n: int) -> list[Job]:
    """A query is split, searched for in parts, and two jobs each gather all of the answers. n >= 4."""
    plan = _Plan(n, 4)
    found = plan.many(n - 3, "blastall", plan.add("split_fasta"))
    plan.add("cat_blast", *found)
    plan.add("cat", *found)
    return plan.jobs


WORKFLOWS: dict[str, Callable[[int], list[Job]]] = {
    "montage": montage,
    "epigenomics": epigenomics,
    "genome": genome,
    "cybershake": cybershake,
    "seismology": seismology,
    "blast": blast,
}


def random_dag(seed: int, n: int, edges: int) -> list[Job]:
    """`n` jobs with exactly `edges` dependencies at random (as many as there can be, if that is fewer), listed in any
    order: a job may stand before what it depends on."""
    dice = random.Random(seed)
    edges = min(edges, n * (n - 1) // 2)
    deps: list[dict[int, None]] = [{} for _ in range(n)]
    if edges * 3 > n * (n - 1) // 2:
        chosen = dice.sample([(a, b) for b in range(n) for a in range(b)], edges)
        for a, b in chosen:
            deps[b][a] = None
    else:
        for _ in range(edges):
            while True:
                a, b = sorted((dice.randrange(n), dice.randrange(n)))
                if a != b and a not in deps[b]:
                    break
            deps[b][a] = None
    digits = len(str(n))
    jobs = [
        Job(f"job-{i:0{digits}d}", tuple(f"job-{a:0{digits}d}" for a in each), wait=WAIT) for i, each in enumerate(deps)
    ]
    dice.shuffle(jobs)
    return jobs
