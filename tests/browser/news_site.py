"""A small news site on loopback with the markup of the well-known one, and every surprise such a site can hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

USER, PASSWORD = "ada", 'k<9"q zz&w%1'
TITLES = {"101": "Show: a clock", "102": "Counting trees", "103": 'Why "trains" wait & see', "104": "A small tool"}
STYLE = "<style>.votearrow{width:10px;height:10px;background:#777} .nosee{visibility:hidden}</style>"
FOREVER = 120.0
"""Seconds a hanging answer is held back, or until the site closes; longer than any patience a test gives."""

HIDES = """<script>
const hide = (id) => document.getElementById(id)?.classList.add('nosee');
(JSON.parse(localStorage.gone || '[]')).forEach(hide);
document.addEventListener('click', (e) => {
  const a = e.target.closest('td.votelinks a'); if (!a) return;
  e.preventDefault(); hide(a.id); localStorage.gone = JSON.stringify([a.id]);
});
</script>"""


class NewsSite:
    """One site.

    Attributes:
        host: its address and port.
        quirk: what is odd about it, or "".
        votes: (user, story) as the site itself knows them.
        pages: further pages by path, as HTML.
        seen: every request, `METHOD path?query`.
    """

    def __init__(self, quirk: str = "") -> None:
        self.quirk = quirk
        self.order = list(TITLES)
        self.votes: set[tuple[str, str]] = set()
        self.pages: dict[str, str] = {}
        self.seen: list[str] = []
        self.gate = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.origin = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def logins(self) -> int:
        return self.seen.count("POST /login")

    # -- pages -----------------------------------------------------------------------------------------------------

    def news(self, user: str) -> str:
        script = HIDES if self.quirk == "script hides" else ""
        rows = "".join(self._row(rank, ident, user) for rank, ident in enumerate(self.order, 1))
        who = f"{user} | <a href=logout>logout</a>" if user else "<a href='login?goto=news'>login</a>"
        return f"<title>News</title>{STYLE}<a href=news>News</a> {who}<table>{rows}</table>{script}"

    def _row(self, rank: int, ident: str, user: str) -> str:
        voted = (user, ident) in self.votes
        named = bool(user) or self.quirk != "no ids signed out"
        href = urlencode({"id": ident, "how": "up", "goto": "news"}).replace("&", "&amp;")
        up = f" id=up_{ident}" if named else ""
        arrow = f"<a{up} class='clicky' href='vote?{href}'><div class=votearrow title=upvote></div></a>"
        unvote = f"<a id=un_{ident} href='vote?id={ident}&amp;how=un'>unvote</a>" if voted else ""
        row = f" id={ident}" if named else ""
        return (
            f"<tr class=athing{row}><td>{rank}.</td><td class=votelinks>{'' if voted else arrow}</td>"
            f"<td class=title><span class=titleline><a href='item?id={ident}'>{TITLES[ident]}</a></span></td></tr>"
            f"<tr><td colspan=2></td><td class=subtext>by someone {unvote}</td></tr>"
        )

    def login(self, hidden: dict[str, str], bad: str = "") -> str:
        carried = "".join(f"<input type=hidden name={k} value='{v}'>" for k, v in hidden.items())
        fields = "<input name=acct autocomplete=off><input type=password name=pw>"
        forms = (
            f"<form method=post action=login>{carried}<input type=hidden name=creating value=t>{fields}"
            f"<input type=submit value='create account'></form><hr>"
            f"<form method=post action=login>{carried}{fields}<input type=submit value=login></form>"
        )
        return f"<title>Login</title>{bad}<b>Please log in.</b>{forms}"

    # -- acts ------------------------------------------------------------------------------------------------------

    def vote(self, user: str, ident: str) -> None:
        if self.quirk == "no vote":
            return
        self.votes.add((user, self.order[1] if self.quirk == "wrong story" else ident))
        if self.quirk == "reorders":
            self.order = self.order[1:] + self.order[:1]


def _handler(site: NewsSite) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            site.seen.append(f"GET {self.path}")
            if site.quirk == "down":
                return self._send("Down", 503)
            if site.quirk == "hangs" or parts.path == "/hang":
                site.gate.wait(FOREVER)
                return None
            acts: dict[str, Callable[[dict[str, str]], None]] = {
                "/news": self._news,
                "/vote": self._vote,
                "/to": lambda q: self._go(q["url"]),
                "/file": self._file,
            }
            if parts.path in acts:
                return acts[parts.path](query)
            if parts.path == "/login":
                return self._send(site.login({"goto": "news"}))
            if parts.path in site.pages:
                return self._send(site.pages[parts.path])
            return self._send(f"<title>Page</title>No page {parts.path}", 404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {k: v[0] for k, v in parse_qs(body).items()}
            site.seen.append(f"POST {self.path}")
            right = (form.get("acct"), form.get("pw")) == (USER, PASSWORD) and "creating" not in form
            if not right or site.quirk == "wrong password":
                return self._send(site.login({"goto": "news"}, "Bad login."))
            if "id" in form and site.quirk != "login returns":
                site.vote(USER, form["id"])
            return self._go("/news", cookie=f"user={USER}")

        def _news(self, _: dict[str, str]) -> None:
            if site.quirk == "login wall":
                return self._go("/login?goto=news")
            return self._send(site.news(self._user()))

        def _vote(self, query: dict[str, str]) -> None:
            if not self._user() or "id" not in query:
                return self._send(site.login({k: query[k] for k in ("id", "how") if k in query}))
            if query["how"] == "up":
                site.vote(self._user(), query["id"])
            return self._send("Thanks.") if site.quirk == "no vote" else self._go("/news")

        def _file(self, _: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Content-Disposition", 'attachment; filename="../../a.bin"')
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"abc")

        def _user(self) -> str:
            return USER if f"user={USER}" in self.headers.get("Cookie", "") else ""

        def _go(self, where: str, cookie: str = "") -> None:
            self.send_response(302)
            self.send_header("Location", where)
            if cookie:
                self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, html: str, status: int = 200) -> None:
            data = f"<!doctype html><link rel=icon href='data:,'>{html}".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
