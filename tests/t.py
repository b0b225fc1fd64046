"""Run the tests that one name stands for: `make t T=NAME`.

usage: t.py [--needs] NAME

NAME is what the source calls the test:

    every_state_has_a_name             a C test, its function
    'no attempt left'                  a golden scenario, its title
    test_echo, Echo, Echo.test_echo    a Python or end-to-end test: method, class, or both
    test_call, retry.txt, purity       a whole file: C or Python test, golden file, lint
    tests/e2e/test_call.py             the same by its path

Where several tests have the name, all of them run.  `--needs` prints the targets of make that the
tests need and runs nothing.  Environment: POOLD_BUILD, the folder of the programs under test
(build/none).  Exit status 1 when a test failed, none ran, or none has the name.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import run

ROOT = Path(__file__).resolve().parent.parent
BUILD = os.environ.get("POOLD_BUILD", "build/none")
NEAR_MAX = 8


@dataclass(frozen=True)
class Test:
    """What runs under some names: `kind` and `command` are run.py's, `needs` targets of make."""

    names: tuple[str, ...]
    kind: str
    command: str
    needs: str = ""


def file_names(path: Path) -> tuple[str, ...]:
    """The names of a whole file."""
    return str(path.relative_to(ROOT)), path.name, path.stem


def c_tests(path: Path, text: str) -> list[Test]:
    """A unit test program and each function of it."""
    program = f"{BUILD}/unit/{path.stem}"
    return [Test(file_names(path), "check", program, program)] + [
        Test((name, f"{path.stem}.{name}"), "check", f"CK_RUN_CASE={name} {program}", program)
        for name in re.findall(r"^START_TEST\((\w+)\)", text, re.M)]


def golden_tests(path: Path, sources: dict[Path, str]) -> list[Test]:
    """A golden file and each scenario of it, played by the C test that names the file."""
    found = []
    for source, text in sources.items():
        for name, body in re.findall(r"^START_TEST\((\w+)\)(.*?)^END_TEST", text, re.M | re.S):
            if f'"{path.name}"' not in body:
                continue
            program = f"{BUILD}/unit/{source.stem}"
            command = f"CK_RUN_CASE={name} {program}"
            found.append(Test(file_names(path), "check", command, program))
            for title in re.findall(r"^== (.*)$", path.read_text(encoding="utf-8"), re.M):
                found.append(Test((title,), "check",
                                  f"POOLD_SCENARIO={shlex.quote(title)} {command}", program))
    return found


def class_methods(path: Path) -> dict[str, set[str]]:
    """The tests of each class of a file, with those that it inherits from others of the file."""
    classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body
               if isinstance(node, ast.ClassDef)]
    methods: dict[str, set[str]] = {}
    for node in classes:
        methods[node.name] = {item.name for item in node.body
                              if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))
                              and item.name.startswith("test_")}
        for base in node.bases:
            methods[node.name] |= methods.get(ast.unparse(base), set())
    return methods


def python_tests(path: Path, needs: str) -> list[Test]:
    """A Python test file, its classes and their methods."""
    command = run.unittest_command(str(path.relative_to(ROOT)))
    classes = {name: methods for name, methods in class_methods(path).items() if methods}

    def part(name: str, pattern: str) -> Test:
        """The tests of the file whose own name is like the pattern."""
        return Test((name, f"{path.stem}.{name}"), "unittest", f"{command} -k '{pattern}'", needs)

    found = [Test(file_names(path), "unittest", command, needs)]
    found += [part(method, f"*.{method}") for method in sorted(set().union(*classes.values()))]
    for name, methods in classes.items():
        found.append(part(name, f"*.{name}.*"))
        found += [part(f"{name}.{method}", f"*.{name}.{method}") for method in methods]
    return found


def all_tests() -> list[Test]:
    """Everything that has a name."""
    sources = {path: path.read_text(encoding="utf-8")
               for path in sorted(ROOT.glob("tests/unit/test_*.c"))}
    tests = [test for path, text in sources.items() for test in c_tests(path, text)]
    for path in sorted(ROOT.glob("tests/unit/golden/*.txt")):
        tests += golden_tests(path, sources)
    for path in sorted([*ROOT.glob("tests/python/test_*.py"), *ROOT.glob("tests/bench/test_*.py")]):
        tests += python_tests(path, "")
    for path in sorted([*ROOT.glob("tests/e2e/test_*.py"), *ROOT.glob("tests/npm/test_*.py")]):
        tests += python_tests(path, "all tools")
    for path in sorted(ROOT.glob("tests/earlier/test_*.py")):
        tests += python_tests(path, f"all tools {BUILD}/unit/test_vectors")
    for path in sorted(ROOT.glob("tests/lint/*")):
        program = sys.executable if path.suffix == ".py" else "sh"
        command = f"O={BUILD} {program} {path.relative_to(ROOT)}"
        tests.append(Test(file_names(path), "exit", command, "all"))
    return tests


def near(name: str, tests: list[Test]) -> list[str]:
    """Names that hold this one, and those that look like it."""
    names = sorted({name for test in tests for name in test.names})
    holding = [other for other in names if name.lower() in other.lower()][:NEAR_MAX]
    return list(dict.fromkeys(holding + difflib.get_close_matches(name, names, NEAR_MAX)))


def main() -> int:
    """Find the tests, and run them or say what they need."""
    arguments = sys.argv[1:]
    only_needs = arguments[:1] == ["--needs"]
    names = arguments[1:] if only_needs else arguments
    if len(names) != 1 or not names[0]:
        print("usage: make t T=NAME", file=sys.stderr)
        return 64
    tests = all_tests()
    found = [test for test in tests if names[0] in test.names]
    if not found:
        print(f'no test is called "{names[0]}"; near it:', file=sys.stderr)
        print("".join(f"  {name}\n" for name in near(names[0], tests)), end="", file=sys.stderr)
        return 1
    if only_needs:
        print(" ".join(sorted({test.needs for test in found})))
        return 0
    os.chdir(ROOT)
    failed = False
    for test in found:
        print(test.command)
        tally = run.run(test.kind, test.command)
        print(f"{tally.output}{tally.passed} passed, {tally.failed} failed ({tally.seconds:.1f} s)")
        failed = failed or tally.failed > 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
