#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh - the same connections with stock Linux, with the sysctls that help
# most, and with vestige; one table at the end
#
# DEMO_COUNT and DEMO_SECONDS bound each case. Each case has namespaces of its
# own (selftests/bench/case.sh); nothing else of the host is touched.
set -u

cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}"
readonly CASE=selftests/bench/case.sh
readonly COUNT=${DEMO_COUNT:-40000} SECONDS_EACH=${DEMO_SECONDS:-4}

# situation, its title, ways to run it; ssk stands where no sysctl helps.
readonly CASES='
loopback|loopback, 127.0.0.1|stock knob vestige
own|own address, 10.9.9.9|stock knob vestige
bindfull|bind() before connect()|stock knob ssk vestige
notimefull|timestamps off|stock knob ssk vestige
overflow|memory for 5,000 sockets|stock knob vestige'

work=
child=

cleanup() {
	[ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child"
	[ -n "$work" ] && rm -rf "$work"
}
trap cleanup EXIT
trap 'echo; echo "demo: stopped; nothing is left behind"; exit 130' INT TERM HUP

way_title() {
	case $1 in
	stock)	echo stock ;;
	knob)	case $2 in
		overflow) echo 'no limit' ;;
		*)	echo 'tcp_tw_reuse=1' ;;
		esac ;;
	ssk)	echo 'ss -K each second' ;;
	*)	echo "$1" ;;
	esac
}

run_case() {
	local situation=$1 title=$2 way=$3 out=$work/result seconds=$SECONDS_EACH

	case $situation.$way in
	*full.stock | *full.knob)	seconds=$((seconds / 2)) ;; # fails all along
	esac
	printf '[%2d/%d] %-25s %-18s ' "$number" "$total" "$title" \
		"$(way_title "$way" "$situation")"
	$CASE "$situation" "$way" "$COUNT" "$seconds" \
		>"$out" 2>"$work/errors" &
	child=$!
	if ! wait "$child"; then
		child=
		echo 'did not run:'
		head -n 3 "$work/errors" | sed 's/^/        /'
		broken=$((broken + 1))
		return
	fi
	child=
	jq -r '"\(.made) made, \(.failed) failed in \(.seconds) s"' "$out"
	jq -c --arg title "$title" --arg by "$(way_title "$way" "$situation")" \
		'. + {$title, $by}' "$out" >>"$work/results"
}

run_all() {
	local situation title ways way

	while IFS='|' read -r situation title ways; do
		for way in $ways; do
			number=$((number + 1))
			run_case "$situation" "$title" "$way"
		done
	done < <(echo "$CASES" | sed 1d)
}

# shellcheck disable=SC2016 # jq's $, not the shell's
readonly ROWS='
def us: if . == null or . == 0 then "-"
	elif . < 1e6 then "\(. / 1e3 | round) us"
	else "\(. / 1e5 | round / 10) ms" end;
[.title, .by, "\(.rate)", (.p50_ns | us), (.p99_ns | us), "\(.failed)",
 "\([.protected / .closed * 100, 100] | min | floor) %",
 "\(.bytes * 10 | round / 10)"] | @tsv'

table() {
	local form='%-25s %-18s %9s %9s %9s %8s %10s %8s\n'

	echo
	# shellcheck disable=SC2059 # one form for all lines
	{
		printf "$form" situation way 'connects' 'connect()' 'connect()' \
			failed sessions 'bytes a'
		printf "$form" '' '' 'per s' p50 p99 '' protected session
		rows "$form"
	}
}

rows() {
	local last='' title by rate p50 p99 failed protected bytes

	while IFS=$'\t' read -r title by rate p50 p99 failed protected bytes; do
		[ "$title" != "$last" ] || title=''
		[ -z "$title" ] || last=$title
		# shellcheck disable=SC2059 # one form for all lines
		printf "$1" "$title" "$by" "$rate" "$p50" "$p99" "$failed" \
			"$protected" "$bytes"
	done < <(jq -r "$ROWS" "$work/results")
}

notes() {
	cat <<-E

	One thread, client closes first, default port range (28,232 ports), at most
	$COUNT connections or $SECONDS_EACH s a case. tcp_tw_reuse=1 goes with the smallest
	tcp_tw_reuse_delay where the kernel has one. bind() and timestamps: 28,100 ports
	were used within the minute before. Protected: closed sessions whose TIME_WAIT
	lasted until it ran out or a newer connection could safely have the ports.
	Memory for 5,000 sockets: stock has tcp_max_tw_buckets=5000, vestige as many bytes.
	E
}

[ "$(id -u)" = 0 ] || { echo 'demo: needs root, for namespaces' >&2; exit 1; }
work=$(mktemp -d) || exit 1
: >"$work/results"
number=0 broken=0
total=$(echo "$CASES" | sed 1d | cut -d'|' -f3 | wc -w)
start=$SECONDS
echo "Real TCP connections in throwaway network namespaces, $total cases:"
run_all
table
notes
echo "Took $((SECONDS - start)) s. The host is as it was."
[ "$broken" = 0 ]
