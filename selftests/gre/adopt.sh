#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# adopt.sh - a connected socket of a user is the outside: what its owner may do no more,
# which of its settings hold, and what is when it goes.
#
#   $HOST  holder(1)'s socket, g0 = a0 192.0.2.1, 2001:db8::1 ------ b0  $PEER: wire(1)
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086
. "$(dirname "$0")/lib.sh"

P4=$(make_udp 10.0.0.1 10.0.0.2 ttl=9)
IN4=$(make_udp 10.0.0.2 10.0.0.1)

up()		# words for add...
{
	H add g0 "$@" || return 1
	ns_set "$HOST" net.ipv6.conf.g0.disable_ipv6=1
	ip -n "$HOST" link set g0 up
}

works()		# transport
{
	local got
	got=$(out_of g0 "$P4")
	matches "$got" "src=$DST dst=$SRC .*gre flags=0000 proto=0800 payload=$P4" || return 1
	[ -z "$UDP" ] || matches "$got" " $UDP " || return 1
	got=$(into g0 "$("$W" gre src=$SRC dst=$DST $UDP "$IN4")" -- -r)
	same "$got" "type=0800 payload=$IN4"
}

packets()
{
	up && works || return 1
	same "$(gre_json "$HOST" g0 '"\(.adopted) \(.local) \(.remote)"')" "true $DST $SRC" &&
		same "$(gre_json "$HOST" g0 .transport)" "$([ -n "$UDP" ] && echo udp || echo raw)"
}

# Nothing is read behind our back; and nobody else is talked to all of a sudden.
busy()
{
	local what
	up || return 1
	for what in recv peek recvmmsg "connect $SRC 9" disconnect; do
		same "$(H $what)" "err EBUSY" || { echo "$what"; return 1; }
	done
	works
}

# Packets that came before are not read afterwards.
queued_before()
{
	local before
	"$W" pass -m "$HOST_MAC" -n 0 -t "$QUIET" "$PEER" b0 "$HOST" a0 \
		"$("$W" gre src=$SRC dst=$DST $UDP "$IN4")"
	up && same "$(H recv)" "err EBUSY" && works
}

# Several devices by their keys; none twice.
shared()
{
	local got
	H add g0 key 1 >/dev/null && H add g1 key 2 >/dev/null || return 1
	got=$(H add g2 key 2)
	matches "$got" '^err 2 vestige: .*another' || return 1
	[ ! -e "$(in_ns "$HOST" sh -c 'ls -d /sys/class/net/g2 2>/dev/null')" ] || return 1
	ip -n "$HOST" link set g0 up && ip -n "$HOST" link set g1 up
	got=$(into g1 "$("$W" gre src=$SRC dst=$DST $UDP key=2 "$IN4")" -- -r)
	same "$got" "type=0800 payload=$IN4" || return 1
	# One goes, the other stays, and the socket is not free yet.
	ip -n "$HOST" link del g0
	same "$(H recv)" "err EBUSY" || return 1
	ip -n "$HOST" link del g1
}

# The last device gone: it is its owner's again.
given_back()
{
	up && ip -n "$HOST" link del g0 || return 1
	same "$(H recv)" "err EAGAIN" || return 1
	H connect $SRC $PORT >/dev/null && up && works
}

outer()		# "tos ttl"
{
	out_of g0 "$P4" | sed -E 's/^ip[46] .* tos=([0-9]+) ttl=([0-9]+).*/\1 \2/'
}

# TTL and TOS of the socket, set before or later, unless the device has its own.
ttl_and_tos()
{
	H ttl 17 >/dev/null && H tos 32 >/dev/null && up || return 1
	same "$(outer)" "32 17" || return 1
	same "$(gre_json "$HOST" g0 '"\(.ttl) \(.tos)"')" "socket socket" || return 1
	H ttl 18 >/dev/null && H tos 64 >/dev/null && same "$(outer)" "64 18" || return 1
	gre "$HOST" set g0 ttl 5 && same "$(outer)" "64 5" || return 1
	gre "$HOST" set g0 ttl inherit tos 0x10 && same "$(outer)" "16 9"
}

# A mark decides on the route, from the next packet on.
mark()
{
	up && works || return 1
	ip -n "$HOST" -${1} rule add fwmark 7 table 77 && ip -n "$HOST" -${1} route add \
		blackhole default table 77 || return 1
	H mark 7 >/dev/null
	same "$(out_of g0 "$P4" -- -n 0 -t "$QUIET")" "" && H mark 0 >/dev/null && works
	local rc=$?
	ip -n "$HOST" -${1} rule del fwmark 7 table 77
	ip -n "$HOST" -${1} route flush table 77
	return $rc
}

# Bound to another device: out there, and nothing is taken here.
bound()
{
	up && works && H dev lo >/dev/null || return 1
	same "$(out_of g0 "$P4" -- -n 0 -t "$QUIET")" "" || return 1
	H dev a0 >/dev/null && works
}

# Closed: no carrier, nothing leaves; the device is still there, and can be deleted.
closed()
{
	up && works && H close >/dev/null || return 1
	busywait "$WAIT" no_carrier || return 1
	same "$(out_of g0 "$P4" "$P4" -- -n 0 -t "$QUIET")" "" && ip -n "$HOST" link del g0
}

no_carrier()
{
	[ "$(gre_json "$HOST" g0 .carrier)" = false ]
}

killed()
{
	up && works && kill -9 "${sock_pid[H]}" && busywait "$WAIT" no_carrier
}

# Two descriptors: the last one counts. One that nobody has open but the queue of another
# socket counts, too.
descriptors()
{
	up && H dup >/dev/null && H close >/dev/null && works && H undup >/dev/null || return 1
	busywait "$WAIT" no_carrier
}

in_a_queue()
{
	up && H pass >/dev/null && H close >/dev/null && works || return 1
	kill -9 "${sock_pid[H]}" && busywait "$WAIT" no_carrier
}

socket_drops()
{
	gre_json "$HOST" g0 .stats.rx_missed_errors
}

# It is asked about each packet, by the queue of a raw socket, and may shorten it, to less
# than headers, too. Who refuses on behalf of a raw socket does not count it; what has
# no header any more is counted where it can be.
filter()	# drops of the socket
{
	local n packet queued=1
	[ -z "$UDP" ] || queued=0
	packet=$("$W" gre src=$SRC dst=$DST $UDP "$IN4")
	H filter 9999 >/dev/null && up && works &&
		same "$(gre_json "$HOST" g0 .counters.rx_queued)" $queued || return 1
	for n in 0 5 20; do
		H filter $n >/dev/null && kept_out g0 "$packet" || return 1
	done
	same "$(socket_drops)" $1
}

# What is in the queue for errors, which is the owner's, takes the place of packets: they
# are counted, until he has read it.
overrun()
{
	local i packet
	packet=$("$W" gre src=$SRC dst=$DST $UDP "$IN4")
	H filter 9999 >/dev/null && H stamps >/dev/null && up || return 1
	for i in {1..16}; do
		H send "$(printf '%0400d' 0)" >/dev/null || return 1
	done
	H rcvbuf 1 >/dev/null && kept_out g0 "$packet" "$packet" || return 1
	same "$(socket_drops)" 2 && same "$(H errors)" "ok 16" && works &&
		same "$(socket_drops)" 2
}

# ESP in UDP is a socket's only use; and so are we.
other_encapsulation()
{
	up && same "$(H encap)" "err EBUSY" && works && ip -n "$HOST" link del g0 &&
		same "$(H encap)" "ok 0" || return 1
	matches "$(H add g0)" '^err 2 vestige: gre add: g0: .*carries something else already'
}

# What cannot be adopted, and what is said.
refused()	# sentence holder-commands; the last one is add
{
	local said=$1 words got
	shift
	hold "$HOST" || return 1
	for words; do got=$(H $words); done
	let_go
	matches "$got" "^err 2 vestige: gre add: g0: .*$said" || return 1
	! ip -n "$HOST" link show g0 >/dev/null 2>&1
}

own_words()	# words beside fd that it knows itself
{
	local words got
	for words in "local $DST" "remote $SRC" "transport udp" "sport 9" "dport 9" "dev a0" \
		"local 2001:db8::1" "remote 2001:db8::2"; do
		got=$(H add g0 $words)
		matches "$got" '^err 2 vestige: gre add: g0: .*leave this out' || return 1
	done
	! ip -n "$HOST" link show g0 >/dev/null 2>&1
}

# What of an adopted device cannot change stays; the rest changes.
changes()
{
	local words before
	up key 3 || return 1
	before=$(gre_json "$HOST" g0 'del(.counters, .stats)')
	for words in "local $DST" "remote $SRC" "sport 9" "dport 9" "dev a0" "transport raw" \
		"fd 0" "mode ether"; do
		! gre "$HOST" set g0 $words >"$TMP/said" 2>&1 || { echo "$words"; return 1; }
		[ "$(wc -l <"$TMP/said")" = 1 ] || { cat "$TMP/said"; return 1; }
	done
	same "$(gre_json "$HOST" g0 'del(.counters, .stats)')" "$before" || return 1
	gre "$HOST" set g0 nokey ttl 4 && works && same "$(gre_json "$HOST" g0 .ttl)" 4
}

# It says what it is, and nothing else is shared with it by accident.
beside_our_own()
{
	up || return 1
	! gre "$HOST" add g9 local "$HOST4" remote "$PEER4" transport udp sport $PORT \
		dport $PORT 2>"$TMP/said" || { ip -n "$HOST" link del g9; return 1; }
	grep -q 'another socket has this UDP port' "$TMP/said"
}

need_module
declare -A drops=([udp4]=2 [udp6]=2 [raw4]=1 [raw6]=0)
tap_start
setup_peer_topology || exit 1
for kind in udp raw; do
	for family in 4 6; do
		name="$kind socket of IPv$family"
		my_turn || [ $kind$family = udp4 ] || continue
		tap_test "$name: packets both ways" with $kind $family packets
		tap_test "$name: its owner reads nothing" with $kind $family busy
		tap_test "$name: TTL and TOS" with $kind $family ttl_and_tos
		tap_test "$name: closed" with $kind $family closed
		tap_test "$name: what was queued before" with $kind $family queued_before
		tap_test "$name: several devices" with $kind $family shared
		tap_test "$name: given back" with $kind $family given_back
		tap_test "$name: mark" with $kind $family mark $family
		tap_test "$name: bound to a device" with $kind $family bound
		tap_test "$name: words that it knows itself" with $kind $family own_words
		tap_test "$name: what can change" with $kind $family changes
		tap_test "$name: with a filter" with $kind $family filter ${drops[$kind$family]}
		if [ $kind = raw ]; then
			tap_test "$name: no room in its queue" with $kind $family overrun
		else
			tap_test "$name: another encapsulation, afterwards" \
				with $kind $family other_encapsulation
		fi
	done
done
tap_test "killed" with udp 4 killed
tap_test "two descriptors" with raw 4 descriptors
tap_test "in the queue of a socket" with udp 6 in_a_queue
tap_test "beside a socket of our own" with udp 4 beside_our_own
tap_test "refused: not connected" refused 'not connected' "open udp 4" "bind $HOST4 $PORT" "add g0"
tap_test "refused: raw, not connected" refused 'not connected' "open raw 4" "add g0"
tap_test "refused: TCP" refused 'neither a UDP nor a raw GRE' "open tcp 4" "add g0"
# The newest kernels have none.
[ ! -e /proc/net/udplite ] ||
	tap_test "refused: UDP-Lite" refused 'neither a UDP nor a raw GRE' \
		"open udplite 4" "connect $PEER4 9" "add g0"
tap_test "refused: raw ICMP" refused 'neither a UDP nor a raw GRE' "open icmp 4" "add g0"
tap_test "refused: ESP in UDP" refused 'carries something else' "open udp 4" \
	"bind $HOST4 $PORT" "connect $PEER4 $PORT" encap "add g0"
tap_test "refused: unix" refused 'no IPv4 or IPv6 socket' "open unix 4" "add g0"
tap_test "refused: no socket" refused 'no socket' "open udp 4" nothing "add g0"
tap_test "refused: IPv6 that talks IPv4" refused 'talks IPv4' "open udp 6 46" \
	"connect ::ffff:$PEER4 $PORT" "add g0"
tap_finish
