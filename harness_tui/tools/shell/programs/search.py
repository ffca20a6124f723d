"""Programs that search in files: grep and its names, ripgrep, fd, jq."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .arguments import prove_options
from .program import Call, Program, Reading, gnu, names, options

_LINKS = "follows links out of the workspace"
_RUNS = "starts a program"
_NO_LINKS = {"-L": _LINKS, "--follow": _LINKS}

# -R is passed on as -r: the same but for the links it would follow.
_GREP = Program(
    "grep",
    gnu(
        "-E --extended-regexp -F --fixed-strings -G --basic-regexp -P --perl-regexp -e= --regexp= -f=@ --file=@ -i "
        "-y --ignore-case --no-ignore-case -w --word-regexp -x --line-regexp -z --null-data -s --no-messages -v "
        "--invert-match -V -m= --max-count= -b --byte-offset -n --line-number --line-buffered -H --with-filename -h "
        "--no-filename --label= -o --only-matching -q --quiet --silent --binary-files= -a --text -I -d= "
        "--directories= -D= --devices= -r --recursive -R>-r --dereference-recursive>--recursive --include= "
        "--exclude= --exclude-from=@ --exclude-dir= -L --files-without-match -l --files-with-matches -c --count -T "
        "--initial-tab -Z --null -B= --before-context= -A= --after-context= -C= --context= --group-separator= "
        "--no-group-separator --color[=] --colour[=] -u -U --binary --unix-byte-offsets"
    ),
    first=("-e", "--regexp", "-f", "--file", "-V", "--version", "--help"),
    number="-C",
)


def _as_grep(option: str) -> Program:
    """egrep and fgrep are scripts around grep: grep itself is run."""

    def read(words: Sequence[str]) -> Reading | str:
        return prove_options(_GREP, (option, *words))

    return Program("grep", read=read)


_TYPES = "-t= --type= -T= --type-not= --type-list"
_RG = Program(
    "rg",
    options(
        f"-h --help -V --version --pcre2-version {_TYPES} --type-add= --type-clear= -e= --regexp= -f=@ --file=@ "
        "--files -A= --after-context= -B= --before-context= -C= --context= --context-separator= "
        "--no-context-separator --field-context-separator= --field-match-separator= -b --byte-offset -s "
        "--case-sensitive -i --ignore-case -S --smart-case --color= --colors= --column --no-column -c --count "
        "--count-matches --crlf --no-crlf --dfa-size-limit= -E= --encoding= --no-encoding --engine= -l "
        "--files-with-matches --files-without-match -F --fixed-strings --no-fixed-strings !-L !--follow --no-follow "
        "-g= --glob= --iglob= --glob-case-insensitive --heading --no-heading -. --hidden --no-hidden --ignore-file=@ "
        "--ignore-file-case-insensitive --include-zero -v --invert-match --no-invert-match --json --no-json -x "
        "--line-regexp -n --line-number -N --no-line-number -M= --max-columns= --max-columns-preview -m= "
        "--max-count= -d= --max-depth= --maxdepth= --max-filesize= --mmap --no-mmap -U --multiline --no-multiline "
        "--multiline-dotall --no-config -I --no-filename -H --with-filename --no-ignore --no-ignore-dot "
        "--no-ignore-exclude --no-ignore-files --no-ignore-global --no-ignore-messages --no-ignore-parent "
        "--no-ignore-vcs --no-messages --no-require-git --no-unicode -0 --null --null-data --one-file-system -o "
        "--only-matching --passthru --path-separator= -P --pcre2 -p --pretty -q --quiet --regex-size-limit= -r= "
        "--replace= --sort= --sortr= --sort-files --stats --stop-on-nonmatch -a --text -j= --threads= --trim "
        "--no-trim -u --unrestricted --vimgrep -w --word-regexp !--pre= !--pre-glob= !--hostname-bin= "
        "!--hyperlink-format= !-z !--search-zip"
    ),
    because={"--pre": _RUNS, "--hostname-bin": _RUNS, "-z": _RUNS, "--search-zip": _RUNS, **_NO_LINKS},
    first=("-e", "--regexp", "-f", "--file", "--files", "--type-list", "-V", "--version", "-h", "--help"),
    abbreviates=False,
    # Both: a file of options can name --pre.
    fixed=("--no-config",),
    env={"RIPGREP_CONFIG_PATH": ""},
)

# -l starts ls, -x and -X anything.
_FD = Program(
    "fd",
    options(
        "-h --help -V --version -H --hidden -I --no-ignore --no-ignore-vcs --no-ignore-parent -u --unrestricted -s "
        "--case-sensitive -i --ignore-case -g --glob --regex -F --fixed-strings -a --absolute-path -p --full-path "
        "-d= --max-depth= --min-depth= --exact-depth= -t= --type= -e= --extension= -E= --exclude= -S= --size= "
        "--changed-within= --changed-before= -o= --owner= -c= --color= -j= --threads= -0 --print0 -1 --max-results= "
        "-q --quiet --prune --show-errors --one-file-system --ignore-file=@ --base-directory=@ --search-path=@ "
        "--strip-cwd-prefix !-x= !--exec= !-X= !--exec-batch= !-l !--list-details !-L !--follow !--hyperlink[=]"
    ),
    because={"-x": _RUNS, "--exec": _RUNS, "-X": _RUNS, "--exec-batch": _RUNS, "-l": _RUNS, "--list-details": _RUNS}
    | _NO_LINKS,
    first=(),
    abbreviates=False,
)

_BUILTINS = names(
    "keys keys_unsorted values length utf8bytelength map map_values select empty not add any all flatten range floor "
    "sqrt tostring tonumber type sort sort_by group_by min max min_by max_by unique unique_by reverse contains "
    "inside startswith endswith ltrimstr rtrimstr split join ascii_downcase ascii_upcase recurse to_entries "
    "from_entries with_entries has in index indices first last nth test match capture scan sub gsub paths leaf_paths "
    "getpath del if then elif else end and or as def reduce foreach try catch tojson fromjson csv tsv text json html "
    "uri base64 base64d sh null true false limit until transpose input_line_number"
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\[^(u])*+"|[.$]?[A-Za-z_][A-Za-z0-9_]*|[^"A-Za-z_#]', re.DOTALL)
_LONGEST = 500
"""Characters of a filter."""


def _filters(call: Call) -> str:
    """Words of a filter that are known to compute only: `import` reads files, `env` shows variables."""
    if not call.operands:
        return "the filter is missing"
    filter = call.operands[0]
    if len(filter) > _LONGEST or _TOKEN.sub("", filter):
        return "its filter is more than plain names, values and operators"
    words = (word for word in _TOKEN.findall(filter) if word[0].isalpha() or word[0] in "_$")
    strange = next((word for word in words if word not in _BUILTINS and (word[0] != "$" or word == "$ENV")), "")
    return f"{strange[:20]} in its filter may read more than its input" if strange else ""


_JQ = Program(
    "jq",
    options(
        "-r -c -n -s -S -e -j -a -C -M -R --raw-output --compact-output --null-input --slurp --sort-keys --exit-status "
        "--join-output --ascii-output --color-output --monochrome-output --raw-input --tab !-f= !--from-file= !-L="
    ),
    because={"-f": "reads its program from a file", "--from-file": "reads its program from a file"},
    first=(),
    abbreviates=False,
    check=_filters,
)

PROGRAMS = (_GREP, _RG, _FD, _JQ)
NAMES = {"egrep": _as_grep("-E"), "fgrep": _as_grep("-F"), "fdfind": _FD}
