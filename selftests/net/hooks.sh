#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hooks.sh - behaviour 11: by which hook a late segment is answered.
#
# With `hook xdp` a veth answers by XDP_TX, which answered_xdp counts; with
# `hook tc` the same answer leaves by tc; `lo` has tc in any case. What others have
# attached to a device stays as it is. HOOKS="xdp ..." narrows.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

hook_is()	# device hook
{
	local hook
	hook=$(status_of "$HOST" ".devices[] | select(.name == \"$1\") | .hook")
	[ "$hook" = "$2" ] || { echo "$1: $hook"; return 1; }
}

# The kernel's word on it, not ours.
xdp_is()	# device id-or-nothing
{
	[ "$(ip -n "$HOST" -j -d link show "$1" | jq -r '.[0].xdp.prog.id // "none"')" = "$2" ]
}

has_native_xdp()	# device
{
	[ "$(ip -n "$HOST" -j -d link show "$1" | jq -r '.[0].xdp.mode')" = 1 ]
}

has_clsact()	# device
{
	tc -n "$HOST" qdisc show dev "$1" | grep -q clsact
}

clean_device()	# device
{
	xdp_is "$1" none && ! has_clsact "$1"
}

run_hook()	# hook
{
	local by_xdp=0 family want=$1
	setup_peer_topology
	# Each late FIN is to be answered, however fast they come.
	ns_set "$HOST" net.ipv4.tcp_invalid_ratelimit=0
	# auto leaves XDP to hardware: it would cost a veth its segmentation offload.
	[ "$want" != auto ] || want=tc
	[ "$want" = tc ] || by_xdp=3
	tap_test "hook $1: attach" vestige "$HOST" attach hook "$1"
	tap_test "hook $1: veth has $want" hook_is a0 "$want"
	tap_test "hook $1: lo has tc" hook_is lo tc
	if [ "$want" = xdp ]; then
		tap_test "hook $1: native XDP, not generic" has_native_xdp a0
	else
		tap_test "hook $1: no XDP" xdp_is a0 none
	fi
	for family in 4 6 mapped; do
		tap_test "hook $1: v$family late FINs, $by_xdp of 3 answered by XDP_TX" \
			answers_are_counted "$family" "$by_xdp"
	done
	tap_test "hook $1: detach" vestige "$HOST" detach
	tap_test "hook $1: nothing is left on veth" clean_device a0
	tap_test "hook $1: nothing is left on lo" clean_device lo
}

# --- lo ------------------------------------------------------------------------

lo_answers()	# address
{
	local before lo_port lo_snd lo_rcv
	before=$(counter "$HOST" answered_fin)
	remember_on_lo "$HOST" "$1" && late_fin_on_lo "$HOST" "$1" || return 1
	[ $(($(counter "$HOST" answered_fin) - before)) -eq 1 ] &&
		[ "$(counter "$HOST" answered_xdp)" = 0 ]
}

run_lo()
{
	setup_ns HOST
	ip -n "$HOST" addr add "$HOST4/32" dev lo
	ip -n "$HOST" addr add "$HOST6/128" dev lo
	ns_set "$HOST" net.ipv4.tcp_rfc1337=1 net.ipv4.tcp_timestamps=0 \
		net.ipv4.tcp_invalid_ratelimit=0
	tap_test "lo: attach with hook tc dev lo" vestige "$HOST" attach hook tc dev lo
	# Of two seconds a busy machine loses too much between closing and asking.
	vestige "$HOST" mslt set loopback "$((10 * SLOW))s"
	tap_test "lo: a late FIN to 127.0.0.1 is answered" lo_answers 127.0.0.1
	tap_test "lo: a late FIN to the own address is answered" lo_answers "$HOST4"
	tap_test "lo: a late FIN to ::1 is answered" lo_answers ::1
	tap_test "lo: a late FIN to the own IPv6 address is answered" lo_answers "$HOST6"
	vestige "$HOST" detach
}

# --- others on the same device ---------------------------------------------------

load_others()
{
	[ -e /sys/fs/bpf/others ] ||
		bpftool prog loadall "$TOOLS/others.bpf.o" /sys/fs/bpf/others
}

# XDP is taken: auto falls back to tc, and the other program stays.
xdp_taken_auto()
{
	local id
	id=$(bpftool -j prog show pinned /sys/fs/bpf/others/pass | jq .id)
	in_ns "$HOST" ip link set dev a0 xdp pinned /sys/fs/bpf/others/pass || return 1
	xdp_is a0 "$id" || { echo "the other program is not there"; return 1; }
	vestige "$HOST" attach hook auto && hook_is a0 tc && xdp_is a0 "$id" &&
		vestige "$HOST" detach && xdp_is a0 "$id"
}

xdp_taken_refused()
{
	local out
	if out=$(vestige "$HOST" attach hook xdp dev a0 2>&1); then
		vestige "$HOST" detach
		echo "not refused: $out"
		return 1
	fi
	echo "$out"
	[ "$(wc -l <<<"$out")" = 1 ] && ! has_clsact a0 &&
		[ "$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)" != 0 ]
}

add_foreign()	# priority handle
{
	in_ns "$HOST" tc filter add dev a0 ingress prio "$1" handle "$2" bpf \
		object-pinned /sys/fs/bpf/others/cls direct-action
}

# A qdisc and a filter of somebody else, on the very hook, are there afterwards.
foreign_filter_stays()
{
	ip -n "$HOST" link set dev a0 xdp off
	tc -n "$HOST" qdisc add dev a0 clsact && add_foreign 3 1 || return 1
	vestige "$HOST" attach hook tc && late_fins 4 1
	local rc=$?
	vestige "$HOST" detach || rc=1
	has_clsact a0 || { echo "their qdisc has gone"; rc=1; }
	tc -n "$HOST" filter show dev a0 ingress | grep -q 'cls' ||
		{ echo "their filter has gone"; rc=1; }
	return "$rc"
}

# A filter where ours would go: refused, and nothing of it is touched.
our_place_is_taken()
{
	local out
	add_foreign 7 0x7677 || return 1
	if out=$(vestige "$HOST" attach hook tc 2>&1); then
		vestige "$HOST" detach
		echo "not refused: $out"
		return 1
	fi
	echo "$out"
	tc -n "$HOST" filter show dev a0 ingress pref 7 | grep -q cls &&
		! tc -n "$HOST" filter show dev a0 | grep -q vtw_ && ! has_clsact lo
}

run_others()
{
	setup_peer_topology
	tap_test "load programs of others" load_others
	tap_test "hook auto: XDP is taken, so tc" xdp_taken_auto
	tap_test "hook xdp: XDP is taken, so refused" xdp_taken_refused
	tap_test "a foreign qdisc and filter stay" foreign_filter_stays
	tap_test "a foreign filter in our place: refused, untouched" our_place_is_taken
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "stock has no hooks"
	tap_finish
fi
for hook in ${HOOKS:-xdp tc auto}; do
	run_hook "$hook"
done
run_lo
run_others
tap_finish
