#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fault_attach.sh - attach is killed, or refused, at each of its steps.
#
# After a kill, TCP must work, and the next attach or detach must
# mend what is left; after a failure, nothing may be left at all.
# shellcheck source=selftests/net/fault.sh disable=SC2317,SC2153
. "$(dirname "$0")/fault.sh"

killed_then_attach()	# step
{
	kill_at "$1" "${ATTACH[@]}" && order_holds && tcp_works &&
		do_attach && is_attached && records &&
		do_detach && is_clean "$HOST" "$BUCKETS"
}

# Killed before its first step, an attach has only made its folder, or nothing.
killed_then_detach()	# step
{
	kill_at "$1" "${ATTACH[@]}" && order_holds && tcp_works &&
		do_detach && is_clean "$HOST" "$BUCKETS" && tcp_works
}

# The sysctl is the last thing: with it everything else must be in its place.
order_holds()
{
	[ "$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)" != 0 ] || {
		bpftool cgroup show "$CG" | grep -q vtw_sockops &&
			tc -n "$HOST" filter show dev lo ingress | grep -q vtw_in
	}
}

fails_cleanly()		# step
{
	local out rc
	out=$(VESTIGE_FAULT=-$1 vestige "$HOST" "${ATTACH[@]}" 2>&1)
	rc=$?
	echo "exit $rc: $out"
	[ "$rc" -eq 2 ] && [ "$(wc -l <<<"$out")" = 1 ] && [[ $out == vestige:* ]] &&
		is_clean "$HOST" "$BUCKETS" && tcp_works
}

start_faults attached
steps=$(count_steps do_detach "${ATTACH[@]}")
tap_result $? "attach has $steps steps"
kill_at_each "${steps:-0}"
# A failure is undone by the code that also mends: every other step will do.
for ((i = 1; i <= ${steps:-0}; i += 2)); do
	tap_test "step $i fails: refused, nothing left" fails_cleanly $i
done
tap_finish
