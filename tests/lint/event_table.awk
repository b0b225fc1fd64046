# Reads daemon/io/driver/event.def: a line for each event, with kind, kept, message id, keys and when, apart by tabs.
# usage: awk -f event_table.awk event.def
/^EVENT\(/ {
	row = ""
	is_row = 1
}
is_row { row = row $0 "\n" }
is_row && /"\)$/ {
	is_row = 0
	sub(/^EVENT\(/, "", row)
	split(row, head, /, */)
	sub(/^[^"]*/, "", row)
	count = 0
	while (match(row, /^"([^"\\]|\\.)*"/)) {
		text = substr(row, 2, RLENGTH - 2)
		row = substr(row, RLENGTH + 1)
		gsub(/\\"/, "\"", text)
		# A string right behind another one goes on with it.
		match(row, /^[ \t\n]*,?[ \t\n]*/)
		is_over = substr(row, 1, RLENGTH) ~ /,/
		row = substr(row, RLENGTH + 1)
		value[count] = value[count] text
		if (is_over)
			count++
	}
	printf "%s\t%s\t%s\t%s\t%s\n", head[1], head[2], value[0], value[1], value[2]
	delete value
}
