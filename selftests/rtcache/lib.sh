#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034	# variables for who sources this
#
# lib.sh - sourced first by every script of this directory: selftests/net/lib.sh, a
# namespace with routes, and the generations that the module gives away.
BACKEND=stock
# shellcheck source=selftests/net/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

GEN=${TOOLS%/net}/rtcache/gen
# An emulated processor takes its time, and RCU does on any.
WAIT=$((2000 * SLOW))

need_rtcache()
{
	[ -x "$GEN" ] || tap_skip_all "the test program is not built: $GEN"
	# Nobody can end a rmmod that waits: what comes after it must not pass as skipped.
	[ "$(cat /sys/module/vestige/initstate 2>/dev/null)" != going ] ||
		{ echo 'Bail out! An earlier rmmod vestige does not come to its end.'; exit 1; }
	[ -e /sys/module/vestige ] || modprobe vestige 2>/dev/null ||
		tap_skip_all "this kernel has no module vestige (make kmod)"
	"$GEN" get >/dev/null || tap_skip_all "the module has no rtcache"
}

# d0 192.0.2.1/24 2001:db8:1::1/64, d1 198.51.100.1/24 2001:db8:2::1/64: wires to nowhere.
setup_routed()	# ns
{
	ip -n "$1" link add d0 type dummy && ip -n "$1" link add d1 type dummy || return 1
	ip -n "$1" addr add 192.0.2.1/24 dev d0
	ip -n "$1" addr add 198.51.100.1/24 dev d1
	ip -n "$1" addr add 2001:db8:1::1/64 dev d0 nodad
	ip -n "$1" addr add 2001:db8:2::1/64 dev d1 nodad
	ip -n "$1" link set d0 up
	ip -n "$1" link set d1 up
}

gen()		# ns words...
{
	local ns=$1
	shift
	in_ns "$ns" "$GEN" "$@"
}

stat()		# ns name; of gen stats
{
	gen "$1" stats | awk -v name="$2" '$1 == name { print $2 }'
}

settled()	# ns...
{
	local ns
	for ns; do
		gen "$ns" settled "$WAIT" || return 1
	done
}

# --- what the tracepoints say -----------------------------------------------------------

# A trace of our own, $TRACE, so that nobody else is disturbed.
setup_trace()	# [suffix]
{
	local root=/sys/kernel/tracing
	[ -d "$root/instances" ] || mount -t tracefs tracefs "$root" 2>/dev/null
	TRACE=$root/instances/vestige-$$${1-}
	mkdir "$TRACE" 2>/dev/null || return 1
	defer rmdir "$TRACE"
	defer trace_off "$TRACE"
	echo 1 >"$TRACE/events/vestige/enable"
}

trace_off()	# dir
{
	local trigger
	echo 0 >"$1/events/vestige/enable"
	for trigger in "$1"/events/vestige/*/trigger; do
		echo '!stacktrace' >"$trigger"
	done
}

trace_clear()
{
	: >"$TRACE/trace"
}

# One line for each: COMM flush|event cookie=... family=... reason=... and so on.
trace_read()
{
	sed -En 's/^ *(.*)-[0-9]+ +\[[0-9]+\].*: vestige_rtcache_(flush|event): (.*)/\1 \2 \3/p' \
		"$TRACE/trace"
}
