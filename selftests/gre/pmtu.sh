#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pmtu.sh - a narrow link on the way: who sends inside the tunnel is told what fits, to
# the byte, whatever the options; with pmtudisc off everything arrives in fragments.
#
#   $A  g0 = a0 -------- ra  $R  rb -------- b0 = g0  $B
#            192.0.2.0/24        198.51.100.0/24
#            2001:db8::/64       2001:db8:1::/64
#            mtu 1500            mtu 1400
#   $C  c0 -- ca $A: a sender behind the tunnel, 10.9.0.2, fd09::2
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086
. "$(dirname "$0")/lib.sh"

NARROW=1400
A4=$HOST4 A6=$HOST6
PEER4=198.51.100.2 PEER6=2001:db8:1::2	# behind a router
B4=$PEER4 B6=$PEER6

link()		# ns dev address4 address6 ns dev address4 address6
{
	ip -n "$1" link add "$2" type veth peer name "$6" netns "$5" || return 1
	add_addresses "$1" "$2" "$3" "$4"
	add_addresses "$5" "$6" "$7" "$8"
	ip -n "$1" link set "$2" up
	ip -n "$5" link set "$6" up
}

setup()
{
	setup_ns A R B C || return 1
	link "$A" a0 $A4 $A6 "$R" ra 192.0.2.254 2001:db8::fe &&
		link "$R" rb 198.51.100.254 2001:db8:1::fe "$B" b0 $B4 $B6 &&
		link "$C" c0 10.9.0.2 fd09::2 "$A" ca 10.9.0.1 fd09::1 || return 1
	ns_set "$R" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	ns_set "$A" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	ip -n "$R" link set rb mtu $NARROW
	ip -n "$B" link set b0 mtu $NARROW
	ip -n "$A" route add default via 192.0.2.254
	ip -n "$A" route add default via 2001:db8::fe
	ip -n "$B" route add default via 198.51.100.254
	ip -n "$B" route add default via 2001:db8:1::fe
	ip -n "$C" route add default via 10.9.0.1
	ip -n "$C" route add default via fd09::1
}

# Both ends anew, and nobody remembers an MTU.
anew()		# transport family words...
{
	away g0
	forget
	tunnel "$@" && ip -n "$B" route add 10.9.0.0/24 dev g0 &&
		ip -n "$B" route add fd09::/64 dev g0
}

forget()
{
	local ns
	for ns in "$A" "$C"; do
		in_ns "$ns" ip route flush cache
		in_ns "$ns" ip -6 route flush cache
	done
}

# What is left of NARROW for the inner packet.
room()		# transport family words...
{
	local left=$((NARROW - 24)) word
	[ "$2" = 4 ] || left=$((left - 20))
	[ "$1" = raw ] || left=$((left - 8))
	for word in "${@:3}"; do
		case $word in
		key | csum | seq)	left=$((left - 4)) ;;
		ether)			left=$((left - 14)) ;;
		esac
	done
	echo $left
}

# The MTU that a sender has learnt, after some packets that were too big.
learnt()	# ns address
{
	in_ns "$1" "$FLOW" -u -D -n 8 -s 1370 "$2" 9 | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

# Packets are lost until the first answer has come, so it takes a few.
learns()	# ns address mtu
{
	local got
	got=$(busywait $((2000 * SLOW)) learns_now "$@") || { echo "$got"; return 1; }
}

learns_now()
{
	local got
	got=$(learnt "$1" "$2")
	[ "$got" = "$3" ] || { echo "path MTU to $2: $got instead of $3"; return 1; }
}

# Told to the byte, and a datagram of that size arrives in one piece.
feedback()	# transport family words...
{
	local mtu
	anew "$@" || return 1
	mtu=$(room "$@")
	learns "$A" 10.0.0.2 "$mtu" && learns "$A" fd00::2 "$mtu" || return 1
	transfer "$A" "$B" 10.0.0.2 3 -u -D -s $((mtu - 28)) &&
		transfer "$A" "$B" fd00::2 3 -u -D -s $((mtu - 48)) || return 1
	[ "$(gre_json "$A" g0 .counters.tx_too_big)" -gt 0 ] || { echo "not counted"; return 1; }
}

# A stream finds its way although its segments were too big at first.
stream()	# transport family words...
{
	anew "$@" && transfer "$A" "$B" 10.0.0.2 200000 || return 1
	forget
	transfer "$A" "$B" fd00::2 200000
}

# The sender is elsewhere: he is told by ICMP.
forwarded()	# transport family words...
{
	local mtu
	anew "$@" || return 1
	mtu=$(room "$@")
	learns "$C" 10.0.0.2 "$mtu" && learns "$C" fd00::2 "$mtu" &&
		transfer "$C" "$B" 10.0.0.2 200000
}

# In fragments: by the router, or by ourselves where routers do not, once they have said so.
fragments()	# transport family words...
{
	anew "$@" pmtudisc off || return 1
	[ "$2" = 4 ] || in_ns "$A" "$FLOW" -u -n 3 -s 1390 10.0.0.2 9
	transfer "$A" "$B" 10.0.0.2 5 -u -s 1390 && transfer "$A" "$B" 10.0.0.2 100000 &&
		same "$(gre_json "$A" g0 .counters.tx_too_big)" 0
}

# Whoever may be fragmented is, inside: no DF, nobody to be told.
inner_without_df()
{
	anew raw 4 || return 1
	learns "$A" 10.0.0.2 "$(room raw 4)" || return 1
	ns_set "$C" net.ipv4.ip_no_pmtu_disc=1
	transfer "$C" "$B" 10.0.0.2 5 -u -s 1300
	local rc=$?
	ns_set "$C" net.ipv4.ip_no_pmtu_disc=0
	return $rc
}

has_mtu()	# mtu words...
{
	local mtu=$1
	shift
	ip -n "$A" link del g0
	gre "$A" add g0 "$@" dev a0 && same "$(gre_json "$A" g0 .mtu)" "$mtu"
}

# The device's own MTU goes by the link below, with every option.
device_mtu()
{
	local words
	for words in '' 'key 7' 'csum' 'seq' 'key 7 csum seq'; do
		has_mtu $(($(room raw 4 $words) + 100)) local "$A4" remote "$B4" $words || return 1
		has_mtu $(($(room udp 6 $words) + 100)) local "$A6" remote "$B6" \
			transport udp $words || return 1
	done
}

need_module
tap_start
setup || exit 1
for transport in raw udp; do
	for family in 4 6; do
		for words in '' 'key 7' 'csum' 'seq' 'key 7 csum' 'key 7 seq' 'csum seq' \
			'key 7 csum seq'; do
			my_turn || continue
			tap_test "$transport over IPv$family, '$words': told to the byte" \
				feedback $transport $family $words
		done
		my_turn || [ $transport$family = raw4 ] || continue
		tap_test "$transport over IPv$family: a stream" stream $transport $family
		tap_test "$transport over IPv$family, key csum seq: a stream" \
			stream $transport $family key 7 csum seq
		tap_test "$transport over IPv$family: a sender behind the tunnel" \
			forwarded $transport $family key 7
		tap_test "$transport over IPv$family, pmtudisc off" fragments $transport $family
	done
done
tap_test "mode ether: a stream" stream raw 4 mode ether
tap_test "inside without DF" inner_without_df
tap_test "the device's MTU leaves room for the headers" device_mtu
tap_finish
