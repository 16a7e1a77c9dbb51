#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# keepalive.sh - Cisco's: what is sent, what is answered, and what that does to the
# carrier; with a wire at the other end, and between two of us.
#
#   $HOST  g0 = a0 192.0.2.1, 2001:db8::1 -------- b0  $PEER: wire(1), no stack
#   $A     g0 = a0 ------------------------------- b0 = g0  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086
. "$(dirname "$0")/lib.sh"

ip_kind()	# family; GRE's word for it
{
	if [ "$1" = 4 ]; then echo 0800; else echo 86dd; fi
}

carrier()	# ns yes|no
{
	local want=true
	[ "$2" = yes ] || want=false
	[ "$(gre_json "$1" g0 .carrier)" = $want ] || { echo "carrier is not '$2'"; return 1; }
}

# The way back is written in the packet: from the peer to us, GRE of protocol 0.
sends()		# transport family words of the inner header
{
	local transport=$1 family=$2 got inner
	shift 2
	# shellcheck disable=SC2048	# words
	device $transport $family ${*//=/ } keepalive 1 3 || return 1
	got=$("$W" pass -n 1 -t "$WAIT" "$HOST" lo "$PEER" b0)
	matches "$got" "gre flags=$([ $# = 0 ] && echo 0000 || echo 2000) proto=$(
		ip_kind $family)" || return 1
	inner=$("$W" show "${got##*payload=}")
	matches "$inner" "src=$SRC dst=$DST tos=0 ttl=255" || return 1
	! matches "$inner" 'sum=bad|len=bad' >/dev/null || { echo "$inner"; return 1; }
	matches "$inner" " gre flags=$([ $# = 0 ] && echo 0000 || echo 2000) proto=0000$(
		[ $# = 0 ] || echo " $1") payload=\$"
}

# What the peer would send back: carrier stays; without it, it goes after COUNT.
comes_back()	# transport family
{
	local i
	device $1 $2 keepalive 1 2 || return 1
	for i in 1 2 3 4 5; do
		sleep 1
		into g0 "$("$W" gre src=$SRC dst=$DST $UDP proto=0 '')" -- -n 0 -t 1
		carrier "$HOST" yes || return 1
	done
	[ "$(gre_json "$HOST" g0 .counters.ka_returned)" = 5 ] || { echo "not counted"; return 1; }
	busywait $((4000 + 200 * SLOW)) carrier "$HOST" no || return 1
	ip -n "$HOST" link show g0 | grep -q NO-CARRIER || return 1
	# One is enough for it to come back.
	into g0 "$("$W" gre src=$SRC dst=$DST $UDP proto=0 '')" -- -n 0 -t 1
	busywait "$WAIT" carrier "$HOST" yes
}

# Another key, a bad checksum, another peer: no sign of life.
not_by_others()
{
	device raw 4 key 7 csum keepalive 1 1 || return 1
	busywait $((4000 + 200 * SLOW)) carrier "$HOST" no || return 1
	into g0 "$("$W" gre src=$SRC dst=$DST key=8 csum proto=0 '')" \
		"$("$W" gre src=$SRC dst=$DST key=7 csum=1 proto=0 '')" \
		"$("$W" gre src=192.0.2.9 dst=$DST key=7 csum proto=0 '')" -- -n 0 -t "$QUIET"
	carrier "$HOST" no
}

# The peer's own: sent back as it is written, and it never gets to the stack.
answers()	# transport family words
{
	local transport=$1 family=$2 inner got
	shift 2
	# shellcheck disable=SC2048	# words
	device $transport $family ${*//=/ } || return 1
	inner=$("$W" gre src=$DST dst=$SRC ttl=255 $UDP "$@" proto=0 '')
	# In wire(1)'s words, "pass": into the wire, and out of it again.
	got=$(counts "$HOST" g0 'ka_answered 1' "$W" pass -n 1 -t "$WAIT" -m "$HOST_MAC" \
		"$PEER" b0 "$PEER" b0 "$("$W" gre src=$SRC dst=$DST $UDP "$@" \
		proto="0x$(ip_kind $family)" "$inner")") || { echo "$got"; return 1; }
	matches "$got" "src=$DST dst=$SRC .* gre flags=.* proto=0000.* payload=\$" || return 1
	[ $# = 0 ] || matches "$got" "$1"
}

# Who is down says nothing, and does not take it for anything else.
down()		# transport family
{
	local inner got dropped
	device $1 $2 || return 1
	ip -n "$HOST" link set g0 down
	dropped=$(stat64 "$HOST" g0 rx_dropped)
	inner=$("$W" gre src=$DST dst=$SRC ttl=255 $UDP proto=0 '')
	got=$(counts "$HOST" g0 '' "$W" pass -n 0 -t "$QUIET" -m "$HOST_MAC" \
		"$PEER" b0 "$PEER" b0 "$("$W" gre src=$SRC dst=$DST $UDP \
		proto="0x$(ip_kind $2)" "$inner")")
	same "$got" "" && same "$(stat64 "$HOST" g0 rx_dropped)" $((dropped + 1))
}

# GRE that is no keepalive, to where it says: the business of the stack.
not_answered()
{
	local inner
	device raw 4 || return 1
	inner=$("$W" gre src=$DST dst=$SRC proto=0x800 "$(make_udp 10.0.0.1 10.0.0.2)")
	counts "$HOST" g0 '' into g0 "$("$W" gre src=$SRC dst=$DST "$inner")" -- -n 1
}

two_of_us()	# transport family words...
{
	tunnel "$@" keepalive 1 2 || return 1
	sleep 4
	carrier "$A" yes && carrier "$B" yes && transfer "$A" "$B" 10.0.0.2 10000 || return 1
	ip -n "$B" link set b0 down
	busywait $((5000 + 200 * SLOW)) carrier "$A" no &&
		busywait $((5000 + 200 * SLOW)) carrier "$B" no || return 1
	ip -n "$B" link set b0 up
	ip -n "$B" addr show b0 | grep -q "$PEER6" ||
		ip -n "$B" addr add "$PEER6/64" dev b0 nodad
	neigh "$A" a0 "$PEER_MAC" "$PEER4" "$PEER6"
	neigh "$B" b0 "$HOST_MAC" "$HOST4" "$HOST6"
	busywait $((5000 + 200 * SLOW)) carrier "$A" yes &&
		busywait $((5000 + 200 * SLOW)) carrier "$B" yes || return 1
	# Switched off: no carrier to lose.
	gre "$A" set g0 keepalive off && same "$(gre_json "$A" g0 .keepalive)" null
}

need_module
tap_start
setup_peer_topology || exit 1
for transport in raw udp; do
	for family in 4 6; do
		name="$transport over IPv$family"
		my_turn || [ $transport$family = raw4 ] || continue
		tap_test "$name: what is sent" sends $transport $family
		tap_test "$name: what is sent, with a key" sends $transport $family key=77
		tap_test "$name: the peer's is answered" answers $transport $family
		tap_test "$name: the peer's is answered, with a key" \
			answers $transport $family key=77
		tap_test "$name: who is down does not answer" down $transport $family
	done
done
tap_test "the carrier follows what comes back" comes_back raw 4
! my_turn || tap_test "the carrier follows what comes back, in UDP" comes_back udp 6
tap_test "nobody else can give a sign of life" not_by_others
tap_test "other GRE inside is not answered" not_answered
setup_pair || exit 1
tap_test "two of us, raw" two_of_us raw 4
away g0
! my_turn || tap_test "two of us, UDP over IPv6 with a key" two_of_us udp 6 key 5 csum
away g0
tap_finish
