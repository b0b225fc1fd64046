
"use strict";
/* Shows what the daemon says once a second on /api/events, or what /api/status answers while there is no such stream.
 * All text from the daemon goes into text nodes, through shown(): names of methods, messages and outputs may hold
 * anything. */

const PERIOD = 1000;	/* ms from one question to the next */
const PERIOD_HIDDEN = 5000;
const PATIENCE = 5000;	/* ms for an answer, and from one state on the stream to the next */
const PAUSE = 30000;	/* ms until a stream is tried again that said nothing */
const KEPT = 300;	/* snapshots */
const WINDOW = 10;	/* s over which rates are taken */
const JUDGED = 60;	/* s over which a share of failures is judged, */
const SHARE = 0.1;	/* this one, */
const MINIMUM = 10;	/* of so many requests at least */
const ROWS_MAX = 200;	/* of a table; the filter finds the others */
const EVENTS_MAX = 200;

const byId = (id) => document.getElementById(id);

/* --- texts --- */

/* What would change how a line is read is shown as its number: control characters, and marks that turn the
 * direction of writing or have no width. */
function shown(text) {
	return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu,
		(mark) => "\\u{" + mark.codePointAt(0).toString(16) + "}");
}

/* A word of a command for a shell. */
function quoted(word) {
	word = String(word);
	if (/^[A-Za-z0-9_.,:\/@%+=-]+$/.test(word))
		return word;
	if (shown(word) === word)
		return "'" + word.replace(/'/g, "'\\''") + "'";
	return "$'" + Array.from(word, (mark) => {
		const number = mark.codePointAt(0);
		if (mark === "'" || mark === "\\")
			return "\\" + mark;
		return shown(mark) === mark ? mark : "\\U" + number.toString(16).padStart(8, "0");
	}).join("") + "'";
}

function command(...words) {
	return words.map(quoted).join(" ");
}

function time(ms) {
	if (ms === null || ms === undefined)
		return "-";
	if (ms < 1)
		return ms.toFixed(2) + " ms";
	if (ms < 10)
		return ms.toFixed(1) + " ms";
	if (ms < 1000)
		return ms.toFixed(0) + " ms";
	const s = ms / 1000;
	if (s < 60)
		return s.toFixed(s < 10 ? 1 : 0) + " s";
	if (s < 3600)
		return Math.floor(s / 60) + " min";
	if (s < 86400)
		return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
	return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}

function size(bytes) {
	if (bytes === null || bytes === undefined)
		return "-";
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; bytes >= 1024 && i < units.length - 1; i++)
		bytes /= 1024;
	return bytes.toFixed(i > 0 && bytes < 10 ? 1 : 0) + " " + units[i];
}

function rate(number) {
	return number === null ? "-" : number.toFixed(number < 10 ? 1 : 0) + "/s";
}

function percent(share) {
	return share === null ? "-" : (100 * share).toFixed(share > 0.9995 || share === 0 ? 0 : 1) + " %";
}

/* An error that there was no memory for has no key at all. */
const orDash = (value) => value === undefined || value === null || value === "" ? "-" : value;

function clock(ms) {
	if (ms === undefined)
		return "-";
	return new Date(ms).toLocaleTimeString([], {hour12: false});
}

/* --- the document --- */

/* Sets only what has changed, so that a selection, the focus and a screen reader are left alone. */
function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

function setClass(node, name) {
	if (node.getAttribute("class") !== name)
		node.setAttribute("class", name);
}

function make(tag, text, className) {
	const node = document.createElement(tag);
	if (text !== undefined)
		node.textContent = text;
	if (className)
		node.className = className;
	return node;
}

/* Gives `parent` one child for each item, in order, and keeps those that it has by their keys. */
function keyed(parent, items, keyOf, create, update) {
	const have = new Map();
	for (const node of Array.from(parent.children))
		have.set(node.dataset.key, node);
	let at = parent.firstElementChild;
	for (const item of items) {
		const key = keyOf(item);
		let node = have.get(key);
		if (node) {
			have.delete(key);
		} else {
			node = create(item);
			node.dataset.key = key;
		}
		if (node === at)
			at = at.nextElementSibling;
		else
			parent.insertBefore(node, at);
		update(node, item);
	}
	for (const node of have.values())
		node.remove();
}

function setRoles(...pairs) {
	for (const [node, role] of pairs)
		node.setAttribute("role", role);
}

/* A column: its title, the text of a cell, and the class of the cell. */
function column(title, text, className) {
	return {title, text, className: className || (() => "")};
}
const number = (title, text, className) => column(title, text, (row) => "number " + (className ? className(row) : ""));

function table(id, caption, columns) {
	const node = byId(id);
	const head = make("tr");
	for (const each of columns) {
		const cell = make("th", each.title, each.className({}).startsWith("number") ? "number" : "");
		cell.scope = "col";
		head.append(cell);
	}
	const top = make("thead");
	top.append(head);
	const body = make("tbody");
	/* As blocks on a narrow screen they would lose these. */
	setRoles([node, "table"], [top, "rowgroup"], [body, "rowgroup"], [head, "row"],
		...Array.from(head.children, (cell) => [cell, "columnheader"]));
	node.append(make("caption", caption), top, body);
	const empty = make("p", "None.", "none");
	node.after(empty);
	return (rows, keyOf) => {
		keyed(body, rows.slice(0, ROWS_MAX), keyOf, () => {
			const row = make("tr");
			columns.forEach((each, i) => {
				const cell = make(i === 0 ? "th" : "td");
				if (i === 0)
					cell.scope = "row";
				cell.dataset.label = each.title;
				setRoles([cell, i === 0 ? "rowheader" : "cell"]);
				row.append(cell);
			});
			setRoles([row, "row"]);
			return row;
		}, (row, item) => columns.forEach((each, i) => {
			setText(row.children[i], shown(each.text(item)));
			setClass(row.children[i], each.className(item).trim());
		}));
		empty.hidden = rows.length > 0 && rows.length <= ROWS_MAX;
		setText(empty, rows.length === 0 ? "None." : "And " + (rows.length - ROWS_MAX) + " more: filter for them.");
		node.hidden = rows.length === 0;
	};
}

/* --- what was seen --- */

const seen = []; /* {at: ms, pools: Map of a pool's name to its figures} */

function figures(pool, breaker) {
	const counters = pool.counters;
	return {requests: counters.requests, succeeded: counters.succeeded, failed: counters.failed,
		queued: pool.queue.length, busy: pool.workers.busy,
		marks: counters.worker_crashes + counters.worker_kills + (breaker ? breaker.opened : 0)};
}

/* How a pool's counters have grown in the last seconds, as far as they were seen; null: not seen. */
function growth(name, seconds) {
	const last = seen[seen.length - 1];
	let first = null;
	for (let i = seen.length - 1; i >= 0 && last.at - seen[i].at <= seconds * 1000; i--)
		if (seen[i].pools.has(name))
			first = seen[i];
	if (!first || first === last)
		return null;
	const a = first.pools.get(name), b = last.pools.get(name);
	return {seconds: (last.at - first.at) / 1000, requests: b.requests - a.requests,
		succeeded: b.succeeded - a.succeeded, failed: b.failed - a.failed};
}

function remember(state) {
	const pools = new Map();
	for (const pool of state.pools)
		pools.set(pool.name, figures(pool, breakerOf(state, pool.name)));
	const last = seen[seen.length - 1];
	if (last && last.at === state.at_ms)
		return;
	/* Its counters began anew. */
	if (last && last.pid !== state.status.pid)
		seen.length = 0;
	seen.push({at: state.at_ms, pid: state.status.pid, pools});
	if (seen.length > KEPT)
		seen.shift();
}

function breakerOf(state, name) {
	return state.breakers.find((each) => each.pool === name && each.method === null);
}

/* --- what is wrong --- */

/* The error that most of the last failures of a pool have in common. */
function commonError(state, name) {
	const counts = new Map();
	let best = null;
	for (const error of state.errors) {
		if (error.pool !== name || error.category === "request_error")
			continue;
		const type = error.detail && error.detail.type;
		const words = error.code + (type ? " (" + type + ")" : "");
		const count = (counts.get(words) || 0) + 1;
		counts.set(words, count);
		if (!best || count > counts.get(best))
			best = words;
	}
	return best;
}

function problemOf(state, pool) {
	const judged = growth(pool.name, JUDGED);
	const error = commonError(state, pool.name);
	const fails = judged && judged.requests >= MINIMUM && judged.failed >= SHARE * judged.requests && error;
	const causes = pool.problems.map((problem) => problem.text), advice = pool.problems.map((problem) => problem.advice);
	const first = pool.problems[0];
	if (pool.start_fault)
		causes.push(pool.start_fault);
	let run = first ? first.command : command("poolctl", "status");
	let since = first && pool.status === "ok" ? first.since_ms : pool.since_ms;
	if (fails) {
		causes.unshift(percent(judged.failed / judged.requests) + " of " + judged.requests +
			" requests in the last " + time(judged.seconds * 1000) + " failed, mostly with " + error);
		run = command("poolctl", "errors", "20");
		if (!first)
			since = null;
	}
	if (causes.length === 0)
		return null;
	return {name: pool.name, word: pool.status === "ok" ? "degraded" : pool.status, since, causes, advice, run};
}

function problems(state) {
	const found = [];
	for (const own of state.status.problems)
		found.push({name: "the daemon", word: "degraded", since: own.since_ms, causes: [own.text],
			advice: [own.advice], run: own.command});
	if (!state.health.guard)
		found.push({name: "the daemon", word: "degraded", since: null,
			causes: ["nothing would end the workers if the daemon were killed"], advice: [],
			run: command("poolctl", "health")});
	for (const pool of state.status.pools) {
		const problem = problemOf(state, pool);
		if (problem)
			found.push(problem);
	}
	const rank = (problem) => problem.word === "down" ? 0 : 1;
	return found.sort((a, b) => rank(a) - rank(b));
}

/* --- showing it --- */

let words = []; /* of the filter, in small letters */

const passes = (...texts) => {
	const text = texts.join(" ").toLowerCase();
	return words.every((word) => text.includes(word));
};

async function copy(button) {
	const text = button.previousElementSibling.textContent;
	try {
		await navigator.clipboard.writeText(text);
		setText(button, "Copied");
	} catch (error) {
		getSelection().selectAllChildren(button.previousElementSibling);
		setText(button, "Selected");
	}
	setTimeout(() => setText(button, "Copy"), 2000);
}

function createProblem() {
	const item = make("li");
	const line = make("p");
	line.append(make("strong"), make("span"));
	const advice = make("p", "", "none");
	const run = make("span", undefined, "command");
	const button = make("button", "Copy");
	button.type = "button";
	button.addEventListener("click", () => copy(button));
	run.append(make("code"), button);
	item.append(line, advice, run);
	return item;
}

function updateProblem(item, problem) {
	const [line, advice, run] = item.children;
	setText(line.children[0], shown(problem.name) + " is " + problem.word);
	setClass(line.children[0], problem.word);
	setText(line.children[1], (problem.since === null ? "" : " since " + time(problem.since)) + ": " +
		shown(problem.causes.join("; ")));
	setText(advice, shown(problem.advice.join("; ")));
	advice.hidden = problem.advice.length === 0;
	setText(run.children[0], problem.run);
	run.children[1].setAttribute("aria-label", "Copy the command " + problem.run);
}

function showVerdict(state, found) {
	const status = state.status;
	let word = status.status, since = null;
	if (word === "ok" && found.length > 0)
		word = "degraded";
	for (const pool of status.pools)
		if (pool.status === status.status && (since === null || pool.since_ms < since))
			since = pool.since_ms;
	if (status.draining)
		word = "stopping";
	else if (!state.health.ready)
		word = "starting";
	setText(byId("word"), "poold is " + word);
	setClass(byId("word"), word);
	document.title = word + " - poold";
	const facts = [];
	if (since !== null && word === status.status)
		facts.push("since " + time(since));
	facts.push("up " + time(status.uptime_ms));
	facts.push(status.requests.running + " running, " + status.requests.queued + " queued");
	facts.push(status.connections + " of " + status.connections_max + " connections");
	facts.push("buffers " + size(status.memory.buffers) + " of " + size(status.memory.max));
	setText(byId("facts"), facts.join(" · "));
	setText(byId("version"), shown(status.version));
	keyed(byId("problems"), found.filter((each) => passes(each.name, each.word, ...each.causes)),
		(each) => each.name + each.causes[0].replace(/[0-9.]+/g, ""), createProblem, updateProblem);
}

/* How long runs took in the last minute, and in the one five minutes ago. */
function nowAndEarlier(row, quantile) {
	return time(row.pool.windows["1m"].latency_ms.run[quantile]) + " (" + time(row.earlier.run[quantile]) + ")";
}

const showPools = table("pool-table", "Pools", [
	column("Pool", (row) => row.pool.name),
	column("Status", (row) => row.pool.status, (row) => row.pool ? row.pool.status : ""),
	column("Since", (row) => time(row.status.since_ms)),
	number("Rate", (row) => rate(row.grown && row.grown.requests / row.grown.seconds)),
	number("OK", (row) => percent(row.ok), (row) => row.ended >= MINIMUM && row.ok <= 1 - SHARE ? "alarm" : ""),
	number("p50 (5 min ago)", (row) => nowAndEarlier(row, "p50")),
	number("p99 (5 min ago)", (row) => nowAndEarlier(row, "p99")),
	number("Queue", (row) => row.pool.queue.length + " of " + row.pool.queue.max,
		(row) => row.pool && row.pool.queue.length > 0.8 * row.pool.queue.max ? "alarm" : ""),
	number("Busy", (row) => row.pool.workers.busy + " of " + row.pool.workers.max),
	column("Breaker", (row) => row.breaker, (row) => row.state || ""),
	column("Served by", (row) => row.status.level > 0 ? row.status.served_by + ", level " + row.status.level : "-",
		(row) => row.status && row.status.level > 0 ? "degraded" : ""),
	number("Restarts", (row) => row.status.restarts),
]);

function poolRow(state, pool) {
	const grown = growth(pool.name, WINDOW);
	const breaker = breakerOf(state, pool.name);
	const ended = grown ? grown.succeeded + grown.failed : 0;
	return {pool, grown, ended, earlier: state.earlier[pool.name], status: state.status.pools.find((each) => each.name === pool.name),
		ok: ended > 0 ? grown.succeeded / ended : null, state: breaker ? breaker.state : "",
		breaker: !breaker ? "-" : breaker.open_left_ms === null ? breaker.state :
			breaker.state + ", " + time(breaker.open_left_ms) + " left"};
}

const showWorkers = table("worker-table", "Workers", [
	column("Worker", (row) => row.pool + "/" + row.worker),
	column("State", (row) => row.state, (row) => row.state || ""),
	column("Health", (row) => row.health, (row) => row.health || ""),
	column("Since", (row) => time(row.since_ms)),
	number("Process", (row) => row.pid > 0 ? row.pid : "-"),
	number("In flight", (row) => row.in_flight),
	number("Served", (row) => row.served),
	number("Failed", (row) => row.failed),
	number("Restarts", (row) => row.restarts),
	number("Memory", (row) => size(row.rss_bytes)),
	column("Last exit", (row) => row.last_exit || "-"),
]);

const showRunning = table("running-table", "Requests at workers, the oldest first", [
	column("Request", (row) => row.request),
	column("Method", (row) => row.method),
	column("Worker", (row) => row.worker),
	number("Runs for", (row) => time(row.run_ms)),
]);

const showErrors = table("error-table", "Last errors, the newest first", [
	column("Time", (row) => clock(row.at_ms)),
	column("Code", (row) => orDash(row.code)),
	column("Severity", (row) => orDash(row.severity), (row) => row.severity || ""),
	column("Pool", (row) => orDash(row.pool)),
	column("Type", (row) => orDash(row.detail && row.detail.type)),
	column("Message", (row) => orDash(row.message)),
]);

const showEvents = table("event-table", "Last events, the newest first", [
	column("Time", (row) => clock(row.at_ms)),
	column("Event", (row) => row.kind),
	column("Pool", (row) => orDash(row.pool)),
	column("What", wordsOf),
]);

/* What comes with single requests: the errors among them are in a table of their own. */
const OF_REQUESTS = ["error", "recovery", "retry", "session"];

const happened = []; /* the newest first */

function note(event) {
	/* What is gone before the first one is no news. */
	if (OF_REQUESTS.includes(event.kind) || (event.kind === "gap" && happened.length === 0))
		return;
	happened.unshift(event);
	happened.length = Math.min(happened.length, EVENTS_MAX);
}

function wordsOf(event) {
	const found = [];
	if (event.lost)
		found.push(event.lost + " events are not kept any more");
	if (event.worker)
		found.push("worker " + event.worker);
	if (event.from && event.to)
		found.push(event.from + " \u2192 " + event.to);
	for (const key of ["what", "code", "reason", "message", "text"])
		if (event[key])
			found.push(event[key]);
	return orDash(found.join(", "));
}

function running(state) {
	const found = [];
	for (const worker of state.workers)
		for (const each of worker.running)
			found.push({...each, worker: worker.pool + "/" + worker.worker});
	return found.sort((a, b) => b.run_ms - a.run_ms);
}

/* --- plots --- */

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 300, HIGH = 60; /* of a plot; a second is one wide */

function svg(tag, className) {
	const node = document.createElementNS(SVG, tag);
	node.setAttribute("class", className);
	return node;
}

function createPlot() {
	const figure = make("figure");
	const caption = make("figcaption");
	caption.append(make("b"), make("span"));
	const image = svg("svg", "plot");
	image.setAttribute("viewBox", "0 0 " + WIDE + " " + HIGH);
	image.setAttribute("preserveAspectRatio", "none");
	image.setAttribute("role", "img");
	image.append(svg("path", "mark"), svg("path", "line"), svg("path", "line failed"));
	figure.append(caption, image);
	return figure;
}

function path(points, most, end) {
	return points.map((point, i) => (i > 0 ? "L" : "M") + (WIDE - (end - point.at) / 1000).toFixed(1) + " " +
		(HIGH - 2 - (HIGH - 4) * point.value / most).toFixed(1)).join("");
}

/* How much a figure grew each second. */
function speeds(name, key) {
	const points = [];
	for (let i = 1; i < seen.length; i++) {
		const a = seen[i - 1].pools.get(name), b = seen[i].pools.get(name);
		const seconds = (seen[i].at - seen[i - 1].at) / 1000;
		if (a && b && seconds > 0)
			points.push({at: seen[i].at, value: (b[key] - a[key]) / seconds});
	}
	return points;
}

function levels(name, key) {
	return seen.filter((each) => each.pools.has(name)).map((each) => ({at: each.at, value: each.pools.get(name)[key]}));
}

function updatePlot(figure, plot) {
	const [caption, image] = figure.children;
	const end = seen[seen.length - 1].at;
	const most = Math.max(plot.least, ...plot.lines.flat().map((point) => point.value));
	const last = plot.lines.map((line) => line.length > 0 ? line[line.length - 1].value : 0);
	const words = plot.words(last, most);
	setText(caption.children[0], shown(plot.name) + " ");
	setText(caption.children[1], words);
	image.setAttribute("aria-label", shown(plot.name) + ": " + words);
	image.children[0].setAttribute("d", speeds(plot.name, "marks").filter((point) => point.value > 0)
		.map((point) => "M" + (WIDE - (end - point.at) / 1000).toFixed(1) + " 0V" + HIGH).join(""));
	plot.lines.forEach((line, i) => image.children[i + 1].setAttribute("d", path(line, most, end)));
}

function plotsOf(name) {
	return [
		{name, key: "rate", least: 1, lines: [speeds(name, "requests"), speeds(name, "failed")],
			words: (last, most) => rate(last[0]) + ", failed " + rate(last[1]) + "; top " + rate(most)},
		{name, key: "load", least: 1, lines: [levels(name, "busy"), levels(name, "queued")],
			words: (last, most) => last[0] + " busy, " + last[1] + " queued; top " + most},
	];
}

/* --- all of it --- */

let latest = null;

function show() {
	const state = latest;
	if (!state)
		return;
	const pools = state.pools.filter((pool) => passes(pool.name, pool.status, ...pool.reasons));
	showVerdict(state, problems(state));
	showPools(pools.map((pool) => poolRow(state, pool)), (row) => row.pool.name);
	keyed(byId("plots"), pools.slice(0, 16).flatMap((pool) => plotsOf(pool.name)), (plot) => plot.name + " " + plot.key,
		createPlot, updatePlot);
	showRunning(running(state).filter((row) => passes(row.method, row.worker)), (row) => row.request + " " + row.worker);
	showWorkers(state.workers.filter((row) => passes(row.pool, row.state, row.health, row.last_exit || "")),
		(row) => row.pool + " " + row.worker);
	showErrors(state.errors.filter((row) => passes(row.code || "", row.pool || "", row.severity || "", row.message || "")),
		(row) => [row.at_ms, row.code, row.pool, row.request, state.errors.filter((each) => each.at_ms === row.at_ms).indexOf(row)].join(" "));
	showEvents(happened.filter((row) => passes(row.kind, row.pool || "", wordsOf(row))), (row) => row.epoch + " " + row.seq);
	byId("silent").hidden = source !== null;
}

let answeredAt = null;

function showStale(reason) {
	const text = "The daemon does not answer" + (answeredAt ? " since " + clock(answeredAt) + "; what is shown is old." : ".") +
		" " + reason;
	byId("stale").hidden = false;
	setText(byId("stale"), text);
	setText(byId("word"), "poold does not answer");
	setClass(byId("word"), "down");
	document.body.className = "old";
	document.title = "no answer - poold";
}

function take(state) {
	latest = state;
	answeredAt = Date.now();
	remember(state);
	byId("stale").hidden = true;
	document.body.className = "";
	show();
}

/* --- asking it, and listening to it --- */

let timer = 0;		/* until the next question, or for the next state on the stream */
let isAsking = false;
let source = null;	/* the stream, while there is one */
let place = "0";	/* the id of the last event that came on it */
let listenAt = 0;	/* when one may be opened */

function askIn(ms) {
	clearTimeout(timer);
	timer = setTimeout(ask, ms);
}

async function ask() {
	if (isAsking)
		return;
	isAsking = true;
	try {
		const answer = await fetch("/api/status", {cache: "no-store", signal: AbortSignal.timeout(PATIENCE)});
		if (!answer.ok)
			throw new Error("It answers with " + answer.status + ".");
		take(await answer.json());
		if (!document.hidden && window.EventSource && Date.now() >= listenAt)
			listen();
	} catch (error) {
		showStale(error.name === "Error" ? error.message : "");
	}
	isAsking = false;
	if (!source)
		askIn(document.hidden ? PERIOD_HIDDEN : PERIOD);
}

function leave() {
	source.close();
	source = null;
}

/* Its end, of whatever kind, is followed by a question: the answer says whether there is a daemon. */
function listen() {
	const end = () => {
		leave();
		askIn(0);
	};
	const wait = () => {
		clearTimeout(timer);
		timer = setTimeout(end, PATIENCE);
	};
	listenAt = Date.now() + PAUSE;
	source = new EventSource("/api/events?since=" + encodeURIComponent(place));
	source.addEventListener("status", (message) => {
		listenAt = 0;
		place = message.lastEventId;
		wait();
		take(JSON.parse(message.data));
	});
	source.addEventListener("message", (message) => {
		place = message.lastEventId;
		note(JSON.parse(message.data));
	});
	source.addEventListener("error", end);
	wait();
}

/* A browser has few connections to one host: a page that nobody sees keeps none. */
document.addEventListener("visibilitychange", () => {
	if (document.hidden && source) {
		leave();
		askIn(PERIOD_HIDDEN);
	} else if (!document.hidden && !source) {
		askIn(0);
	}
});

/* --- the filter, which is kept in the address --- */

function readAddress() {
	let text = "";
	try {
		text = decodeURIComponent(location.hash.replace(/^#/, "").replace(/^filter=/, ""));
	} catch (error) {
		/* It is no text. */
	}
	if (location.hash !== "" && !location.hash.startsWith("#filter="))
		return;
	if (byId("filter").value !== text)
		byId("filter").value = text;
	words = text.toLowerCase().split(/\s+/).filter(Boolean);
	show();
}

byId("filter").addEventListener("input", () => {
	const text = byId("filter").value;
	history.replaceState(null, "", text ? "#filter=" + encodeURIComponent(text) : location.pathname);
	words = text.toLowerCase().split(/\s+/).filter(Boolean);
	show();
});
byId("search").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", readAddress);
document.addEventListener("keydown", (event) => {
	if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== byId("filter")) {
		event.preventDefault();
		byId("filter").focus();
	} else if (event.key === "Escape" && document.activeElement === byId("filter")) {
		byId("filter").value = "";
		byId("filter").dispatchEvent(new Event("input"));
		byId("filter").blur();
	}
});

readAddress();
ask();
