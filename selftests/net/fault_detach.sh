#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fault_detach.sh - detach is killed, or refused, at each of its steps.
#
# As fault_attach.sh, the other way round: whatever is left, the next attach or
# detach mends it, the sysctl is restored, and in between TCP works.
# shellcheck source=selftests/net/fault.sh disable=SC2317,SC2153
. "$(dirname "$0")/fault.sh"

# While the kernel makes no TIME_WAIT, we must: nothing that records or answers
# may have gone before the sysctl is back.
order_holds()
{
	local dir name
	[ "$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)" = 0 ] || return 0
	dir=$(echo /sys/fs/bpf/vestige/*)
	for name in attachment link_sockops link_net v4_record v4_index v6_record v6_index; do
		[ -e "$dir/$name" ] || { echo "sysctl is 0, but $name has gone"; return 1; }
	done
	tc -n "$HOST" filter show dev lo ingress | grep -q vtw_in
}

attached_again()
{
	do_attach && is_attached && records
}

killed_then_attach()	# step
{
	is_attached && kill_at "$1" detach && order_holds && tcp_works && attached_again
}

# At the last step only the folder is left, and that is not attached.
killed_then_detach()	# step
{
	local rc=0
	is_attached && kill_at "$1" detach && order_holds && tcp_works &&
		do_detach && is_clean "$HOST" "$BUCKETS" || rc=1
	attached_again && return "$rc"
}

# Refused half-way: the command says so, and detach goes on from there.
fails_then_detach()	# step
{
	local rc out
	out=$(VESTIGE_FAULT=-$1 vestige "$HOST" detach 2>&1)
	rc=$?
	echo "exit $rc: $out"
	[ "$rc" -eq 2 ] && tcp_works && do_detach && is_clean "$HOST" "$BUCKETS"
	rc=$?
	attached_again && return "$rc"
}

start_faults detached
tap_test "attach" do_attach
steps=$(count_steps do_attach detach)
tap_result $? "detach has $steps steps"
kill_at_each "${steps:-0}"
for ((i = 1; i <= ${steps:-0}; i += 2)); do
	tap_test "step $i fails: detach goes on from there" fails_then_detach $i
done
tap_test "detach" do_detach
tap_test "nothing is left" is_clean "$HOST" "$BUCKETS"
tap_finish
