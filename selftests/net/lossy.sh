#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lossy.sh - two real stacks over a bad wire: last ACKs get lost, FINs come again,
# segments come twice and overtake one another, as in the field.
#
#   $HOST  192.0.2.1/24  t0 -- shuttle(1) -- t1  192.0.2.2/24  $SERVER
#          2001:db8::1/64                        2001:db8::2/64
#
# $HOST closes first, in both roles, so every late segment is for its TIME_WAIT. No
# connection may fail, and no RST may leave $HOST: on stock, and on vestige with
# XDP and tc on a tap, and with tc on a tun, which has no link header.
#
#   SEED=N LOSS=N	of the wire; LOSS per mille
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-$((RANDOM + 1))}
LOSS=${LOSS:-50}
CONNECTIONS=${CONNECTIONS:-150}

wire()		# shuttle-options...
{
	setup_ns HOST SERVER
	# $SERVER, which closes last, has no TIME_WAIT, and answers what comes late
	# with RST. Without rfc1337 that may end ours, and then we answer so, too.
	ns_set "$HOST" net.ipv4.tcp_invalid_ratelimit=0 net.ipv4.tcp_rfc1337=1
	nsenter --net="/run/netns/$HOST" "$TOOLS/shuttle" -l "$LOSS" -u 20 -j 4 -s "$SEED" "$@" \
		"$HOST" t0 "$SERVER" t1 >"$TMP/shuttle.$HOST" 2>&1 &
	shuttle=$!
	defer kill_pid "$shuttle"
	busywait 3000 grep -q ready "$TMP/shuttle.$HOST" >/dev/null || {
		cat "$TMP/shuttle.$HOST"
		return 1
	}
	add_addresses "$HOST" t0 "$HOST4" "$HOST6"
	add_addresses "$SERVER" t1 "$PEER4" "$PEER6"
	ip -n "$HOST" link set t0 up
	ip -n "$SERVER" link set t1 up
	serve "$SERVER" :: 9000 -t 36 -w 40
	serve "$HOST" :: 9001 -t 36 -w 40 -s
}

traffic()	# name ns address port [options...]
{
	local name=$1 ns=$2 addr=$3 port=$4
	shift 4
	spawn "$ns" "$TMP/traffic.$name" "$TOOLS/churn" -c -t 12 -n "$CONNECTIONS" -w 40 "$@" \
		"$addr" "$port"
	pids+=("$spawned") names+=("$name")
}

all_traffic()
{
	names=() pids=()
	traffic "IPv4 client" "$HOST" "$PEER4" 9000
	traffic "IPv4 server" "$SERVER" "$HOST4" 9001 -s
	traffic "IPv6 client" "$HOST" "$PEER6" 9000
	traffic "IPv6 server" "$SERVER" "$HOST6" 9001 -s
	traffic "mapped client" "$HOST" "$PEER4" 9000 -m
	wait "${pids[@]}"
}

no_failures()	# name
{
	cat "$TMP/traffic.$1"
	[ "$(jq '.failures + .bad_bytes' "$TMP/traffic.$1")" = 0 ]
}

no_resets()
{
	local sent
	sent=$(resets_sent "$HOST")
	echo "$sent RSTs from here; seed $SEED"
	[ "$BACKEND" = stock ] || vestige "$HOST" vtw stats
	[ "$sent" = 0 ]
}

# The wire was bad enough, and it was us who answered.
late_segments()	# name
{
	if [ "$BACKEND" = stock ]; then
		[ "$(snmp "$SERVER" TcpRetransSegs)" -gt 20 ]
		return
	fi
	echo "answered_fin $(counter "$HOST" answered_fin)"
	[ "$(counter "$HOST" answered_fin)" -ge 10 ] && [ "$(counter "$HOST" bad_csum)" = 0 ]
}

# Few ports: each is used several times, so SYNs meet our TIME_WAIT. Here a RST is
# no fault: an old ACK that overtakes into the handshake gets one (RFC 9293, 3.10.7.4).
ports_come_again()
{
	local reopened failed
	ns_set "$SERVER" net.ipv4.ip_local_port_range="40000 40029"
	names=() pids=()
	traffic again "$SERVER" "$HOST4" 9001 -s
	wait "${pids[@]}"
	no_failures again || return 1
	[ "$BACKEND" = vestige ] || return 0
	reopened=$(counter "$HOST" reopened) failed=$(counter "$HOST" reopen_failed)
	echo "reopened $reopened, reopen_failed $failed"
	[ "$reopened" -ge 50 ]
}

run_wire()	# name hook timestamps shuttle-options...
{
	local title=$1 hook=$2 timestamps=$3 name
	shift 3
	if ! wire "$@"; then
		tap_fail "$title: wire"
		return
	fi
	ns_set "$HOST" net.ipv4.tcp_timestamps="$timestamps"
	HOOK=$hook backend_attach "$HOST" entries 8192 || { tap_fail "$title: attach"; return; }
	all_traffic
	for name in "${names[@]}"; do
		tap_test "$title: no connection fails, $name" no_failures "$name"
	done
	tap_test "$title: no RST is sent" no_resets
	tap_test "$title: there were late segments" late_segments
	tap_test "$title: TIME_WAIT is opened again" ports_come_again
	backend_detach "$HOST"
	kill_pid "$shuttle"
}

tap_start
if [ ! -c /dev/net/tun ]; then
	tap_skip "all of it" "no /dev/net/tun"
	tap_finish
fi
echo "# seed $SEED"
backend=$BACKEND
BACKEND=stock
run_wire "stock tap" stock 1
if [ "$backend" = vestige ]; then
	BACKEND=vestige
	run_wire "tc tap" tc 1
	run_wire "tc tap, no timestamps" tc 0
	run_wire "xdp tap" xdp 1
	run_wire "tc tun" tc 1 -3
fi
tap_finish
