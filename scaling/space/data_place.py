"""Where the data are that a SPEC such as `folder:PATH` names: one place can be spelled in many ways."""

import os


def real_place(source: str) -> str:
    """Return the SPEC with the real path of what it names, links followed; a SPEC that names no path as it is."""
    kind, colon, path = source.partition(":")
    return f"{kind}:{_real(path)}" if colon and os.path.lexists(os.path.expanduser(path)) else source


def last_name(source: str) -> str:
    """Return the last name of a SPEC's path, `photos` for `folder:../photos/`; of a SPEC without a path the SPEC."""
    kind, _, path = source.partition(":")
    return os.path.basename(os.path.abspath(os.path.expanduser(path))) if path else kind


def may_have_moved(there: str, here: str) -> bool:
    """Return whether two SPECs may mean the same data: one place, or places of the same kind and last name."""
    kinds = {one.partition(":")[0] for one in (there, here)}
    paths = [one.partition(":")[2] for one in (there, here)]
    if len(kinds) > 1 or not all(paths):
        return False
    found = os.path.lexists(os.path.expanduser(paths[1]))
    return _real(paths[0]) == _real(paths[1]) or (found and last_name(there) == last_name(here))


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))
