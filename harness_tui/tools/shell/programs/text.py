"""Programs that print text of files, whole or in part."""

from __future__ import annotations

from .program import Call, Program, gnu

_ENDLESS = "waits for more, so it never ends by itself"
_LIST = "opens whatever files a list names"
_FOLLOWS = {"-f": _ENDLESS, "-F": _ENDLESS, "--follow": _ENDLESS, "--retry": _ENDLESS, "--pid": _ENDLESS}


def _no_lists(call: Call) -> str:
    """A word with @ first stands for the options in that file."""
    given = (*call.operands, *(each.value or "" for each in call.options))
    return "a word with @ first is a file of options" if any(word.startswith("@") for word in given) else ""


def _no_old_options(call: Call) -> str:
    """`tail +5f` is `tail -f` where old usage is kept."""
    return "a word with + first may be an option" if any(word.startswith("+") for word in call.operands) else ""


PROGRAMS = (
    Program(
        "cat",
        gnu(
            "-A --show-all -b --number-nonblank -e -E --show-ends -n --number -s --squeeze-blank -t -T --show-tabs "
            "-u -v --show-nonprinting"
        ),
    ),
    Program(
        "tac",
        gnu("-b --before -r --regex -s= --separator="),
    ),
    Program("rev", gnu("")),
    Program(
        "head",
        gnu("-c= --bytes= -n= --lines= -q --quiet --silent -v --verbose -z --zero-terminated"),
        number="-n",
    ),
    Program(
        "tail",
        gnu(
            "-c= --bytes= -n= --lines= -q --quiet --silent -v --verbose -z --zero-terminated "
            "!-f !-F !--follow[=] !--retry !--pid= !-s= !--sleep-interval= !--max-unchanged-stats="
        ),
        because=_FOLLOWS,
        number="-n",
        check=_no_old_options,
    ),
    Program(
        "wc",
        gnu("-c --bytes -m --chars -l --lines -L --max-line-length -w --words --total= !--files0-from="),
        because={"--files0-from": _LIST},
    ),
    Program(
        "nl",
        gnu(
            "-b= --body-numbering= -d= --section-delimiter= -f= --footer-numbering= -h= --header-numbering= -i= "
            "--line-increment= -l= --join-blank-lines= -n= --number-format= -p --no-renumber -s= --number-separator= "
            "-v= --starting-line-number= -w= --number-width="
        ),
    ),
    Program(
        "cut",
        gnu(
            "-b= --bytes= -c= --characters= -d= --delimiter= -f= --fields= -n --complement -s --only-delimited "
            "--output-delimiter= -z --zero-terminated"
        ),
    ),
    Program("paste", gnu("-d= --delimiters= -s --serial -z --zero-terminated")),
    Program(
        "sort",
        gnu(
            "-b --ignore-leading-blanks -d --dictionary-order -f --ignore-case -g --general-numeric-sort -i "
            "--ignore-nonprinting -M --month-sort -h --human-numeric-sort -n --numeric-sort -R --random-sort -r "
            "--reverse --sort= -V --version-sort -c --check[=] -C --debug -k= --key= -m --merge -s --stable -t= "
            "--field-separator= -u --unique -z --zero-terminated !-o= !--output= !--compress-program= !-T= "
            "!--temporary-directory= !--files0-from= !--random-source= !-S= !--buffer-size= !--batch-size= "
            "!--parallel="
        ),
        because={
            "-o": "writes a file",
            "--output": "writes a file",
            "--compress-program": "starts a program",
            "-T": "writes into a directory of its own",
            "--temporary-directory": "writes into a directory of its own",
            "--files0-from": _LIST,
        },
    ),
    # The second operand of uniq is a file it writes.
    Program(
        "uniq",
        gnu(
            "-c --count -d --repeated -D --all-repeated[=] -f= --skip-fields= --group[=] -i --ignore-case -s= "
            "--skip-chars= -u --unique -z --zero-terminated -w= --check-chars="
        ),
        most=1,
    ),
    Program(
        "tr", gnu("-c -C --complement -d --delete -s --squeeze-repeats -t --truncate-set1"), operands="words", most=2
    ),
    Program("fold", gnu("-b --bytes -s --spaces -w= --width="), number="-w"),
    Program("expand", gnu("-i --initial -t= --tabs=")),
    Program("unexpand", gnu("-a --all --first-only -t= --tabs=")),
    Program(
        "column",
        gnu("-t --table -s= --separator= -o= --output-separator= -N= --table-columns= -x --fillrows -n -c= -L"),
        abbreviates=False,
    ),
    Program(
        "join",
        gnu(
            "-a= -e= -i --ignore-case -j= -o= -t= -v= -1= -2= --check-order --nocheck-order --header -z "
            "--zero-terminated"
        ),
        most=2,
    ),
    Program(
        "comm", gnu("-1 -2 -3 --check-order --nocheck-order --output-delimiter= --total -z --zero-terminated"), most=2
    ),
    # Without -a some builds parse object files; -d and -T do so in all of them.
    Program(
        "strings",
        gnu(
            "-a --all -f --print-file-name -n= --bytes= -t= --radix= -w --include-all-whitespace -e= --encoding= "
            "-s= --output-separator= !-d !--data !-T= !--target= !-o !-U= !--unicode="
        ),
        number="-n",
        fixed=("-a",),
        check=_no_lists,
    ),
)
