"""Lists of stories as a task file describes them: rows, ids, vote controls, and whether a story is voted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ...domain.task import Stories
from . import scripts
from .policy import with_id

if TYPE_CHECKING:
    from playwright.async_api import Page

_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_UNQUOTABLE = frozenset("\"\\'")


class Story(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of the list.

    Attributes:
        arrow: selector of its vote control, whether or not it is there now.
        present, hidden: whether the control is in the document, and whether it cannot be seen or is `nosee`.
        voted: by the site's own mark where the task names one, else by a control that is gone or hidden.
    """

    rank: int
    id: str
    title: str
    arrow: str
    present: bool
    hidden: bool
    voted: bool


async def read(page: Page, spec: Stories, known: Sequence[dict[str, Any]] = ()) -> list[Story]:
    """Every row of the live document, in order; [] when the page holds no list.

    Args:
        known: stories of an earlier reading ({id, title}). A row whose id is gone (some sites show it only on the
            vote control) is recognised by its title, if that is unique.
    """
    source = spec.id_from
    rows = await page.evaluate(
        scripts.ROWS, {"row": spec.row, "title": spec.title, "css": source.css, "attribute": source.attribute}
    )
    named = [(_ident(row["raw"], source.regex) or _by_title(row["title"], known), row["title"]) for row in rows]
    wanted = [{"arrow": _find(spec.arrow, ident), "voted": _find(spec.voted, ident)} for ident, _ in named]
    states = await page.evaluate(scripts.STATES, {"row": spec.row, "wanted": wanted})
    scopes = [_scope(spec, row["raw"], rank, rows) for rank, row in enumerate(rows, 1)]
    return [
        Story(rank, ident, title, _arrow(spec, ident, scope), state["present"], state["hidden"], _voted(spec, state))
        for rank, ((ident, title), scope, state) in enumerate(zip(named, scopes, states, strict=True), 1)
    ]


def plain(stories: Sequence[Story]) -> list[dict[str, Any]]:
    """Stories as the baseline keeps them: `[{id, title, voted, arrow: bool}]`, nameless rows left out."""
    return [{"id": s.id, "title": s.title, "voted": s.voted, "arrow": s.present} for s in stories if s.id]


def first(stories: Sequence[Story]) -> dict[str, Any] | None:
    """The story on top, as `{first.*}` names it: `{id, title, arrow: selector, voted}`."""
    story = next((s for s in stories if s.id), None)
    return {"id": story.id, "title": story.title, "arrow": story.arrow, "voted": story.voted} if story else None


def _ident(raw: str, regex: str) -> str:
    found = re.search(regex, raw)
    return (found[1] if found.groups() else found[0]) or "" if found else ""


def _by_title(title: str, known: Sequence[dict[str, Any]]) -> str:
    same = [story["id"] for story in known if story["title"] == title]
    return same[0] if len(same) == 1 else ""


def _find(template: str, ident: str) -> dict[str, Any]:
    """A selector without `{id}` is looked for in the story's own row."""
    scoped = "{id}" not in template
    return {"css": template if scoped else with_id(template, ident) if ident else "", "scoped": scoped}


def _arrow(spec: Stories, ident: str, scope: str) -> str:
    if "{id}" in spec.arrow:
        return with_id(spec.arrow, ident) if ident else ""
    return f"{scope} {_one(spec.arrow)}"


def _scope(spec: Stories, raw: str, rank: int, rows: Sequence[dict[str, str]]) -> str:
    """A selector of the row: by what its id is read from, so that it follows the story when the order changes; by
    its rank only where that is missing or shared."""
    source = spec.id_from
    if not raw or not _NAME.fullmatch(source.attribute) or sum(row["raw"] == raw for row in rows) > 1:
        return f":nth-match({spec.row}, {rank})"
    value = "".join(f"\\{ord(c):x} " if c in _UNQUOTABLE or not c.isprintable() else c for c in raw)
    mark = f'[{source.attribute}="{value}"]'
    return _one(spec.row) + (f":has({_one(source.css)}{mark})" if source.css else mark)


def _one(css: str) -> str:
    """A list of selectors as one that can be a part of another."""
    return f":is({css})" if "," in css else css


def _voted(spec: Stories, state: dict[str, bool]) -> bool:
    if spec.voted:
        return state["voted"]
    return not state["present"] or state["hidden"]
