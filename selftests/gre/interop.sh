#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# interop.sh - speaks with the kernel's own: gre, gretap, ip6gre, ip6gretap, and these
# in UDP by fou; both directions, each option, and next to them on one host.
#
#   $A  g0 (sgre) = a0 ------------ b0 = t0 (the kernel's)  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086,SC2048
#	(functions called through tap_test; lists of words)
. "$(dirname "$0")/lib.sh"

BYTES=150000

# Our words, and theirs.
options='
none			| none
key 7			| key 7
ikey 7 okey 8		| ikey 8 okey 7
csum			| csum
seq			| seq
key 0 csum seq		| key 0 csum seq
'

theirs()	# kind family encap words...
{
	local kind=$1 a=$HOST4 b=$PEER4 encap=''
	[ "$2" = 4 ] || { a=$HOST6 b=$PEER6; }
	[ "$3" = none ] || encap="encap $3 encap-sport auto encap-dport 4754"
	shift 3
	ip -n "$B" link del t0 2>/dev/null
	ip -n "$B" link add t0 type $kind local $b remote $a $encap ${*/none/}
}

ours()		# mode family transport words...
{
	local mode=$1 a=$HOST4 b=$PEER4 transport=$3
	[ "$2" = 4 ] || { a=$HOST6 b=$PEER6; }
	shift 3
	ip -n "$A" link del g0 2>/dev/null
	gre "$A" add g0 local $a remote $b transport $transport mode $mode ${*/none/}
}

# Streams over IPv4 and IPv6, one each way, and no counter tells of anything wrong.
both_ways()
{
	transfer "$A" "$B" 10.0.0.2 $BYTES && transfer "$B" "$A" fd00::1 $BYTES &&
		transfer "$B" "$A" 10.0.0.1 20 -u -s 1000 && nothing_wrong
}

nothing_wrong()
{
	local bad
	bad=$(gre_json "$A" g0 '.counters | del(.rx_queued) | to_entries[] |
		select(.value != 0)')
	[ -z "$bad" ] || { echo "$bad"; return 1; }
}

talk()		# kind family mode transport encap our-words their-words
{
	[[ $6 != *seq* ]] || one_processor || return 1
	theirs $1 $2 $5 $7 && ours $3 $2 $4 $6 || return 1
	inner_up "$A" g0 1 && inner_up "$B" t0 2 || return 1
	both_ways
}

all_options()	# kind family mode transport encap
{
	local mine other
	while IFS='|' read -r mine other; do
		[ -n "$mine" ] || continue
		my_turn || continue
		read -r mine <<<"$mine"; read -r other <<<"$other"
		tap_test "$1 in ${4}${5/none/}: $mine" talk $1 $2 $3 $4 $5 "$mine" "$other"
	done <<<"$options"
}

# On one host, with the same addresses: each takes what is its own.
side_by_side()
{
	local before
	theirs gre 4 none key 5 && ours ip 4 raw key 7 || return 1
	ip -n "$A" link del t5 2>/dev/null
	ip -n "$A" link add t5 type gre local "$HOST4" remote "$PEER4" key 5 || return 1
	ip -n "$B" link add t7 type gre local "$PEER4" remote "$HOST4" key 7 || return 1
	inner_up "$A" t5 1 10.0.5 && inner_up "$B" t0 2 10.0.5 &&
		inner_up "$A" g0 1 10.0.7 && inner_up "$B" t7 2 10.0.7 || return 1
	before=$(in_ns "$A" cat /proc/net/snmp | awk '/^Icmp:/ { print $3 $15 }')
	transfer "$A" "$B" 10.0.5.2 $BYTES && transfer "$B" "$A" 10.0.7.1 $BYTES &&
		transfer "$A" "$B" 10.0.7.2 $BYTES && nothing_wrong || return 1
	# Nobody was told that a protocol or port is not there.
	same "$(in_ns "$A" cat /proc/net/snmp | awk '/^Icmp:/ { print $3 $15 }')" "$before"
}

# Without the module of the kernel's own: its receive hook is not what we live on.
need_module
tap_start
setup_pair || exit 1
if ip -n "$B" link add t0 type gre local "$PEER4" remote "$HOST4" 2>/dev/null; then
	all_options gre 4 ip raw none
	all_options gretap 4 ether raw none
	tap_test "ip_gre and sgre on one host with the same addresses" side_by_side
	ip -n "$A" link del t5 2>/dev/null
	ip -n "$B" link del t7 2>/dev/null
else
	tap_skip "gre and gretap" "this kernel has no ip_gre"
fi
if theirs ip6gre 6 none; then
	all_options ip6gre 6 ip raw none
	all_options ip6gretap 6 ether raw none
else
	tap_skip "ip6gre and ip6gretap" "this kernel has no ip6_gre"
fi
if modprobe fou 2>/dev/null && ip -n "$B" fou add port 4754 ipproto 47; then
	all_options gre 4 ip udp fou
	all_options gretap 4 ether udp fou
else
	tap_skip "gre over fou" "this kernel has no fou"
fi
if modprobe fou6 2>/dev/null && ip -n "$B" fou add port 4754 ipproto 47 -6; then
	all_options ip6gre 6 ip udp fou
else
	tap_skip "ip6gre over fou" "this kernel has no fou6"
fi
tap_finish
