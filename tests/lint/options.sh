#!/bin/sh
# Holds the sample configuration and the manual page against the table of options.
# usage: O=build/none options.sh
set -eu
cd "$(dirname "$0")/../.."
poold=${O:-build/none}/poold
sample=systemd/poold.conf.in manual=docs/man/poold.conf.5
faults=$(mktemp) work=$(mktemp -d)
trap 'rm -rf "$faults" "$work"' EXIT

# Each option of config.def as "section key default"; a default of <none> is another for each error.
table() {
	awk '/^OPTION/ { line = "" } { sub(/^ +/, " "); line = line $0 } /"\)$/ { print line }' daemon/io/config/config.def |
		sed -nE 's/^OPTION\(([A-Z]+), ([a-z_]+), [A-Z_]+, (NULL|"([^"]*)"), .*/\1 \2 \3/p' |
		sed 's/NULL$/<none>/; s/"//g'
}

# A chapter of the manual page and a place in the sample for each of its sections, and no others.
sed -nE 's/^OPTION\(([A-Z]+), .*/\1/p' daemon/io/config/config.def | uniq >"$work/sections"
sed -nE 's/^\.Sh ([A-Z]+) SECTIONS?$/\1/p' "$manual" | diff "$work/sections" - >>"$faults" || :

# For each option: its line in the sample, its block in the manual page, and there what --help-config says is allowed.
"$poold" --help-config >"$work/help"
table >"$work/table"
awk -v sample="$sample" -v manual="$manual" -v help="$work/help" '
function section_of(chapter) { return chapter == "DAEMON" ? "[daemon]" : "[" tolower(chapter) }

# The lines of each kind of section in the sample, such as [pool, and the first about each key.
FILENAME == sample && /^#?\[/ { for (head in heads) on[head] = index($0, head) }
FILENAME == sample {
	for (head in heads)
		if (on[head]) {
			in_sample[head, $0] = 1
			if (/^#[a-z_]+ = / && !((head, substr($1, 2)) in first))
				first[head, substr($1, 2)] = $0
		}
	next
}

# The block of each option in the manual page, by the chapter of its section.
FILENAME == manual && /^\.Sh / { chapter = $2 }
FILENAME == manual && /^\.(Sh |It Ic)/ {
	key = /^\.It Ic [a-z_]+($| No =)/ ? $3 : ""
	if (key != "" && !((chapter, key) in block))
		heading[chapter, key] = $0
}
FILENAME == manual { if (key != "") block[chapter, key] = block[chapter, key] $0 " "; next }

# What --help-config says of each option: the last of its lines holds what is allowed.
FILENAME == help && /^\[/ { section = $1 }
FILENAME == help && /^  [a-z_]+$/ { option = $1; lines = 0; next }
FILENAME == help { if (++lines == 2) says[section, option] = $0; next }

FNR == NR { heads[section_of($1)] = 1; next }

function must_say(allowed) {
	if (index(text, allowed) == 0)
		print manual ": " $2 " of " $1 " lacks \"" allowed "\""
}

{
	section = section_of($1)
	default = $0
	sub(/^[A-Z]+ [a-z_]+ ?/, "", default)
	line = "#" $2 " =" (default == "" ? "" : " " default)
	if (section == "[pool" && $2 == "command")
		line = "#command = /usr/bin/python3 -m poold.worker examples.text"
	head = ".It Ic " $2 " No =" (default == "" ? "" : " " default)
	if (default == "<none>") {
		line = first[section, $2]
		head = ".It Ic " $2
	}
	if (line == "" || !((section, line) in in_sample))
		print sample ": lacks " (line == "" ? "#" $2 " =" : line) " in " section " NAME]"
	if (!(($1, $2) in block)) {
		print manual ": lacks " $2 " in " $1
		next
	}
	if (heading[$1, $2] != head)
		print manual ": " $2 " of " $1 " has another default than \"" default "\""
	text = block[$1, $2]
	gsub(/\\&/, "", text)
	said = says[section, $2]
	if (match(said, /from [0-9]+[A-Za-z]* to [0-9]+[A-Za-z]*/))
		must_say(substr(said, RSTART, RLENGTH))
	sub(/; default.*/, "", said)
	sub(/^ */, "", said)
	if (said !~ /^([a-z_-]+, )*[a-z_-]+ or [a-z_-]+$/)
		next
	# One word of several: each must be in the text.
	gsub(/, | or /, " ", said)
	for (count = split(said, words, " "); count > 0; count--)
		must_say(words[count])
}' "$work/table" "$sample" "$manual" "$work/help" "$work/table" >>"$faults"

# With every default taken literally the sample must mean what the defaults mean.
sed -E 's/^#(\[|[a-z_]+(\.[A-Z]+)? =)/\1/' "$sample" >"$work/sample.conf"
printf '[pool python]\ncommand = /usr/bin/python3 -m poold.worker examples.text\nenv.PYTHONPATH = @datadir@\n' \
	>"$work/plain.conf"
# What this machine lacks is no fault of the sample.
"$poold" -t -c "$work/sample.conf" 2>&1 >"$work/sample" | sed '/: warning: /d' >>"$faults" || :
"$poold" -t -c "$work/plain.conf" >"$work/plain" 2>/dev/null
diff "$work/plain" "$work/sample" >>"$faults" || :
"$poold" -t -c "$sample" 2>&1 >/dev/null | sed '/: warning: /d' >>"$faults" || :

cat "$faults"
[ ! -s "$faults" ]
