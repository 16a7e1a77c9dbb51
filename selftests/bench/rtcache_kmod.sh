#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called by name
#
# rtcache_kmod.sh - what it costs that copies of routes know when they are stale: a
# route inserted with the module and without; a flush with few copies and with many.
#
#   ROUTES=N	inserted by `ip -batch` (default: 20000; with 100000 it takes half an hour)
#   FAMILIES="4 6"
#   ROUNDS=N	of each, in turn (default: 3); the least is told, the rest is noise
#   ICOUNT=1	the clock counts instructions: a nanosecond is one
#
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/../rtcache/lib.sh"

ROUTES=${ROUTES:-20000} ROUNDS=${ROUNDS:-3}
missed=0

microseconds()
{
	echo "${EPOCHREALTIME/[.,]/}"
}

least()	# numbers
{
	sort -n | head -n 1
}

report()	# text a b most
{
	local ratio verdict
	ratio=$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.4f", b ? a / b : 0 }')
	verdict=$(awk -v r="$ratio" -v most="$4" 'BEGIN {
		print (r + 0 <= most + 0) ? "" : "MISSED" }')
	[ -z "$verdict" ] || missed=$((missed + 1))
	printf '%-52s %10s %10s   %s  <= %s  %s\n' "$1" "$2" "$3" "$ratio" "$4" "$verdict"
}

# --- routes ----------------------------------------------------------------------------

routes()	# 4|6
{
	awk -v n="$ROUTES" -v version="$1" 'BEGIN {
		for (i = 0; i < n; i++)
			if (version == 4)
				printf "route add %d.%d.%d.0/24 dev d0\n", 20 + i / 65536,
					i / 256 % 256, i % 256
			else
				printf "route add 2001:db8:%x:%x::/64 dev d0\n", 4096 + i / 65536,
					i % 65536
	}'
}

# Nanoseconds a route, in a namespace that is new each time.
insertion()	# 4|6
{
	local t
	setup_ns N || return 1
	ip -n "$N" link add d0 type dummy
	ip -n "$N" link set d0 up
	sleep 1
	t=$(microseconds)
	ip -n "$N" -batch "$TMP/routes.$1" || return 1
	t=$(($(microseconds) - t))
	ip netns del "$N"
	sleep 1
	echo $((t * 1000 / ROUTES))
}

insertions()	# 4|6
{
	local i
	routes "$1" >"$TMP/routes.$1"
	for ((i = 0; i < ROUNDS; i++)); do
		rmmod vestige || return 1
		insertion "$1" >>"$TMP/without.$1"
		modprobe vestige || return 1
		insertion "$1" >>"$TMP/with.$1"
	done
	report "IPv$1: a route of $ROUTES inserted, ns: module / none" \
		"$(least <"$TMP/with.$1")" "$(least <"$TMP/without.$1")" 1.01
}

# --- flushes ---------------------------------------------------------------------------

flush_of()	# number of copies
{
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		gen "$A" hold "$1"
	done | awk '{ print $2 }' | least
}

need_rtcache
[ "$(cat /sys/module/vestige/refcnt)" = 0 ] || tap_skip_all "the module is in use"
setup_ns A && setup_routed "$A" || exit 1
echo "$(uname -r), $(nproc) CPU, $ROUNDS rounds${ICOUNT:+; clock: instructions}"
report 'a flush, ns: of 1,000,000 copies / of 10' "$(flush_of 1000000)" "$(flush_of 10)" 1.10
for family in ${FAMILIES:-4 6}; do
	insertions "$family"
done
[ $missed = 0 ] || echo "$missed MISSED"
exit 0
