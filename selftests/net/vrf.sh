#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vrf.sh - sessions of sockets that are bound to a VRF.
#
# Their segments pass the hooks of the member device, before the VRF gets them.
# Not every kernel has VRFs: this runs in the emulated machines.
#
#	$HOST  vrf0 { a0 } ------ b0  $PEER
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

run_vrf()	# hook answers-by-xdp
{
	local family
	setup_peer_topology
	ip -n "$HOST" link add vrf0 up type vrf table 10
	ip -n "$HOST" link set a0 vrf vrf0
	ip -n "$HOST" addr add "$HOST6/64" dev a0 nodad # they went with the move
	neigh "$HOST" a0 "$PEER_MAC" "$PEER4" "$PEER6"
	ns_set "$HOST" net.ipv4.tcp_invalid_ratelimit=0
	tap_test "hook $1: attach" vestige "$HOST" attach hook "$1" dev a0 dev lo
	vestige "$HOST" mslt set local "$((10 * SLOW))s"
	for family in 4 6 mapped; do
		tap_test "hook $1: v$family late FINs of a session bound to a VRF" \
			answers_are_counted "$family" "$2" "device vrf0"
		tap_test "hook $1: v$family late FINs of one bound to the member" \
			answers_are_counted "$family" "$2" "device a0"
	done
	tap_test "hook $1: a tuple is used again" reopened_in_vrf
	vestige "$HOST" detach
}

one_connection()
{
	in_ns "$HOST" ip vrf exec vrf0 "$TOOLS/churn" -c -n 1 -b "$HOST4" -P 33333 "$PEER4" 8080 |
		jq -e '.failures == 0'
}

# The record is found by a SYN on its way out, and by the socket that it becomes.
reopened_in_vrf()
{
	local safe reopened rc
	safe=$(counter "$HOST" connect_safe) reopened=$(counter "$HOST" reopened)
	ip -n "$PEER" addr add "$PEER4/24" dev b0
	serve "$PEER" 0.0.0.0 8080
	one_connection && sleep 0.01 && one_connection
	rc=$?
	kill_pid "$spawned"
	safe=$(($(counter "$HOST" connect_safe) - safe))
	reopened=$(($(counter "$HOST" reopened) - reopened))
	echo "connect_safe grew by $safe, reopened by $reopened"
	[ "$rc" = 0 ] && [ "$safe" = 1 ] && [ "$reopened" = 1 ]
}

tap_start
[ "$BACKEND" = vestige ] || tap_skip_all "stock has no hooks"
for hook in ${HOOKS:-xdp tc}; do
	case $hook in
	xdp)	run_vrf xdp 3 ;;
	tc)	run_vrf tc 0 ;;
	esac
done
tap_finish
