"""What is wrong with a loop file is refused with its line, its key and what to write; nothing else ever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.errors import UsageError

from .files import SMALL, WHOLE, load, refused, written

NAMES = '"name" must be 1 to 48 of a-z, 0-9, - and _ and begin with a letter or digit, not'
AT_L1 = SMALL + '[action]\ndo = "report"\n'


def at_l2(action: str) -> str:
    """The small loop at L2, its action on lines from 7; its maker only reads, so that it needs no checkout."""
    return f'name = "small"\nintent = "x"\nlevel = "L2"\n[maker]\nprompt = "x"\ntools = ["glob"]\n[action]\n{action}'


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("schedule =", "shedule =", 'l.toml:5: unknown key "shedule"; did you mean "schedule"?'),
        ("tokens = 1", "tokns = 1", 'l.toml:14: unknown key "tokns" in [budget]; did you mean "tokens"?'),
        ("[accept]", "[acept]", 'l.toml:49: unknown key "acept"; did you mean "accept"?'),
        ('name = "nightly"\n', "", 'l.toml:1: the key "name" is missing.'),
        ('intent = "Keep the log short."\n', "", 'l.toml:1: the key "intent" is missing.'),
        ('"nightly"', '"Nightly run"', f'l.toml:2: {NAMES} "Nightly run".'),
        ('"nightly"', '"-x"', f'l.toml:2: {NAMES} "-x".'),
        ('"nightly"', '"' + "x" * 49 + '"', f'l.toml:2: {NAMES} "{"x" * 49}".'),
        ('"nightly"', '"nächtlich"', f'l.toml:2: {NAMES} "nächtlich".'),
        ('"nightly"', '"a\\u001b[31m"', f'l.toml:2: {NAMES} "a\\x1b[31m".'),
        ('"nightly"', '"l12"', 'l.toml:2: "name" must not look like the id of a loop, as "l12" does.'),
        ('"Keep the log short."', '" "', 'l.toml:3: "intent" is empty: say in one sentence what the loop is for.'),
        ('"Keep the log short."', '"a\\nb"', 'l.toml:3: "intent" must be one line of at most 200 characters.'),
        (
            '"Keep the log short."',
            '"' + "x" * 201 + '"',
            'l.toml:3: "intent" must be one line of at most 200 characters.',
        ),
        (
            '"L2"',
            '"L3"',
            'l.toml:4: "level" must be L1 or L2: a loop begins there, and L3 is earned, later: '
            "harness-tui loop promote NAME.",
        ),
        ('"L2"', '"L4"', 'l.toml:4: "level" must be one of L1, L2, L3, not "L4".'),
        ('"queue"', '"wait"', 'l.toml:7: "overlap" must be one of skip, queue, cancel, not "wait".'),
        ('"all"', '"some"', 'l.toml:8: "missed" must be one of skip, one, all, not "some".'),
        ("missed_limit = 5", "missed_limit = 0", 'l.toml:9: "missed_limit" must be 1 to 1000, not 0.'),
        ("pause_after = 4", "pause_after = -1", 'l.toml:10: "pause_after" must be 0 or more, not -1.'),
        (
            '"36h"',
            '"2 weeks"',
            'l.toml:11: "approval_life" must be like 14d, 36h or 90m, a year at most, not "2 weeks".',
        ),
        ('"36h"', '"0d"', 'l.toml:11: "approval_life" must be like 14d, 36h or 90m, a year at most, not "0d".'),
        ('"36h"', '"367d"', 'l.toml:11: "approval_life" must be like 14d, 36h or 90m, a year at most, not "367d".'),
        ("tokens = 100_000", "tokens = -1", 'l.toml:14: "tokens" in [budget] must be 0 or more, not -1.'),
        (
            "tokens = 100_000",
            f"tokens = {10**15 + 1}",
            f'l.toml:14: "tokens" in [budget] must be at most {10**15}, not {10**15 + 1}.',
        ),
        (
            "tokens = 100_000",
            "tokens = 0x" + "f" * 300,
            'l.toml:14: "tokens" in [budget] must be a whole number of at most 64 bits.',
        ),
        ("usd = 0.5", "usd = nan", 'l.toml:15: "usd" in [budget] must be 0 or more, not nan.'),
        ("usd = 0.5", "usd = inf", f'l.toml:15: "usd" in [budget] must be at most {10**15}, not inf.'),
        ("day_usd = 2", "day_usd = -0.5", 'l.toml:17: "day_usd" in [budget] must be 0 or more, not -0.5.'),
        (
            "max_iterations = 9",
            "max_iterations = -1",
            'l.toml:20: "max_iterations" in [guardrails] must be 0 or more, not -1.',
        ),
        (
            "max_iterations = 7",
            "max_iterations = -1",
            'l.toml:30: "max_iterations" in [maker] must be 0 or more, not -1.',
        ),
        (
            "prompt = '''\nShorten\n[it].'''",
            'prompt = "\\t"',
            'l.toml:23: [maker] needs a "prompt", or the "task" file',
        ),
        ("prompt = '''\nShorten\n[it].'''\n", "", 'l.toml:22: [maker] needs a "prompt", or the "task" file that holds'),
        (
            "[it].'''",
            "[it].'''\ntask = \"x.toml\"",
            'l.toml:26: [maker] has a "prompt" and a "task": give one of them.',
        ),
        (
            "prompt = '''\nShorten\n[it].'''",
            'task = "x.toml"',
            'l.toml:24: "tools" in [maker] belongs into its task file, "x.toml".',
        ),
        ('"edit_file"', '"edit_fil"', 'l.toml:28: there is no tool "edit_fil"; did you mean "edit_file"?'),
        ('"edit_file"', '"read_file"', 'l.toml:28: the tool "read_file" is listed twice.'),
        (
            'prompt = "Look."',
            'prompt = "Look."\ntools = ["shell_exec"]',
            'l.toml:35: none of the "tools" in [checker] only reads, and a checker is offered no other.',
        ),
        (
            "temperature = 0",
            "temperature = -1",
            'l.toml:31: "temperature" in [maker.model] must be 0 or more, not -1.0',
        ),
        (
            '[checker]\nprompt = "Look."\n',
            "",
            'l.toml:36: do = "commit" changes files, which takes maker and checker: there is no [checker].',
        ),
        (
            'kind = "shorten"',
            'kind = "cut short"',
            'l.toml:37: "kind" in [action] must be a word like apply-patch, not',
        ),
        (
            'branch = "short"',
            'argv = ["ls"]',
            'l.toml:39: "argv" in [action] is of do = "command", not of "commit".',
        ),
        (
            'branch = "short"',
            "deadline = 3",
            'l.toml:39: "deadline" in [action] is of do = "command" or "webhook" or "call", not of "commit".',
        ),
        ('"short"', '"a..b"', 'l.toml:39: "branch" in [action] cannot name a branch: "a..b".'),
        ('"short"', '"-D"', 'l.toml:39: "branch" in [action] cannot name a branch: "-D".'),
        ('"short"', '"x.lock"', 'l.toml:39: "branch" in [action] cannot name a branch: "x.lock".'),
        ('"short"', '"HEAD"', 'l.toml:39: "branch" in [action] cannot name a branch: "HEAD".'),
        ('"short"', '"loops/x"', 'l.toml:39: "branch" in [action] cannot name a branch: "loops/x".'),
        (
            '"allowlist"',
            '"allowlists"',
            'l.toml:42: "use" in [gate] must be escalate, allowlist, rules or module:function, not "allowlists"; '
            'did you mean "allowlist"?',
        ),
        ('"allowlist"', '"os.system(1):f"', 'l.toml:42: "use" in [gate] must be escalate, allowlist, rules or module'),
        ('"allowlist"', '"escalate"', 'l.toml:43: "kinds" in [gate] says nothing as long as use is "escalate".'),
        (
            '["shorten"]',
            '["patch"]',
            'l.toml:43: "kinds" in [gate] must list "shorten", what this loop does, or nothing ever proceeds.',
        ),
        ('["shorten"]', '["shorten", "A"]', 'l.toml:43: a kind of "kinds" in [gate] must be a word like apply-patch'),
        (
            'paths = ["docs/**", "log.md"]\n',
            "",
            'l.toml:41: [gate] with use = "allowlist" must say in "paths" which files may be changed.',
        ),
        (
            '"log.md"]',
            '"../x"]',
            'l.toml:44: a pattern of "paths" in [gate] is relative to the workspace, like docs/**, not "../x".',
        ),
        ('"log.md"]', '"/etc/*"]', 'l.toml:44: a pattern of "paths" in [gate] is relative to the workspace, like'),
        ('"log.md"]', '""]', 'l.toml:44: a pattern of "paths" in [gate] is empty or holds an invisible character.'),
        ('"docs/api/**"', '"' + "*" * 17 + '"', 'l.toml:45: a pattern of "deny_paths" in [gate] has more than 1000'),
        ("max_files = 3", "max_files = -3", 'l.toml:46: "max_files" in [gate] must be 0 or more, not -3.'),
        (
            '["make", "test"]',
            "[]",
            'l.toml:50: "argv" in [accept] must be a program and its words, none of them empty.',
        ),
        ('["make", "test"]', '[""]', 'l.toml:50: "argv" in [accept] must be a program and its words, none of them'),
        (
            "deadline = 90",
            "deadline = 0",
            'l.toml:51: "deadline" in [accept] must be more than 0 and at most 86400 seconds, not 0.',
        ),
        ("deadline = 90", "deadline = nan", 'l.toml:51: "deadline" in [accept] must be more than 0 and at most 86400'),
        ("verified = 0.8", "verified = 80", 'l.toml:55: "verified" in [promote] is a share from 0 to 1, not 80.'),
        ("days = 3.5", "days = -1", 'l.toml:58: "days" in [promote] must be 0 or more, not -1.'),
        (
            '"worktree"',
            '"none"',
            'l.toml:61: "kind" in [sandbox] must be "worktree", not "none": do = "commit" takes its change from there.',
        ),
        ('"worktree"', '"container"', 'l.toml:60: [sandbox] with kind "container" must name its "image".'),
        ("network = false", 'read = ["x"]', 'l.toml:62: a path of "read" in [sandbox] must be absolute or begin with'),
        ('"30 2 * * mon-fri"', '"99 * * * *"', 'l.toml:5: "schedule": '),
        ('"30 2 * * mon-fri"', '"@daily"', 'l.toml:5: "schedule": "@daily" is no schedule here. Write `0 0 * * *`.'),
        ('"30 2 * * mon-fri"', '"0 0 30 2 *"', 'l.toml:5: "schedule": "0 0 30 2 *" never fires: no day 30 in feb.'),
        (
            '"Europe/Berlin"',
            '"Europe/Berln"',
            'l.toml:6: "zone": "Europe/Berln" is no time zone. Did you mean Europe/Be',
        ),
        ('zone = "', "zone = ", "l.toml:6: this is not TOML: "),
        ("'''", "", "l.toml:"),
    ],
)
def test_a_mistake_is_refused_with_its_line(repo: Path, old: str, new: str, sentence: str) -> None:
    assert old in WHOLE
    said = refused(repo, WHOLE.replace(old, new, 1))
    assert said.startswith(sentence), said
    assert "\n" not in said and len(said) < 600


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ('do = "command"', 'l.toml:8: do = "command" in [action] must come with its "argv".'),
        ('do = "webhook"', 'l.toml:8: do = "webhook" in [action] must come with its "url".'),
        ('do = "call"', 'l.toml:8: do = "call" in [action] must come with its "call".'),
        ('do = "mail"', 'l.toml:8: "do" in [action] must be one of report, patch, commit, command, webhook, call, not'),
        ('do = "command"\nargv = ["ls", ""]', 'l.toml:9: "argv" in [action] must be a program and its words, none of'),
        ('do = "call"\ncall = "os.system"', 'l.toml:9: "call" in [action] must be module:function, not "os.system".'),
        ('do = "call"\ncall = "a:b c"', 'l.toml:9: "call" in [action] must be module:function, not "a:b c".'),
        ('path = "../out.md"', 'l.toml:8: "path" in [action] must be a file inside the workspace, like reports/{date}'),
        ('path = "/tmp/out.md"', 'l.toml:8: "path" in [action] must be a file inside the workspace, like'),
        ('path = ".git/hooks/post-commit"', 'l.toml:8: "path" in [action] must be a file inside the workspace, like'),
        ('path = "reports/"', 'l.toml:8: "path" in [action] must be a file inside the workspace, like'),
        ('path = "{time}.md"', "l.toml:8: {time} is not known here; use {date}, {round}."),
        ('url = "https://h/x"', 'l.toml:8: "url" in [action] is of do = "webhook", not of "report".'),
    ],
)
def test_an_action_says_what_belongs_to_it(tmp_path: Path, action: str, sentence: str) -> None:
    assert refused(tmp_path, at_l2(action + "\n")).startswith(sentence)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://hooks.example/T0/secret", ""),
        ("http://127.0.0.1:8080/h", ""),
        ("http://localhost/h", ""),
        ("http://[::1]/h", ""),
        ("http://10.1.2.3/h", ""),
        ("http://hooks.example/T0/secret", "must be https: a report travels there (http only to loopback or to a pr"),
        ("http://localhost.example/secret", "must be https: a report travels there"),
        ("http://8.8.8.8/secret", "must be https: that address is not in a network of your own."),
        ("http://169.254.169.254/secret", "must be https: that address is not in a network of your own."),
        ("http://0.0.0.0/secret", "must be https: that address is not in a network of your own."),
        ("https://me:secret@h/x", "cannot be called: The URL holds a user name"),
        ("https://h/x#secret", "has a fragment (#...), which is never sent."),
        ("ftp://h/secret", "cannot be called: ftp: is not fetched; only http and https are."),
        ("secret", "cannot be called: The URL has no scheme"),
    ],
)
def test_a_webhook_is_https_or_near_and_never_repeated(tmp_path: Path, url: str, sentence: str) -> None:
    text = at_l2(f'do = "webhook"\nurl = "{url}"\n')
    if not sentence:
        assert load(written(tmp_path, text)).spec.action.url == url
        return
    said = refused(tmp_path, text)
    assert said.startswith(f'l.toml:9: "url" in [action] {sentence}')
    assert "secret" not in said


def test_a_maker_that_could_only_write_is_refused_at_l1(tmp_path: Path) -> None:
    text = SMALL + 'tools = ["write_file", "browser_click"]\n'
    offered = 'l.toml:5: none of the "tools" in [maker] only reads, and a maker at L1 is offered no other.'
    assert refused(tmp_path, text) == offered
    assert load(written(tmp_path, SMALL + "tools = []\n")).spec.maker.tools == ()


def test_a_maker_that_writes_works_in_a_worktree(repo: Path) -> None:
    text = SMALL + 'tools = ["glob", "shell_exec"]\n[sandbox]\nkind = "bubblewrap"\n'
    writes = 'l.toml:7: "kind" in [sandbox] must be "worktree", not "bubblewrap": "shell_exec" writes.'
    assert refused(repo, text) == writes
    assert load(written(repo, text.replace("bubblewrap", "worktree"))).spec.maker.sandbox.kind == "worktree"


def test_acceptance_needs_a_change(tmp_path: Path) -> None:
    text = SMALL + '[accept]\nargv = ["true"]\n'
    assert refused(tmp_path, text) == 'l.toml:5: [accept] tries out a change, and do = "report" makes none.'


def test_a_command_at_l3_needs_no_paths(tmp_path: Path) -> None:
    text = at_l2('kind = "restart"\ndo = "command"\nargv = ["systemctl", "restart", "x"]\n')
    spec = load(written(tmp_path, text + '[gate]\nuse = "allowlist"\nkinds = ["restart"]\n')).spec
    assert spec.gate.kinds == ("restart",)
    for use in ("rules", "my.gates:weekdays"):
        assert load(written(tmp_path, text + f'[gate]\nuse = "{use}"\n')).spec.gate.use == use


def test_less_than_a_minute_is_only_for_fast_loops(tmp_path: Path) -> None:
    text = SMALL.replace("[maker]", 'schedule = "every 5s"\n[maker]')
    assert refused(tmp_path, text).startswith('l.toml:3: "schedule": "5s" is less than a minute')
    assert load(written(tmp_path, text), fast=True).spec.schedule == "every 5s"


def test_the_root_is_no_workspace(tmp_path: Path) -> None:
    text = SMALL.replace("[maker]", 'workspace = "/"\n[maker]')
    assert refused(tmp_path, text) == 'l.toml:3: "workspace" must be a directory of its own, not /.'
    assert refused(tmp_path, SMALL, workspace=Path("/")).startswith('l.toml:1: "workspace" must be a directory')
    nul = SMALL.replace("[maker]", 'workspace = "a\\u0000b"\n[maker]')
    assert refused(tmp_path, nul) == 'l.toml:3: "workspace": there is no directory "a\\x00b".'
    (tmp_path / "plain").write_text("")
    plain = SMALL.replace("[maker]", 'workspace = "plain"\n[maker]')
    assert refused(tmp_path, plain) == 'l.toml:3: "workspace" must be a directory, and "plain" is none.'


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5_000, "x = " + "9" * 5_000, "x = 2026-02-30", "\0", "name = 1\nname = 2", "[maker]\n[maker]\n"],
)
def test_what_is_no_toml_is_said_so(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text).startswith("l.toml:")


def test_a_number_of_too_many_digits_is_told_with_its_line(tmp_path: Path) -> None:
    said = refused(tmp_path, WHOLE.replace("tokens = 100_000", "tokens = " + "9" * 5_000))
    assert said == "l.toml:14: a whole number must have at most 64 bits."


@given(st.data())
@settings(max_examples=300)
def test_no_edit_of_a_file_does_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever becomes of the text, it is either a loop or one sentence."""
    folder = tmp_path_factory.mktemp("edits", numbered=True)
    text = WHOLE.replace('do = "commit"\nbranch = "short"', 'do = "report"').replace(
        'kind = "worktree"', 'kind = "auto"'
    )
    text = text.replace('    "edit_file",\n', "").replace('[accept]\nargv = ["make", "test"]\ndeadline = 90\n', "")
    assert load(written(folder, text)).spec.name == "nightly"
    pieces = st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["=", "\n", "[", "]", '"', "'''", "-", "nan", "inf", "1e400", "0x" + "f" * 400, "true", "{}", "[[x]]"]
        ),
        st.sampled_from([line + "\n" for line in WHOLE.splitlines()]),
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.sampled_from([0, 0, 1, 3, 12, 60]))
        text = text[:at] + data.draw(pieces) + text[at + gone :]
    path = folder / "l.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert outcome(path)


VALUES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
    st.sampled_from(
        ["L1", "L3", "commit", "webhook", "command", "allowlist", "a:b", "every 1s", "0 0 * * *", "../x", "~"]
    ),
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=3),
)


@given(line=st.sampled_from([line for line in WHOLE.splitlines() if " = " in line]), value=VALUES)
@settings(max_examples=300)
def test_no_value_does_more_than_be_refused(repo_once: Path, line: str, value: object) -> None:
    key = line.partition(" = ")[0]
    text = WHOLE.replace(f"\n{line}\n", f"\n{key} = {toml(value)}\n", 1)
    assert outcome(written(repo_once, text))


def outcome(path: Path) -> bool:
    """Whether it is a loop that may begin, or one sentence; any other exception ends the test."""
    try:
        return load(path).spec.level in ("L1", "L2")
    except UsageError as error:
        said = str(error)
    return said != "" and "\n" not in said


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return repr(value)


@pytest.fixture(scope="module")
def repo_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from .files import repository

    return repository(tmp_path_factory.mktemp("repo"))
