# Writes the table of poolctl explain in C.  Its only sources are the documents and the tables of the code:
#   docs/RUNBOOK.md       which page belongs to a symptom
#   docs/ERRORS.md        the table of error codes, and a paragraph for each
#   event.def             the kinds of events, as lines of tests/lint/event_table.awk
#   poold.catalog         the entries of the journal with a MESSAGE_ID
#   alert_rule.def        ALERT(kind, SCOPE, ..., SEVERITY, ..., "text"): the built-in alerts
#   metrics.def           METRIC(name, KIND, UNIT, "labels", "help")
#   the headers           COUNTER(name, "help") of metrics, STATE(NAME, "name", ..., "sentence") of states
# usage: awk -f event_table.awk event.def | awk -f explain.awk RUNBOOK.md ERRORS.md - poold.catalog HEADER...

function trim(text)
{
	gsub(/^[ \t\n]+|[ \t\n]+$/, "", text)
	return text
}

# Markdown as plain text: [text](where) is its text, and code has no quotes.
function plain(text,	inner)
{
	while (match(text, /\[[^]]*\]\([^)]*\)/)) {
		inner = substr(text, RSTART + 1, RLENGTH - 2)
		sub(/\]\(.*$/, "", inner)
		text = substr(text, 1, RSTART - 1) inner substr(text, RSTART + RLENGTH)
	}
	gsub(/`/, "", text)
	gsub(/\*\*/, "", text)
	return text
}

function quoted(text)
{
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	gsub(/\n/, "\\n\"\n\t \"", text)
	return "\"" text "\""
}

function row(kind, word, facts, text)
{
	printf "\t{\"%s\", \"%s\",\n\t %s,\n\t %s,\n\t %s},\n", kind, word, quoted(facts), quoted(trim(text)), \
	       word in page ? quoted(page[word]) : "NULL"
}

function end_code()
{
	if (code == "")
		return
	row("error code", code, facts[code], plain(text))
	code = ""
	text = ""
}

function end_entry()
{
	if (entry == "")
		return
	row("journal entry", entry, subject, text)
	entry = ""
	text = ""
}

# The strings of a row of an X-macro: each "..." that follows, put together as the compiler does.
function last_string(rest,	found)
{
	found = ""
	while (match(rest, /"[^"]*"/)) {
		found = found substr(rest, RSTART + 1, RLENGTH - 2)
		rest = substr(rest, RSTART + RLENGTH)
	}
	return found
}

function end_macro(	name, rest, part, labels)
{
	if (macro == "")
		return
	rest = macro
	sub(/^[^(]*\(/, "", rest)
	if (macro_kind == "METRIC") {
		split(rest, part, /, */)
		labels = rest
		sub(/^[^"]*"/, "", labels)
		sub(/".*/, "", labels)
		sub(/^[^"]*"[^"]*"/, "", rest)
		row("metric", "poold_" trim(part[1]) (part[2] == "COUNTER" ? "_total" : ""), \
		    "a " tolower(part[2]) (labels == "" ? "" : "; labels: " labels), last_string(rest))
	} else if (macro_kind == "ALERT") {
		split(rest, part, /, */)
		row("alert", trim(part[1]), "severity " tolower(part[5]) \
		    (part[2] == "POOL" ? ", for each pool" : ", for the daemon"), last_string(rest) "\n\n" plain(trim(says[page[trim(part[1])]])))
	} else if (macro_kind == "COUNTER") {
		name = rest
		sub(/,.*/, "", name)
		row("metric", "poold_" trim(name) "_total", "a counter" (FILENAME ~ /core\/stats/ ? "; labels: pool" : ""), \
		    last_string(rest))
	} else {
		sub(/^[^"]*"/, "", rest)
		name = rest
		sub(/".*/, "", name)
		sub(/^[^"]*"/, "", rest)
		row(of_state[FILENAME], name, "", last_string(rest))
	}
	macro = ""
}

BEGIN {
	print "/* Made by explain.awk from the documents and tables that it names. */"
	print "#include \"client/poolctl/explain.h\""
	print ""
	print "#include <stddef.h>"
	print ""
	print "const struct explanation explanations[] = {"
	of_state["daemon/core/request.h"] = "state of a request"
	of_state["daemon/core/worker.h"] = "state of a worker"
	of_state["daemon/core/breaker.h"] = "state of a circuit breaker"
}

FNR == 1 {
	end_code()
	end_entry()
	end_macro()
}

FILENAME ~ /RUNBOOK/ && /^\| .*\]\(#/ {
	title = $0
	sub(/^.*\| \[/, "", title)
	sub(/\]\(#.*$/, "", title)
	symptoms = $0
	sub(/\| \[[^|]*\|$/, "", symptoms)
	while (match(symptoms, /`[a-z_]+`/)) {
		page[substr(symptoms, RSTART + 1, RLENGTH - 2)] = title
		symptoms = substr(symptoms, RSTART + RLENGTH)
	}
}

# What a page says, below "How you see it".
FILENAME ~ /RUNBOOK/ && /^## / { on_page = substr($0, 4); is_seen = 0; next }
FILENAME ~ /RUNBOOK/ && /^\*\*/ { is_seen = /^\*\*How you see it/ }
FILENAME ~ /RUNBOOK/ && on_page != "" && !is_seen { says[on_page] = says[on_page] $0 "\n" }

FILENAME ~ /ERRORS/ && /^\| `[a-z_]+` \| `[a-z_]+` \|/ {
	gsub(/`/, "")
	split($0, cell, / *\| */)
	facts[cell[2]] = cell[11] "\ncategory " cell[3] ", severity " cell[4] ", strategy " cell[5] ", retries " cell[6] \
		", backoff " cell[7] "\ncounts against the worker: " cell[8] ", against the breaker: " cell[9] \
		"; may go to a fallback: " cell[10]
	next
}
FILENAME ~ /ERRORS/ && /^#/ {
	end_code()
	if ($1 == "####") {
		code = $2
		gsub(/`/, "", code)
	}
	next
}
FILENAME ~ /ERRORS/ && code != "" { text = text $0 "\n" }

FILENAME == "-" {
	split($0, cell, /\t/)
	row("event", cell[1], "keys: " plain(cell[4]) (cell[3] == "" ? "" : "\nMESSAGE_ID in the journal: " cell[3]), \
	    plain(cell[5]))
}

FILENAME ~ /catalog/ && /^-- / {
	end_entry()
	entry = $2
	in_head = 1
	next
}
FILENAME ~ /catalog/ && in_head && /^Subject: / { subject = substr($0, 10) }
FILENAME ~ /catalog/ && in_head && /^$/ { in_head = 0 }
FILENAME ~ /catalog/ && entry != "" && !in_head {
	gsub(/@/, "")
	text = text $0 "\n"
}

FILENAME ~ /metrics\.def$/ && /^METRIC\(/ {
	macro_kind = "METRIC"
	macro = " "
}
FILENAME ~ /alert_rule\.def$/ && /^ALERT\(/ {
	macro_kind = "ALERT"
	macro = " "
}
FILENAME ~ /\.def$/ && macro != "" {
	macro = macro " " $0
	if ($0 ~ /"\)$/)
		end_macro()
}

FILENAME ~ /\.h$/ && /^\t(COUNTER|STATE)\(/ {
	end_macro()
	macro_kind = $0 ~ /COUNTER/ ? "COUNTER" : "STATE"
}
FILENAME ~ /\.h$/ && (macro != "" || /^\t(COUNTER|STATE)\(/) {
	line = $0
	more = sub(/\\$/, "", line)
	macro = macro " " line
	if (!more)
		end_macro()
}

END {
	print "};"
	print ""
	print "const size_t explanation_count = sizeof(explanations) / sizeof(explanations[0]);"
}
