"""The law of the folders (docs/ARCHITECTURE.md): a folder sees only folders of a lower rank.

usage: O=build/none layers.py

It is checked twice, as a function can be declared without an include: by what the files include,
and by what the archive of each folder needs from the others.  Every violation is a line of the
output, and any of them makes the exit status 1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("O", "build/none")

# The folders of the daemon from the lowest rank to the highest; main.c stands above them all.
DAEMON = (
    "protocol",
    "daemon/core",
    "daemon/io/base",
    "daemon/io/config",
    "daemon/io/worker",
    "daemon/io/driver",
    "daemon/io/observe",
    "daemon/io/admin",
    "daemon/io/frontend",
    "daemon/io/service",
    "daemon",
)
RANKS = {folder: rank for rank, folder in enumerate(DAEMON)}

# The folders of the client: all see the protocol, and the programs of the library what a user sees.
CLIENT = ("client/lib", "client/poolctl", "client/mcp")

PROGRAMS = CLIENT[1:]

# What poold-mcp sees of poolctl.
PARTS_OF_POOLCTL = {"json", "json_to", "json_print", "argument"}

# What make puts the objects of each folder into.
IO_ARCHIVES = {folder: f"libio_{Path(folder).name}.a" for folder in DAEMON
               if folder.startswith("daemon/io/")}
ARCHIVES = {
    "protocol": "libproto.a",
    "daemon/core": "libcore.a",
    **IO_ARCHIVES,
    "client/lib": "libclient.a",
    "client/poolctl": "libpoolctl.a",
    "client/mcp": "libpoold_mcp.a",
}

PUBLIC_HEADER = "client/lib/poold.h"
PUBLIC_PREFIX = "poold_"

# These see of the core only the files named here.
PARTS_OF_CORE: dict[str, set[str]] = {"daemon/io/base": set(), "daemon/io/worker": {"worker"}}

# Only these call the engine; the others go through the driver's headers.
ENGINE_USERS = ("daemon/io/driver", "daemon/io/observe", "daemon/io/admin")
ENGINE = re.compile(r"engine(_\w+)?")
ENGINE_PRIVATE = ("engine_internal.h", "engine_inspect.h")

# A line of nm: archive, member, kind and symbol.
SYMBOL = re.compile(r"^(.+):([^:]+):[0-9a-f ]* (\w) (\S+)$", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def rule_of_daemon(folder: str, other: str, file: str) -> str | None:
    """Like broken_rule, for folders of the daemon."""
    if other not in RANKS:
        return "the daemon sees nothing of the client"
    if RANKS[other] > RANKS[folder]:
        return f"{folder} has rank {RANKS[folder]}, {other} the higher rank {RANKS[other]}"
    if other != "daemon/core":
        return None
    stem = file.split(".")[0]
    if folder in PARTS_OF_CORE and stem not in PARTS_OF_CORE[folder]:
        parts = " and ".join(f"{part}.h" for part in sorted(PARTS_OF_CORE[folder])) or "nothing"
        return f"{folder} sees of the core only {parts}"
    if file in ENGINE_PRIVATE:
        return "only the core sees the engine's inside"
    if ENGINE.fullmatch(stem) and folder not in ENGINE_USERS:
        return "only " + ", ".join(ENGINE_USERS) + " see the engine"
    return None


def broken_rule(folder: str, other: str, file: str) -> str | None:
    """The rule that forbids `folder` to see this file of the folder `other`; None: it may."""
    if folder == other:
        return None
    if folder in RANKS:
        return rule_of_daemon(folder, other, file)
    if other == "protocol":
        return None
    if other in RANKS:
        return "the client sees nothing of the daemon"
    if other == "client/poolctl" and folder == "client/mcp":
        if file.split(".")[0] in PARTS_OF_POOLCTL:
            return None
        return "poold-mcp sees of poolctl only json.h and argument.h"
    if other in PROGRAMS:
        return f"{Path(folder).name} sees nothing of {Path(other).name}"
    if f"{other}/{file}" == PUBLIC_HEADER:
        return None
    return f"{Path(folder).name} sees of the library only poold.h"


def wrong_includes(root: Path) -> Iterator[str]:
    """What files include and may not."""
    for path in sorted(file for part in ("protocol", "daemon", "client")
                       for file in (root / part).rglob("*") if file.suffix in (".c", ".h", ".def")):
        file = path.relative_to(root)
        folder = str(file.parent)
        if folder not in RANKS and folder not in CLIENT:
            yield f"{file}: its folder has no rank; give it one in tests/lint/layers.py"
            continue
        for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
            other = Path(PUBLIC_HEADER if included == "poold.h" else included)
            if str(other.parent) not in RANKS and str(other.parent) not in CLIENT:
                yield f'{file} includes "{included}": not a path from the top of the tree'
                continue
            rule = broken_rule(folder, str(other.parent), other.name)
            if rule:
                yield f'{file} includes "{included}": {rule}'


@dataclass
class Member:
    """An object file of an archive, with its global symbols."""

    folder: str
    name: str
    defines: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)


def read_archives(build: Path, folders: Iterable[str]) -> list[Member]:
    """The members of the archives of these folders."""
    owners = {str(build / ARCHIVES[folder]): folder for folder in folders}
    listing = subprocess.run(["nm", "-A", "-g", *owners], check=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    members: dict[tuple[str, str], Member] = {}
    for archive, name, kind, symbol in SYMBOL.findall(listing):
        member = members.setdefault((archive, name), Member(owners[archive], name))
        (member.needs if kind in "Uwv" else member.defines).add(symbol)
    return list(members.values())


def wrong_symbols(build: Path) -> Iterator[str]:
    """What archives need from others and may not."""
    members = read_archives(build, ARCHIVES)
    # libclient.a holds the protocol's objects too.
    protocol = {member.name for member in members if member.folder == "protocol"}
    members = [member for member in members
               if member.folder != "client/lib" or member.name not in protocol]
    owners: dict[str, list[Member]] = {}
    for member in members:
        for symbol in member.defines:
            owners.setdefault(symbol, []).append(member)
    for member in members:
        for symbol in sorted(member.needs & owners.keys()):
            rules = [(owner, broken_rule(member.folder, owner.folder, owner.name))
                     for owner in owners[symbol]]
            if all(rule for _, rule in rules) and not is_public(member, symbol):
                owner, rule = rules[0]
                yield (f"{member.folder}/{member.name} needs {symbol}"
                       f" of {owner.folder}/{owner.name}: {rule}")


def is_public(member: Member, symbol: str) -> bool:
    """Whether a program needs a function that the library exports to everybody."""
    return member.folder in PROGRAMS and symbol.startswith(PUBLIC_PREFIX)


def violations(root: Path, build: Path) -> list[str]:
    """Every violation in the tree and in what was built of it."""
    return [*wrong_includes(root), *wrong_symbols(build)]


def main() -> int:
    """Say what is wrong."""
    found = violations(ROOT, BUILD)
    print("".join(f"{line}\n" for line in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
