"""Where the daemon's socket is, for a client that was not told.

1. $POOLD_SOCKET, if it is set and not empty.
2. /run/poold/poold.sock, the daemon of the system, if there is such a file.
3. The socket of this user's `poold run`: $XDG_RUNTIME_DIR/poold/poold.sock, or
   /tmp/poold-UID/poold.sock where that variable does not name a folder which only this user may
   change.  It is used only if its folder belongs to this user, and nobody else may enter it:
   another user could have made it first, to pose as the daemon.
"""

from __future__ import annotations

import os
import stat

SYSTEM_PATH = "/run/poold/poold.sock"
PATH_VARIABLE = "POOLD_SOCKET"


def default_path() -> str:
    """The path of the daemon's socket, by the rules above; where nothing is found, the system's."""
    path = os.environ.get(PATH_VARIABLE)
    if path:
        return path
    if not os.path.exists(SYSTEM_PATH):
        folder = _run_folder()
        path = os.path.join(folder, "poold.sock")
        if _is_own(folder, 0o077) and os.path.exists(path):
            return path
    return SYSTEM_PATH


def _run_folder() -> str:
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base.startswith("/") and _is_own(os.path.realpath(base), 0o022):
        return os.path.join(base, "poold")
    return f"/tmp/poold-{os.geteuid()}"


def _is_own(folder: str, forbidden: int) -> bool:
    """Whether it is a folder of this user, and no link, without these permission bits."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return own and status.st_mode & forbidden == 0
