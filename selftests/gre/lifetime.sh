#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lifetime.sh - sockets, devices, what is under them, and both namespaces go, in every
# order and under traffic; nothing crashes, nothing stays.
#
#   STEPS=N SPACES=N SEED=N	steps and namespaces at random
#
#   $A  devices = a0 ------ b0  $B  packets for all of their sockets
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

STEPS=${STEPS:-800} SPACES=${SPACES:-120} SEED=${SEED:-$RANDOM}
STRESS=$GRE_TOOLS/stress

pings()		# does anything come through the tunnel?
{
	transfer "$A" "$B" 10.0.0.2 5 -u -s 100
}

no_device()	# ns dev
{
	! ip -n "$1" link show "$2" 2>/dev/null
}

refused_while_used()
{
	gre "$A" add g0 local "$HOST4" remote "$PEER4" || return 1
	! rmmod vestige 2>/dev/null && gre "$A" del g0
}

# The device stays, has no carrier, and says what it does not send.
closed_by_its_user()
{
	gre "$B" add g0 local "$PEER4" remote "$HOST4" transport udp sport 4754 || return 1
	connected udp 4 && H add g0 >/dev/null || return 1
	inner_up "$A" g0 1 && inner_up "$B" g0 2 && pings || return 1
	H close >/dev/null
	same "$(cat_carrier "$A" g0)" 0 || return 1
	in_ns "$A" "$FLOW" -u -n 3 10.0.0.2 9 >/dev/null 2>&1
	sock_stop H
	gre "$A" set g0 ttl 9 && gre "$A" del g0 && gre "$B" del g0
}

cat_carrier()	# ns dev
{
	ip -n "$1" -j link show "$2" | jq 'if .[0].flags | index("LOWER_UP") then 1 else 0 end'
}

# It reads again, connects again, can be given away again; nothing while it is away.
given_back()
{
	local i
	connected udp 4 || return 1
	for i in 1 2 3; do
		H add g0 >/dev/null && same "$(H recv)" "err EBUSY" &&
			same "$(H disconnect)" "err EBUSY" && ip -n "$A" link del g0 &&
			same "$(H recv)" "err EAGAIN" || return 1
	done
	H disconnect >/dev/null && H connect "$PEER4" 4755 >/dev/null && H add g0 >/dev/null &&
		same "$(gre_json "$A" g0 .dport)" 4755 && ip -n "$A" link del g0 || return 1
	sock_stop H
}

# The device under it goes, and another with its address comes.
underlying_device()
{
	gre "$A" add g0 local "$HOST4" remote "$PEER4" && inner_up "$A" g0 1 &&
		gre "$B" add g0 local "$PEER4" remote "$HOST4" && inner_up "$B" g0 2 || return 1
	pings || return 1
	ip -n "$A" link del a0
	in_ns "$A" "$FLOW" -u -n 3 10.0.0.2 9 >/dev/null 2>&1
	matches "$(counters "$A" g0)" 'tx_no_route [1-9]' || return 1
	wire_pair && pings || return 1
	gre "$A" del g0 && gre "$B" del g0
}

# A third namespace has the device, or the socket, and goes.
other_namespace()	# device|socket
{
	local ns other=$A
	setup_ns ns || return 1
	ip -n "$ns" addr add "$HOST4/32" dev lo
	[ "$1" = device ] || { other=$ns ns=$A; }
	gre "$other" add n0 local "$HOST4" remote "$PEER4" && inner_up "$other" n0 1 &&
		ip -n "$other" link set n0 netns "$ns" && inner_up "$ns" n0 1 || return 1
	if [ "$1" = device ]; then
		ip netns del "$ns"
		busywait "$WAIT" no_socket "$other"
	else
		ip netns del "$other"
		busywait "$WAIT" no_device "$ns" n0
	fi
}

no_socket()	# ns
{
	! in_ns "$1" cat /proc/net/raw | grep -q ':002F '
}

# The last socket of ours switches static keys of the kernel off, and the next one on
# again. Emulated processors are no match for text that changes a hundred times a second
# (a breakpoint is hit after it was taken away): these keep them on.
keep_keys()
{
	local ns
	setup_ns ns || return 1
	ip -n "$ns" addr add "$HOST4/32" dev lo
	ip -n "$ns" addr add "$HOST6/128" dev lo
	gre "$ns" add k0 local "$HOST4" remote "$PEER4" &&
		gre "$ns" add k1 local "$HOST6" remote "$PEER6" &&
		gre "$ns" add k2 local "$HOST4" remote "$PEER4" transport udp &&
		gre "$ns" add k3 local "$HOST6" remote "$PEER6" transport udp &&
		kept=$ns
}

churn()
{
	spawn "$B" /dev/null "$STRESS" flood
	in_ns "$A" "$STRESS" churn "/run/netns/$B" "$STEPS" "$SEED"
}

# Namespaces go one after the other, on a work queue of the kernel; an emulated machine
# is busy with 120 of them for a while.
nothing_left()
{
	ip netns del "$kept"
	busywait $((12 * WAIT)) all_gone && return
	echo "sockets: $(in_ns "$A" grep -hc ':002F ' /proc/net/raw /proc/net/raw6 | xargs)," \
		"devices: '$(gre "$A" show)', used $(cat /sys/module/vestige/refcnt) times"
	return 1
}

all_gone()
{
	no_socket "$A" && [ -z "$(gre "$A" show)" ] &&
		[ "$(cat /sys/module/vestige/refcnt)" = 0 ]
}

need_module
tap_start
setup_pair || exit 1
HOST=$A PEER=$B
tap_test "the module stays while there is a device" refused_while_used
tap_test "an adopted socket is closed by its user" closed_by_its_user
tap_test "an adopted socket is given back, and taken again" given_back
tap_test "the device under it goes and comes" underlying_device
tap_test "the namespace of the device goes" other_namespace device
tap_test "the namespace of the socket goes" other_namespace socket
keep_keys || exit 1
tap_test "$STEPS steps at random (SEED=$SEED), under traffic" churn
tap_test "$SPACES namespaces with a socket or a device in them" \
	in_ns "$A" "$STRESS" netns "$SPACES" "$SEED"
tap_test "nothing of it is left" nothing_left
tap_finish
