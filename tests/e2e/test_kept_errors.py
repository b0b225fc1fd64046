"""poold.errors outlives the daemon where there is a directory for it, and says since when it knows."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgpack
import poold

from clients import PoolctlTest
from clock import eventually
from harness import C_TOOLS, Daemon, pool
from raw import Raw
from test_rights import ANNE, BERT, IS_ROOT, become

UNREADABLE = "the errors of the daemon before can't be read"
UNWRITABLE = "poold.errors can't be written"


class CrampedDaemon(Daemon):
    """Its files, and those of its workers, have 64 bytes at most."""

    def command(self) -> list[str]:
        return ["prlimit", "--fsize=64", "--", *super().command()]


class KeptTest(PoolctlTest):
    """A pool of tools that fail, and a directory that outlives the daemon."""

    def setUp(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="poold-state-"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)

    @property
    def file(self) -> Path:
        return self.place / "errors"

    def open(self, **options: object) -> Daemon:
        daemon = self.start(pool("tools", C_TOOLS), **{"state_directory": self.place, **options})
        daemon.announced.append("pool=tools")
        return daemon

    def fail_in(self, daemon: Daemon, *dividends: int) -> None:
        with poold.Client(daemon.path) as client:
            for dividend in dividends:
                self.failure("exception", client, "tools", "divide", dividend, 0)

    def stop(self, daemon: Daemon, number: int = signal.SIGTERM) -> None:
        daemon.signal(number)
        self.assertEqual(daemon.wait_ended(), 0 if number == signal.SIGTERM else -number)

    def again(self, daemon: Daemon) -> None:
        """It ends and starts again."""
        self.stop(daemon)
        daemon.relaunch()
        daemon.wait_ready()

    def serves(self, daemon: Daemon) -> None:
        self.assertEqual(daemon.connect().call_pool("tools", "echo", [1]), 1)


class Restart(KeptTest):
    """What a daemon finds of the one before."""

    def test_after_a_stop_they_are_as_they_were(self) -> None:
        begin = time.time() * 1000 - 1
        daemon = self.open()
        self.fail_in(daemon, 1, 2)
        with Raw(daemon.path, map_errors=True) as client:
            client.answer("nowhere.nothing")
        before, status = daemon.ask("poold.errors"), daemon.ask("poold.status")
        self.assertEqual([each["kind"] for each in before], ["refusal", "request", "request"])
        self.again(daemon)
        self.assertEqual(daemon.ask("poold.errors"), before)
        for key in ("errors_since_ms", "refusals_since_ms"):
            since = daemon.ask("poold.status")[key]
            self.assertEqual(since, status[key])
            self.assertTrue(begin <= since <= before[-1]["at_ms"], since)
        self.fail_in(daemon, 3)
        after = daemon.ask("poold.errors")
        self.assertEqual(after[1:], before)
        self.assertEqual(after[0]["kind"], "request")
        self.assertEqual(daemon.ask("poold.errors", 9, "refusal"), before[:1])
        self.again(daemon)
        self.assertEqual(daemon.ask("poold.errors"), after)

    def test_they_are_written_while_it_runs(self) -> None:
        daemon = self.open()
        before = self.file.stat().st_mtime_ns
        self.fail_in(daemon, 1)
        eventually(lambda: self.file.stat().st_mtime_ns != before, "they are written", 15.0)

    def test_its_file_is_for_its_user_alone(self) -> None:
        self.place.chmod(0o755)
        daemon = self.open()
        eventually(self.file.exists, "it is written at the start")
        self.fail_in(daemon, 1)
        self.stop(daemon)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        self.assertEqual([each.name for each in self.place.iterdir()], ["errors"])

    def test_a_kill_loses_what_came_last(self) -> None:
        daemon = self.open()
        written = self.file.stat().st_mtime_ns
        self.fail_in(daemon, 1, 2)
        before = daemon.ask("poold.errors")
        eventually(lambda: self.file.stat().st_mtime_ns != written, "they are written", 60)
        # Left there by one that was killed while it wrote.
        (self.place / "errors.new").write_bytes(b"half")
        self.stop(daemon, signal.SIGKILL)
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(daemon.ask("poold.errors"), before)
        self.again(daemon)
        self.assertEqual(daemon.ask("poold.errors"), before)

    def test_the_directory_of_the_service(self) -> None:
        with mock.patch.dict(os.environ, STATE_DIRECTORY=f"{self.place}:/nowhere"):
            daemon = self.open(state_directory="")
            self.fail_in(daemon, 1)
            before = daemon.ask("poold.errors")
            self.again(daemon)
            self.assertEqual(daemon.ask("poold.errors"), before)
        # What the configuration names comes first.
        self.stop(daemon)
        with mock.patch.dict(os.environ, STATE_DIRECTORY="/nowhere"):
            other = self.open()
        self.assertEqual(other.ask("poold.errors"), before)

    def test_without_a_directory_they_end_with_the_daemon(self) -> None:
        daemon = self.open(state_directory="")
        self.fail_in(daemon, 1)
        self.again(daemon)
        self.assertEqual(daemon.ask("poold.errors"), [])
        status = daemon.ask("poold.status")
        start = time.time() * 1000 - status["uptime_ms"]
        self.assertAlmostEqual(status["errors_since_ms"], start, delta=1000)

    def test_since_when_the_last_ones_are_known(self) -> None:
        daemon = self.open(errors_kept=2)
        self.fail_in(daemon, 1, 2)
        oldest = daemon.ask("poold.errors")[-1]["at_ms"]
        self.assertLess(daemon.ask("poold.status")["errors_since_ms"], oldest + 1)
        self.fail_in(daemon, 3)
        self.assertEqual(daemon.ask("poold.status")["errors_since_ms"], oldest)
        self.again(daemon)
        status = daemon.ask("poold.status")
        self.assertEqual(status["errors_since_ms"], oldest)
        self.assertLess(status["refusals_since_ms"], oldest)

    def test_poolctl_says_it(self) -> None:
        daemon = self.open()
        self.assertRegex(
            self.succeed(daemon, "errors"),
            r"\nerrors of pools are known since [-\d]+ [:.\d]+\n"
            r"refusals and cut-off connections are known since [-\d]+ [:.\d]+\n$",
        )
        self.assertNotIn("refusals", self.succeed(daemon, "errors", "5", "incident"))
        self.assertNotIn("of pools", self.succeed(daemon, "errors", "5", "connection"))
        self.assertEqual(self.json(daemon, "errors"), [])
        self.fail_in(daemon, 1)
        self.stop(daemon)
        content = msgpack.unpackb(self.file.read_bytes())
        content[2] -= 3600 * 1000
        self.file.write_bytes(msgpack.packb(content))
        daemon.relaunch()
        daemon.wait_ready()
        self.assertRegex(
            self.succeed(daemon, "errors", "1", "request"),
            r"\n.* exception .*\nerrors of pools are known .*\n"
            r"the daemon runs since .*: what is older is an earlier one's\n$",
        )

    def test_a_pool_that_is_no_more(self) -> None:
        daemon = self.open()
        self.fail_in(daemon, 1)
        before = daemon.ask("poold.errors")
        self.stop(daemon)
        daemon.config.write_text(daemon.config.read_text().replace("[pool tools]", "[pool others]"))
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(daemon.ask("poold.errors"), before)


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Rights(KeptTest):
    """A text stays for whom it was."""

    def test_others_see_what_they_saw(self) -> None:
        daemon = self.open(socket_mode="0666")
        daemon.directory.chmod(0o755)
        with become(ANNE), Raw(daemon.path, map_errors=True) as anne:
            anne.answer_pool("tools", "fail", ["ValueError", "her secret"], session="her cart")

        def seen_by(uid: int) -> list[dict[str, Any]]:
            with become(uid), Raw(daemon.path, map_errors=True) as client:
                return client.call("poold.errors")

        def check() -> None:
            self.assertIn("her secret", str(seen_by(ANNE)))
            self.assertIn("her secret", str(seen_by(0)))
            (entry,) = seen_by(BERT)
            self.assertEqual((entry["code"], entry["pool"]), ("exception", "tools"))
            for text in ("her secret", "her cart"):
                self.assertNotIn(text, str(entry))

        check()
        self.again(daemon)
        check()
        self.stop(daemon)
        daemon.config.write_text(daemon.config.read_text().replace("[pool tools]", "[pool others]"))
        daemon.relaunch()
        daemon.wait_ready()
        check()


class Faults(KeptTest):
    """Whatever is wrong with the directory or its file, the daemon serves."""

    def replace(self, put: Callable[[], object]) -> None:
        """Starts with what `put` leaves there: that is told, and gone afterwards."""
        put()
        daemon = self.open()
        daemon.announced.append(UNREADABLE)
        daemon.log.wait_for(UNREADABLE)
        self.assertEqual(daemon.ask("poold.errors"), [])
        self.fail_in(daemon, 1)
        before = daemon.ask("poold.errors")
        self.again(daemon)
        self.assertEqual(daemon.ask("poold.errors"), before)
        self.stop(daemon)

    def good(self) -> list[Any]:
        """The content of a file that would be read."""
        daemon = self.open()
        self.fail_in(daemon, 1)
        self.stop(daemon)
        return msgpack.unpackb(self.file.read_bytes())

    def test_files_that_are_not_read(self) -> None:
        good = self.good()
        right = msgpack.packb(good)
        other = self.place / "other"
        other.write_bytes(right)
        contents = {
            "empty": b"",
            "garbage": os.urandom(5000),
            "text": b"[daemon]\n",
            "cut off": right[:-1],
            "longer": right + b"\0",
            "another version": msgpack.packb([good[0], 2, {"all": "different"}]),
            "a huge count": right[: right.rindex(b"\x91\x97")] + b"\xdd\xff\xff\xff\xff",
        }
        for name, content in contents.items():
            with self.subTest(name):
                self.replace(lambda content=content: self.file.write_bytes(content))

        def link() -> None:
            self.file.unlink()
            self.file.symlink_to(other)

        def fifo() -> None:
            self.file.unlink()
            os.mkfifo(self.file)

        def large() -> None:
            self.file.write_bytes(right)
            os.truncate(self.file, 1 << 30)

        def shared() -> None:
            self.file.write_bytes(right)
            self.file.chmod(0o660)

        def others() -> None:
            self.file.write_bytes(right)
            os.chown(self.file, BERT, BERT)

        for put in (link, fifo, large, shared, *([others] if IS_ROOT else [])):
            with self.subTest(put.__name__):
                self.replace(put)
        self.assertEqual(other.read_bytes(), right)

    def test_a_directory_that_is_none(self) -> None:
        for path in (self.place / "missing", "/etc/passwd"):
            with self.subTest(path=path):
                daemon = self.open(state_directory=path)
                daemon.announced.append("poold.errors does not outlive")
                daemon.log.wait_for(f"state_directory {path}: ")
                self.fail_in(daemon, 1)
                self.serves(daemon)
                self.stop(daemon)

    def test_a_file_that_cannot_be_written(self) -> None:
        """Told once, and at once; the file of the daemon before stays as it is."""
        self.good()
        before = self.file.read_bytes()
        self.daemon_class = CrampedDaemon
        daemon = self.open()
        daemon.announced.append(UNWRITABLE)
        daemon.log.wait_for(f"{UNWRITABLE}.*: File too large")
        self.assertEqual(len(daemon.ask("poold.errors")), 1)
        self.fail_in(daemon, 2, 3)
        self.serves(daemon)
        self.stop(daemon)
        self.assertEqual(str(daemon.log).count(UNWRITABLE), 1, daemon.log)
        self.assertEqual(self.file.read_bytes(), before)
        self.assertEqual([each.name for each in self.place.iterdir()], ["errors"])

    def test_a_directory_in_its_way(self) -> None:
        self.file.mkdir()
        daemon = self.open()
        daemon.announced += [UNREADABLE, UNWRITABLE]
        daemon.log.wait_for(f"{UNWRITABLE}.*: Is a directory")
        self.serves(daemon)

    def test_a_directory_that_is_swept_away(self) -> None:
        daemon = self.open()
        daemon.announced.append(UNWRITABLE)
        shutil.rmtree(self.place)
        self.fail_in(daemon, 1)
        self.serves(daemon)
        self.stop(daemon)
        self.assertIn(f"{UNWRITABLE} to {self.place}/errors: No such file", str(daemon.log))

    def test_a_second_daemon_leaves_it_to_the_first(self) -> None:
        first = self.open()
        self.fail_in(first, 1)
        second = self.open()
        second.announced.append("another daemon uses it")
        second.log.wait_for("another daemon uses it")
        self.assertEqual(second.ask("poold.errors"), [])
        self.fail_in(second, 2, 3)
        self.stop(second)
        before = first.ask("poold.errors")
        self.again(first)
        self.assertEqual(first.ask("poold.errors"), before)
        self.assertEqual(len(before), 1)


if __name__ == "__main__":
    unittest.main()
