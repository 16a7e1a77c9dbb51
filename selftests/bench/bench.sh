#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016	# $ in single quotes belongs to jq
#
# bench.sh [PART...] - what vestige costs and gains, in parts
#
#	a memory	b connections	c CPU (with b)	d table
#	e passing segments	f answers to FINs
#
# BENCH_ROUNDS, BENCH_COUNT and BENCH_SECONDS say how often, and bound the
# connections of a case. Everything runs in namespaces that vanish. The result
# is a table, and build/bench.json; what misses its bound is said as MISSED.
set -u

cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}"
readonly DIR=selftests/bench
readonly ROUNDS=${BENCH_ROUNDS:-3} COUNT=${BENCH_COUNT:-100000}
readonly SECONDS_EACH=${BENCH_SECONDS:-8}
readonly VESTIGE=${VESTIGE:-$O/vestige}
readonly SITUATIONS=${BENCH_SITUATIONS:-loopback own bind notime overflow server}
readonly WAYS='stock knob ssk vestige'

work=
child=
round=1

cleanup() {
	[ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child"
	[ -n "$work" ] && rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# Run a command; add its lines, told apart by the round, to the raw results.
collect() {
	local part=$1 filter=$2
	shift 2

	"$@" >"$work/out" 2>"$work/errors" &
	child=$!
	if ! wait "$child"; then
		child=
		echo "    did not run: $*"
		sed 's/^/        /' "$work/errors" | head -n 5
		broken=$((broken + 1))
		return
	fi
	child=
	jq -c --argjson round "$round" "$filter" "$work/out" >>"$work/$part"
}

say() {
	echo "[$part $round/$ROUNDS] $*"
}

sizes() {
	unshare --net --mount bash -c '
		ip link set lo up && mount -t bpf bpf /sys/fs/bpf &&
		"$0" attach entries "$1" entries6 "$1" >&2 && "$0" -j status &&
		"$0" detach >&2' "$VESTIGE" "$1"
}

part_a() {
	local n

	[ "$round" = 1 ] || return # it is always the same
	say memory
	collect a '{stock: .}' $DIR/case.sh loopback stock 14000 5
	collect a '{server: .}' $DIR/case.sh server stock 10000 5
	for n in 65536 1048576; do
		collect a '{v4: .pool.v4, v6: .pool.v6, fixed: .fixed_bytes}' sizes "$n"
	done
}

part_b() {
	local situation way

	for situation in $SITUATIONS; do
		for way in $WAYS; do
			say "$situation, $way"
			collect b '. + {$round}' $DIR/case.sh "$situation" "$way" \
				"$COUNT" "$SECONDS_EACH"
		done
	done
}

part_d() {
	say 'table at 64 Ki and 1 Mi'
	collect d '. + {$round}' "$O/selftests/bench/table" 65536 1048576
}

part_e() {
	say 'passing segments'
	collect e '.[] + {$round}' "$O/selftests/bench/segment"
}

part_f() {
	local way

	for way in stock tc xdp; do
		say "answers to FINs, $way"
		collect f '. + {$round}' $DIR/fin.sh "$way" 4096 300000
	done
}

connections_table() {
	local form='%-10s %-8s %9s %10s %10s %8s %9s %9s %10s %7s\n'

	# shellcheck disable=SC2059 # one form for all lines
	printf "\n$form" situation way 'conn/s' 'p50 us' 'p99 us' failed \
		'CPU us' 'host us' 'protected' 'bytes'
	jq -r '.connections[] | .situation as $s | .ways | to_entries[] |
		[$s, .key, .value.rate, .value.p50_us, .value.p99_us, .value.failed,
		 .value.cpu_us, .value.host_cpu_us, .value.protected, .value.bytes] | @tsv' "$1" |
	while IFS=$'\t' read -ra row; do
		# shellcheck disable=SC2059
		printf "$form" "${row[@]}"
	done
}

checks_table() {
	local part what value bound verdict

	echo
	jq -r '.checks[] | [.part, .what, .value // "none", .bound // "-",
		if .bound == null then "" elif .ok then "ok" else "MISSED" end] | @tsv' "$1" |
	while IFS=$'\t' read -r part what value bound verdict; do
		printf '(%s) %-62s %12s  %-9s %s\n' "$part" "$what" "$value" "$bound" "$verdict"
	done
}

report() {
	local part

	for part in a b d e f; do
		[ ! -e "$work/$part" ] || jq -sc --arg part "$part" '{($part): .}' "$work/$part"
	done | jq -s 'add // {}' >"$work/raw"
	jq -f $DIR/bench.jq "$work/raw" >"$work/result" || exit 1
	jq -s '.[0] + {raw: .[1]}' "$work/result" "$work/raw" >"$O/bench.json"
	[ ! -e "$work/b" ] || connections_table "$work/result"
	checks_table "$work/result"
	echo
	jq -r '"\(.checks | map(select(.bound)) | length) bounds, \(.missed | length) MISSED"' \
		"$work/result"
	echo "All figures: $O/bench.json"
}

[ "$(id -u)" = 0 ] || { echo 'bench: needs root' >&2; exit 1; }
work=$(mktemp -d) || exit 1
broken=0
wanted=" ${*:-a b c d e f} "
wanted=${wanted/ c / b }
for ((round = 1; round <= ROUNDS; round++)); do
	for part in a b d e f; do
		case $wanted in
		*" $part "*)	"part_$part" ;;
		esac
	done
done
report
[ "$broken" = 0 ]
