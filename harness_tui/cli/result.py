"""The JSON documents of the contract, each built from its row in one place."""

from __future__ import annotations

from typing import Any

from ..domain.money import to_usd
from ..domain.views import ApprovalRow, RunRow
from .output import stamp


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
    }
    return {**of_run(row), **{key: about[key] for key in ("kind", "title", "workspace", "started")}, **more}


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
