#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# netns.sh - a device in one namespace, its socket in another; who may make one; what
# ip and ethtool say; nothing is left behind.
#
#   $IN  g0 (moved) ··· its socket: $A  a0 ------------ b0 = g0  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

sockets()	# ns
{
	in_ns "$1" cat /proc/net/raw /proc/net/raw6 | grep -c ':002F '
}

moved()
{
	tunnel raw 4 key 7 && ip -n "$A" link set g0 netns "$IN" && inner_up "$IN" g0 1 || return 1
	transfer "$IN" "$B" 10.0.0.2 50000 && transfer "$B" "$IN" fd00::1 50000 || return 1
	same "$(sockets "$A") $(sockets "$IN")" "1 0"
}

# It says where its socket is.
says_where()
{
	same "$(gre_json "$IN" g0 '"\(.netns) \(.local) \(.ikey)"')" "$A $HOST4 7" || return 1
	gre "$IN" show g0 | grep -q "netns $A "
}

# It can be changed from there, by who may in both.
set_from_there()
{
	gre "$B" set g0 key 8 && gre "$IN" set g0 key 8 ttl 9 || return 1
	transfer "$IN" "$B" 10.0.0.2 10000 && same "$(gre_json "$IN" g0 .ttl)" 9
}

# The namespace of the device goes: the device with it, and the socket with that.
device_side_goes()
{
	ip netns del "$IN" && busywait "$WAIT" no_sockets "$A"
}

no_sockets()	# ns
{
	[ "$(sockets "$1")" = 0 ]
}

# The namespace of the socket goes: so does the device, wherever it is.
socket_side_goes()
{
	setup_ns C D
	ip -n "$C" link add x0 type veth peer name y0 netns "$D"
	ip -n "$C" addr add 192.0.2.1/24 dev x0
	ip -n "$C" link set x0 up
	ip -n "$D" link set y0 up
	gre "$C" add g0 local 192.0.2.1 remote 192.0.2.2 &&
		gre "$C" add g1 local 192.0.2.1 remote 192.0.2.2 transport udp &&
		ip -n "$C" link set g0 netns "$D" && ip -n "$C" link set g1 netns "$D" || return 1
	ip -n "$D" link set g0 up
	ip -n "$D" link set g1 up
	ip netns del "$C"
	busywait "$WAIT" gone "$D" g0 && busywait "$WAIT" gone "$D" g1
}

gone()		# ns dev
{
	! ip -n "$1" link show "$2" >/dev/null 2>&1
}

# What is below goes while packets are on their way: no route, then there is one again.
below_goes()
{
	setup_ns C D
	ip -n "$C" link add x0 type veth peer name y0 netns "$D" || return 1
	ip -n "$C" addr add 192.0.2.1/24 dev x0
	ip -n "$C" addr add 198.51.100.1/32 dev lo
	ip -n "$C" link set x0 up
	ip -n "$D" link set y0 up
	gre "$C" add g0 local 198.51.100.1 remote 192.0.2.2 && inner_up "$C" g0 1 || return 1
	spawn "$C" /dev/null "$FLOW" -u -q -d 2000 -s 200 10.0.0.2 9
	sleep 0.5
	ip -n "$C" link del x0 || return 1
	wait "$spawned"
	[ "$(gre_json "$C" g0 .counters.tx_no_route)" -gt 0 ] || { counters "$C" g0; return 1; }
	ip -n "$C" link add x0 type veth peer name y0 netns "$D"
	ip -n "$C" addr add 192.0.2.1/24 dev x0
	ip -n "$C" link set x0 up
	ip -n "$D" link set y0 up
	neigh "$C" x0 "$PEER_MAC" 192.0.2.2
	counts "$C" g0 '' in_ns "$C" "$FLOW" -u -n 3 10.0.0.2 9 && ip -n "$C" link del g0
}

carrier()	# ns dev; up: a device that is down says nothing of it
{
	gre_json "$1" "$2" .carrier
}

link_to_d()	# words of ip
{
	ip -n "$C" link add x0 "$@" type veth peer name y0 netns "$D" &&
		ip -n "$C" link set x0 up && ip -n "$D" link set y0 up
}

# What was named by dev goes: no carrier until it is back. Another of its name is another.
dev_goes()
{
	setup_ns C D
	link_to_d index 77 && ip -n "$C" addr add 198.51.100.1/32 dev lo || return 1
	gre "$C" add g0 local 198.51.100.1 remote 192.0.2.2 dev x0 &&
		gre "$C" add g1 local 198.51.100.1 remote 192.0.2.3 &&
		ip -n "$C" link set g0 up && ip -n "$C" link set g1 up || return 1
	same "$(carrier "$C" g0)" true || return 1
	# It keeps its index where it goes, and takes it along again.
	ip -n "$C" link set x0 netns "$D" && same "$(carrier "$C" g0)" false &&
		ip -n "$D" link set x0 netns "$C" && same "$(carrier "$C" g0)" true || return 1
	ip -n "$C" link del x0 && same "$(carrier "$C" g0) $(carrier "$C" g1)" "false true" ||
		return 1
	link_to_d && same "$(carrier "$C" g0)" false && gre "$C" set g0 dev x0 &&
		same "$(carrier "$C" g0)" true && ip -n "$C" link del x0 &&
		same "$(carrier "$C" g0)" false && gre "$C" set g0 nodev &&
		same "$(carrier "$C" g0)" true || return 1
	gre "$C" del g0 && gre "$C" del g1
}

# Who is root of his own namespaces may there, and nowhere else.
unprivileged()
{
	local said
	install -m 755 "$VESTIGE" /run/netns/vestige || return 1
	said=$(in_ns "$A" setpriv --reuid 65534 --regid 65534 --clear-groups \
		/run/netns/vestige gre add g5 local "$HOST4" remote "$PEER4" 2>&1)
	same "$? $(wc -l <<<"$said")" "2 1" && matches "$said" 'not permitted' || return 1
	# A user namespace of his own does not help with the network of others.
	said=$(in_ns "$A" setpriv --reuid 65534 --regid 65534 --clear-groups \
		unshare -U -r /run/netns/vestige gre add g5 local "$HOST4" remote "$PEER4" 2>&1)
	same "$? $(wc -l <<<"$said")" "2 1" && matches "$said" 'not permitted' || return 1
	said=$(setpriv --reuid 65534 --regid 65534 --clear-groups unshare -U -r -n bash -c '
		ip link set lo up &&
		/run/netns/vestige gre add g5 local 127.0.0.1 remote 127.0.0.2 &&
		/run/netns/vestige gre show g5 && /run/netns/vestige gre del g5' 2>&1) ||
		{ echo "$said"; return 1; }
	rm /run/netns/vestige
	gone "$A" g5
}

# With a socket of a namespace in which he may nothing.
unprivileged_set()
{
	local said
	tunnel raw 4 key 7 && ip -n "$A" link set g0 netns "$B" name g1 || return 1
	said=$(in_ns "$B" setpriv --bounding-set=-net_admin "$VESTIGE" gre set g1 ttl 3 2>&1)
	same "$? $(wc -l <<<"$said")" "2 1" || { echo "$said"; return 1; }
	same "$(gre_json "$B" g1 .ttl)" 64 || return 1
	ip -n "$B" link del g1 && ip -n "$B" link del g0
}

ethtool_says()
{
	local name
	gre "$A" add g0 local "$HOST4" remote "$PEER4" || return 1
	in_ns "$A" ethtool -i g0 >"$TMP/said"
	grep -q '^driver: \(sgre\|vestige\)$' "$TMP/said" || { cat "$TMP/said"; return 1; }
	in_ns "$A" ethtool -S g0 >"$TMP/said" || return 1
	for name in $(gre_json "$A" g0 '.counters | keys[]'); do
		grep -q "^ *$name: 0\$" "$TMP/said" || { echo "no $name"; return 1; }
	done
}

ip_says()
{
	ip -n "$A" -s link show g0 | grep -q 'RX:' && ip -n "$A" link set g0 mtu 1300 &&
		same "$(gre_json "$A" g0 .mtu)" 1300 && ip -n "$A" link set g0 name other &&
		ip -n "$A" link set other up && gre "$A" show other >/dev/null &&
		ip -n "$A" link del other && gone "$A" other
}

# While there is a device the module stays; afterwards it can go and come again.
unload()
{
	gre "$A" add g0 local "$HOST4" remote "$PEER4" || return 1
	! rmmod vestige 2>"$TMP/said" && grep -q 'in use' "$TMP/said" || return 1
	ip -n "$A" link del g0
	rmmod vestige && [ ! -e /sys/module/vestige ] || return 1
	"$VESTIGE" -j doctor | jq -e '.[] | select(.check == "module") | .found |
		test("not loaded|no vestige.ko")' >/dev/null || return 1
	# The kind brings the module with it.
	gre "$A" add g0 local "$HOST4" remote "$PEER4" 2>/dev/null || modprobe vestige || return 1
	"$VESTIGE" -j doctor | jq -e '.[] | select(.check == "module") | .result == "ok"' \
		>/dev/null || return 1
	ip -n "$A" link del g0 2>/dev/null
	return 0
}

# As it was: no sockets of ours, no hooks, no devices, nobody holds the module.
clean()
{
	local ns
	for ns in "$A" "$B"; do
		same "$(sockets "$ns")" 0 && same "$(gre "$ns" show)" "" || return 1
		same "$(in_ns "$ns" ss -Huln | wc -l)" 0 || return 1
	done
	same "$(cat /sys/module/vestige/refcnt)" "$REFS"
}

need_module
REFS=$(cat /sys/module/vestige/refcnt)
tap_start
setup_pair && setup_ns IN || exit 1
tap_test "a device moves, its socket stays" moved
tap_test "where the socket is" says_where
tap_test "changed from where the device is" set_from_there
tap_test "the device's namespace goes" device_side_goes
ip -n "$B" link del g0
tap_test "the socket's namespace goes" socket_side_goes
tap_test "what is below goes, and comes again" below_goes
tap_test "what was named by dev goes" dev_goes
tap_test "without privileges" unprivileged
tap_test "change without privileges" unprivileged_set
if command -v ethtool >/dev/null; then
	tap_test "ethtool" ethtool_says
	tap_test "ip link" ip_says
else
	tap_skip "ethtool" "there is none"
fi
tap_test "nothing is left" clean
tap_test "unloaded when nobody needs it" unload
tap_test "nothing is left by that" clean
tap_finish
