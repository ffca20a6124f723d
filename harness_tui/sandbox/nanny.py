"""The process between the engine and one child: whatever the child starts is dead before this ends.

Run as a script (`python -I -S nanny.py ...`, words as in `main`), so it imports next to nothing. Orphans of the child
become ours, since we are their subreaper; when the engine dies, however it dies, the kernel tells us.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself takes as long to import as all the rest
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def main(words: list[str]) -> None:
    """Run one child and write how it ended to the status pipe: `exit N`, `signal N`, `stopped` or `errno N`.

    Args:
        words: pid of the engine; descriptor of the status pipe; rlimits as `number=value,...`; control groups to make
            as lines of `path TAB file=value ...`; "gain" if set-uid programs are to work; working directory;
            executable; argv. Its variables are our own.
    """
    engine, status = int(words[0]), int(words[1])
    os.set_inheritable(status, False)
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP | {signal.SIGCHLD})
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != engine:
        return  # it was gone before the kernel knew that we care
    groups = [made for line in words[3].splitlines() if (made := _group(line))]
    try:
        said = _run(words[2], groups, words[4] == "gain", *words[5:7], argv=words[7:])
        end(os.getpid())
    finally:
        for group in groups:
            _quietly(os.rmdir, group)
    os.write(status, said.encode())


def _run(limits: str, groups: list[str], gain: bool, cwd: str, executable: str, *, argv: list[str]) -> str:
    failed, fails = os.pipe()
    child = os.fork()
    if not child:
        try:
            _become(limits, groups, gain, cwd)
            os.execv(executable, argv)
        except OSError as error:
            os.write(fails, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(fails)
    if number := os.read(failed, 16).decode():
        return f"errno {number}"
    while True:
        if signal.sigwaitinfo(_STOP | {signal.SIGCHLD}).si_signo in _STOP:
            return "stopped"
        while True:
            pid, how = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                code = os.waitstatus_to_exitcode(how)
                return f"exit {code}" if code >= 0 else f"signal {-code}"
            if not pid:
                break


def _become(limits: str, groups: list[str], gain: bool, cwd: str) -> None:
    """Turn this fork into what the child starts from: no terminal, no privileges to gain, no signal ignored."""
    import resource

    os.setsid()
    for group in groups:
        _write(f"{group}/cgroup.procs", "0")
    _quietly(_write, "/proc/self/oom_score_adj", "900")  # before the engine
    for pair in filter(None, limits.split(",")):
        number, value = map(int, pair.split("="))
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))
    if not gain:
        _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # whoever becomes another user cannot be killed by us
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir(cwd)


def end(root: int) -> None:
    """Kill all descendants of `root` and, when that is this process, collect them until none is left.

    They are stopped first, all of them, so that none multiplies while others are being killed.
    """
    while True:
        if root == os.getpid() and not _collect():
            return
        frozen: set[int] = set()
        while new := descendants(root) - frozen:
            for pid in new:
                _quietly(os.kill, pid, signal.SIGSTOP)
            frozen |= new
        for pid in frozen:
            _quietly(os.kill, pid, signal.SIGKILL)
        if root != os.getpid():
            return
        signal.sigtimedwait({signal.SIGCHLD}, 0.02)


def _collect() -> bool:
    """Whether children are left after reaping the dead ones."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants(root: int) -> set[int]:
    """Pids of all live or dead processes below `root` that are still in the table."""
    found: set[int] = set()
    ahead = [root]
    while ahead:
        for pid in children(ahead.pop()):
            if pid not in found:
                found.add(pid)
                ahead.append(pid)
    return found


def children(pid: int) -> list[int]:
    """Pids of its children; [] when it is gone."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listed:
                found += map(int, listed.read().split())
    except OSError:
        pass
    return found


def _group(line: str) -> str:
    """Make a control group and set it up; its path, or "" where that fails."""
    path, *settings = line.split("\t")
    try:
        os.mkdir(path)
        for setting in settings:
            name, value = setting.split("=")
            _write(f"{path}/{name}", value)
    except OSError:
        _quietly(os.rmdir, path)
        return ""
    return path


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def _quietly(call: object, *given: object) -> None:
    try:
        call(*given)  # type: ignore[operator]
    except OSError:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
