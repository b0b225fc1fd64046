// A stock MCP client, told what to do by a test: stock_client.mjs COMMAND [ARGUMENT...]
//
// It starts the command as its server.  Each line of standard input is a JSON object with a number `n`, the name `do` of
// a function below, and its arguments; each is answered by a line with the same `n`, and `result` or `error`.  Many may be
// under way at once.  The end of the input closes the client.

import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "stock", version: "1" }, { capabilities: {} });
const running = new Map();

const functions = {
	server: () => ({ version: client.getServerVersion(), capabilities: client.getServerCapabilities() }),
	ping: () => client.ping(),
	tools: () => client.listTools(),
	resources: () => client.listResources(),
	prompts: () => client.listPrompts(),

	// The result of a tool, and the progress that was reported until then.
	async call({ n, name, arguments: given, progress }) {
		const heard = [];
		const abort = new AbortController();
		const options = { signal: abort.signal, timeout: 60000 };
		if (progress) options.onprogress = (each) => heard.push(each);
		running.set(n, abort);
		try {
			const result = await client.callTool({ name, arguments: given }, undefined, options);
			return { result, heard };
		} finally {
			running.delete(n);
		}
	},

	// Cancels the call with the number `which`.
	cancel({ which }) {
		running.get(which)?.abort("the test wants it");
		return {};
	},
};

function say(answer) {
	process.stdout.write(JSON.stringify(answer) + "\n");
}

async function obey(order) {
	try {
		say({ n: order.n, result: await functions[order.do](order) });
	} catch (error) {
		say({ n: order.n, error: { code: error.code, message: String(error.message), data: error.data } });
	}
}

await client.connect(new StdioClientTransport({ command, args, stderr: "inherit" }));
for await (const line of createInterface({ input: process.stdin })) obey(JSON.parse(line));
await client.close();
