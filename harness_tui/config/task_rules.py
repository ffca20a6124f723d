"""What a well-formed task file must also make sense of: addresses, tools, patterns, conditions, limits."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from urllib.parse import SplitResult, urlsplit

from ..domain.network.reach import problem
from ..domain.safetext import clip
from ..domain.task import Goal, Login, PageCondition, SandboxTable, Stories, TaskFile, Verify
from .model_rules import model_problems
from .toml_lines import Step
from .toml_schema import Problem, nearest
from .vault import PAIR_FORM, is_pair

STATES = re.compile(r"gone|hidden|visible|class:[^\s:]+|text:.+", re.S)
STATE_FORMS = "gone, hidden, visible, class:NAME or text:..."

MOST = 10**15
"""Of any count or amount."""

_PLACEHOLDER = re.compile(r"\{([a-z_.]+)\}")
_OF_ROW = frozenset({"id"})
_OF_RUN = frozenset({"first.id", "first.arrow"})


def problems(task: TaskFile, known_tools: Collection[str]) -> Iterator[Problem]:
    """Everything wrong with `task`, in the order of its tables."""
    if not task.prompt.strip():
        yield Problem(("prompt",), '"prompt" is empty')
    if task.start_url and not _web(task.start_url):
        yield Problem(("start_url",), f'"start_url" must be an http(s) URL, not {_quoted(task.start_url)}')
    yield from _tools(task.tools, known_tools)
    yield from _selectors(("allow_selectors",), task.allow_selectors)
    yield from _hosts(task.allow_hosts)
    yield from _sandbox(task.sandbox)
    if task.model:
        yield from model_problems(("model",), task.model)
    yield from _limits(task)
    if task.stories:
        yield from _stories(task.stories)
    if task.goal:
        yield from _conditions("goal", task.goal, task)
    if task.login:
        yield from _login(task.login)
    if task.verify:
        yield from _conditions("verify", task.verify, task)
    yield from _selectors(("approve", "selectors"), task.approve.selectors)


def _tools(tools: tuple[str, ...], known: Collection[str]) -> Iterator[Problem]:
    for index, name in enumerate(tools):
        if name not in known:
            yield Problem(("tools", index), f"there is no tool {_quoted(name)}{nearest(name, known)}")
        elif name in tools[:index]:
            yield Problem(("tools", index), f"the tool {_quoted(name)} is listed twice")


def _hosts(hosts: tuple[str, ...]) -> Iterator[Problem]:
    for index, host in enumerate(hosts):
        if wrong := problem(host):
            yield Problem(("allow_hosts", index), wrong.rstrip("."))


def _sandbox(sandbox: SandboxTable) -> Iterator[Problem]:
    if sandbox.kind == "container" and not sandbox.image.strip():
        yield Problem(("sandbox",), '[sandbox] with kind "container" must name its "image"')
    if sandbox.image and sandbox.kind not in ("container", "auto"):
        yield Problem(("sandbox", "image"), '"image" in [sandbox] is for kind "container" only')
    for index, path in enumerate(sandbox.read):
        if not path.startswith(("/", "~/")) or "/../" in f"{path}/" or "\0" in path:
            text = f'a path of "read" in [sandbox] must be absolute or begin with ~/, not {_quoted(path)}'
            yield Problem(("sandbox", "read", index), text)


def _limits(task: TaskFile) -> Iterator[Problem]:
    limits: dict[tuple[str, str], float | None] = {
        ("budget", "tokens"): task.budget.tokens,
        ("budget", "usd"): task.budget.usd,
        ("budget", "call_tokens"): task.budget.call_tokens,
        ("budget", "call_usd"): task.budget.call_usd,
        ("guardrails", "max_iterations"): task.guardrails.max_iterations,
        ("guardrails", "max_messages"): task.guardrails.max_messages,
    }
    for (table, key), value in limits.items():
        if value is not None and not 0 <= value <= MOST:
            what = f"at most {MOST}" if value > MOST else "0 or more"  # nan is neither
            yield Problem((table, key), f'"{key}" in [{table}] must be {what}, not {value}')


def _stories(stories: Stories) -> Iterator[Problem]:
    yield from _filled("stories", row=stories.row, title=stories.title, arrow=stories.arrow)
    for key, text in (("arrow", stories.arrow), ("voted", stories.voted)):
        yield from _placeholders(("stories", key), text, _OF_ROW)
    path = ("stories", "id_from", "regex")
    try:
        groups = re.compile(stories.id_from.regex).groups
    except (re.error, RecursionError, OverflowError) as error:
        yield Problem(path, f'"regex" in [stories.id_from] is no regular expression: {error}')
        return
    if groups != 1:
        yield Problem(path, f'"regex" in [stories.id_from] must have exactly one group, not {groups}')


def _login(login: Login) -> Iterator[Problem]:
    parts = _web(login.origin)
    bare = parts is not None and parts.path in ("", "/") and not parts.query and "@" not in parts.netloc
    if parts is None or not bare:
        yield Problem(("login", "origin"), f'"origin" in [login] must be scheme://host, not {_quoted(login.origin)}')
    elif parts.scheme != "https" and not _loopback(parts.hostname or ""):
        yield Problem(("login", "origin"), '"origin" in [login] must be https: credentials travel there')
    yield from _filled("login", user_field=login.user_field, password_field=login.password_field, submit=login.submit)
    if not is_pair(login.credential):
        # The value may be a password pasted by mistake, so it is not repeated.
        yield Problem(("login", "credential"), f'"credential" in [login] must be a handle of the form {PAIR_FORM}')
    if not any(login.when_url) and not login.when_selector:
        yield Problem(("login",), '[login] must say when it applies: give "when_url" or "when_selector"')


def _conditions(table: str, conditions: Goal | Verify, task: TaskFile) -> Iterator[Problem]:
    for index, condition in enumerate(conditions.trace):
        path = (table, "trace", index)
        tool = condition.split(maxsplit=1)[0] if condition.strip() else ""
        if tool not in task.tools:
            yield Problem(
                path,
                f"a trace condition begins with a tool of this task, not {_quoted(tool)}{nearest(tool, task.tools)}",
            )
        yield from _first(path, condition, task)
    for index, look in enumerate(conditions.page):
        yield from _page((table, "page", index), table, look, task)


def _page(path: tuple[Step, ...], table: str, condition: PageCondition, task: TaskFile) -> Iterator[Problem]:
    if not condition.selector.strip():
        yield Problem((*path, "selector"), f'"selector" in [{table}.page] is empty')
    if not STATES.fullmatch(condition.state):
        near = nearest(condition.state, ("gone", "hidden", "visible"))
        text = f'"state" in [{table}.page] must be {STATE_FORMS}, not {_quoted(condition.state)}{near}'
        yield Problem((*path, "state"), text)
    for key, text in (("selector", condition.selector), ("state", condition.state)):
        yield from _first((*path, key), text, task)


def _first(path: tuple[Step, ...], text: str, task: TaskFile) -> Iterator[Problem]:
    yield from _placeholders(path, text, _OF_RUN)
    if task.stories is None and _PLACEHOLDER.search(text):
        yield Problem(path, "{first....} names a story, and there is no [stories] table")


def _placeholders(path: tuple[Step, ...], text: str, known: Collection[str]) -> Iterator[Problem]:
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            allowed = ", ".join(f"{{{each}}}" for each in sorted(known))
            yield Problem(path, f"{{{name}}} is not known here; use {allowed}")


def _selectors(path: tuple[Step, ...], selectors: tuple[str, ...]) -> Iterator[Problem]:
    for index, selector in enumerate(selectors):
        if not selector.strip():
            yield Problem((*path, index), f'a selector of "{path[-1]}" is empty')


def _filled(table: str, **values: str) -> Iterator[Problem]:
    for key, value in values.items():
        if not value.strip():
            yield Problem((table, key), f'"{key}" in [{table}] is empty')


def _web(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    sound = parts.scheme in ("http", "https") and parts.hostname and url.isprintable() and " " not in url
    return parts if sound else None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _quoted(text: str) -> str:
    return f'"{clip(text, 60)}"'
