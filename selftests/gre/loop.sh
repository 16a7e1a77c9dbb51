#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# loop.sh - tunnels in tunnels, routes that lead back, routes that change: refused where
# it has to be, counted, said once; followed at once.
#
#   $A  g0 = a0 ------------ b0 = g0  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

said()		# text; how often has the kernel said it?
{
	dmesg 2>/dev/null | grep -c "$1"
}

send_some()	# ns address
{
	in_ns "$1" "$FLOW" -u -n 10 -s 100 "$2" 9 >/dev/null
}

# A route to the peer by way of the tunnel to the peer.
route_into_itself()	# prefix remote
{
	local before collisions
	before=$(said "leads into this device")
	collisions=$(stat64 "$A" g0 tx_errors)
	ip -n "$A" route add "$1" dev g0 || return 1
	counts "$A" g0 'tx_loop 10' send_some "$A" 10.0.0.2 || return 1
	ip -n "$A" route del "$1" dev g0
	same $(($(said "leads into this device") - before)) 1 || return 1
	[ "$(stat64 "$A" g0 tx_errors)" -gt "$collisions" ] || { echo "no error"; return 1; }
	# And when it is gone it works again, at once.
	transfer "$A" "$B" 10.0.0.2 10000
}

loop_v4()
{
	both g0 "$HOST4" "$PEER4" && inner_up "$A" g0 1 && inner_up "$B" g0 2 &&
		transfer "$A" "$B" 10.0.0.2 10000 && route_into_itself "$PEER4/32"
}

loop_v6()
{
	both g0 "$HOST6" "$PEER6" transport udp && inner_up "$A" g0 1 && inner_up "$B" g0 2 &&
		transfer "$A" "$B" 10.0.0.2 10000 && route_into_itself "$PEER6/128"
}

# Two that lead into each other: neither is its own device.
mutual()
{
	local before
	before=$(said "tunnels in tunnels")
	gre "$A" add g0 local "$HOST4" remote 198.51.100.1 &&
		gre "$A" add g1 local "$HOST4" remote 198.51.100.2 || return 1
	inner_up "$A" g0 1 10.0.0 && inner_up "$A" g1 1 10.0.1 || return 1
	ip -n "$A" route add 198.51.100.1 dev g1 && ip -n "$A" route add 198.51.100.2 dev g0 ||
		return 1
	send_some "$A" 10.0.0.2
	send_some "$A" 10.0.1.2
	[ $(($(gre_json "$A" g0 .counters.tx_nesting) +
		$(gre_json "$A" g1 .counters.tx_nesting))) -ge 20 ] ||
		{ counters "$A" g0; return 1; }
	[ $(($(said "tunnels in tunnels") - before)) -le 2 ]
}

# Each in the one before; four are allowed.
nested()
{
	local i
	both g1 "$HOST4" "$PEER4" && inner_up "$A" g1 1 10.0.1 && inner_up "$B" g1 2 10.0.1 ||
		return 1
	for i in 2 3 4 5; do
		both "g$i" "10.0.$((i - 1)).1" "10.0.$((i - 1)).2" key "$i" || return 1
		inner_up "$A" "g$i" 1 "10.0.$i" && inner_up "$B" "g$i" 2 "10.0.$i" || return 1
	done
	transfer "$A" "$B" 10.0.4.2 50000 && transfer "$B" "$A" fd00:4::1 50000
}

too_deep()
{
	send_some "$A" 10.0.5.2
	[ "$(gre_json "$A" g1 .counters.tx_nesting)" -ge 10 ] || { counters "$A" g1; return 1; }
}

# The kernel's own tunnels in between count for it, too, or for the kernel.
mixed()
{
	local i
	ip -n "$A" link add t0 type gre local "$HOST4" remote "$PEER4" key 1 &&
		ip -n "$B" link add t0 type gre local "$PEER4" remote "$HOST4" key 1 || return 1
	inner_up "$A" t0 1 10.0.7 && inner_up "$B" t0 2 10.0.7 &&
		both g0 10.0.7.1 10.0.7.2 && inner_up "$A" g0 1 && inner_up "$B" g0 2 || return 1
	transfer "$A" "$B" 10.0.0.2 50000 && transfer "$B" "$A" 10.0.0.1 50000 || return 1
	# Round and round through both kinds.
	ip -n "$A" route add 10.0.7.2/32 dev g0 && send_some "$A" 10.0.0.2
	[ "$(gre_json "$A" g0 .counters.tx_loop)" -ge 1 ]
}

# --- the cached route --------------------------------------------------------------------

counted_on()	# ns dev
{
	stat64 "$1" "$2" tx_packets
}

# A second way to the peer: what is sent takes it from the next packet on, and goes back.
route_changes()	# option of ip, remote, addresses of the second link
{
	local first second i
	for i in 1 2 3; do
		second=$(counted_on "$A" a1)
		ip -n "$A" "$1" route add "$2" dev a1 || return 1
		send_some "$A" 10.0.0.2
		second=$(($(counted_on "$A" a1) - second))
		ip -n "$A" "$1" route del "$2" dev a1
		first=$(counted_on "$A" a0)
		send_some "$A" 10.0.0.2
		first=$(($(counted_on "$A" a0) - first))
		# Nobody listens there: where answers come back, some are not even sent.
		[ "$second" -ge 10 ] && [ "$first" -ge 5 ] && continue
		echo "by a1 $second, then by a0 $first of 10"
		return 1
	done
}

changes_v4()
{
	both g0 "$HOST4" "$PEER4" && inner_up "$A" g0 1 && inner_up "$B" g0 2 &&
		send_some "$A" 10.0.0.2 && route_changes -4 "$PEER4/32"
}

changes_v6()
{
	both g0 "$HOST6" "$PEER6" && inner_up "$A" g0 1 && inner_up "$B" g0 2 &&
		send_some "$A" 10.0.0.2 && route_changes -6 "$PEER6/128"
}

# No way at all: counted, and there is one again when there is.
no_route()
{
	gre "$A" add g0 local "$HOST4" remote 203.0.113.9 && inner_up "$A" g0 1 || return 1
	counts "$A" g0 'tx_no_route 10' send_some "$A" 10.0.0.2 || return 1
	ip -n "$A" route add 203.0.113.0/24 via "$PEER4" || return 1
	counts "$A" g0 '' send_some "$A" 10.0.0.2
	local rc=$?
	ip -n "$A" route del 203.0.113.0/24
	return "$rc"
}

# Bound to one device: no other will do, whatever the routes say.
bound()
{
	both g0 "$HOST4" "$PEER4" dev a0 2>/dev/null
	gre "$A" show g0 >/dev/null 2>&1 || gre "$A" add g0 local "$HOST4" remote "$PEER4" dev a0 ||
		return 1
	inner_up "$A" g0 1 || return 1
	local before
	ip -n "$A" route add "$PEER4/32" dev a1
	before=$(counted_on "$A" a0)
	send_some "$A" 10.0.0.2
	ip -n "$A" route del "$PEER4/32" dev a1
	[ $(($(counted_on "$A" a0) - before)) -ge 5 ]
}

need_module
tap_start
setup_pair || exit 1
ip -n "$A" link add a1 type veth peer name b1 netns "$B" || exit 1
ip -n "$A" link set a1 up && ip -n "$B" link set b1 up
neigh "$A" a1 "$PEER_MAC" "$PEER4" "$PEER6"
tap_test "a route into the tunnel itself" loop_v4
away g0
tap_test "a route into the tunnel itself, UDP over IPv6" loop_v6
away g0
tap_test "two tunnels that lead into each other" mutual
away g0 g1
tap_test "four in each other" nested
tap_test "a fifth is too deep" too_deep
away g5 g4 g3 g2 g1
if ip -n "$A" link add t9 type gre local 127.0.0.1 remote 127.0.0.2 2>/dev/null; then
	ip -n "$A" link del t9
	tap_test "in a tunnel of the kernel's own" mixed
	away g0 t0
else
	tap_skip "in a tunnel of the kernel's own" "this kernel has no ip_gre"
fi
tap_test "a route that changes is followed at once" changes_v4
away g0
tap_test "a route that changes is followed at once, IPv6" changes_v6
away g0
tap_test "no route, then one" no_route
away g0
tap_test "bound to a device" bound
away g0
tap_finish
