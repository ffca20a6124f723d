"""The JSON documents of the contract, each built from its row in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.money import to_usd
from ..domain.views import ApprovalRow, RunRow
from .output import stamp

if TYPE_CHECKING:
    from ..domain.dag.analysis import Analysis
    from ..domain.dag.state import DagState, JobState

_SECOND = 1_000_000


def of_run(row: RunRow, *, exit_code: int | None = None, error: str = "") -> dict[str, Any]:
    """What `run` and `demo` print. `exit_code` and `error` replace the row's for a run that is left open."""
    usage = row.usage
    return {
        "run": row.id,
        "state": row.state,
        "answer": row.answer,
        "claim": row.claim,
        "verified": row.verified,
        "reason": row.reason,
        "stopped_by": row.stopped_by,
        "attempts": row.attempts,
        "iterations": row.iterations,
        "tools": list(row.tools),
        "tokens": {
            "input": usage.input,
            "output": usage.output,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "reasoning": usage.reasoning,
        },
        "usd": to_usd(row.money),
        "exit": row.exit if exit_code is None else exit_code,
        "error": error or row.error or None,
    }


def of_listed_run(row: RunRow) -> dict[str, Any]:
    """One item of `runs list`."""
    return {
        "id": row.id,
        "parent": row.parent or None,
        "kind": row.kind,
        "title": row.title,
        "workspace": row.workspace,
        "state": row.state,
        "started": stamp(row.started),
        "tokens": row.usage.total,
        "usd": to_usd(row.money),
        **({"jobs": row.jobs} if row.kind == "dag" else {}),
    }


def of_shown_run(row: RunRow) -> dict[str, Any]:
    """`runs show`: the result so far, and what the run may do."""
    about = of_listed_run(row)
    more = {
        "ended": stamp(row.ended),
        "level": row.level,
        "model": row.model,
        "api": row.api,
        "sandbox": row.sandbox,
        "sandbox_asked": row.sandbox_asked or None,
        "enforced": row.enforced,
        "may": row.may,
        "notes": row.notes,
        "waits": row.waits or None,
        "retry_at": stamp(row.retry_at),
        "mark": row.mark,
        "budget_tokens": row.budget_tokens,
        **({"jobs": row.jobs} if row.kind == "dag" else {}),
        **({"parent": row.parent, "job": row.job} if row.job else {}),
    }
    return {**of_run(row), **{key: about[key] for key in ("kind", "title", "workspace", "started")}, **more}


def of_dag(row: RunRow, s: DagState, *, exit_code: int | None = None, error: str = "") -> dict[str, Any]:
    """What `dag run` prints: times in seconds since the run's start. `exit_code` and `error` as in `of_run`."""
    return {
        "run": row.id,
        "state": row.state,
        "jobs": {ident: of_job(job) for ident, job in s.jobs.items()},
        "tokens": row.usage.total,
        "usd": to_usd(row.money),
        "goal": s.spec.goal,
        "reason": row.reason,
        "verified": row.verified,
        "replans": s.replans,
        "reused": sum(job.reused for job in s.jobs.values()),
        "exit": row.exit if exit_code is None else exit_code,
        "error": error or row.error or None,
    }


def of_job(job: JobState) -> dict[str, Any]:
    """One of its `jobs`."""
    return {
        "state": job.state,
        "attempts": job.attempts,
        "started": seconds(job.started),
        "finished": seconds(job.ended),
        "error": job.error or None,
    }


def of_shown_dag(row: RunRow, s: DagState, found: Analysis) -> dict[str, Any]:
    """`dag show`: all of it, and what follows from it."""
    critical = set(found.critical)
    jobs = {ident: {**of_job(job), **_about(ident, job, found, critical)} for ident, job in s.jobs.items()}
    paused = s.paused and {"by": s.paused.by, "reason": s.paused.reason}
    return {
        **of_dag(row, s),
        "jobs": jobs,
        "title": row.title,
        "workspace": row.workspace,
        "started": stamp(row.started),
        "ended": stamp(row.ended),
        "level": row.level,
        "concurrency": s.spec.concurrency,
        "counts": counts(s),
        "critical_path": list(found.critical),
        "estimated_finish": seconds(found.finish),
        "human_seconds": seconds(found.human),
        "waiting": list(found.waiting),
        "digest": s.digest,
        "patches": patches(s),
        "asked": s.asked or None,
        "paused": paused,
    }


def _about(ident: str, job: JobState, found: Analysis, critical: set[str]) -> dict[str, Any]:
    return {
        "kind": job.spec.kind,
        "deps": list(job.spec.deps),
        "visits": job.visits,
        "tokens": job.tokens,
        "usd": to_usd(job.usd),
        "reused": job.reused,
        "waits": job.waits or None,
        "approval": job.approval or None,
        "held": job.held,
        "child": job.child or None,
        "by": job.by,
        "cause": job.cause or None,
        "rank": found.ranks[ident],
        "critical": ident in critical,
        "slack": seconds(found.slack[ident]),
        "due": seconds(job.due or None),
    }


def counts(s: DagState) -> dict[str, int]:
    """How many jobs are in each state, only states that are there, and `all` of them."""
    found: dict[str, int] = {}
    for job in s.jobs.values():
        found[job.state] = found.get(job.state, 0) + 1
    return {**found, "all": len(s.jobs)}


def patches(s: DagState) -> list[dict[str, Any]]:
    """The changes of the plan by id, the first plan included."""
    found: list[dict[str, Any]] = []
    there: set[str] = set()
    for patch, ids in s.patches:
        entry = {
            "number": patch.number,
            "by": patch.by,
            "added": [ident for ident in ids if ident not in there],
            "replaced": [ident for ident in ids if ident in there],
            "dropped": list(patch.drop),
            "reason": patch.reason,
        }
        found.append(entry)
        there = (there - set(patch.drop)) | set(ids)
    return found


def seconds(us: int | None) -> float | None:
    return None if us is None else us / _SECOND


def of_approval(row: ApprovalRow) -> dict[str, Any]:
    """One item of `approvals list`."""
    return {
        "id": row.id,
        "run": row.run,
        "tool": row.tool,
        "risk": row.risk,
        "state": row.state,
        "summary": row.summary,
        "digest": row.digest,
        "requested": stamp(row.requested),
        "expires": stamp(row.expires),
    }


def of_shown_approval(row: ApprovalRow) -> dict[str, Any]:
    """`approvals show`: the whole card, and who decided."""
    return {
        **of_approval(row),
        "kind": row.kind,
        "risk_class": row.risk_class,
        "arguments": row.arguments,
        "facts": {fact.label: fact.value for fact in row.facts},
        "by": row.by or None,
        "decided": stamp(row.decided),
        "reason": row.reason or None,
        "resolution": row.resolution or None,
    }
