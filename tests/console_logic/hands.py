"""A run whose file edit and shell command wait, with cards as the tools make them."""

from __future__ import annotations

from msgspec.structs import replace

from harness_tui.domain import events as ev
from harness_tui.domain.events import Fact

from .scene import MAY, Log, request, spec

EDIT = (
    Fact("tool", "edit_file"),
    Fact("path", "src/site/votes.py"),
    Fact("was", "sha256 5f1e0c2b9a"),
    Fact("becomes", "sha256 07d4b8e11c"),
    Fact("bytes", "1412, was 1377"),
    Fact(
        "diff",
        """--- src/site/votes.py
+++ src/site/votes.py
@@ -18,7 +18,8 @@
 def up(story: Story, user: User) -> None:
     if user in story.voters:
         return
-    story.points += 1
+    story.points += 2  # a friend's story counts for more, which nobody who reads the list is told anywhere at all
+    audit(user, story)  #\u202e }eurt nruter{\u2066 if admin\u2069
-    story.voters.add(user)
+    story.voters.add(user)\x20\x20
     story.save()
--- old style header that is a line taken out
@@ -40,3 +41,3 @@
 def down(story: Story) -> None:
-\tstory.points -= 1
+    story.points -= 1
     story.save()
\\ No newline at end of file
""",
    ),
)
SHELL = (
    Fact("tool", "shell_exec"),
    Fact("command", "cd build && make -j4 install; rm -rf 'old dir' > /dev/null 2>&1"),
    Fact("runs", "cd build\nmake -j4 install\nrm -rf 'old dir'"),
    Fact("no plain read", "it runs 3 commands"),
    Fact("cwd", "the workspace"),
    Fact("executables", "make: /usr/bin/make\nrm: /usr/bin/rm"),
    Fact("environment", "PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8"),
    Fact("operands", "build (folder)\nold dir (folder, 212 files)"),
    Fact("sandbox", "none: nothing enforced"),
    Fact("deadline", "120 s"),
    Fact("warning", "without a sandbox it could reach this console's own controls"),
)


def hands() -> Log:
    """A run that wants to edit a file and to run a command."""
    log = Log()
    log.add("r21", 60, ev.RunStarted(spec("votes twice"), MAY, "none", "auto", (), ("no user namespaces here",)))
    log.add("r21/1", 59, ev.AttemptStarted("r21", 1))
    edit = request("A-31", risk="med", facts=EDIT, summary="edit_file src/site/votes.py (+3 -2)", call="c1")
    shell = request("A-32", digest="77aa" + "0" * 60, facts=SHELL, summary="shell_exec: cd build && make", call="c2")
    log.add("r21/1", 50, replace(edit, tool="edit_file"))
    log.add("r21/1", 40, replace(shell, tool="shell_exec"))
    return log
