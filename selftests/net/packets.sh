#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packets.sh - behaviour 10: what is not for a remembered session passes as it is.
#
#   $IN  b0 ------ a0  $HOST, a bridge  a1 ------ b1  $OUT
#
# frames(1) sends a table of odd frames, and random ones, through the bridge and
# compares every byte of what comes out; then the same to $HOST itself, where
# the counters of the stack must end up as on stock. Then real traffic goes
# through $HOST as a router. Unusual frames of remembered sessions: segment_frames.sh.
#
#   RANDOM_FRAMES=N SEED=N	of the random frames
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

RANDOM_FRAMES=${RANDOM_FRAMES:-1500}
SEED=${SEED:-$((RANDOM + 1))}
MTU=9000
BRIDGE_MAC=02:00:00:00:00:0b
OUT4=198.51.100.2 OUT6=2001:db8:f::2
PORT=33333

topology()
{
	setup_ns HOST IN OUT
	ns_set "$IN" net.ipv6.conf.default.disable_ipv6=1
	ns_set "$OUT" net.ipv6.conf.default.disable_ipv6=1
	veth_pair "$HOST" a0 "$HOST_MAC" "$IN" b0 "$PEER_MAC"
	veth_pair "$HOST" a1 02:00:00:00:00:03 "$OUT" b1 02:00:00:00:00:04
	ip -n "$HOST" link add br0 address "$BRIDGE_MAC" type bridge mcast_snooping 0
	# The XDP program that veth_pair gives the peer knows no large frames.
	ip -n "$IN" link set b0 xdp off
	ip -n "$OUT" link set b1 xdp off
	for dev in a0 a1 br0; do ip -n "$HOST" link set "$dev" mtu "$MTU"; done
	ip -n "$IN" link set b0 mtu "$MTU"
	ip -n "$OUT" link set b1 mtu "$MTU"
	ip -n "$HOST" link set a0 master br0
	ip -n "$HOST" link set a1 master br0
	ip -n "$HOST" link set br0 up
	add_addresses "$HOST" br0 "$HOST4" "$HOST6"
	neigh "$HOST" br0 "$PEER_MAC" "$PEER4" "$PEER6"
	# Else the bridge itself looks into IP headers, and drops.
	[ ! -e /proc/sys/net/bridge ] || ns_set "$HOST" \
		net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
	# No limits: what is answered must not depend on the clock.
	ns_set "$HOST" net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
}

send_frames()	# family [options...]
{
	local family=$1 local=$HOST4 peer=$PEER4
	shift
	[ "$family" = 4 ] || { local=$HOST6 peer=$PEER6; }
	"$TOOLS/frames" -r "$RANDOM_FRAMES" -s "$SEED" "$@" "$IN" b0 "$OUT" b1 \
		"$family" "$local" "$PORT" "$peer" 9000
}

# --- through the bridge, byte for byte ----------------------------------------

same_as_stock()	# file-of-stock file-of-vestige
{
	diff -U0 --label stock --label vestige "$1" "$2" | grep '^[-+]' | head -n 30
	cmp -s "$1" "$2"
}

through()	# run family
{
	send_frames "$2" >"$TMP/$1.through.$2" 2>&1 || { cat "$TMP/$1.through.$2"; return 1; }
	[ "$1" = stock ] && return
	same_as_stock "$TMP/stock.through.$2" "$TMP/$1.through.$2"
}

# That the comparison is worth something: nearly all of the table arrives unchanged.
table_passes_on_stock()	# family
{
	local bad
	bad=$(grep -v +random "$TMP/stock.through.$1" | grep -vc ' same$')
	grep -v +random "$TMP/stock.through.$1" | grep -v ' same$'
	[ "$bad" -le 3 ] && [ "$(grep -c ' same$' "$TMP/stock.through.$1")" -gt 50 ]
}

# --- to the host itself, by the counters of its stack ---------------------------

INCOMING='IpInReceives|IpInHdrErrors|IpInAddrErrors|IpInUnknownProtos|IpInDelivers'
INCOMING+='|IpReasmReqds|IcmpInMsgs|IcmpInErrors|IcmpInCsumErrors|IcmpInEchos|TcpInSegs'
INCOMING+='|TcpInErrs|TcpInCsumErrors|UdpInDatagrams|UdpNoPorts|UdpInErrors'
INCOMING+='|UdpInCsumErrors|TcpOutRsts|IcmpOutEchoReps'
INCOMING+='|Ip6InReceives|Ip6InHdrErrors|Ip6InUnknownProtos|Ip6InDelivers'
INCOMING+='|Ip6ReasmReqds|Ip6InTruncatedPkts|Udp6NoPorts|Icmp6InErrors|Icmp6InEchos'

stack_counters()
{
	in_ns "$HOST" nstat -asz 2>/dev/null |
		awk -v want="^(${INCOMING})\$" '$1 ~ want { print $1, $2 }'
}

# What the frames have added to each counter.
counted()	# family
{
	local before=$TMP/before
	stack_counters >"$before"
	send_frames "$1" -m "$BRIDGE_MAC" >/dev/null
	sleep 0.2
	stack_counters | awk 'NR == FNR { old[$1] = $2; next } { print $1, $2 - old[$1] }' \
		"$before" -
}

to_host()	# run family
{
	counted "$2" >"$TMP/$1.counted.$2"
	[ "$1" = stock ] && return
	same_as_stock "$TMP/stock.counted.$2" "$TMP/$1.counted.$2"
}

counters_move_on_stock()	# family
{
	cat "$TMP/stock.counted.$1"
	awk '$2 > 20 { n++ } END { exit n < 4 }' "$TMP/stock.counted.$1"
}

# --- with a live record of that very tuple ---------------------------------------

# $IN has a stack for this, or $HOST would not get a session with it.
remember()	# family
{
	local to=$PEER4 from=$HOST4
	[ "$1" = 4 ] || { to=$PEER6 from=$HOST6; }
	serve "$IN" :: 9000 || return 1
	in_ns "$HOST" "$TOOLS/churn" -c -n 1 -b "$from" -P "$PORT" "$to" 9000
	local rc=$?
	kill_pid "$spawned"
	return "$rc"
}

in_stack()	# on|off; addresses of $IN
{
	if [ "$1" = on ]; then
		ns_set "$IN" net.ipv6.conf.b0.disable_ipv6=0
		ip -n "$IN" addr add "$PEER4/24" dev b0
		ip -n "$IN" addr add "$PEER6/64" dev b0 nodad
		neigh "$IN" b0 "$BRIDGE_MAC" "$HOST4" "$HOST6"
	else
		ip -n "$IN" addr flush dev b0
		ns_set "$IN" net.ipv6.conf.b0.disable_ipv6=1
	fi
}

# A frame for another machine (by its MAC address) is bridged, not answered, even
# when it bears the addresses and ports of a session that is remembered here.
foreign_mac_passes()	# run family
{
	in_stack on
	remember "$2" || return 1
	in_stack off
	[ "$(live "$HOST" "v$2")" -ge 1 ] || { echo "nothing is remembered"; return 1; }
	send_frames "$2" >"$TMP/$1.live.$2"
	same_as_stock "$TMP/stock.through.$2" "$TMP/$1.live.$2"
	local rc=$?
	[ "$(live "$HOST" "v$2")" -ge 1 ] || { echo "the record has gone"; rc=1; }
	vestige "$HOST" vtw flush >/dev/null
	return "$rc"
}

# Broken and unusual frames for the host itself, of a live session: whatever is
# done with each of them, the host and its records stay sane.
live_session_survives()	# run family
{
	in_stack on
	remember "$2" || return 1
	in_stack off
	send_frames "$2" -m "$BRIDGE_MAC" >"$TMP/$1.hostile.$2"
	grep -q ' changed$' "$TMP/$1.hostile.$2" && return 1
	vestige "$HOST" -j vtw list >/dev/null && vestige "$HOST" vtw flush >/dev/null
}

# --- routed -----------------------------------------------------------------------

routed_topology()
{
	setup_ns HOST IN OUT
	ns_set "$HOST" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	veth_pair "$HOST" a0 "$HOST_MAC" "$IN" b0 "$PEER_MAC"
	veth_pair "$HOST" a1 02:00:00:00:00:03 "$OUT" b1 02:00:00:00:00:04
	ip -n "$IN" link set b0 xdp off
	ip -n "$OUT" link set b1 xdp off
	in_ns "$IN" "$TOOLS/netdev" offload b0 tx on
	in_ns "$HOST" "$TOOLS/netdev" offload a0 tx on
	ip -n "$HOST" link set a0 mtu "$MTU"
	ip -n "$HOST" link set a1 mtu "$MTU"
	ip -n "$IN" link set b0 mtu "$MTU"
	ip -n "$OUT" link set b1 mtu "$MTU"
	add_addresses "$HOST" a0 "$HOST4" "$HOST6"
	add_addresses "$HOST" a1 198.51.100.1 2001:db8:f::1
	add_addresses "$IN" b0 "$PEER4" "$PEER6"
	add_addresses "$OUT" b1 "$OUT4" "$OUT6"
	ip -n "$IN" route add default via "$HOST4"
	ip -n "$IN" -6 route add default via "$HOST6"
	ip -n "$OUT" route add default via 198.51.100.1
	ip -n "$OUT" -6 route add default via 2001:db8:f::1
}

# Bytes and ends of every connection are checked by churn itself.
traffic()	# server-ns address number bytes [churn-options...]
{
	local ns=$1 to=$2 n=$3 bytes=$4 out wrong
	shift 4
	serve "$ns" :: 9200 -p "$bytes" || return 1
	out=$(in_ns "$IN" "$TOOLS/churn" -c -n "$n" -p "$bytes" "$@" "$to" 9200)
	kill_pid "$spawned"
	wrong=$(($(snmp "$IN" TcpInCsumErrors) + $(snmp "$ns" TcpInCsumErrors)))
	echo "$out; wrong checksums: $wrong"
	[ "$(jq '.failures + .bad_bytes' <<<"$out")" = 0 ] && [ "$wrong" = 0 ]
}

# What is only forwarded is nobody's session here.
nothing_recorded()
{
	[ "$(live "$HOST" v4)" = 0 ] && [ "$(live "$HOST" v6)" = 0 ]
}

run_routed()	# hook
{
	routed_topology
	HOOK=$1 backend_attach "$HOST" || { tap_fail "attach as a router, $1"; return; }
	tap_test "$1: routed IPv4, 300 short connections" traffic "$OUT" "$OUT4" 300 100
	tap_test "$1: routed IPv6, 300 short connections" traffic "$OUT" "$OUT6" 300 100
	tap_test "$1: routed IPv4, 2 MB in jumbo frames" traffic "$OUT" "$OUT4" 5 2000000
	tap_test "$1: routed IPv6, 2 MB in jumbo frames" traffic "$OUT" "$OUT6" 5 2000000
	[ "$BACKEND" = stock ] ||
		tap_test "$1: routed sessions are not recorded" nothing_recorded
	tap_test "$1: to the host itself, 2 MB in jumbo frames" traffic "$HOST" "$HOST4" 5 2000000
	backend_detach "$HOST"
}

run_bridged()	# hook
{
	local run=$1 family
	HOOK=$1 backend_attach "$HOST" dev a0 dev a1 || {
		tap_fail "attach to a bridge, $1"
		return
	}
	for family in 4 6; do
		tap_test "$run: IPv$family through a bridge, byte for byte" through "$run" $family
		tap_test "$run: IPv$family to the host, same counters" to_host "$run" $family
		tap_test "$run: IPv$family of a live session, for another MAC address" \
			foreign_mac_passes "$run" $family
		tap_test "$run: IPv$family of a live session, broken in all ways" \
			live_session_survives "$run" $family
	done
	backend_detach "$HOST"
}

tap_start
echo "# seed $SEED"
topology
for family in 4 6; do
	tap_test "stock: IPv$family through a bridge" through stock $family
	tap_test "stock: IPv$family table arrives" table_passes_on_stock $family
	tap_test "stock: IPv$family to the host" to_host stock $family
	tap_test "stock: IPv$family counters move" counters_move_on_stock $family
done
if [ "$BACKEND" = vestige ]; then
	run_bridged xdp
	run_bridged tc
	run_routed xdp
	run_routed tc
else
	run_routed stock
fi
tap_finish
