#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# connect.sh - behaviour 6: a tuple that is remembered is not an obstacle.
#
# Many more connections than there are ports go to one address and port: not
# one may fail. On stock the same runs must fail where Linux has no answer
# (timestamps off, bind() first); that shows that these runs would notice.
# A SYN that would not be safe is held, and leaves when it has become safe.
#
#   CONNECTIONS=N	of the long IPv4 runs (default 100000)
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
#	(functions are called through tap_test; setup_ns sets the capitals)
. "$(dirname "$0")/lib.sh"

CONNECTIONS=${CONNECTIONS:-100000}
OTHERS=${OTHERS:-30000}		# of the other runs: past the 28,232 ports
PORT=8080

# The kernel's own, whatever the host was set to.
DEFAULT_RANGE="32768 60999"

# Stock needs minutes to fail with the default range, and fails as well with
# a small one.
STOCK_RANGE="40000 40499"
STOCK_CONNECTIONS=600

churn()		# ns options...
{
	local ns=$1
	shift
	in_ns "$ns" "$TOOLS/churn" "$@"
}

new_host()
{
	setup_ns HOST
	ns_set "$HOST" net.ipv4.tcp_tw_reuse=2
	ip -n "$HOST" addr add 198.51.100.1/32 dev lo
	ip -n "$HOST" addr add 2001:db8:9::1/128 dev lo
	backend_attach "$HOST"
}

# The verdict about one run: failures, wrong bytes, resets.
judge_run()	# json expected-number resets-before
{
	local ok resets
	ok=$(jq -r 'select(.failures == 0 and .bad_bytes == 0) | .ok' <<<"$1")
	[ "$ok" = "$2" ] || {
		echo "failed: $(jq -c '{ok, failures, bad_bytes, errors}' <<<"$1")"
		return 1
	}
	resets=$(($(resets_sent "$HOST") - $3))
	[ "$resets" -eq 0 ] || { echo "$resets RSTs were sent"; return 1; }
}

never_fails()	# number churn-options...
{
	local n=$1 out resets
	shift
	resets=$(resets_sent "$HOST")
	out=$(churn "$HOST" -n "$n" "$@" | tail -n 1)
	echo "$out"
	judge_run "$out" "$n" "$resets"
}

# Timestamps off, or bind() first: stock runs out of ports. It must be seen to.
fails_on_stock()	# churn-options...
{
	ns_set "$HOST" net.ipv4.ip_local_port_range="$STOCK_RANGE"
	if never_fails "$STOCK_CONNECTIONS" -d 20 "$@"; then
		echo "stock did not fail: this run proves nothing"
		return 1
	fi
}

# name, 1 if stock has an answer, number, timestamps, churn options.
run_row()	# name stock number timestamps options...
{
	local name=$1 stock=$2 n=$3
	ns_set "$HOST" net.ipv4.tcp_timestamps="$4" \
		net.ipv4.ip_local_port_range="$DEFAULT_RANGE"
	shift 4
	if [ "$BACKEND" = vestige ]; then
		tap_test "$name: $n connections never fail" never_fails "$n" "$@" "$PORT"
	elif [ "$stock" = 1 ]; then
		tap_test "$name: $n connections never fail" never_fails "$n" "$@" "$PORT"
	else
		tap_test "$name: stock runs out of ports" fails_on_stock "$@" "$PORT"
	fi
	PORT=$((PORT + 1))
}

run_rows()
{
	new_host
	run_row "v4 timestamps on" 1 "$CONNECTIONS" 1 127.0.0.1
	run_row "v4 timestamps off" 0 "$CONNECTIONS" 0 127.0.0.1
	run_row "v4 bind first" 0 "$CONNECTIONS" 1 -b 127.0.0.1 127.0.0.1
	run_row "v4 bind first, timestamps off" 0 "$OTHERS" 0 -b 127.0.0.1 127.0.0.1
	run_row "v4 two threads" 1 "$OTHERS" 1 -t 2 127.0.0.1
	run_row "v4 server closes first" 1 "$OTHERS" 1 -s 127.0.0.1
	run_row "v4 server closes first, timestamps off" 1 "$OTHERS" 0 -s 127.0.0.1
	run_row "v4 own address, bind first" 0 "$OTHERS" 1 -b 198.51.100.1 198.51.100.1
	run_row "v6 timestamps on" 1 "$OTHERS" 1 ::1
	run_row "v6 timestamps off" 0 "$OTHERS" 0 ::1
	run_row "v6 bind first" 0 "$OTHERS" 1 -b ::1 ::1
	run_row "v6 own address, bind first" 0 "$OTHERS" 1 -b 2001:db8:9::1 2001:db8:9::1
	run_row "mapped timestamps on" 1 "$OTHERS" 1 -m 127.0.0.1
	run_row "mapped timestamps off" 0 "$OTHERS" 0 -m 127.0.0.1
	run_row "mapped bind first" 0 "$OTHERS" 1 -m -b 127.0.0.1 127.0.0.1
}

#
#   $HOST   192.0.2.1/24  a0 ------ b0  192.0.2.2/24   $SERVER
#           2001:db8::1/64              2001:db8::2/64
#
new_pair()
{
	setup_ns HOST SERVER
	veth_pair "$HOST" a0 "$HOST_MAC" "$SERVER" b0 "$PEER_MAC"
	ip -n "$HOST" addr add $HOST4/24 dev a0
	ip -n "$HOST" addr add $HOST6/64 dev a0 nodad
	ip -n "$SERVER" addr add $PEER4/24 dev b0
	ip -n "$SERVER" addr add $PEER6/64 dev b0 nodad
	neigh "$HOST" a0 "$PEER_MAC" $PEER4 $PEER6
	neigh "$SERVER" b0 "$HOST_MAC" $HOST4 $HOST6
	backend_attach "$HOST"
}

# To another host, whose sessions are remembered for a minute: each port is
# taken again long before that.
to_a_remote_host()	# number timestamps churn-options...
{
	local n=$1
	ns_set "$HOST" net.ipv4.tcp_timestamps="$2"
	shift 2
	serve "$SERVER" :: "$PORT" -t 2 || return 1
	never_fails "$n" -c -t 2 "$@" "$PEER4" "$PORT"
	local rc=$?
	kill_pid "$spawned"
	[ "$(counter "$HOST" connect_safe)" -gt 0 ] || { echo "no port was taken again"; rc=1; }
	vestige "$HOST" vtw flush
	vestige "$HOST" vtw stats reset
	return "$rc"
}

run_remote()
{
	new_pair
	ns_set "$HOST" net.ipv4.ip_local_port_range="$DEFAULT_RANGE"
	vestige "$HOST" mslt rule add "$PEER4/32" remote
	tap_test "v4 remote: $OTHERS connections never fail" to_a_remote_host "$OTHERS" 1
	tap_test "v4 remote, timestamps off: $OTHERS connections never fail" \
		to_a_remote_host "$OTHERS" 0
	tap_test "v4 remote, bind first: $OTHERS connections never fail" \
		to_a_remote_host "$OTHERS" 1 -b "$HOST4"
	tap_test "mapped remote: $OTHERS connections never fail" to_a_remote_host "$OTHERS" 1 -m
	vestige "$HOST" mslt rule del "$PEER4/32"
	vestige "$HOST" mslt set local 2500ms
}

addresses()	# family; sets from, to, any, and an option of churn
{
	from=$HOST4 to=$PEER4 any=0.0.0.0 mapped=
	case $1 in
	6)	from=$HOST6 to=$PEER6 any=:: ;;
	mapped)	mapped=-m ;;
	esac
}

one_connection()	# family bytes
{
	addresses "$1"
	# shellcheck disable=SC2086 # $mapped is an option or nothing
	churn "$HOST" -c -n 1 -p "$2" $mapped -b "$from" -P 33333 "$to" $PORT
}

counted_above()	# counter value
{
	[ "$(counter "$HOST" "$1")" -gt "$2" ]
}

# The first connection sends 60 MB in much less time than the clock behind
# initial sequence numbers needs to get past them (16 MB/s). The next SYN from
# that port would land in the old window, so it may not reach the wire yet.
syn_is_held()	# family
{
	local before held out server
	addresses "$1"
	serve "$SERVER" "$any" "$PORT" -p 60000000 || return 1
	one_connection "$1" 60000000 >"$TMP/bulk" || { cat "$TMP/bulk"; return 1; }
	kill_pid "$spawned"
	serve "$SERVER" "$any" "$PORT" -p 4 || return 1
	held=$(counter "$HOST" connect_held)
	before=$(snmp "$SERVER" TcpInSegs)
	server=$spawned
	one_connection "$1" 4 >"$TMP/held" &
	busywait 2000 counted_above connect_held "$held" >/dev/null
	sleep 0.3
	[ "$(snmp "$SERVER" TcpInSegs)" = "$before" ] || {
		echo "a segment reached the server while the SYN was held"
		return 1
	}
	wait $!
	out=$(cat "$TMP/held")
	kill_pid "$server"
	[ "$(counter "$HOST" connect_held)" -gt "$held" ] || {
		echo "connect_held did not count: $out"
		return 1
	}
	[ "$(jq -r '.failures == 0 and .connect_us.max > 900000' <<<"$out")" = true ] ||
		{ echo "held, but then: $out"; return 1; }
}

# A few bytes: safe by the initial sequence number, or by timestamps (RFC 6191).
syn_is_safe()	# family
{
	local before out
	addresses "$1"
	serve "$SERVER" "$any" "$PORT" -p 4 || return 1
	one_connection "$1" 4 || return 1
	before=$(counter "$HOST" connect_safe)
	sleep 0.01
	out=$(one_connection "$1" 4)
	kill_pid "$spawned"
	[ "$(jq -r '.failures == 0 and .connect_us.max < 900000' <<<"$out")" = true ] ||
		{ echo "not let out at once: $out"; return 1; }
	[ "$(counter "$HOST" connect_safe)" -gt "$before" ] || {
		echo "connect_safe did not count"
		return 1
	}
}

run_held()
{
	local family
	for family in 4 6 mapped; do
		ns_set "$HOST" net.ipv4.tcp_timestamps=0
		if [ "$SLOW" -gt 1 ]; then
			tap_skip "v$family: an unsafe SYN is held" \
				"60 MB take too long on a slow machine"
		else
			tap_test "v$family: an unsafe SYN is held, counted, and leaves later" \
				syn_is_held $family
		fi
		vestige "$HOST" vtw flush >/dev/null
		tap_test "v$family: a SYN beyond the old numbers leaves at once" \
			syn_is_safe $family
		vestige "$HOST" vtw flush >/dev/null
		ns_set "$HOST" net.ipv4.tcp_timestamps=1
		tap_test "v$family: a SYN with a newer timestamp leaves at once" \
			syn_is_safe $family
		vestige "$HOST" vtw flush >/dev/null
	done
}

tap_start
run_rows
if [ "$BACKEND" = vestige ]; then
	run_remote
	run_held
fi
tap_finish
