"""What of git's subcommands only reads: their options, as data."""

from __future__ import annotations

from .program import Program, options

# Not here: --ext-diff, --textconv, -O and --output, and --submodule and --ignore-submodules, which look into
# repositories whose configuration nobody has read.
_DIFF = (
    "-p -u --patch -s --no-patch -U= --unified= --raw --patch-with-raw --minimal --patience --histogram --anchored= "
    "--diff-algorithm= --stat[=] --compact-summary --numstat --shortstat --dirstat[=] -X[=] --cumulative --summary "
    "--patch-with-stat -z --name-only --name-status --color[=] --no-color --color-moved[=] --no-color-moved "
    "--word-diff[=] --word-diff-regex= --color-words[=] --no-renames --rename-empty --check --full-index --binary "
    "--abbrev[=] -B[=] --break-rewrites[=] -M[=] --find-renames[=] -C[=] --find-copies[=] --find-copies-harder -D "
    "--irreversible-delete -l= --diff-filter= -S= -G= --find-object= --pickaxe-all --pickaxe-regex -R --relative[=] "
    "--no-relative -a --text --ignore-cr-at-eol --ignore-space-at-eol -b --ignore-space-change -w --ignore-all-space "
    "--ignore-blank-lines -I= --ignore-matching-lines= --inter-hunk-context= -W --function-context --exit-code "
    "--quiet --no-ext-diff --no-textconv --src-prefix= --dst-prefix= --no-prefix --default-prefix --line-prefix= "
    "--ita-invisible-in-index !--output= !-O= !--ext-diff !--textconv !--submodule[=] !--ignore-submodules[=]"
)
_COMMITS = (
    "--max-count= --skip= --since= --after= --until= --before= --author= --committer= --grep-reflog= --grep= "
    "--all-match --invert-grep -i --regexp-ignore-case --basic-regexp -E --extended-regexp>-E -F --fixed-strings -P "
    "--perl-regexp --remove-empty --merges --no-merges --min-parents= --max-parents= --no-min-parents --no-max-parents "
    "--first-parent --all --branches[=] --tags[=] --remotes[=] --glob= --exclude= --reflog --ignore-missing --boundary "
    "--simplify-by-decoration --full-history --dense --sparse --simplify-merges --ancestry-path --date-order "
    "--author-date-order --topo-order --reverse --no-walk[=] --pretty[=] --format= --abbrev-commit --no-abbrev-commit "
    "--oneline --date= --parents --children --left-right --left-only --right-only --cherry --cherry-pick --cherry-mark "
    "--graph --show-linear-break[=] --relative-date --no-abbrev"
)
_LOG = (
    f"{_DIFF} {_COMMITS} -n= --follow --no-decorate --decorate[=] --decorate-refs= --decorate-refs-exclude= --source "
    "--use-mailmap --mailmap --no-mailmap --log-size -L= -g --walk-reflogs --notes[=] --no-notes -c --cc -m "
    "--combined-all-paths --no-diff-merges --diff-merges= -t --full-diff --no-expand-tabs --encoding= !--show-signature"
)
_BECAUSE = {
    "--output": "it writes a file",
    "--ext-diff": "it starts a program",
    "--textconv": "it starts a program",
    "--show-signature": "it starts a program",
    "--open-files-in-pager": "it starts a program",
    "-O": "it reads a file of orders, or starts a pager",
}
_LISTED = (
    "--contains= --no-contains= --merged= --no-merged= --points-at= --sort= -i --ignore-case --no-column --color[=] "
    "--no-color"
)


def _command(
    name: str, text: str, first: tuple[str, ...] | None = None, number: str = "", most: int | None = None
) -> Program:
    return Program(name, options(text), because=_BECAUSE, abbreviates=False, first=first, number=number, most=most)


COMMANDS = {
    each.name: each
    for each in (
        _command(
            "status",
            "-s --short -b --branch --show-stash --porcelain[=] --long -u[=] --untracked-files[=] --ignored[=] -z "
            "--no-column --ahead-behind --no-ahead-behind --renames --no-renames --find-renames[=] !-v !--verbose",
        ),
        _command("log", _LOG, number="-n"),
        _command("show", _LOG, number="-n"),
        _command("reflog", _LOG, number="-n"),
        _command("diff", f"{_DIFF} --cached --staged --merge-base --no-index -1 -2 -3 --base --ours --theirs -0"),
        _command("rev-list", f"{_COMMITS} -n= --count --objects --timestamp --header --quiet --abbrev[=]", number="-n"),
        _command(
            "shortlog",
            f"{_COMMITS} -s --summary -n --numbered -e --email -c --group= -w[=]",
        ),
        _command(
            "ls-files",
            "-c --cached -d --deleted -m --modified -o --others -i --ignored -s --stage --directory "
            "--no-empty-directory -u --unmerged -k --killed -z --deduplicate -x= --exclude= -X=@ --exclude-from=@ "
            "--exclude-per-directory=@ --exclude-standard --error-unmatch -t -v -f --full-name --abbrev[=] --debug "
            "--eol --sparse !--recurse-submodules",
        ),
        _command(
            "blame",
            "-b --root --show-stats -L= -l -t -p --porcelain --line-porcelain --incremental --encoding= --date= "
            "--since= --reverse --first-parent --progress --no-progress -M[=] -C[=] -w --minimal -c --score-debug -f "
            "--show-name -n --show-number -s -e --show-email --abbrev= --color-lines --color-by-age --ignore-rev= "
            "--ignore-revs-file=@ --no-textconv !--contents= !-S= !--textconv",
        ),
        _command(
            "rev-parse",
            "--verify -q --quiet --short[=] --abbrev-ref[=] --symbolic --symbolic-full-name --all --branches[=] "
            "--tags[=] --remotes[=] --glob= --revs-only --no-revs --flags --no-flags --disambiguate= --show-toplevel "
            "--show-prefix --show-cdup --show-superproject-working-tree --git-dir --absolute-git-dir "
            "--git-common-dir --is-inside-git-dir --is-inside-work-tree --is-bare-repository --is-shallow-repository "
            "--show-object-format[=] --since= --after= --until= --before= --sq !--parseopt !--sq-quote",
        ),
        _command(
            "branch",
            f"--list -l>--list -a --all -r --remotes -v --verbose --show-current --abbrev= --no-abbrev {_LISTED} !-d "
            "!-D !-m !-M !-c !-C !-f !-u= !-t !--delete !--move !--copy !--force !--edit-description "
            "!--set-upstream-to= !--unset-upstream !--track[=] !--format=",
        ),
        _command(
            "tag", f"-l --list -n[=] {_LISTED} !-a !-s !-u= !-f !-d !-v !-m= !-F= !-e !--delete !--verify !--format="
        ),
        _command(
            "describe",
            "--all --tags --contains --abbrev= --candidates= --exact-match --debug --long --match= --exclude= --always "
            "--first-parent !--dirty[=] !--broken[=]",
        ),
        _command("cat-file", "-p -t -s -e --allow-unknown-type !--textconv !--filters !--batch[=]", most=2),
        _command(
            "ls-tree",
            "-d -r -t -l --long -z --name-only --name-status --object-only --full-name --full-tree --abbrev[=] "
            "!--format=",
        ),
        _command("name-rev", "--tags --refs= --exclude= --all --name-only --no-undefined --always !--stdin"),
        _command("merge-base", "-a --all --octopus --independent --is-ancestor --fork-point"),
        _command(
            "show-ref", "--head --heads --branches --tags -d --dereference -s --hash[=] --verify --abbrev[=] -q --quiet"
        ),
        _command("count-objects", "-v --verbose -H --human-readable", most=0),
        _command(
            "grep",
            "--cached --untracked --exclude-standard --no-exclude-standard -a --text -I -i --ignore-case -w "
            "--word-regexp -v --invert-match -h -H --full-name -E --extended-regexp>-E -G --basic-regexp -P "
            "--perl-regexp -F --fixed-strings -n --line-number --column -l --files-with-matches --name-only -L "
            "--files-without-match -z --null -o --only-matching -c --count --color[=] --no-color --break --heading "
            "-p --show-function -A= --after-context= -B= --before-context= -C= --context= -W --function-context -m= "
            "--max-count= --threads= -f=@ -e= --and --or --not --all-match -q --quiet --max-depth= -r --recursive "
            "--no-recursive --no-textconv !--no-index !-O[=] !--open-files-in-pager[=] !--textconv "
            "!--recurse-submodules",
            first=("-e", "-f"),
            number="-C",
        ),
        _command("worktree", "--porcelain -v --verbose -z", most=1),
        _command("version", "--build-options", most=0),
    )
}
"""Subcommands by name. A rule's `first` says that the first operand is a pattern."""
