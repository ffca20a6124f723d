"""Programs that tell of the machine, the user and the time, and those that only say what they were told."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .program import Call, Program, Reading, gnu, options, refused

_COLUMNS = re.compile(
    r"(?:(?:^|,)-?(?:pid|ppid|pgid|sid|user|uid|group|gid|comm|args|cmd|command|stat|state|pcpu|%cpu|pmem|%mem|rss|rssize|"
    r"vsz|sz|time|etime|etimes|tty|start|stime|lstart|ni|pri|nlwp|wchan|psr|cputime)=?)+"
)
_BSD = re.compile(r"[auxwf]+")
"""Of the options without a dash, those that are no `e`: that one prints the environment of every process."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_PIDS = re.compile(r"[0-9]{1,7}(?:,[0-9]{1,7})*")
_DIRECTIVE = re.compile(r"[^%]|%%|%[-+ #0]*[0-9]*(?:\.[0-9]*)?[diouxXeEfFgGcsb]", re.DOTALL)


def _shows_time(call: Call) -> str:
    """An operand that is not a format sets the clock."""
    return next(("it sets the clock" for word in call.operands if not word.startswith("+")), "")


def _processes(call: Call) -> str:
    """All but the environment of processes; a value it cannot read makes ps read all of it as that."""
    for given in call.options:
        pattern = _PIDS if given.option.name in ("-p", "--pid") else _COLUMNS
        if given.value is not None and not pattern.fullmatch(given.value):
            return f"{given.value[:20]} may show more than names and numbers"
    wrong = next((word for word in call.operands if not _BSD.fullmatch(word)), "")
    return f"{wrong[:20]} may show the environment of processes" if wrong else ""


def _bare_names(call: Call) -> str:
    """`which` is a script in places: it gets names, nothing else."""
    return next((f"{word[:20]} is no bare name" for word in call.operands if not _NAME.fullmatch(word)), "")


def _told(name: str, words: Sequence[str]) -> Reading | str:
    return Reading(name, (name, *words), {}, f"read: {name}")


def _echo(words: Sequence[str]) -> Reading | str:
    return _told("echo", words)


def _printf(words: Sequence[str]) -> Reading | str:
    """No option: -v of a shell's own printf sets a variable, as %n does."""
    if not words or words[0].startswith("-"):
        return refused("printf", words[0] if words else "", "its first word must be the format")
    if _DIRECTIVE.sub("", words[0]):
        return refused("printf", words[0], "its format does more than print")
    return _told("printf", words)


PROGRAMS = (
    Program("echo", read=_echo),
    Program("printf", read=_printf),
    Program("pwd", options("-L -P"), abbreviates=False, most=0),
    Program("true", most=0),
    Program("false", most=0),
    Program(
        "date",
        gnu(
            "-d= --date= --debug !-f= !--file= -I[=] --iso-8601[=] --resolution -R --rfc-email --rfc-822 --rfc-2822 "
            "--rfc-3339= -r=@ --reference=@ !-s= !--set= -u --utc --universal --uct"
        ),
        because={"-s": "sets the clock", "--set": "sets the clock", "-f": "prints a file", "--file": "prints a file"},
        operands="words",
        most=1,
        check=_shows_time,
    ),
    Program(
        "uname",
        gnu(
            "-a --all -s --kernel-name -n --nodename -r --kernel-release -v --kernel-version -m --machine -p "
            "--processor -i --hardware-platform -o --operating-system"
        ),
        most=0,
    ),
    Program("arch", gnu(""), most=0),
    Program("nproc", gnu("--all --ignore="), most=0),
    Program("whoami", gnu(""), most=0),
    Program("tty", gnu("-s --silent --quiet"), most=0),
    Program("groups", gnu(""), operands="words"),
    Program(
        "id",
        gnu("-a -Z --context -g --group -G --groups -n --name -u --user -r --real -z --zero"),
        operands="words",
    ),
    # An operand sets the name; the other options ask the network, or set it from a file.
    Program("hostname", options("-s -I !-F= !-b"), because={"-F": "sets the name"}, abbreviates=False, most=0),
    Program("uptime", gnu("-p --pretty -s --since -V"), abbreviates=False, most=0),
    # -s repeats for ever.
    Program(
        "free",
        gnu(
            "-b --bytes -k --kibi -m --mebi -g --gibi -h --human --si -l --lohi -t --total -w --wide -V !-s= "
            "!--seconds="
        ),
        abbreviates=False,
        most=0,
    ),
    # -A is -e, and cannot be taken for the e that prints environments.
    Program(
        "ps",
        options("-e>-A -A -a -x -f -F -l -H -p= --pid= -o= --format= --sort= --forest --no-headers --version"),
        operands="words",
        abbreviates=False,
        check=_processes,
    ),
    Program("which", options("-a"), operands="words", abbreviates=False, check=_bare_names),
    Program("seq", gnu("-f= --format= -s= --separator= -w --equal-width"), operands="words", most=3),
    Program("cal", options("-1 -3 -y -j -m -s -h"), operands="words", abbreviates=False, most=2),
)
