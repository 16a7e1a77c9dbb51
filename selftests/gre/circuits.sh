#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# circuits.sh - many devices on one socket, told apart by key and remote address: each
# gets its own, each can be shaped, all go away.
#
#   $A  c1 .. c1000 (key 1 .. 1000) = a0 ------ b0 = c1 .. c1000  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

N=${CIRCUITS:-1000}

# The raw sockets of protocol 47 in a namespace.
sockets()	# ns
{
	in_ns "$1" cat /proc/net/raw | grep -c ':002F '
}

# One `vestige` each would take minutes in an emulated machine: ip -batch if the plugin
# is there, otherwise the command.
add_all()	# ns local remote
{
	local i
	if [ -e "$PLUGIN" ]; then
		for ((i = 1; i <= N; i++)); do
			echo "link add c$i type sgre local $2 remote $3 key $i"
		done | IP_LIB_DIR=${PLUGIN%/*} ip -n "$1" -batch -
	else
		for ((i = 1; i <= N; i++)); do
			gre "$1" add "c$i" local "$2" remote "$3" key "$i" || return 1
		done
	fi
}

add_both()
{
	add_all "$A" "$HOST4" "$PEER4" && add_all "$B" "$PEER4" "$HOST4" || return 1
	same "$(gre "$A" show | grep -c '^[0-9]')" "$N" && same "$(sockets "$A")" 1
}

up_some()
{
	local i
	for i in "${some[@]}"; do
		inner_up "$A" "c$i" 1 "10.1.$((i % 256))" &&
			inner_up "$B" "c$i" 2 "10.1.$((i % 256))" || return 1
	done
}

# What goes into one comes out of the one with its key, and of no other.
own_packets()	# circuit
{
	local i got
	for i in "${some[@]}"; do
		before[i]=$(stat64 "$B" "c$i" rx_packets)
	done
	transfer "$A" "$B" "10.1.$(($1 % 256)).2" 20 -u -s 100 || return 1
	for i in "${some[@]}"; do
		got=$(($(stat64 "$B" "c$i" rx_packets) - before[i]))
		if [ "$i" = "$1" ]; then
			[ "$got" -ge 20 ] || { echo "c$i got $got"; return 1; }
		elif [ "$got" -gt 2 ]; then	# its own IPv6 chatter
			echo "c$i got $got of c$1"
			return 1
		fi
	done
}

# 1 Mbit/s on one, or what takes as long for who is SLOW, and the next one does not feel it.
shaped()
{
	local t slow quick
	tc -n "$A" qdisc add dev c1 root tbf rate $((1000 / SLOW))kbit burst 10k latency 30s ||
		return 1
	t=$(now_ms)
	transfer "$A" "$B" 10.1.1.2 125000 || return 1
	slow=$(($(now_ms) - t)) t=$(now_ms)
	transfer "$A" "$B" 10.1.2.2 125000 || return 1
	quick=$(($(now_ms) - t))
	echo "# 125 kB: c1 (1 Mbit/s, $SLOW times slower) $slow ms, c2 $quick ms"
	tc -n "$A" -s qdisc show dev c1 | grep -q 'Sent [1-9]' || return 1
	# A megabit takes a second, less what the bucket lets through at once.
	[ "$slow" -ge $((800 * SLOW)) ] && [ "$quick" -lt "$slow" ]
}

# The same key and peer cannot be had twice; the same key with another peer can.
no_twins()
{
	local said
	said=$(gre "$A" add twin local "$HOST4" remote "$PEER4" key 5 2>&1)
	[ $? = 2 ] || { echo "exit $?: $said"; return 1; }
	[ "$(wc -l <<<"$said")" = 1 ] && [ ! -e "/sys/class/net/twin" ] || return 1
	gre "$A" add other local "$HOST4" remote 192.0.2.9 key 5 && gre "$A" del other || return 1
	# By change neither.
	! gre "$A" set c6 key 5 && same "$(gre_json "$A" c6 .ikey)" 6
}

# A key that nobody has: nobody's counter, nobody's packet.
unknown_key()
{
	local i
	for i in "${some[@]}"; do
		before[i]=$(stat64 "$A" "c$i" rx_packets)
	done
	gre "$B" set c1 okey 99999 || return 1
	in_ns "$B" "$FLOW" -u -n 5 10.1.1.1 9 >/dev/null
	gre "$B" set c1 okey 1
	sleep 0.2
	for i in "${some[@]}"; do
		[ $(($(stat64 "$A" "c$i" rx_packets) - before[i])) -le 2 ] || {
			echo "c$i got it"
			return 1
		}
	done
}

# All at once, as fast as they go; the socket goes with the last.
del_all()
{
	local i t
	t=$(now_ms)
	for ((i = 1; i <= N; i++)); do echo "link del c$i"; done | ip -n "$A" -batch - || return 1
	echo "# $N devices deleted in $(($(now_ms) - t)) ms"
	same "$(gre "$A" show | wc -l)" 0 && same "$(sockets "$A")" 0
}

PLUGIN=${PLUGIN:-${TOOLS%/selftests/net}/link_sgre.so}
some=(1 2 5 6 77 500 "$N") before=()
need_module
tap_start
setup_pair || exit 1
tap_test "$N devices at each end, on one socket" add_both
tap_test "some of them are given addresses" up_some
tap_test "what goes into circuit 77 comes out of circuit 77" own_packets 77
tap_test "and of $N" own_packets "$N"
tap_test "one is shaped, others are not" shaped
tap_test "no two with the same key and peer" no_twins
tap_test "a key that nobody has" unknown_key
tap_test "all are deleted, and with the last one the socket" del_all
tap_finish
