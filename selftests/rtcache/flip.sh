#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# flip.sh - a copy of a route made while that route goes is never used afterwards.
#
# flip.h says how. The kernel tells of a deletion before it deletes; to stretch the
# time in between, there are traces that write a backtrace at each event.
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
setup_ns A || exit 1
ip -n "$A" link add d0 type dummy
ip -n "$A" link add d1 type dummy
ip -n "$A" link set d0 up
ip -n "$A" link set d1 up
ip -n "$A" addr add 192.0.2.1/24 dev d0
ip -n "$A" route add 198.51.0.0/16 dev d0
ip -n "$A" -6 route add 2001:db8::/32 dev d0
for i in 1 2 3 4 5 6 7 8; do
	setup_trace ".$i" || tap_skip_all "no tracefs"
	for event in flush event; do
		echo stacktrace >"$TRACE/events/vestige/vestige_rtcache_$event/trigger"
	done 2>/dev/null
done
rounds=${ROUNDS:-100}
tap_start
tap_test "IPv4: $rounds routes come and go, no copy is older" gen "$A" flip 4 "$rounds"
tap_test "IPv6: $rounds routes come and go, no copy is older" gen "$A" flip 6 "$rounds"
tap_finish
