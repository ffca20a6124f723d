"""The catalogue's cases of programs and options (S05 to S10, S14, S16), each in several spellings."""

from __future__ import annotations

import shlex

import pytest

from harness_tui.tools.shell.reads import Reading, prove

REFUSED = {
    "S05": [
        *(
            f"find . {action} id {end}"
            for action in ("-exec", "-execdir", "-ok", "-okdir")
            for end in ("{} +", "';'", "")
        ),
        *("find . -delete", "find . -fls f", "find . -fprint f", "find . -fprint0 f", "find . -fprintf f %p"),
        *("find -name a -o -delete", "find . '(' -name a -exec id {} + ')'", "find . -name a -fprintf f %p -print"),
    ],
    "S06": [
        *("rg --pre=x a", "rg --pre x a", "rg a --pre=x", "rg --pre-glob=* --pre=x a", "rg --pre=x --pre= a"),
        *("rg --hostname-bin=x a", "rg --hostname-bin x a", "rg -z a", "rg -nz a", "rg -zn a", "rg --search-zip a"),
    ],
    "S07": [
        *("sed -i p f", "sed -i.b p f", "sed -n -i p f", "sed -ni p f", "sed -n p f -i", "sed --in-place -n p f"),
        *("sed s/x/y/e f", "sed -n s/x/y/ge f", "sed 's/x/y/w out' f", "sed 'w out' f", "sed -n '1,5p;w out' f"),
        *(
            "sed 1e f",
            "sed '1e id' f",
            "sed -n '$!{w out' f",
            "sed -f f",
            "sed -n -e p -e 'w out' f",
            "sed 'r /etc/passwd' f",
        ),
    ],
    "S08": [
        *("base64 -o f", "base64 -of", "base64 --output=f", "base64 --output f", "base64 -do f", "base64 x -o f"),
        *("base64 -dof x", "base64 --out=f", "base64 -d x --outp=f"),
    ],
    "S09b": [
        *(
            "git -c core.pager=x log",
            "git -ccore.pager=x log",
            "git --config-env=core.pager=X log",
            "git --exec-path=x log",
        ),
        *("git --config-env core.pager=X log", "git --exec-path x log", "git --no-pager -c core.pager=x log"),
        *("git -p log", "git --paginate log", "git --git-dir=x log", "git --work-tree=x status", "git -C x log"),
    ],
    "S14": [
        *("cat${IFS}f", "cat$IFS-f", "cat{,}f", "'cat f'", "'git log'", "tail -nf5 -f x", "sort -uof x", "ls,-l"),
        *(
            "sort -nrof x",
            "sort -k1 -nof x",
            "grep-r x",
            "date -us x",
            "file -bz x",
            "rg -nuz x",
            "git diff -pOx",
            "git grep -nO x",
        ),
    ],
    "S16": [
        *("./ls", "/tmp/ls", "/bin/ls", "/usr/bin/ls -l", "bin/ls", "../ls", "~/ls", "ls/", "./git status", "ll", "la"),
        *("'ls '", "' ls'", "LS", "Ls", "ls.exe", "'\\ls'"),
    ],
}
ALLOWED = {
    "S07": [
        "sed -n 1,5p f",
        "sed -n '1,5p' f",
        "sed -n '/a/,/b/p' f",
        "sed -n '$p' f",
        "sed -n 5q f",
        "sed -n '2~3p' f",
    ],
    "S09a": [
        "git status",
        "git log --oneline",
        "git status -sb",
        "git log --oneline -5 -- src",
        "git show --stat HEAD~2",
    ],
    "S19": ["echo 'rm -rf /'"],
}


@pytest.mark.parametrize(("case", "command"), [(case, each) for case, given in REFUSED.items() for each in given])
@pytest.mark.parametrize("strict", [True, False])
def test_is_not_proven(case: str, command: str, strict: bool) -> None:
    assert isinstance(prove(shlex.split(command), strict=strict), str)


@pytest.mark.parametrize(("case", "command"), [(case, each) for case, given in ALLOWED.items() for each in given])
def test_is_proven(case: str, command: str) -> None:
    assert isinstance(prove(shlex.split(command)), Reading)
