#!/bin/sh
# Writes the page of HTTP in C: page.html with page.css and page.js in it, and the policy that allows a browser to use
# just these two, by their hashes.
# usage: embed.sh >page.c
set -eu
cd "$(dirname "$0")"

# The file in base64 of its SHA-256, as a policy names it.
hash_of() {
	sha256sum "$1" | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | base64
}

# The page, with each @style@ and @script@ replaced by the bytes of the file.
page() {
	while IFS= read -r line; do
		case $line in
		*@style@*) printf '%s' "${line%%@style@*}"; cat page.css; printf '%s\n' "${line#*@style@}" ;;
		*@script@*) printf '%s' "${line%%@script@*}"; cat page.js; printf '%s\n' "${line#*@script@}" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <page.html
}

cat <<END
/* Made by embed.sh from page.html, page.css and page.js. */
#include "daemon/io/frontend/http_page.h"

const char http_page_policy[] =
	"default-src 'none'; script-src 'sha256-$(hash_of page.js)'; style-src 'sha256-$(hash_of page.css)'; "
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const unsigned char http_page[] = {
END
page | od -An -v -tx1 | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
cat <<END
};

const size_t http_page_size = sizeof(http_page);
END
