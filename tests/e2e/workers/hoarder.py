"""A program that speaks JSON-RPC on its standard input and output, and loads much before it reads."""

import json
import sys

DATA = [bytes([number]) * 1_000_000 for number in range(60)]

for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": message.get("params")}
        print(json.dumps(answer), flush=True)
