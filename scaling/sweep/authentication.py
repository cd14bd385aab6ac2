"""Authentication: whoever reaches a Ray cluster's ports can run programs on it, so none is joined without a token.

Ray looks for its token in RAY_AUTH_TOKEN, in the file that RAY_AUTH_TOKEN_PATH names, then in ~/.ray/auth_token, and
RAY_AUTH_MODE must be the same in all nodes and in the driver:
https://docs.ray.io/en/latest/ray-security/token-auth.html
"""

import ipaddress
import os
import socket
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from scaling.study.errors import ScalingError

# Despite its name: what Ray does on a laptop's operating system by default, it does on any where this is 0: a node's
# address is then 127.0.0.1, and all its servers listen there instead of on every interface. `_node_ip_address` of
# ray.init does not do that, for Ray replaces a loopback address that it is given. Read when ray is imported.
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class AuthenticationError(ScalingError):
    """A cluster that would be joined without proof of who joins."""


def host_of(address: str) -> str | None:
    """The machine that an address of a Ray cluster names; None: this one, as in `auto`, `local`, `127.0.0.1:6379`."""
    if address in {"", "auto", "local"}:
        return None
    authority = address.partition("://")[2] or address
    host = authority.partition("?")[0].rstrip("/")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host.lower() in {"localhost", socket.gethostname().lower()}:
        return None
    try:
        return None if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host


def confine_to_this_machine(environ: MutableMapping[str, str] | None = None) -> None:
    """Let a cluster that is started after this listen on 127.0.0.1 only, unless the user's environment says otherwise.

    To be called before ray is imported, and not where another cluster is joined.
    """
    (os.environ if environ is None else environ).setdefault(LOOPBACK_ONLY, "0")


def require_token(address: str | None, environ: Mapping[str, str] | None = None, home: Path | None = None) -> None:
    """Refuse to join a cluster on another machine without Ray's token authentication.

    Args:
        address: of the cluster; None or this machine's own: nothing is asked.
        environ: where Ray's variables are looked up; None: this process's.
        home: where `.ray/auth_token` is looked up; None: the user's.

    Raises:
        AuthenticationError: it is switched off, or there is no token.
    """
    host = host_of(address) if address is not None else None
    if host is None:
        return
    environ = os.environ if environ is None else environ
    # Ray's word for none is "disabled"; the package sets "token" where nothing is set
    if (mode := environ.get("RAY_AUTH_MODE", "token").lower()) != "token":
        raise AuthenticationError(
            f"--address {address}: RAY_AUTH_MODE={mode} lets anyone who reaches {host} run programs on the cluster;"
            " start its nodes with RAY_AUTH_MODE=token, and set that here"
        )
    if problem := _without_token(environ, home or Path.home()):
        raise AuthenticationError(
            f"--address {address}: {problem}; copy the cluster's (`ray get-auth-token` on {host} prints it) into"
            " RAY_AUTH_TOKEN, or into ~/.ray/auth_token with mode 600"
        )


def _without_token(environ: Mapping[str, str], home: Path) -> str | None:
    """Why there is no token; None where there is one. In Ray's order, which does not go on from a path that fails."""
    if environ.get("RAY_AUTH_TOKEN", "").strip():
        return None
    if named := environ.get("RAY_AUTH_TOKEN_PATH"):
        return None if _holds_text(Path(named)) else f"RAY_AUTH_TOKEN_PATH={named} holds no token"
    return None if _holds_text(home / ".ray" / "auth_token") else "no token for Ray's authentication is to be found"


def _holds_text(file: Path) -> bool:
    try:
        return bool(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False
