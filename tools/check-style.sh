#!/usr/bin/env bash
# Hard rules: no file over 800 lines, no space at the end of a line, no tab or
# line-end trouble.  clang-format's opinion is reported, not enforced: releases
# of it differ.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
mapfile -t files < <(find src include test examples tools doc man -type f \
	\( -name '*.[chS]' -o -name '*.py' -o -name '*.sh' -o -name '*.md' -o -name 'meson.build' \) |
	sort)
long=$(wc -l "${files[@]}" | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines; 800 are the limit" }')
if [ -n "$long" ]; then
	echo "$long"
	bad=1
fi
if grep -nE '[[:space:]]+$' "${files[@]}"; then
	echo "the lines above end in white space"
	bad=1
fi
if command -v clang-format >/dev/null; then
	mapfile -t code < <(printf '%s\n' "${files[@]}" | grep '\.[ch]$')
	clang-format --dry-run "${code[@]}" 2>&1 | grep -oE '^[^:]+:[0-9]+:[0-9]+: (warning|error)' | cut -d: -f1 | sort |
		uniq -c | awk '{ print "note: clang-format would change " $1 " places in " $2 }' || true
fi
exit "$bad"
