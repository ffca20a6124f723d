"""Three tools looked into at the same time, compared, and signed off by whoever `approve` asks."""

import asyncio

from harness_tui import Dag, Job, Orchestrator, Retry

NOTES = {"notion": "pages", "airtable": "linked tables", "coda": "documents with tables"}
lost = ["airtable"]  # its first attempt fails


def research(tool, context):
    if tool in lost:
        lost.remove(tool)
        raise ConnectionError("the line was cut")
    return f"{tool}: {NOTES[tool]} (attempt {context.attempt})"


def compare(inputs):
    return "\n".join(inputs[tool] for tool in NOTES)


again = Retry(attempts=3, backoff="exponential", delay=0.1)
jobs = [Job(tool, call="research", arguments={"tool": tool}, retry=again) for tool in NOTES]
jobs.append(Job("compare", tuple(NOTES), call="compare"))
jobs.append(Job("sign-off", ("compare",), gate="Is it good enough to publish?"))
functions = {"research": research, "compare": compare}
crew = Orchestrator(functions=functions, approve=lambda request: True, answers=["compare"])
report = asyncio.run(crew.run(Dag.from_jobs(jobs), goal="Compare three tools"))
print(report.answers["compare"])
print(report.state, {ident: job.attempts for ident, job in report.jobs.items()})
