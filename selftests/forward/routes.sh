#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2034	# functions are called through tap_test, variables by name
#
# routes.sh - a change of routes, and where the very next packet goes.
#
# Each flow is cached before, and that it is cached is seen in the counters. With the
# module nothing is waited for; `vestige rtcache follow` is given its window.
#
#	FAMILIES="4 6"	which
# shellcheck source=selftests/forward/lib.sh
. "$(dirname "$0")/lib.sh"

FAMILIES=${FAMILIES:-4 6}
DST4=10.9.9.9 NET4=10.9.9.0/24 HOST4=10.9.9.9/32
DST6=fd09::9 NET6=fd09::/64 HOST6=fd09::9/128

r()		# words of ip, in the router, for the family
{
	ip -n "$ROUTER" "-$family" "$@"
}

choose()	# family
{
	family=$1
	local n dst=DST$1 net=NET$1 host=HOST$1
	DST=${!dst} NET=${!net} HOST=${!host}
	if [ "$1" = 4 ]; then
		A=10.0.10.2 B=10.0.20.2 CONNECTED=10.0.20.2 OWN=10.0.20.1/24
	else
		A=fd00:10::2 B=fd00:20::2 CONNECTED=fd00:20::2 OWN=fd00:20::1/64
	fi
}

# The flow is cached to FROM; after the change its next packet goes to TO.
turns()		# from to command...
{
	local from=$1 to=$2
	shift 2
	warm "$from" "$DST" || return 1
	"$@" || return 1
	known
	goes_to "$to" "$DST"
}

there_and_back()	# do, undo: each a string
{
	# shellcheck disable=SC2086
	turns f1 f2 r $1 && turns f2 f1 r $2
}

more_specific()
{
	there_and_back "route add $NET via $B" "route del $NET via $B"
}

host_route()
{
	there_and_back "route add $HOST via $B" "route del $HOST via $B"
}

replaced()
{
	r route add "$NET" via "$A" || return 1
	there_and_back "route replace $NET via $B" "route replace $NET via $A"
	local rc=$?
	r route del "$NET"
	return "$rc"
}

better_metric()
{
	r route add "$NET" via "$A" metric 100 || return 1
	there_and_back "route add $NET via $B metric 50" "route del $NET via $B metric 50"
	local rc=$?
	r route del "$NET" metric 100
	return "$rc"
}

dropped()	# kind of route
{
	turns f1 none r route add "$1" "$HOST" && r route del "$1" "$HOST" && known &&
		goes_to f1 "$DST"
}

nexthop_object()
{
	r nexthop add id 1 via "$A" dev out1 && r route add "$NET" nhid 1 || return 1
	there_and_back "nexthop replace id 1 via $B dev out2" "nexthop replace id 1 via $A dev out1"
	local rc=$?
	ip -n "$ROUTER" nexthop del id 1
	return "$rc"
}

# 32 flows over two paths; then one path is taken away.
all_go_to()	# device; 32 packets
{
	local got
	got=$(probe "$DST" sport 7000 count 32)
	[[ "$got " == *"$1=32 "* ]] || { echo "$got"; return 1; }
}

both_are_used()
{
	local got n
	for n in 1 2 3 4; do
		got=$(probe "$DST" sport 7000 count 32)
	done
	[[ $got != *=32* && $got != *=0\ *=0\ * ]] || { echo "$got"; return 1; }
}

by_ports()	# 0 or 1: what the choice among paths depends on
{
	if [ "$family" = 4 ]; then
		ns_set "$ROUTER" "net.ipv4.fib_multipath_hash_policy=$1"
	else
		ns_set "$ROUTER" "net.ipv6.fib_multipath_hash_policy=$1"
	fi
}

multipath()
{
	by_ports 1 && r route add "$NET" nexthop via "$A" nexthop via "$B" &&
		both_are_used || return 1
	r route replace "$NET" nexthop via "$B" && known && all_go_to f2
	local rc=$?
	r route del "$NET"
	by_ports 0
	return "$rc"
}

nexthop_group()
{
	by_ports 1 && r nexthop add id 1 via "$A" dev out1 &&
		r nexthop add id 2 via "$B" dev out2 &&
		ip -n "$ROUTER" nexthop add id 10 group 1/2 && r route add "$NET" nhid 10 &&
		both_are_used || return 1
	r nexthop del id 1 && known && all_go_to f2
	local rc=$?
	ip -n "$ROUTER" nexthop del id 10
	ip -n "$ROUTER" nexthop del id 2
	by_ports 0
	return "$rc"
}

rule()		# selector...
{
	r route add default via "$B" table 100 || return 1
	there_and_back "rule add pref 100 $* lookup 100" "rule del pref 100"
	local rc=$?
	r route flush table 100
	return "$rc"
}

# The other station is on the same wire, and so is whoever takes the address over.
to_station()	# mac address
{
	local got
	got=$(probe "$2")
	[ "${got##* }" = "$1" ] || { echo "$got"; return 1; }
}

neighbour()
{
	warm f1 "$DST" && r neigh replace "$A" lladdr 02:00:00:00:07:07 dev out1 nud permanent &&
		known && to_station 02:00:00:00:07:07 "$DST"
	local rc=$?
	r neigh replace "$A" lladdr "$(mac 2 1)" dev out1 nud permanent && known &&
		to_station "$(mac 2 1)" "$DST" && return "$rc"
}

# Down, and the route over it is gone. Up again is a new beginning.
link_down()
{
	r route add "$NET" via "$B" && known && turns f2 f1 ip -n "$ROUTER" link set out2 down
	local rc=$?
	ip -n "$ROUTER" link set out2 up
	ip -n "$ROUTER" addr replace 10.0.20.1/24 dev out2
	ip -n "$ROUTER" addr replace fd00:20::1/64 dev out2 nodad
	neigh "$ROUTER" out2 "$(mac 2 2)" 10.0.20.2 fd00:20::2
	known
	return "$rc"
}

address_removed()
{
	warm f2 "$CONNECTED" && r addr del "$OWN" dev out2 && known && goes_to f1 "$CONNECTED"
	local rc=$?
	if [ "$family" = 4 ]; then
		r addr add "$OWN" dev out2
	else
		r addr add "$OWN" dev out2 nodad
	fi
	neigh "$ROUTER" out2 "$(mac 2 2)" "$B"
	known
	return "$rc"
}

address_added()
{
	turns f1 none ip -n "$ROUTER" addr add "$HOST" dev lo &&
		r addr del "$HOST" dev lo && known && goes_to f1 "$DST"
}

# Nobody is told of a setting: it is looked at ten times a second.
forwarding_off()
{
	local key=net.ipv4.conf.in0.forwarding
	[ "$family" = 4 ] || key=net.ipv6.conf.all.forwarding
	warm f1 "$DST" && ns_set "$ROUTER" "$key"=0 &&
		sleep "$(awk "BEGIN { print 0.3 * $SLOW }")" &&
		goes_to none "$DST"
	local rc=$?
	ns_set "$ROUTER" "$key"=1 net.ipv4.conf.in0.forwarding=1
	sleep "$(awk "BEGIN { print 0.3 * $SLOW }")"
	goes_to f1 "$DST" && return "$rc"
}

# in0 and out2 get tables of their own.
vrf()
{
	ip -n "$ROUTER" link add red type vrf table 10 && ip -n "$ROUTER" link set red up &&
		warm f1 "$DST" || return 1
	ns_set "$ROUTER" net.ipv6.conf.all.keep_addr_on_down=1
	ip -n "$ROUTER" link set in0 master red && ip -n "$ROUTER" link set out2 master red &&
		neigh "$ROUTER" out2 "$(mac 2 2)" "$B" &&
		neigh "$ROUTER" in0 "$(mac 2 0)" 10.0.1.2 fd00:1::2 &&
		r route add default via "$B" vrf red && known && warm f2 "$DST" || return 1
	ip -n "$ROUTER" link set out2 nomaster && ip -n "$ROUTER" link set in0 nomaster && known &&
		goes_to f1 "$DST"
	local rc=$?
	ip -n "$ROUTER" link del red
	neigh "$ROUTER" out2 "$(mac 2 2)" 10.0.20.2 fd00:20::2
	neigh "$ROUTER" in0 "$(mac 2 0)" 10.0.1.2 fd00:1::2
	known
	return "$rc"
}

can_vrf()
{
	ip -n "$FAR" link add vt-probe type vrf table 99 2>/dev/null || return 1
	ip -n "$FAR" link del vt-probe
}

# A change over there; the next packet here is still a hit.
undisturbed()	# words of ip...
{
	warm f1 "$DST" && ip -n "$OTHER" "-$family" "$@" && known && is_cached f1 "$DST"
}

# What happens in another namespace makes nothing stale here. A flow that has just reached
# its age, or a flush of our own that comes late (a device that goes, what is looked at ten
# times a second), may fall in between once; what came across would do so each time.
elsewhere()
{
	for _ in 1 2 3 4 5; do
		undisturbed route add "$HOST" dev lo &&
			undisturbed route del "$HOST" dev lo && return
		ip -n "$OTHER" "-$family" route flush table main
	done
	return 1
}

tap_start
setup_router 2 && setup_ns OTHER || exit 1
ip -n "$ROUTER" route add default via 10.0.10.2
ip -n "$ROUTER" -6 route add default via fd00:10::2
attach age "$((5 * SLOW))s" 2>"$TMP/attach" || { cat "$TMP/attach"; exit 1; }
keep_generations
start_probe
echo "# generations by $(have_module && echo the module || echo "follow, waiting $WINDOW ms")"
for f in $FAMILIES; do
	choose "$f"
	tap_test "IPv$f: more specific route" more_specific
	tap_test "IPv$f: host route" host_route
	tap_test "IPv$f: replaced" replaced
	tap_test "IPv$f: better metric" better_metric
	tap_test "IPv$f: blackhole" dropped blackhole
	tap_test "IPv$f: unreachable" dropped unreachable
	tap_test "IPv$f: nexthop object replaced" nexthop_object
	tap_test "IPv$f: multipath loses a member" multipath
	tap_test "IPv$f: group of nexthops loses a member" nexthop_group
	tap_test "IPv$f: rule by destination" rule to "$NET"
	tap_test "IPv$f: rule by device" rule iif in0
	tap_test "IPv$f: rule by port" rule ipproto 17 sport 4000
	tap_test "IPv$f: neighbour has another MAC" neighbour
	tap_test "IPv$f: link down" link_down
	tap_test "IPv$f: address removed" address_removed
	tap_test "IPv$f: address added: it is ours" address_added
	tap_test "IPv$f: forwarding off" forwarding_off
	# In the emulated machines: not every host has VRFs.
	! can_vrf || tap_test "IPv$f: VRF" vrf
	tap_test "IPv$f: a change in another namespace" elsewhere
done
tap_finish
