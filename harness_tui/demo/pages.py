"""The demo site's pages as HTML. Large plain areas, so that they can still be read as 50 by 21 half-block cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .stories import Story

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f4f1ea;color:#23211d;font:18px/1.3 "DejaVu Sans",Verdana,system-ui,sans-serif}
a{color:inherit;text-decoration:none}
header{display:flex;align-items:center;gap:22px;height:77px;padding:0 26px;background:#ff6600;color:#fff;font-size:22px}
header b{font-size:28px} header .logo{width:51px;height:51px;background:#fff;color:#ff6600;text-align:center;
font:900 34px/51px sans-serif} header .user{margin-left:auto}
table{width:100%;border-collapse:collapse} td{padding:0}
tr.athing td{height:46px;vertical-align:bottom} tr.sub td{height:31px;vertical-align:top;
border-bottom:3px solid #e3ddd0}
tr.athing td.rank,tr.athing td.votelinks{height:77px;vertical-align:middle;border-bottom:3px solid #e3ddd0}
td.rank{width:77px;text-align:right;color:#8f897c;font-size:24px}
td.votelinks{width:102px;text-align:center}
.votelinks a{display:inline-block;width:51px;height:51px;vertical-align:middle}
.votearrow{display:block;width:51px;height:51px;background:#4a463d;clip-path:polygon(50% 4%,100% 96%,0 96%)}
.votelinks a:hover .votearrow{background:#ff6600} a.nosee{visibility:hidden}
.titleline>a{font-size:24px;font-weight:600} .sitebit,.subtext{color:#777164;font-size:16px}
tr.voted td{background:#ffdcc0} .unvote{color:#a63f00;font-weight:700}
main{max-width:860px;margin:26px auto;padding:0 26px} h1{font-size:34px;margin:0 0 20px} .item{font-size:24px}
form{background:#fff;border:3px solid #e3ddd0;border-radius:10px;padding:24px 30px;margin:0 0 26px}
label{display:flex;align-items:center;margin:0 0 14px} label span{width:150px}
input[type=text],input[type=password]{width:390px;height:46px;font:inherit;padding:0 12px;background:#f4f1ea;
border:2px solid #b9b2a3;border-radius:6px}
input[type=submit]{height:51px;padding:0 30px;font:700 20px sans-serif;color:#fff;background:#ff6600;border:0;
border-radius:6px} form.other input[type=submit]{background:#8f897c}
.bad{background:#b3261e;color:#fff;padding:18px 26px;font-size:22px;font-weight:700;border-radius:6px;margin:0 0 20px}
"""

HIDING_SCRIPT = """<script>
const hide = id => { const a = document.getElementById(id); if (a) a.classList.add('nosee') };
for (const id of JSON.parse(localStorage.gone || '[]')) hide(id);
document.addEventListener('click', e => {
  const a = e.target.closest('.votelinks a'); if (!a) return;
  e.preventDefault(); hide(a.id);
  localStorage.gone = JSON.stringify([...JSON.parse(localStorage.gone || '[]'), a.id]);
});
</script>"""
"""Looks like a vote and is none: the arrow hides itself on a click, and again after a reload."""


def _frame(title: str, body: str, user: str) -> str:
    who = f'{escape(user)} | <a id="logout" href="logout">logout</a>' if user else '<a href="login?goto=news">login</a>'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body>'
        f'<header><a class="logo" href="news">N</a><b><a href="news">Harbour News</a></b>'
        f'<span class="user">{who}</span></header>{body}</body></html>'
    )


def news(
    listed: Iterable[tuple[Story, int]], *, user: str, voted: set[str], arrow_ids: bool = True, script: str = ""
) -> str:
    """The front page.

    Args:
        listed: stories in the order shown, each with its points.
        voted: ids this user has voted for.
        arrow_ids: False leaves the ids of the arrows away, so that only their href tells them apart.
    """
    rows = (_row(rank, *item, item[0]["id"] in voted, arrow_ids) for rank, item in enumerate(listed, 1))
    return _frame("Harbour News", f"<table>{''.join(rows)}</table>{script}", user)


def _row(rank: int, story: Story, points: int, voted: bool, arrow_ids: bool) -> str:
    ident = story["id"]
    up_id, un_id = (f' id="up_{ident}"', f' id="un_{ident}"') if arrow_ids else ("", "")
    shade, nosee = ("voted", "clicky nosee") if voted else ("", "clicky")
    unvote = f' | <a{un_id} class="unvote" href="vote?id={ident}&amp;how=un&amp;goto=news">unvote</a>' if voted else ""
    return (
        f'<tr class="athing {shade}" id="{ident}"><td class="rank" rowspan="2">{rank}.</td>'
        f'<td class="votelinks" rowspan="2"><a{up_id} class="{nosee}" title="upvote" aria-label="upvote" '
        f'href="vote?id={ident}&amp;how=up&amp;goto=news"><span class="votearrow"></span></a></td>'
        f'<td class="title"><span class="titleline"><a href="item?id={ident}">{escape(story["title"])}</a> '
        f'<span class="sitebit">({story["site"]})</span></span></td></tr>'
        f'<tr class="sub {shade}"><td class="subtext"><span class="score">{points} points</span> by {story["by"]} '
        f'{story["age"]} hours ago | <a href="item?id={ident}">{story["comments"]} comments</a>{unvote}</td></tr>'
    )


def login(action: str, hidden: Mapping[str, str], *, notes: Sequence[str] = (), bad: str = "") -> str:
    """The login page: two forms with the same field names. `hidden` carries what was asked for before the login."""
    carried = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in hidden.items())
    fields = (
        '<label><span>username:</span><input type="text" name="acct" autocomplete="off"></label>'
        '<label><span>password:</span><input type="password" name="pw" autocomplete="off"></label>'
    )
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    alert = f'<p class="bad">{escape(bad)}</p>' if bad else ""
    return _frame(
        "Login | Harbour News",
        f'<main>{alert}{said}<h1>Login</h1><form method="post" action="{action}">{carried}{fields}'
        f'<input type="submit" value="login"></form><h1>Create account</h1>'
        f'<form class="other" method="post" action="{action}">{carried}<input type="hidden" name="creating" value="t">'
        f'{fields}<input type="submit" value="create account"></form></main>',
        "",
    )


def said(title: str, text: str, user: str = "") -> str:
    """A page with one sentence."""
    body = f'<main><h1>{escape(title)}</h1><p class="item">{escape(text)}</p></main>'
    return _frame(f"{title} | Harbour News", body, user)
