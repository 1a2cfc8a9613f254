#!/usr/bin/env bash
# The layer rule: a file includes only from its own layer and from those left of
# it, in base <- rt <- net <- http <- web; gen stands on base, rt and net, config and
# supervisor on these and gen; web has no business with supervisor.  Of the molt command, what its
# parts share is in command, molt prove in prove; cli may include all.
# The folders of http, gen and web stand on each other, too, and self and control below
# all of gen.
# A header NAME_internal.h is for the files of its folder.  JSON comes in
# through base/json.h alone, which limits its depth.  The state of a connection is set by
# mo_conn_set_state() alone, which looks at its table.  No file has another's name.
# Prints each line that breaks it.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A may=(
	[base]="base"
	[rt]="base rt"
	[net]="base rt net"
	[http]="base rt net http"
	[gen]="base rt net gen"
	[supervisor]="base rt net gen supervisor"
	[config]="base net gen config"
	[web]="base rt net http gen config web"
	[command]="base net gen web command"
	[prove]="base rt net http gen command prove"
	[cli]="base rt net http gen supervisor config web command prove cli"
)

bad=0
while IFS=: read -r file line text; do
	layer=${file#src/}
	layer=${layer%%/*}
	used=${text#*\"}
	used=${used%%\"*}
	case $used in
	*_internal.h)
		if [ "src/${used%/*}" != "${file%/*}" ]; then
			echo "$file:$line: \"$used\" is for the files of its folder"
			bad=1
		fi
		;;
	esac
	[ "$used" = molt.h ] && continue
	case " ${may[$layer]:-} " in
	*" ${used%%/*} "*) [ "$used" != "${used%%/*}" ] && continue ;;
	esac
	echo "$file:$line: layer \"$layer\" may not include \"$used\""
	bad=1
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.[chS]')
# The folders of a layer, from below to above; "." is the layer's own.
declare -A floors=(
	[http]="syntax conn h1 h2 live"
	[gen]=". os wire receipt join transfer drain new old engine"
	[web]="route core out files log live run admin start"
)
# No subshell in this loop: there are thousands of lines.
for layer in "${!floors[@]}"; do
	declare -A height=()
	for folder in ${floors[$layer]}; do
		height[$folder]=${#height[@]}
	done
	while IFS=: read -r file line text; do
		used=${text#*\"$layer/}
		used=${used%%\"*}
		above=${used%/*} below=${file#"src/$layer/"}
		below=${below%/*}
		[[ $used == */* ]] || above=.
		[[ ${file#"src/$layer/"} == */* ]] || below=.
		for folder in "$above" "$below"; do
			[ -n "${height[$folder]-}" ] && continue
			echo "tools/check-layers.sh: src/$layer/$folder has no floor" >&2
			exit 1
		done
		[ "${height[$above]}" -le "${height[$below]}" ] && continue
		echo "$file:$line: \"$layer/$used\" stands above it (${floors[$layer]})"
		bad=1
	done < <(grep -rnE "#include \"$layer/" "src/$layer" --include='*.[ch]')
	unset height
done
while IFS=: read -r file line text; do
	case $text in *'"gen/gen.h"'*) continue ;; esac
	case $file in src/gen/self.*) [[ $text == *'"gen/self.h"'* ]] && continue ;; *) [[ $text == *'"gen/control.h"'* ]] && continue ;; esac
	echo "$file:$line: it stands below all of src/gen"
	bad=1
done < <(grep -nE '#include "gen/' src/gen/self.[ch] src/gen/control.[ch])
while IFS=: read -r file line _; do
	echo "$file:$line: JSON from outside is loaded by mo_json_load()"
	bad=1
done < <(grep -rnE '\bjson_load(s|b|f|fd|_file|_callback)?\(' src --include='*.[ch]' | grep -v '^src/base/json\.[ch]:')
while IFS=: read -r file line _; do
	echo "$file:$line: the state of a connection is set by mo_conn_set_state()"
	bad=1
done < <(grep -rnE '(->|\.)state = MO_CONN_' src/http src/web --include='*.[ch]' | grep -v '^src/http/conn/conn_protocol\.h:')
while read -r name; do
	echo "src: two files are called $name; say of what each one is"
	bad=1
done < <(find src -name '*.[ch]' -printf '%f\n' | sort | uniq -d)
exit "$bad"
