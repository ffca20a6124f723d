"""Programs that tell of files without printing what is in them."""

from __future__ import annotations

from collections.abc import Sequence

from .program import Program, Reading, gnu, options, refused

_LINKS = "follows links out of the workspace"
_LIST = "opens whatever files a list names"

_ASKS = frozenset(["-e", "-f", "-d", "-s", "-r", "-w", "-x", "-L", "-h"])


def _test(words: Sequence[str]) -> Reading | str:
    """One question about one file: the other forms compute in a shell, and what they compute may be a command."""
    if len(words) != 2 or words[0] not in _ASKS:
        return refused("test", " ".join(words), "only one question about one file is")
    return Reading("test", ("test", *words), {}, "read: test", (words[1],))


PROGRAMS = (
    Program("test", read=_test),
    Program(
        "ls",
        gnu(
            "-a --all -A --almost-all --author -b --escape --block-size= -B --ignore-backups -c -C --color[=] -d "
            "--directory -D --dired -f -F --classify[=] --file-type --format= --full-time -g "
            "--group-directories-first -G --no-group -h --human-readable --si -H --dereference-command-line "
            "--dereference-command-line-symlink-to-dir --hide= --hyperlink[=] --indicator-style= -i --inode -I= "
            "--ignore= -k --kibibytes -l !-L !--dereference -m -n --numeric-uid-gid -N --literal -o -p -q "
            "--hide-control-chars --show-control-chars -Q --quote-name --quoting-style= -r --reverse -R --recursive "
            "-s --size -S --sort= --time= --time-style= -t -T= --tabsize= -u -U -v -w= --width= -x -X -Z --context "
            "-1 --zero"
        ),
        because={"-L": _LINKS, "--dereference": _LINKS},
    ),
    Program(
        "stat",
        gnu("-L --dereference -f --file-system --cached= -c= --format= --printf= -t --terse"),
    ),
    Program(
        "du",
        gnu(
            "-0 --null -a --all --apparent-size -B= --block-size= -b --bytes -c --total -D --dereference-args -d= "
            "--max-depth= -H -h --human-readable --inodes -k !-L !--dereference -l --count-links -m -P "
            "--no-dereference -S --separate-dirs --si -s --summarize -t= --threshold= --time[=] --time-style= -X=@ "
            "--exclude-from=@ --exclude= -x --one-file-system !--files0-from="
        ),
        because={"-L": _LINKS, "--dereference": _LINKS, "--files0-from": _LIST},
    ),
    # Its --output names columns, not a file; --sync writes all caches to disk.
    Program(
        "df",
        gnu(
            "-a --all -B= --block-size= -h --human-readable -H --si -i --inodes -k -l --local --no-sync --output[=] -P "
            "--portability !--sync --total -t= --type= -T --print-type -x= --exclude-type= -v"
        ),
    ),
    # -z runs decompressors, -C writes a compiled magic file, -p sets access times back, -s opens devices.
    Program(
        "file",
        gnu(
            "-b --brief -e= --exclude= --exclude-quiet= -F= --separator= -i --mime --mime-encoding --apple "
            "--extension --mime-type -k --keep-going -L --dereference -h --no-dereference -n --no-buffer -N --no-pad "
            "-0 --print0 -r --raw -v !-m= !--magic-file= !-z !--uncompress !-Z !--uncompress-noreport !-c "
            "!--checking-printout !-f= !--files-from= !-l !--list !-p !--preserve-date !-P= !--parameter= !-s "
            "!--special-files !-S !--no-sandbox !-C !--compile !-d !--debug"
        ),
        because={
            "-z": "starts decompressors",
            "--uncompress": "starts decompressors",
            "-C": "writes a file",
            "--compile": "writes a file",
            "-f": _LIST,
            "--files-from": _LIST,
        },
    ),
    Program("basename", gnu("-a --multiple -s= --suffix= -z --zero"), operands="words"),
    Program("dirname", gnu("-z --zero"), operands="words"),
    Program(
        "realpath",
        gnu(
            "-e --canonicalize-existing -m --canonicalize-missing -L --logical -P --physical -q --quiet "
            "--relative-to=@ --relative-base=@ -s --strip --no-symlinks -z --zero"
        ),
    ),
    Program(
        "readlink",
        gnu(
            "-f --canonicalize -e --canonicalize-existing -m --canonicalize-missing -n --no-newline -q --quiet -s "
            "--silent -v --verbose -z --zero"
        ),
    ),
    # -R with -H, and -o, write files; the -from and -file options open whatever files a list names.
    Program(
        "tree",
        options(
            "-a -d -f -i -p -u -g -s -h -D -F -q -N -n -C -J -X -t -r -v -L= -P= -I= --prune --noreport --dirsfirst "
            "--filesfirst --gitignore --ignore-case --matchdirs --du --si --inodes --device --filelimit= --sort= "
            "--charset= --version --help !-o= !-l !-R !-H= !-T= !--fromfile !--fromtabfile !--infofile= !--gitfile="
        ),
        because={"-o": "writes a file", "-R": "writes files with -H", "-l": _LINKS},
        abbreviates=False,
    ),
)
