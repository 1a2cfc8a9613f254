#!/usr/bin/env bash
# Names: the shared library exports molt_ symbols only, and every one that molt.h with
# its parts declares, each with the version of the interface that it came with; the static one defines no global symbol without molt_ or mo_; and nothing of
# the fault switch is in a build without it.
# Usage: tools/check-symbols.sh BUILD-FOLDER
set -euo pipefail

build=$1
include=$(dirname "$0")/../include
bad=0

versioned=$(nm -D --defined-only "$build/libmolt.so" | awk '$2 != "A" { print $3 }')
versions=$(awk '/^MOLT_[0-9.]+ / { print $1 }' "$(dirname "$0")/../src/libmolt.map")
exported=$(nm -D --defined-only "$build/libmolt.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort -u)
declared=$(grep -oE '\bmolt_[a-z0-9_]+\(' <(grep -hA3 'MOLT_API' "$include"/molt.h "$include"/molt/*.h | grep -v '^ \*') |
	tr -d '(' | sort -u)

complain() { # text, names on standard input
	while read -r name; do
		echo "$1: $name"
		bad=1
	done
}

complain "exported without molt_" < <(grep -v '^molt_' <<<"$exported" || true)
complain "exported but not in molt.h" < <(comm -23 <(grep '^molt_' <<<"$exported") <(echo "$declared"))
complain "in molt.h but not exported" < <(comm -13 <(echo "$exported") <(echo "$declared"))
complain "without a version of src/libmolt.map" < <(
	grep -vxE "[^@]+@@($(sed 's/\./\\./g' <<<"$versions" | paste -sd'|'))" <<<"$versioned" || true)
complain "global without molt_ or mo_" < <(
	nm -g --defined-only "$build/libmolt.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u |
		grep -vE '^(molt_|mo_|__asan|__odr_asan|DW\.ref\.)' || true)
# Faults on purpose are for test builds (meson -Dfaults=true) alone.
if ! grep -q '"name": "faults", "value": true' "$build/meson-info/intro-buildoptions.json"; then
	complain "of the fault switch, in a build without it" < <(
		{ nm "$build/libmolt.a" 2>/dev/null | awk '{ print $NF }' | grep '^mo_fault'; \
			grep -aoE 'MOLT_FAULT' "$build/libmolt.so"; } | sort -u || true)
fi
exit "$bad"
