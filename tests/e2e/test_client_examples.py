"""The examples of docs/CLIENT.md do what their comments say, as written, in the tree and installed."""

from __future__ import annotations

import re
import subprocess
import unittest

from clock import eventually
from documents import Place, examples, place_below, printed, write_files
from harness import ROOT

DOCUMENT = "docs/CLIENT.md"
MODULE = "shop.py"
FIXTURES = "test_shop.py"
PYTHON = "/usr/bin/python3"


class ClientExamples(unittest.TestCase):
    """All of them call the module of the document, which one daemon serves as the document says."""

    prefix = ""
    place: Place
    daemon: subprocess.Popen[bytes]

    @classmethod
    def setUpClass(cls) -> None:
        cls.place = place_below(cls.prefix)
        write_files(DOCUMENT, cls.place.path)
        serve = next(each.text for each in examples(DOCUMENT) if each.language == "sh")
        cls.daemon = cls.place.start(serve)
        eventually(lambda: "ready: listening" in cls.place.log() or cls.daemon.poll() is not None,
                   lambda: cls.place.log(), 30.0)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.daemon.terminate()
        cls.daemon.wait()
        cls.place.remove()

    def test_every_python_example_is_a_file(self) -> None:
        nameless = [each.text for each in examples(DOCUMENT)
                    if each.language == "python" and not each.file]
        self.assertEqual(nameless, [])


def _runs(name: str) -> object:
    def test(self: ClientExamples) -> None:
        text = (self.place.path / name).read_text()
        expected = printed(text)
        self.assertTrue(expected, "it says nothing of what it prints")
        self.assertEqual(self.place.run(f"{PYTHON} {name}").splitlines(), expected)

    return test


class Sources(unittest.TestCase):
    """What needs no daemon that was installed."""

    def setUp(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        write_files(DOCUMENT, self.place.path)

    def test_fixtures(self) -> None:
        if subprocess.run([PYTHON, "-c", "import pytest"], capture_output=True, check=False).returncode != 0:
            self.skipTest("pytest is not installed")
        said = self.place.run(f"{PYTHON} -m pytest -q -p no:cacheprovider {FIXTURES}")
        self.assertRegex(said, "2 passed")

    def test_pip(self) -> None:
        """pip builds the package from the sources; what it needs is taken from the system."""
        ways = next(each.text for each in examples(DOCUMENT) if "pip install" in each.text)
        make, install = ways.splitlines()
        self.assertIn("SOURCES/client/python", install)
        copy = self.place.path / "sources" / "client"
        copy.mkdir(parents=True)
        self.place.run(f"cp -r {ROOT}/client/python {copy}")
        try:
            self.place.run(f"{PYTHON} -c 'import setuptools, ensurepip'")
        except AssertionError:
            self.skipTest("python3-venv or python3-setuptools is not installed")
        self.place.run(make.replace("python3 ", f"{PYTHON} ", 1) + " --system-site-packages")
        install = install.replace("SOURCES", "sources").replace("install", "install --no-build-isolation --no-index")
        self.place.run(f"unset PYTHONPATH; {install}")
        said = self.place.run("unset PYTHONPATH; venv/bin/python3 -c "
                              "'import poold.worker, poold.aio; print(poold.__file__)'")
        self.assertIn("/venv/lib/", said)
        # The environment that is active is the one that serves.
        told = self.place.run("unset PYTHONPATH; VIRTUAL_ENV=$PWD/venv poold run --test shop")
        self.assertIn("/venv/bin/python3 -m poold.worker shop", told)


class Installed(ClientExamples):
    """Below the default prefix; test_readme has another one too."""

    prefix = "/usr/local"


for _each in examples(DOCUMENT):
    if _each.language == "python" and _each.file not in (MODULE, FIXTURES):
        setattr(ClientExamples, "test_" + re.sub(r"\W", "_", _each.file.removesuffix(".py")), _runs(_each.file))
