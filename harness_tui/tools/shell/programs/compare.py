"""Programs that compare files, sum them up or show their bytes."""

from __future__ import annotations

from .program import Program, gnu, options

_CHECKS = "opens whatever files a list names"
_SUMS = ("md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum")
_CHECKING = "!-c !--check !--ignore-missing !--quiet !--status !--strict !-w !--warn"


PROGRAMS = (
    # -l starts pr; without the fixed option -r follows the links it meets, out of the workspace.
    Program(
        "diff",
        gnu(
            "--normal -q --brief -s --report-identical-files -c -C= --context[=] -u -U= --unified[=] -e --ed -n "
            "--rcs -y --side-by-side -W= --width= --left-column --suppress-common-lines -p --show-c-function -F= "
            "--show-function-line= -L= --label= -t --expand-tabs -T --initial-tab --tabsize= --suppress-blank-empty "
            "!-l !--paginate -r --recursive --no-dereference -N --new-file --unidirectional-new-file -P "
            "--ignore-file-name-case --no-ignore-file-name-case -x= --exclude= -X=@ --exclude-from=@ -S= "
            "--starting-file= --from-file=@ --to-file=@ -i --ignore-case -E --ignore-tab-expansion -Z "
            "--ignore-trailing-space -b --ignore-space-change -w --ignore-all-space -B --ignore-blank-lines -I= "
            "--ignore-matching-lines= -a --text --strip-trailing-cr -D= --ifdef= -d --minimal --horizon-lines= -H "
            "--speed-large-files --color[=] --palette= -v !--line-format= !--old-line-format= !--new-line-format= "
            "!--unchanged-line-format= !--old-group-format= !--new-group-format= !--changed-group-format= "
            "!--unchanged-group-format="
        ),
        because={"-l": "starts another program", "--paginate": "starts another program"},
        fixed=("--no-dereference",),
    ),
    Program(
        "cmp", gnu("-b --print-bytes -i= --ignore-initial= -l --verbose -n= --bytes= -s --quiet --silent -v"), most=2
    ),
    *(
        Program(
            name, gnu(f"-b --binary --tag -t --text -z --zero {_CHECKING}"), because={"-c": _CHECKS, "--check": _CHECKS}
        )
        for name in _SUMS
    ),
    Program(
        "b2sum",
        gnu(f"-b --binary -l= --length= --tag -t --text -z --zero {_CHECKING}"),
        because={"-c": _CHECKS, "--check": _CHECKS},
    ),
    Program(
        "cksum",
        gnu(f"-a= --algorithm= -l= --length= --tag --untagged -z --zero --debug --raw --base64 {_CHECKING}"),
        because={"-c": _CHECKS, "--check": _CHECKS},
    ),
    # The base64 of other systems writes a file with -o and --output.
    Program(
        "base64",
        gnu("-d --decode -i --ignore-garbage -w= --wrap= !-o= !--output= !-D !-b= !--break="),
        because={"-o": "writes a file", "--output": "writes a file"},
        most=1,
    ),
    Program("base32", gnu("-d --decode -i --ignore-garbage -w= --wrap="), most=1),
    # The second operand of xxd is a file it writes; -r writes, and it matches its options by their beginnings.
    Program(
        "xxd",
        options("-a -b -c= -e -E -g= -i -l= -p -s= -u -v !-r !-R= !-o= !-n= !-C !-d"),
        because={"-r": "writes bytes back"},
        abbreviates=False,
        bundles=False,
        most=1,
    ),
    Program(
        "od",
        gnu(
            "-A= --address-radix= --endian= -j= --skip-bytes= -N= --read-bytes= -S= --strings[=] -t= --format= -v "
            "--output-duplicates -w[=] --width[=] -a -b -c -d -f -i -l -o -s -x !--traditional"
        ),
    ),
    # -f reads its format from a file.
    Program(
        "hexdump", gnu("-b -c -C --canonical -d -e= --format= -n= --length= -o -s= --skip= -v -x !-f= !--format-file=")
    ),
)
