"""Task files and run specs: all a run needs to start, as serialisable data. Nothing about any site is in code."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Level = Literal["L1", "L2", "L3"]
LEVELS: tuple[Level, ...] = ("L1", "L2", "L3")

BROWSER_TOOLS = (
    "browser_navigate",
    "browser_url",
    "browser_get_text",
    "browser_fill",
    "browser_click",
    "browser_get_stories",
    "browser_has_class",
    "browser_select",
    "browser_snapshot",
)

FILE_TOOLS = ("read_file", "list_dir", "glob", "grep", "write_file", "edit_file")
SHELL_TOOLS = ("shell_read", "shell_exec")
WEB_TOOLS = ("web_fetch", "web_search")
LOOP_TOOLS = ("verdict",)
"""Offered by a loop's round alone."""
PLAN_TOOLS = ("plan",)
"""Offered to the planner of a graph alone."""
BUILT_IN_TOOLS = (*FILE_TOOLS, *SHELL_TOOLS, *WEB_TOOLS, *BROWSER_TOOLS)
"""Names alone, so that checking a task file imports no tool."""

DEFAULT_TOKENS = 200_000
DEFAULT_ITERATIONS = 12
DEFAULT_MESSAGES = 60
DEFAULT_ATTEMPTS = 3
APPROVAL_LIFE = 24 * 3600.0
"""Seconds a requested action waits for its decision."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a task file: an unknown key is refused, never ignored."""


class Budget(_Table, frozen=True):
    """`[budget]`: what one run may spend over all attempts, and one model call of it. usd = None: no money limit."""

    tokens: int = DEFAULT_TOKENS
    usd: float | None = None
    call_tokens: int = 0
    call_usd: float | None = None


class Guardrails(_Table, frozen=True):
    """`[guardrails]`: per attempt; the first that stops wins. 0 turns one off."""

    max_iterations: int = DEFAULT_ITERATIONS
    max_messages: int = DEFAULT_MESSAGES


class IdFrom(_Table, frozen=True):
    """Where a story's id is read: `css` inside the row ("" = the row itself), its attribute, a regex with one group."""

    css: str = ""
    attribute: str = "id"
    regex: str = "(.+)"


class Stories(_Table, frozen=True):
    """`[stories]`: how a list of stories looks on this site.

    Attributes:
        row: CSS of one story's row.
        title: CSS of the title inside the row.
        id_from: where the id is read.
        arrow: CSS of the vote control in the document; `{id}` is the story's id.
        voted: CSS in the document that exists only for a voted story (`{id}` allowed); "" = judge by the arrow alone.
    """

    row: str
    title: str
    arrow: str
    id_from: IdFrom = IdFrom()
    voted: str = ""


class PageCondition(_Table, frozen=True):
    """A condition on the page. state = "gone" | "hidden" | "visible" | "class:NAME" | "text:..."."""

    selector: str
    state: str


class Goal(_Table, frozen=True):
    """`[goal]`: the loop stops once these hold; checked before each iteration, fresh in every attempt.

    Attributes:
        trace: trace conditions, as in `[verify]`.
        page: page conditions on the live page.
    """

    trace: tuple[str, ...] = ()
    page: tuple[PageCondition, ...] = ()


class Login(_Table, frozen=True):
    """`[login]`: the rule by which the harness, not the model, signs in.

    Attributes:
        when_url: substrings or globs of the URL path that mean "the site asks for a login".
        when_selector: CSS that must be present as well ("" = not asked).
        origin: the only origin credentials are filled on (https, or http on loopback).
        failed_text: text on the page that means the credentials were refused.
        credential: a handle, `env:USERVAR,PASSVAR`.
    """

    origin: str
    user_field: str
    password_field: str
    submit: str
    credential: str
    when_url: tuple[str, ...] = ()
    when_selector: str = ""
    failed_text: str = ""


class Verify(_Table, frozen=True):
    """`[verify]`: what must be true afterwards. `{first.id}`, `{first.arrow}`: the story that was first at the start.

    Attributes:
        trace: conditions on what was done, `TOOL ARGUMENT-GLOB`, for example `browser_click *{first.id}*`.
        reload: load the page again before looking.
        page: conditions on the live page, all of which must hold.
    """

    trace: tuple[str, ...] = ()
    reload: bool = True
    page: tuple[PageCondition, ...] = ()


class Approve(_Table, frozen=True):
    """`[approve]`: clicks that `demo --yes` may approve; they still go through the desk."""

    selectors: tuple[str, ...] = ()


class SandboxTable(_Table, frozen=True):
    """`[sandbox]`: where children of tools run, and what they reach.

    Attributes:
        kind: "auto" = bubblewrap where it works, else none; "none", "worktree", "bubblewrap", "container".
        network: children may open connections.
        read: further paths children may read (`~` is the operator's home), for example `~/.cargo`.
        image: of the container.
    """

    kind: Literal["auto", "none", "worktree", "bubblewrap", "container"] = "auto"
    network: bool = False
    read: tuple[str, ...] = ()
    image: str = ""


class Options(_Table, frozen=True):
    """How a model is asked. Each family takes what it knows; `None` and "" leave a thing to the server.

    Attributes:
        max_tokens: tokens of one answer.
        effort: depth of reasoning, in the vendor's words (`low`, `high`, ...).
        parallel_tools: whether one answer may ask for several calls.
        version: the `anthropic-version` header, for servers that know an older one only.
        extra: merged into every request body as it is.
    """

    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    effort: str = ""
    parallel_tools: bool | None = None
    version: str = ""
    extra: dict[str, Any] = {}


class ModelTable(Options, frozen=True):
    """`[model]` of a task file, `[model]` and `[models.ROLE]` of the configuration.

    Attributes:
        key: a handle, `vault:NAME` or `env:VAR`; "" = the vendor's own variable, for the vendor's own address.
        fallback: names of `[models.NAME]` tables asked in turn when this one fails.
        keep_local: never leave this one for a fallback, not even when it fails.
    """

    url: str = ""
    api: str = ""
    model: str = ""
    key: str = ""
    fallback: tuple[str, ...] = ()
    keep_local: bool = False


class TaskFile(_Table, frozen=True):
    """A task file (`run --task FILE.toml`).

    Attributes:
        allow_hosts: `host`, `host:port` or `*.host` that web and browser tools may reach besides public addresses and
            the origin of `start_url`.
    """

    prompt: str
    start_url: str = ""
    tools: tuple[str, ...] = BROWSER_TOOLS
    level: Level = "L2"
    allow_urls: tuple[str, ...] = ()
    allow_selectors: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    sandbox: SandboxTable = SandboxTable()
    model: ModelTable | None = None
    budget: Budget = Budget()
    guardrails: Guardrails = Guardrails()
    stories: Stories | None = None
    goal: Goal | None = None
    login: Login | None = None
    verify: Verify | None = None
    approve: Approve = Approve()


class ModelSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which model, settled: nothing is guessed any more.

    Attributes:
        key: a handle, `vault:NAME` or `env:VAR`, never a value; "" = none is sent.
        fallbacks: asked in turn when this one fails; none of them has fallbacks of its own.
        keep_local: the fallbacks are never asked.
    """

    api: str
    model: str
    url: str = ""
    key: str = ""
    options: Options = Options()
    fallbacks: tuple[ModelSpec, ...] = ()
    keep_local: bool = False


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """A child process the engine keeps alive for a run (the demo's site); restarted by recovery.

    Attributes:
        ready_url: answers once the service is up.
        env_file: 0600 file of KEY=VALUE lines given to the child; also searched for `env:` handles.
    """

    argv: tuple[str, ...]
    ready_url: str
    env_file: str = ""


class Script(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call that was decided on before the run: nobody is asked what to do.

    Attributes:
        approved: the plan an operator approved it as part of (SHA-256): exactly this call runs without asking again.
    """

    tool: str
    arguments: dict[str, Any] = {}
    approved: str = ""


class RunSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that executes a run, with the journal and the vault: nothing else is needed in memory.

    Attributes:
        task: prompt, tools, guardrails, login and verification.
        roles: models of named roles (`compactor`, `judge`); a role that is not named here is `model`.
        attempts: how many attempts may end unverified before the run fails.
        record: absolute path of the cassette to write, or "".
        in_process: its tools are Python objects of the caller; another process cannot recover it.
        parent: the round of a loop it is maker or checker of, or "": its spending counts there too, and its world is
            the round's own worktree.
        base: branch that worktree is made of, where there is one; "" = what the workspace has checked out.
        proposes: what it changes in that worktree is only a proposal, so it need not ask for it.
        dag: the graph's run it is an attempt of, or ""; `job` of which job, `a#1`.
        script: the one call it makes instead of asking a model.
        given: long texts it may read as `result:NAME`, by that name: their SHA-256.
    """

    task: TaskFile
    model: ModelSpec
    roles: dict[str, ModelSpec] = {}
    title: str = ""
    workspace: str = ""
    attempts: int = DEFAULT_ATTEMPTS
    approval_life: float = APPROVAL_LIFE
    stage: int | None = None
    service: Service | None = None
    record: str = ""
    in_process: bool = False
    parent: str = ""
    base: str = ""
    proposes: bool = False
    dag: str = ""
    job: str = ""
    script: Script | None = None
    given: dict[str, str] = {}


def scopes_of(spec: RunSpec, run: str, day: str) -> tuple[str, ...]:
    """What a model call of a root run is reserved in, the nearest limit first."""
    if spec.script:  # it asks no model: nothing is held for it where others spend
        return (f"run:{run}",)
    loop = (f"round:{spec.parent}", f"{spec.parent.partition('/')[0]}:{day}") if spec.parent else ()
    graph = (f"run:{spec.dag}",) if spec.dag else ()
    return (f"run:{run}", *loop, *graph, f"day:{day}")
