"""Authentication: anyone who reaches the ports of a Ray cluster can run programs on it, so joining needs a token.

Ray looks for its token in RAY_AUTH_TOKEN, then in the file named by RAY_AUTH_TOKEN_PATH, then in ~/.ray/auth_token.
RAY_AUTH_MODE must be the same on all nodes and in the driver:
https://docs.ray.io/en/latest/ray-security/token-auth.html
"""

import contextlib
import ipaddress
import os
import secrets
import shlex
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from scaling.study.errors import ScalingError

# If this is 0, Ray does on any system what it does on Windows and macOS by default: a node's address is 127.0.0.1, and
# all its servers listen there instead of on every interface. `_node_ip_address` of ray.init cannot do that, because Ray
# replaces a given loopback address. Ray reads the variable when it is imported.
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"

TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"  # variable


class AuthenticationError(ScalingError):
    """Joining a cluster without authentication."""


def host_of(address: str) -> str | None:
    """Host of the address of a Ray cluster; None for this machine, as in `auto`, `local`, `127.0.0.1:6379`."""
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
    """Make a cluster that starts after this listen on 127.0.0.1 only, unless the environment sets it otherwise.

    Call this before ray is imported, and not when joining another cluster.
    """
    (os.environ if environ is None else environ).setdefault(LOOPBACK_ONLY, "0")


@contextlib.contextmanager
def own_token(environ: MutableMapping[str, str] | None = None) -> Iterator[None]:
    """Give a cluster that starts meanwhile a random token in a file that its owner alone can read.

    A token that the user has set is kept. Ray's own default would be one token for all clusters, in a file that
    everybody on the machine may read.
    """
    environ = os.environ if environ is None else environ
    is_set = any(environ.get(name) for name in ("RAY_AUTH_TOKEN", TOKEN_PATH))
    if is_set or environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="scaling-token-"))  # mode 700
    try:
        with os.fdopen(os.open(folder / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        environ[TOKEN_PATH] = str(folder / "token")
        yield
    finally:
        environ.pop(TOKEN_PATH, None)
        shutil.rmtree(folder, ignore_errors=True)


def token_hint(environ: Mapping[str, str] | None = None) -> str:
    """Say how to read the token of the cluster that runs here."""
    path = (os.environ if environ is None else environ).get(TOKEN_PATH)
    return f"token: cat {shlex.quote(path)}" if path else "token: ray get-auth-token"


def require_token(address: str | None, environ: Mapping[str, str] | None = None, home: Path | None = None) -> None:
    """Refuse to join a cluster on another machine without Ray's token authentication.

    Args:
        address: of the cluster; None or this machine's own needs no token.
        environ: environment with Ray's variables; None takes that of this process.
        home: folder of `.ray/auth_token`; None takes the user's home.

    Raises:
        AuthenticationError: authentication is switched off, or there is no token.
    """
    host = host_of(address) if address is not None else None
    if host is None:
        return
    environ = os.environ if environ is None else environ
    # Ray's value for none is "disabled"; this package sets "token" if nothing is set
    if (mode := environ.get("RAY_AUTH_MODE", "token").lower()) != "token":
        raise AuthenticationError(
            f"--address {address}: RAY_AUTH_MODE={mode} lets anyone who reaches {host} run programs on the cluster;"
            " start its nodes with RAY_AUTH_MODE=token, and set that here"
        )
    if problem := _without_token(environ, home or Path.home()):
        raise AuthenticationError(
            f"--address {address}: {problem}; copy the cluster's token (`ray get-auth-token` on {host} prints it)"
            " into RAY_AUTH_TOKEN, or into ~/.ray/auth_token with mode 600"
        )


def _without_token(environ: Mapping[str, str], home: Path) -> str | None:
    """Why there is no token, or None. Follows Ray's order, which does not try further if the named path fails."""
    if environ.get("RAY_AUTH_TOKEN", "").strip():
        return None
    if named := environ.get(TOKEN_PATH):
        return None if _holds_text(Path(named)) else f"RAY_AUTH_TOKEN_PATH={named} holds no token"
    return None if _holds_text(home / ".ray" / "auth_token") else "no token for Ray's authentication was found"


def _holds_text(file: Path) -> bool:
    try:
        return bool(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False
