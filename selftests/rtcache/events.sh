#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through expect()
#
# events.sh - each thing that makes a copy of a route stale raises the generation of the
# right family of the right namespace, of no other, and before it is done.
#
# "Before": what raises it is seen, by the tracepoint, in the process that makes the
# change. That process is "ip" for all that is changed here.
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
setup_ns A B && setup_routed "$A" && setup_routed "$B" || exit 1
setup_trace .0 || tap_skip_all "no tracefs"
cookie_a=$(stat "$A" cookie) cookie_b=$(stat "$B" cookie)
tap_start

# Families that $comm raised in A, in the order inet inet6.
comm=ip
raised()	# of the lines on stdin
{
	awk -v comm="$comm" -v cookie="cookie=$cookie_a" '
		index($1, comm) == 1 && $2 == "flush" && $3 == cookie { seen[$4] = 1 }
		END {
			printf "%s", seen["family=inet"] ? "inet" : ""
			if (seen["family=inet6"])
				printf "%s", seen["family=inet"] ? " inet6" : "inet6"
		}'
}

# For each family: was there a flush with that reason, by $comm, and an event?
told()		# "families" reason pattern lines
{
	local family where
	for family in $1; do
		where="cookie=$cookie_a family=$family"
		grep -q "^$comm.* flush $where gen=[0-9]*[13579] reason=$2 " <<<"$4" ||
			{ echo "no flush of $family with reason $2"; return 1; }
		grep "^$comm.* event $where reason=$2 " <<<"$4" | grep -Eq -- "$3" ||
			{ echo "no event of $family with reason $2 and $3"; return 1; }
	done
}

moved()		# "families" before after: two lines of gen get
{
	local family b=() a=() i
	read -ra b <<<"$2" && read -ra a <<<"$3"
	for family in $1; do
		i=1
		[ "$family" = inet ] || i=3
		[ "${a[i]}" -gt "${b[i]}" ] || { echo "$family: ${b[i]}, then ${a[i]}"; return 1; }
	done
}

# Runs COMMAND in A. It must raise FAMILIES ("": none) with REASON.
expected()	# "families" reason pattern command...
{
	local families=$1 reason=$2 pattern=$3 before_a before_b after_a lines
	shift 3
	settled "$A" "$B" || return 1
	trace_clear
	before_a=$(gen "$A" get) before_b=$(gen "$B" get)
	"$@" || return 1
	after_a=$(gen "$A" get)
	lines=$(trace_read)
	if [ "$(raised <<<"$lines")" != "$families" ] ||
		! told "$families" "$reason" "$pattern" "$lines" ||
		! moved "$families" "$before_a" "$after_a"
	then
		echo "$lines"
		return 1
	fi
	[ "$(gen "$B" get)" = "$before_b" ] || { echo "the other namespace, too"; return 1; }
	! grep "cookie=$cookie_b " <<<"$lines" || return 1
	settled "$A"
}

expect()	# name "families" reason pattern command...
{
	local name=$1
	shift
	tap_test "$name" expected "$@"
}

v4() { ip -n "$A" -4 "$@"; }
v6() { ip -n "$A" -6 "$@"; }
dev() { ip -n "$A" link "$@"; }
none='has_prefix=0'

# --- routes ---------------------------------------------------------------------------------

expect 'IPv4: route added' inet fib_replace 'prefix=0a010000/16 has_prefix=1 ifindex=[1-9]' \
	v4 route add 10.1.0.0/16 dev d0
expect 'IPv4: route replaced' inet fib_replace 'prefix=0a010000/16 ' \
	v4 route replace 10.1.0.0/16 dev d1
ip -n "$A" route add 10.2.0.0/16 dev d0 metric 200
expect 'IPv4: better metric in front' inet fib_replace 'prefix=0a020000/16 ' \
	v4 route add 10.2.0.0/16 dev d1 metric 100
expect 'IPv4: the better one deleted, the next one takes over' inet fib_replace \
	'prefix=0a020000/16 ' v4 route del 10.2.0.0/16 metric 100
expect 'IPv4: multipath' inet fib_replace 'prefix=0a030000/16 has_prefix=1 ifindex=0' \
	v4 route add 10.3.0.0/16 nexthop dev d0 nexthop dev d1
expect 'IPv4: multipath with one member less' inet fib_replace 'prefix=0a030000/16 ' \
	v4 route replace 10.3.0.0/16 nexthop dev d0
expect 'IPv4: default' inet fib_replace 'prefix=00000000/0 has_prefix=1' \
	v4 route add default via 192.0.2.9
expect 'IPv4: blackhole' inet fib_replace 'prefix=0a040000/16 ' \
	v4 route add blackhole 10.4.0.0/16
expect 'IPv4: another table' inet fib_replace 'prefix=0a050000/16 ' \
	v4 route add 10.5.0.0/16 dev d0 table 77
expect 'IPv4: route deleted' inet fib_del 'prefix=0a010000/16 ' v4 route del 10.1.0.0/16
expect 'IPv4: route flush' inet fib_del 'prefix=0a' v4 route flush table 77
expect 'IPv6: route added' inet6 fib_replace \
	'prefix=20010db8001000000000000000000000/48 has_prefix=1 ifindex=[1-9]' \
	v6 route add 2001:db8:10::/48 dev d0
expect 'IPv6: route replaced' inet6 fib_replace 'prefix=20010db80010' \
	v6 route replace 2001:db8:10::/48 dev d1
ip -n "$A" -6 route add 2001:db8:11::/48 via 2001:db8:1::9
expect 'IPv6: a second path appended' inet6 fib_append 'prefix=20010db80011' \
	v6 route append 2001:db8:11::/48 via 2001:db8:2::9
expect 'IPv6: one path deleted' inet6 fib_del 'prefix=20010db80011' \
	v6 route del 2001:db8:11::/48 via 2001:db8:1::9
expect 'IPv6: multipath' inet6 fib_replace 'prefix=20010db80012' \
	v6 route add 2001:db8:12::/48 nexthop via 2001:db8:1::9 nexthop via 2001:db8:2::9
expect 'IPv6: route deleted' inet6 fib_del 'prefix=20010db80010' v6 route del 2001:db8:10::/48
expect 'IPv6: route flush' inet6 fib_del 'prefix=20010db80012' \
	v6 route flush to 2001:db8:12::/48

# --- rules, nexthop objects -------------------------------------------------------------------

expect 'IPv4: rule added' inet rule_add "$none" v4 rule add pref 100 to 10.9.0.0/16 lookup 77
expect 'IPv4: rule deleted' inet rule_del "$none" v4 rule del pref 100
expect 'IPv6: rule added' inet6 rule_add "$none" \
	v6 rule add pref 100 to 2001:db8:9::/48 lookup 77
expect 'IPv6: rule deleted' inet6 rule_del "$none" v6 rule del pref 100
expect 'IPv4: nexthop added' inet nh_change "$none ifindex=[1-9]" \
	v4 nexthop add id 1 via 192.0.2.9 dev d0
expect 'IPv4: nexthop replaced' inet nh_change "$none" \
	v4 nexthop replace id 1 via 198.51.100.9 dev d1
ip -n "$A" nexthop add id 2 via 192.0.2.9 dev d0
expect 'IPv4: group of nexthops' inet nh_change "$none" ip -n "$A" nexthop add id 10 group 1/2
ip -n "$A" route add 10.6.0.0/16 nhid 10
expect 'IPv4: member of a group removed' inet nh_del "$none" ip -n "$A" nexthop del id 2
expect 'IPv4: group deleted, with its routes' inet nh_del "$none" ip -n "$A" nexthop del id 10

# --- neighbours -------------------------------------------------------------------------------

mac=02:00:00:00:00
expect 'IPv4: neighbour' inet neigh 'prefix=c0000207/32 has_prefix=1 ifindex=[1-9]' \
	v4 neigh add 192.0.2.7 lladdr $mac:07 dev d0
expect 'IPv4: neighbour, another MAC' inet neigh 'prefix=c0000207/32 ' \
	v4 neigh replace 192.0.2.7 lladdr $mac:17 dev d0
expect 'IPv4: neighbour, another state, the same MAC' '' neigh '' \
	v4 neigh replace 192.0.2.7 lladdr $mac:17 dev d0 nud stale
expect 'IPv4: neighbour deleted' inet neigh 'prefix=c0000207/32 ' \
	v4 neigh del 192.0.2.7 dev d0
expect 'IPv6: neighbour' inet6 neigh 'prefix=20010db8000100000000000000000007/128 ' \
	v6 neigh add 2001:db8:1::7 lladdr $mac:07 dev d0
expect 'IPv6: neighbour, another MAC' inet6 neigh 'prefix=20010db80001' \
	v6 neigh replace 2001:db8:1::7 lladdr $mac:17 dev d0
expect 'IPv6: neighbour failed' inet6 neigh 'prefix=20010db80001' \
	v6 neigh replace 2001:db8:1::7 dev d0 nud failed
ip -n "$A" route add 10.7.0.0/16 via inet6 2001:db8:1::7
expect 'IPv6: neighbour that IPv4 goes by' 'inet inet6' neigh '(20010db80001|has_prefix=0)' \
	v6 neigh replace 2001:db8:1::7 lladdr $mac:07 dev d0

# --- addresses, devices -----------------------------------------------------------------------

expect 'IPv4: address added' inet addr_add 'prefix=cb007101/32 has_prefix=1 ifindex=[1-9]' \
	v4 addr add 203.0.113.1/24 dev d0
expect 'IPv4: address deleted' inet addr_del 'prefix=cb007101/32 ' \
	v4 addr del 203.0.113.1/24 dev d0
expect 'IPv6: address added' inet6 addr_add 'prefix=20010db8000300000000000000000001/128 ' \
	v6 addr add 2001:db8:3::1/64 dev d0 nodad
expect 'IPv6: address deleted' inet6 addr_del 'prefix=20010db80003' \
	v6 addr del 2001:db8:3::1/64 dev d0
expect 'device: MTU' 'inet inet6' link_mtu "$none ifindex=[1-9]" dev set d0 mtu 1400
expect 'device: MAC' 'inet inet6' link_mac "$none" dev set d0 address $mac:99
expect 'device: down' 'inet inet6' link_down "$none" dev set d0 down
expect 'device: name' 'inet inet6' link_name "$none" dev set d0 name e0
expect 'device: up' 'inet inet6' link_up "$none" dev set e0 up
# For the kernel itself it is a change when a work of its own has seen it.
comm=kworker
carrier()
{
	dev set d1 carrier "$1" && busywait "$WAIT" eval "trace_read | grep -q reason=link_"
}
expect 'device: no carrier' 'inet inet6' link_down "$none" carrier off
expect 'device: carrier' 'inet inet6' link_up "$none" carrier on
comm=ip
ip -n "$A" link add vrf0 type vrf table 88 && ip -n "$A" link set vrf0 up
expect 'device: into a VRF' 'inet inet6' link_master "$none" dev set d1 master vrf0
expect 'device: out of the VRF' 'inet inet6' link_master "$none" dev set d1 nomaster
setup_ns C
expect 'device: to another namespace' 'inet inet6' link_gone "$none" dev set e0 netns "$C"
expect 'device: deleted, with its routes' 'inet inet6' link_gone "$none" dev del d1
expect 'nothing happens, nothing is told' '' x '' true

# --- what has no notifier ---------------------------------------------------------------------

watched()	# family command...; by the watch, within a few of its turns
{
	local family=$1 before
	shift
	settled "$A" || return 1
	before=$(stat "$A" "$family.watch")
	"$@" || return 1
	busywait "$WAIT" eval "[ \$(stat $A $family.watch) -gt $before ]"
}

obstacle()	# family bit
{
	[ $(($(stat "$A" "$1.obstacles") & $2)) != 0 ]
}

obstacle_comes()	# bit command...; and with it a flush of IPv4
{
	local bit=$1
	shift
	! obstacle inet "$bit" || { echo "there from the beginning"; return 1; }
	watched inet "$@" && obstacle inet "$bit"
}

obstacle_goes()	# bit command...
{
	local bit=$1
	shift
	watched inet "$@" && ! obstacle inet "$bit"
}

ip -n "$A" link add d2 type dummy && ip -n "$A" link set d2 up
ip -n "$A" addr add 192.0.2.1/24 dev d2
tap_test 'forwarding of IPv4 is off' obstacle inet 32
tap_test 'on: seen, and IPv4 flushed' obstacle_goes 32 ns_set "$A" net.ipv4.ip_forward=1
tap_test 'forwarding of IPv6 is off, though' obstacle inet6 32
tap_test 'on: seen, and IPv6 flushed' \
	watched inet6 ns_set "$A" net.ipv6.conf.all.forwarding=1
tap_test 'rp_filter' watched inet ns_set "$A" net.ipv4.conf.d2.rp_filter=2
tap_test 'rp_filter of all' watched inet ns_set "$A" net.ipv4.conf.all.rp_filter=1
tap_test 'choice among paths' watched inet ns_set "$A" net.ipv4.fib_multipath_hash_policy=1
tap_test 'a tc filter' obstacle_comes 2 eval "
	tc -n $A qdisc add dev d2 clsact &&
	tc -n $A filter add dev d2 ingress matchall action ok"
tap_test 'no tc filter' obstacle_goes 2 tc -n "$A" filter del dev d2 ingress
tap_test 'a queue with a rate' obstacle_comes 8 \
	tc -n "$A" qdisc add dev d2 root tbf rate 1mbit burst 10k latency 50ms
tap_test 'no such queue' obstacle_goes 8 tc -n "$A" qdisc del dev d2 root
if modprobe nf_tables 2>/dev/null || [ -e /sys/module/nf_tables ]; then
	tap_test 'a chain of netfilter' obstacle_comes 1 gen "$A" chain add
	tap_test 'of IPv4 only' eval "! obstacle inet6 1"
	tap_test 'no chain of netfilter' obstacle_goes 1 gen "$A" chain del
	# Where SELinux has its hooks, which are nobody's rules.
	tap_test 'a chain at priority 225' obstacle_comes 1 gen "$A" chain add 225
	tap_test 'no chain there' obstacle_goes 1 gen "$A" chain del
	tap_test 'a chain at priority -225' obstacle_comes 1 gen "$A" chain add -225
	tap_test 'nor there' obstacle_goes 1 gen "$A" chain del
else
	tap_skip 'a chain of netfilter' 'needs nftables'
fi
tap_test 'an IPsec policy' obstacle_comes 16 ip -n "$A" xfrm policy add src 10.0.0.0/8 \
	dst 10.0.0.0/8 dir out action block
tap_test 'no IPsec policy' obstacle_goes 16 ip -n "$A" xfrm policy flush
tap_test 'what has no policy is blocked' obstacle_comes 16 \
	ip -n "$A" xfrm policy setdefault fwd block
tap_test 'and is not' obstacle_goes 16 ip -n "$A" xfrm policy setdefault fwd accept
# The notifiers tell of the first route of a prefix only.
ip -n "$A" route add 10.8.0.0/16 dev d2 tos 0x20
tap_test 'a route behind the first of its prefix' \
	watched inet ip -n "$A" route add 10.8.0.0/16 dev d2 tos 0x10
tap_test 'nothing is seen where nothing was changed' \
	eval "settled $B && x=\$(gen $B get) && sleep 0.5 && [ \"\$x\" = \"\$(gen $B get)\" ]"
tap_finish
