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

# The lines of one kind of section in the sample, such as [pool.
part() {
	awk -v head="$1" '/^#?\[/ { on = index($0, head) } on' "$sample"
}

# The block of one option in the manual page, from the chapter of its section.
block() {
	awk -v chapter="$1" -v head=".It Ic $2" '/^\.Sh / { here = index($0, ".Sh " chapter " SECTION") == 1 }
		here && ($0 == head || index($0, head " No =") == 1) { on = 1; print; next }
		/^\.It Ic|^\.Sh / { on = 0 } on' "$manual"
}

# What --help-config says of one option: its last line holds what is allowed.
help() {
	"$poold" --help-config |
		awk -v section="$1" -v key="  $2" '/^\[/ { on = $1 == section } on && $0 == key { getline; getline; print; exit }'
}

# A chapter of the manual page and a place in the sample for each of its sections, and no others.
sed -nE 's/^OPTION\(([A-Z]+), .*/\1/p' daemon/io/config/config.def | uniq >"$work/sections"
sed -nE 's/^\.Sh ([A-Z]+) SECTIONS?$/\1/p' "$manual" | diff "$work/sections" - >>"$faults" || :

table | while read -r chapter key default; do
	section="[$(echo "$chapter" | tr '[:upper:]' '[:lower:]')"
	[ "$chapter" != DAEMON ] || section="[daemon]"
	line="#$key = $default"
	[ -n "$default" ] || line="#$key ="
	[ "$section $key" != "[pool command" ] || line="#$key = /usr/bin/python3 -m poold.worker examples.text"
	head=".It Ic $key No =${default:+ $default}"
	if [ "$default" = "<none>" ]; then
		line=$(part "$section" | grep "^#$key = " | head -1)
		head=".It Ic $key"
	fi
	part "$section" | grep -qxF -e "${line:-none}" || echo "$sample: lacks ${line:-#$key =} in $section NAME]"

	text=$(block "$chapter" "$key")
	[ -n "$text" ] || { echo "$manual: lacks $key in $chapter"; continue; }
	printf '%s\n' "$text" | head -1 | grep -qxF "$head" ||
		echo "$manual: $key of $chapter has another default than \"$default\""
	said=$(help "$section" "$key")
	printf '%s\n' "$said" | sed -nE 's/.*(from [0-9]+[A-Za-z]* to [0-9]+[A-Za-z]*).*/\1/p' >"$work/allowed"
	# One word of several: each must be in the text.
	printf '%s\n' "$said" | sed 's/; default.*//; s/^ *//' |
		grep -xE '([a-z_-]+, )*[a-z_-]+ or [a-z_-]+' | sed 's/, / /g; s/ or / /' | tr ' ' '\n' >>"$work/allowed" || :
	while read -r allowed; do
		printf '%s\n' "$text" | tr '\n' ' ' | sed 's/\\&//g' | grep -qF -e "$allowed" ||
			echo "$manual: $key of $chapter lacks \"$allowed\""
	done <"$work/allowed"
done >>"$faults"

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
