#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2317	# awk; functions are called through tap_test()
#
# sgre.sh - a tunnel keeps the route of its outer packets, and no packet goes the old way
# when a change is done: the very next one goes the new way.
#
#	tunnel g4  192.0.2.1 -> 203.0.113.9		routes by d0 or d1
#	tunnel g6  2001:db8:1::1 -> 2001:db8:9::9
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
setup_ns A && setup_routed "$A" || exit 1
export IP_LIB_DIR=${VESTIGE%/*}
ip -n "$A" link add g4 type sgre local 192.0.2.1 remote 203.0.113.9 2>/dev/null ||
	tap_skip_all "no link_sgre.so in $IP_LIB_DIR"
ip -n "$A" link add g6 type sgre local 2001:db8:1::1 remote 2001:db8:9::9
ip -n "$A" addr add 10.4.0.1/24 dev g4
ip -n "$A" addr add 10.6.0.1/24 dev g6
ip -n "$A" link set g4 up
ip -n "$A" link set g6 up
ip -n "$A" route add 203.0.113.0/24 dev d0
ip -n "$A" -6 route add 2001:db8:9::/48 dev d0
ip -n "$A" -6 rule add pref 100 lookup 77
ip -n "$A" rule add pref 100 lookup 77
tap_start

# Bytes that left by d0 and d1. What the kernel sends of itself is short.
sent()
{
	in_ns "$A" awk '$1 == "d0:" { d0 = $10 } $1 == "d1:" { print d0, $10 }' /proc/net/dev
}

printf -v payload %700s x

# A packet through a tunnel; prints the device that its outer one left by.
packet()	# 4|6
{
	local before after
	read -ra before <<<"$(sent)"
	in_ns "$A" bash -c "echo '$payload' >/dev/udp/10.$1.0.2/9"
	read -ra after <<<"$(sent)"
	[ $((after[0] - before[0])) -lt 700 ] || echo -n d0
	[ $((after[1] - before[1])) -lt 700 ] || echo -n d1
}

by()		# 4|6 device
{
	local got
	got=$(packet "$1")
	[ "$got" = "$2" ] || { echo "left by '$got' instead of $2"; return 1; }
}

# The route is kept: both CPUs have it, as far as they are asked.
warm()		# 4|6 device
{
	settled "$A" && by "$@" && by "$@" && by "$@" && by "$@"
}

# By FROM until COMMAND, by TO from then on.
turns()		# 4|6 from to command...
{
	local version=$1 from=$2 to=$3
	shift 3
	warm "$version" "$from" || return 1
	"$@" || return 1
	by "$version" "$to" && settled "$A" && by "$version" "$to"
}

route() { ip -n "$A" route "$@"; }
rule() { ip -n "$A" "$@"; }

tap_test 'two tunnels hold routes' [ "$(stat "$A" holders)" = 2 ]
tap_test 'IPv4: narrower route added' turns 4 d0 d1 route add 203.0.113.9 dev d1
tap_test 'IPv4: narrower route deleted' turns 4 d1 d0 route del 203.0.113.9
tap_test 'IPv4: route replaced' turns 4 d0 d1 route replace 203.0.113.0/24 dev d1
tap_test 'IPv4: route of another table' turns 4 d1 d0 route add 203.0.113.0/24 dev d0 table 77
tap_test 'IPv4: rule deleted' turns 4 d0 d1 rule -4 rule del pref 100
tap_test 'IPv6: narrower route added' turns 6 d0 d1 route add 2001:db8:9::9 dev d1
tap_test 'IPv6: narrower route deleted' turns 6 d1 d0 route del 2001:db8:9::9
tap_test 'IPv6: route replaced' turns 6 d0 d1 route replace 2001:db8:9::/48 dev d1
# Of another table dst_ops.check() of IPv6 knows nothing.
tap_test 'IPv6: route of another table' \
	turns 6 d1 d0 route add 2001:db8:9::/48 dev d0 table 77
tap_test 'IPv6: rule deleted' turns 6 d0 d1 rule -6 rule del pref 100
ip -n "$A" link del g6
tap_test 'one tunnel less, one holder less' [ "$(stat "$A" holders)" = 1 ]
tap_finish
