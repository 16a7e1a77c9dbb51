#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fault.sh - sourced by fault_attach.sh and fault_detach.sh: what both do with a
# command that is killed, or refused, at each of its steps.
#
# VESTIGE_FAULT=N is kill -9 before step N, which no handler sees; -N makes that
# step fail; count prints how many there are.
# shellcheck source=selftests/net/lib.sh disable=SC2034,SC2153
. "$(dirname "$0")/lib.sh"

ATTACH=(attach dev lo entries 64 entries6 64)

start_faults()	# what cannot be done to stock
{
	tap_start
	if [ "$BACKEND" = stock ]; then
		tap_skip "all of it" "stock cannot be $1"
		tap_finish
	fi
	setup_ns HOST
	private_cgroup || tap_skip_all "no cgroup2"
	ATTACH+=(cgroup "$CG")
	defer vestige "$HOST" detach
	BUCKETS=$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)
}

# The steps of a command; undo takes back what it has done.
count_steps()	# undo command...
{
	local undo=$1 n
	shift
	n=$(VESTIGE_FAULT=count vestige "$HOST" "$@" 2>&1 | tail -n 1)
	$undo >/dev/null || return 1
	[ "$n" -gt 10 ] && echo "$n"
}

do_attach()
{
	vestige "$HOST" "${ATTACH[@]}"
}

do_detach()
{
	vestige "$HOST" detach
}

tcp_works()
{
	in_ns "$HOST" "$TOOLS/churn" -n 20 127.0.0.1 9000
}

is_attached()
{
	[ "$(status_of "$HOST" .attached)" = true ] &&
		[ "$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)" = 0 ]
}

# An attachment that was mended is a whole one.
records()
{
	local before
	before=$(counter "$HOST" entered_time_wait)
	tcp_works && [ $(($(counter "$HOST" entered_time_wait) - before)) -eq 20 ]
}

kill_at()	# step command...; what the shell says of the kill is not for us
{
	local step=$1
	shift
	{ VESTIGE_FAULT=$step vestige "$HOST" "$@"; } >/dev/null 2>&1
	[ $? -eq 137 ] || { echo "not killed at step $step"; return 1; }
}

# Each step once, by turns mended by attach and by detach.
kill_at_each()	# steps
{
	local i
	for ((i = 1; i <= $1; i++)); do
		if ((i % 2)); then
			tap_test "killed at step $i: attach mends" killed_then_attach $i
		else
			tap_test "killed at step $i: detach mends" killed_then_detach $i
		fi
	done
}
