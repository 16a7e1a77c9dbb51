#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ports.sh - a source that is bound by a policy takes no port: more connections than ports.
#
# The range of ports is narrow; to each of two destinations all of it can be used at the
# same time, since only the whole 4-tuple must be unique.
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

PORTS=200 OWN=192.0.2.1

topology()
{
	setup_ns HOST
	device "$HOST" d0 192.0.2.10/24,preferred_lft,0 $OWN/24 \
		2001:db8::1/64 2001:db8::10/64,preferred_lft,0
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default dev d0
	ns_set "$HOST" "net.ipv4.ip_local_port_range=40001 $((40000 + PORTS))" \
		net.ipv4.tcp_syn_retries=6
	attach "$HOST" && follow "$HOST" &&
		selsrc "$HOST" policy set default deprecated
}

# All ports to each of the destinations, together; none twice to the same.
all_ports_to_each()	# source destination...
{
	local own=$1 dest i=0 pids=() rc=0
	shift
	for dest; do
		mkfifo "$TMP/hold.$i"
		in_cgroup "$HOST" timeout 30 "$SOURCE" -w -n "$PORTS" "$dest" \
			<>"$TMP/hold.$i" >"$TMP/many.$i" &
		pids+=($!)
		i=$((i + 1))
	done
	for ((i = 0; i < $#; i++)); do
		busywait 20000 grep -q . "$TMP/many.$i" >/dev/null
		same "$(cat "$TMP/many.$i")" "$own $PORTS" || rc=1
	done
	same "$(in_ns "$HOST" ss -Htn state syn-sent | wc -l)" $((PORTS * $#)) || rc=1
	for ((i = 0; i < $#; i++)); do echo >"$TMP/hold.$i"; done
	wait "${pids[@]}"
	rm "$TMP"/hold.* "$TMP"/many.*
	return "$rc"
}

# One more than there are ports, to one destination, cannot be.
no_more_than_ports()
{
	local out
	out=$(source_of "$HOST" -n $((PORTS + 1)) 198.51.100.7)
	same "$out" "failed $PORTS: Cannot assign requested address
$OWN $PORTS"
}

tap_start
topology || exit 1
tap_test "$PORTS ports, $((2 * PORTS)) connections to two destinations" \
	all_ports_to_each $OWN 198.51.100.1 198.51.100.2
tap_test "$PORTS ports, $((3 * PORTS)) connections to three, IPv6" \
	all_ports_to_each 2001:db8::1 2001:db8:f::1 2001:db8:f::2 2001:db8:f::3
tap_test "one more to one destination than there are ports" no_more_than_ports
tap_finish
