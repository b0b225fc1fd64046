"""The client in twenty lines with which protocol/PROTOCOL.md begins, in Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from support import PATIENCE, FakeServer, Peer  # noqa: E402

from harness import TOOLBOX, DaemonTest, pool  # noqa: E402

HERE = Path(__file__).resolve().parent
PROTOCOL = HERE.parents[1] / "protocol" / "PROTOCOL.md"


def client() -> str:
    """The JavaScript of the reference."""
    found = re.search(r"^```js\n(.*?)^```$", PROTOCOL.read_text(), re.MULTILINE | re.DOTALL)
    assert found, "PROTOCOL.md has no client in JavaScript"
    return found[1]


def run(path: str, *calls: str) -> list[object]:
    """What these calls come to, one after the other: results, or ["failed", error]."""
    steps = "".join(
        f"found.push(await client.call({call}).catch((error) => ['failed', error]));\n"
        for call in calls
    )
    program = f"""{client()}
        (async () => {{
          const found = [], client = new Poold({json.dumps(path)});
          {steps}
          console.log(JSON.stringify(found));
          client.socket.destroy();
        }})();
    """
    done = subprocess.run(
        ["node", "-e", program],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "NODE_PATH": str(HERE / "node")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


@unittest.skipUnless(shutil.which("node"), "node is not installed")
class Node(DaemonTest):
    def test_a_daemon(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        found = run(
            daemon.path,
            '"tools", "add", [20, 22], 5',
            '"tools", "echo", [{text: "grüße", list: [1, 2.5, null, true, -7]}], 5',
            '"nowhere", "echo", [], 5',
            '"tools", "echo", ["still here"], 5',
        )
        self.assertEqual(found[0], 42)
        self.assertEqual(found[1], {"text": "grüße", "list": [1, 2.5, None, True, -7]})
        self.assertEqual(found[2][0], "failed")
        self.assertRegex(found[2][1][1], "^unknown_pool: ")
        self.assertEqual(found[3], "still here")

    def test_what_it_does_not_know_and_no_answer(self) -> None:
        def script(peer: Peer) -> None:
            number = peer.read()[1]
            peer.send([2, "poold.news", [number]], [1, number + 7, None, "another's"])
            peer.send([1, number, None, "right"])
            peer.read()  # and no answer
            peer.read()
            peer.send_bytes(b"\xc1")
            self.assertRaises((EOFError, OSError), peer.read)

        with FakeServer(script, greeted=False) as server:
            call = '"p", "m", [], 0.1'
            found = run(server.path, call, call, call)
        self.assertEqual(found[0], "right")
        self.assertEqual(found[1], ["failed", "no answer in time"])
        self.assertEqual(found[2], ["failed", "the connection ended"])
