"""poold.config: what the daemon runs with, and which file and line says so."""

from __future__ import annotations

import grp
import unittest

from clients import PoolctlTest, poolctl
from harness import TOOLBOX, breaker, error_row, pool, static_pool
from shapes import shape_faults
from test_rights import ANNE, BERT, IS_ROOT, RightsTest

GROUP = grp.getgrnam("daemon")
NONE = type(None)

SECTIONS = [
    {"section": str, "name": (str, NONE),
     "values": [{"key": str, "value": (str, NONE), "default": (str, NONE), "source": (str, NONE)}]}
]


class Config(PoolctlTest):
    """Every key with its value, its default, and where it was set."""

    def test_where_each_value_comes_from(self) -> None:
        secret = pool("tools", TOOLBOX, workers=2) + "env.API_TOKEN = dont-tell\n"
        daemon = self.start(secret, static_pool("mock", **{"answer.one": 1, "answer": '"all"'}),
                            breaker("tools", failure_threshold=7), error_row("exception", retries=1),
                            error_row("timeout_error", severity="critical"))
        found = daemon.ask("poold.config")
        self.assertEqual(shape_faults(found, SECTIONS), [])
        lines = daemon.config.read_text().splitlines()
        set_by_files = set()
        values = {}
        for section in found:
            for value in section["values"]:
                values[section["section"], section["name"], value["key"]] = value
                if value["source"] is not None:
                    file, _, number = value["source"].rpartition(":")
                    self.assertEqual(file, str(daemon.config))
                    self.assertEqual(lines[int(number) - 1].partition(" = ")[0], value["key"])
                    set_by_files.add(int(number))
        self.assertEqual(set_by_files, {i + 1 for i, line in enumerate(lines) if " = " in line})
        workers = values["pool", "tools", "workers"]
        self.assertEqual((workers["value"], workers["default"]), ("2", "1"))
        timeout = values["pool", "tools", "timeout"]
        self.assertEqual((timeout["value"], timeout["source"]), (timeout["default"], None))
        self.assertEqual(values["breaker", "tools", "failure_threshold"]["value"], "7")
        self.assertEqual(values["breaker", "mock", "failure_threshold"]["source"], None)
        self.assertEqual(values["pool", "mock", "answer.one"]["value"], "1")
        self.assertEqual(values["error", "exception", "retries"]["value"], "1")
        self.assertEqual(values["error", "attempt_timeout", "severity"]["value"], "critical")
        self.assertIn(("daemon", None, "socket"), values)
        self.assertEqual(values["pool", "tools", "env.API_TOKEN"]["value"], None)
        self.assertNotIn("dont-tell", repr(found))
        self.check_poolctl(daemon)

    def check_poolctl(self, daemon) -> None:
        shown = self.succeed(daemon, "config", "tools")
        for word in ("[pool tools]", "[breaker tools]", "[retry tools]", f"{daemon.config}:", "(not shown)", "default"):
            self.assertIn(word, shown)
        self.assertNotIn("[daemon]", shown)
        self.assertNotIn("dont-tell", shown)
        self.assertEqual([each["section"] for each in self.json(daemon, "config", "tools")], ["pool", "breaker", "retry"])
        self.assertIn("[daemon]", self.succeed(daemon, "config"))
        self.assertEqual(poolctl(daemon, "config", "none").returncode, 1)
        client = daemon.connect()
        self.assertEqual(client.answer("poold.config", "none").code, "unknown_pool")
        self.assertEqual(client.answer("poold.config", 1).code, "invalid_request")
        self.assertEqual(client.answer("poold.config", "tools", 1).code, "invalid_request")
        self.assertEqual(len(client.call("poold.config", None)), len(client.call("poold.config")))


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Rights(RightsTest):
    """For who controls the daemon, or the pool."""

    def test_who_may_see_it(self) -> None:
        daemon = self.open(pool("ours", TOOLBOX, admin_group=GROUP.gr_name), pool("theirs", TOOLBOX))
        anne, member = self.connect(daemon, ANNE), self.connect(daemon, BERT, GROUP.gr_gid)
        for who, params in ((anne, []), (anne, ["ours"]), (member, []), (member, ["theirs"]), (member, [None])):
            self.assertEqual(who.answer("poold.config", *params).code, "permission_denied")
        self.assertEqual(len(member.call("poold.config", "ours")), 3)


if __name__ == "__main__":
    unittest.main()
