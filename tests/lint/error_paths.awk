# Draws the way of each error code from the failure to the answer: codes with the same way together, in the order of the
# table.  Input: the table of poold --help-errors.

function arrow(text)
{
	way = way sprintf("%*s└─► %s\n", indent, "", text)
	indent += 4
}

# What a code is about: a start, a health check, a request that was refused, or an attempt.
function draw(code, category, strategy, retries, backoff, chain,	refused)
{
	indent = 2
	if (category == "initialization_error") {
		way = "  a worker does not start\n"
		arrow("it is started again after restart_delay, which grows")
		arrow("five times in a row: the pool is unavailable, a start is tried each restart_delay_max")
		arrow("the requests of the pool go the way of pool_unavailable")
		return
	}
	if (category == "health_check_error") {
		way = "  a worker fails a health check\n"
		arrow("it gets no new request until it answers one")
		arrow("three in a row: it is replaced")
		return
	}
	refused = category == "resource_error" || category == "session_error" || category == "request_error" || \
		  code == "queue_timeout" || code == "shutting_down"
	way = refused ? "  the request is refused or ended, without a try again\n" : "  an attempt fails\n"
	if (!refused && retries > 0) {
		if (strategy == "immediate_retry")
			arrow("up to " retries " more attempts, at once, then after 100 and 200 ms")
		else if (strategy == "backoff_retry")
			arrow("up to " retries " more attempts, after a delay (" backoff ")")
		else
			arrow("if the worker said retryable: up to " retries " more attempts")
	}
	if (chain == "yes")
		arrow("the next pool of the chain, if there is one")
	else if (chain == "idempotent")
		arrow("the next pool of the chain, if the request is idempotent")
	else if (chain == "asked")
		arrow("the next pool of the chain, if fallback_on names " category)
	arrow("the error is the answer")
}

BEGIN { FS = " *\\| *" }
NR > 2 {
	gsub(/`/, "")
	draw($2, $3, $5, $6, $7, $10)
	if (way in codes)
		codes[way] = codes[way] ", " $2
	else {
		ways[++count] = way
		codes[way] = $2
	}
}
END {
	print "```text"
	for (i = 1; i <= count; i++)
		printf "%s%s\n%s", (i > 1 ? "\n" : ""), codes[ways[i]], ways[i]
	print "```"
}
