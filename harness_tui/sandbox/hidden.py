"""What no child may see: what would let it speak as the operator, or to this program."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

_HOME = (
    ".ssh .gnupg .aws .azure .kube .docker .config .netrc .git-credentials .gitconfig .pgpass .my.cnf .npmrc .pypirc "
    ".cargo/credentials .cargo/credentials.toml .terraform.d .vault-token .password-store .local/share/keyrings "
    ".local/share/kwalletd .local/share/containers .local/state/harness-tui .mozilla .thunderbird .pki "
    ".bash_history .zsh_history .python_history .node_repl_history .psql_history .Xauthority .ICEauthority"
)

_SYSTEM = (
    "/run /var/run /etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- /etc/ssh /etc/sudoers /etc/sudoers.d "
    "/etc/ssl/private /etc/krb5.keytab /etc/NetworkManager /etc/wireguard /etc/openvpn /etc/ppp /etc/docker "
    "/etc/kubernetes /etc/letsencrypt /var/lib/docker /var/lib/containers /var/lib/containerd "
    "/var/spool/cron /var/mail /var/spool/mail"
)


def of_operator() -> Path:
    """The operator's home directory, by the user database: HOME may say anything."""
    try:
        return Path(os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir))
    except KeyError:
        return Path(os.path.realpath(Path.home()))


def paths(state: Iterable[Path]) -> tuple[Path, ...]:
    """Everything a child must not see, real paths, whether they exist or not.

    Args:
        state: this program's own folders: homes, the socket's, what holds scratch directories.
    """
    runtime = Path(f"/run/user/{os.getuid()}")
    sockets = [path for name in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST") for path in _named(name)]
    homes = {of_operator(), Path(os.path.realpath(Path.home()))}
    every = [*state, runtime, *sockets, *(home / name for home in homes for name in _HOME.split())]
    every += map(Path, _SYSTEM.split())
    return tuple(sorted({Path(os.path.realpath(path)) for path in every}))


def _named(variable: str) -> list[Path]:
    """Socket paths in a variable of ours: a path, or addresses such as `unix:path=/run/bus,guid=1;...`."""
    found = []
    for address in os.environ.get(variable, "").split(";"):
        for part in address.split(","):
            path = part.removeprefix("unix:").removeprefix("path=").removeprefix("//")
            if path.startswith("/"):
                found.append(Path(path))
    return found
