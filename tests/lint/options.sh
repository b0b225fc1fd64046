#!/bin/sh
# Holds the sample configuration and the manual page against the table of options.
# usage: O=build/none options.sh
set -eu
cd "$(dirname "$0")/../.."
poold=${O:-build/none}/poold
sample=systemd/poold.conf.in manual=docs/man/poold.conf.5
faults=$(mktemp) work=$(mktemp -d)
trap 'rm -rf "$faults" "$work"' EXIT

# Each option of config.def as "section key default"; a default of <none> must be given.
table() {
	awk '/^OPTION/ { line = "" } { sub(/^ +/, " "); line = line $0 } /"\)$/ { print line }' daemon/io/config.def |
		sed -nE 's/^OPTION\(([A-Z]+), ([a-z_]+), [A-Z]+, (NULL|"([^"]*)"), .*/\1 \2 \3/p' |
		sed 's/NULL$/<none>/; s/"//g'
}

# The block of one option in the manual page.
block() {
	awk -v head=".It Ic $1 No =" 'index($0, head) == 1 { on = 1; print; next } /^\.(It|El)/ { on = 0 } on' \
		"$manual"
}

# What --help-config says of one option: its last line holds what is allowed.
help() {
	"$poold" --help-config |
		awk -v section="$1" -v key="  $2" '/^\[/ { on = $1 == section } on && $0 == key { getline; getline; print; exit }'
}

table | while read -r section key default; do
	case $section in DAEMON) section="[daemon]" ;; *) section="[pool" ;; esac
	line="#$key = $default"
	[ -n "$default" ] || line="#$key ="
	[ "$default" != "<none>" ] || line="#$key = /usr/bin/python3 -m poold.worker examples.text"
	grep -qxF "$line" "$sample" || echo "$sample: lacks the line \"$line\""

	text=$(block "$key")
	[ -n "$text" ] || { echo "$manual: lacks $key"; continue; }
	if [ "$default" != "<none>" ]; then
		printf '%s\n' "$text" | head -1 | grep -qxF ".It Ic $key No =${default:+ $default}" ||
			echo "$manual: $key has another default than \"$default\""
	fi
	allowed=$(help "$section" "$key" | sed -nE 's/.*(from [0-9]+[A-Za-z]* to [0-9]+[A-Za-z]*).*/\1/p')
	printf '%s\n' "$text" | tr '\n' ' ' | grep -qF -- "$allowed" || echo "$manual: $key lacks \"$allowed\""
done >"$faults"

# With every default taken literally the sample must mean what the defaults mean.
sed -E 's/^#(\[|[a-z_]+(\.[A-Z]+)? =)/\1/' "$sample" >"$work/sample.conf"
printf '[pool python]\ncommand = /usr/bin/python3 -m poold.worker examples.text\nenv.PYTHONPATH = @datadir@\n' \
	>"$work/plain.conf"
"$poold" -t -c "$work/sample.conf" >"$work/sample" 2>>"$faults" || :
"$poold" -t -c "$work/plain.conf" >"$work/plain"
diff "$work/plain" "$work/sample" >>"$faults" || :
"$poold" -t -c "$sample" >/dev/null 2>>"$faults" || :

cat "$faults"
[ ! -s "$faults" ]
