"""No file of daemon/io needs, directly or through others, a file that needs it.

usage: O=build/none circles.py

What a file needs is what `nm` says of its object.  The files of the engine in daemon/core are one
unit, and no part of this check.  For each knot the shortest circle is named, with the symbols that
close it.
"""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path

import layers

# File to the files it needs, each with the symbols.
Graph = dict[str, dict[str, list[str]]]


def read_graph(build: Path) -> Graph:
    """What each object file of daemon/io needs from the others."""
    members = layers.read_archives(build, layers.IO_ARCHIVES)
    owners = {symbol: member for member in members for symbol in member.defines}
    graph: Graph = {}
    for member in members:
        needed = graph.setdefault(f"{member.folder}/{member.name}", {})
        for symbol in sorted(member.needs & owners.keys()):
            other = owners[symbol]
            needed.setdefault(f"{other.folder}/{other.name}", []).append(symbol)
    return graph


def shortest_circle(graph: Graph, start: str) -> list[str]:
    """The files from `start` back to it, `start` at both ends; empty when there is no way back."""
    before: dict[str, str] = {}
    queue = deque([start])
    while queue:
        file = queue.popleft()
        for other in graph[file]:
            if other in before:
                continue
            before[other] = file
            if other == start:
                queue.clear()
                break
            queue.append(other)
    if start not in before:
        return []
    way = [start, before[start]]
    while way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]


def circles(graph: Graph) -> list[list[str]]:
    """The shortest circles, none through a file of one named before."""
    found: list[list[str]] = []
    named: set[str] = set()
    for way in sorted((shortest_circle(graph, file) for file in sorted(graph)), key=len):
        if way and not named & set(way):
            found.append(way)
            named.update(way)
    return found


def explain(graph: Graph, way: list[str]) -> str:
    """A circle as text."""
    steps = [f"    {file} needs {', '.join(graph[file][other])} of {other}\n"
             for file, other in zip(way, way[1:])]
    return f"circle of {len(steps)} files:\n" + "".join(steps)


def main() -> int:
    """Say which circles there are."""
    graph = read_graph(layers.BUILD)
    found = circles(graph)
    print("".join(explain(graph, way) for way in found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
