#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# gso.sh - streams, byte by byte the same, with large packets and without them at each
# end, and that large packets are used where they can be.
#
#   $A  g0 = a0 ------------ b0 = g0  $B
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086
. "$(dirname "$0")/lib.sh"

BYTES=1000000

ethtool_set()	# ns dev features...
{
	local ns=$1 dev=$2
	shift 2
	in_ns "$ns" ethtool -K "$dev" "$@" >/dev/null 2>&1
}

# The wire below: one that takes large packets whole, or one that has them cut in
# front of it, and put together again behind it.
wire()		# whole|cut
{
	case $1 in
	whole)	ethtool_set "$A" a0 gso on tso on && ethtool_set "$B" b0 gro off ;;
	cut)	ethtool_set "$A" a0 gso off tso off && ethtool_set "$B" b0 gro on ;;
	esac
}

# Packets of a stream on DEV, when BYTES went through.
stream()	# ns dev direction address
{
	local before
	before=$(stat64 "$1" "$2" "$3")
	transfer "$A" "$B" "$4" $BYTES || return 1
	packets=$(($(stat64 "$1" "$2" "$3") - before))
	echo "$packets packets"
}

# Less than so many packets. How large they get depends on how the two ends take turns: on a
# busy host it is tried again.
stream_below()	# packets words-of-stream...
{
	local most=$1
	shift
	for _ in 1 2 3 4; do
		stream "$@" || return 1
		[ "$packets" -ge "$most" ] || return 0
	done
	return 1
}

# Large ones leave the stack and the tunnel: a tenth of what segments would be.
sends_large()	# transport family words...
{
	tunnel "$@" && wire whole || return 1
	stream_below $((BYTES / 8000)) "$A" a0 tx_packets 10.0.0.2 &&
		stream_below $((BYTES / 8000)) "$A" a0 tx_packets fd00::2
}

# Not with sequence numbers: each segment needs its own. Still every byte is right.
sends_segments()	# transport family words...
{
	one_processor && tunnel "$@" && wire whole || return 1
	stream "$A" a0 tx_packets 10.0.0.2 && [ "$packets" -ge $((BYTES / 1460)) ] || return 1
	same "$(gre_json "$B" g0 .counters.rx_seq)" 0
}

# Before 6.9 the kernel looks for the socket of what it has put together by the inner
# addresses, finds none, and cuts it again.
cut_again()	# transport
{
	[ "$1" = udp ] && [[ $(uname -r) == 6.[0-8].* ]]
}

# Cut by software in front of the wire, checksums and all; together again behind it.
receives_large()	# transport family words...
{
	tunnel "$@" && wire cut || return 1
	stream "$B" g0 rx_packets 10.0.0.2 || return 1
	same "$(bad)" 0 || return 1
	cut_again "$1" || [ "$packets" -lt $((BYTES / 2000)) ]
}

# Without any of it.
plain()		# transport family words...
{
	one_processor && tunnel "$@" && wire cut || return 1
	ethtool_set "$A" g0 gso off tso off
	ethtool_set "$B" g0 gro off
	ethtool_set "$B" b0 gro off
	stream "$A" a0 tx_packets 10.0.0.2 && [ "$packets" -ge $((BYTES / 1460)) ] || return 1
	stream "$A" a0 tx_packets fd00::2 && same "$(bad)" 0
}

bad()
{
	gre_json "$B" g0 '.counters | .rx_csum + .rx_no_csum + .rx_seq + .rx_short'
}

# Checksums that nobody has filled in yet, and ones that are in hardware's care.
no_offload()	# transport family words...
{
	tunnel "$@" && wire whole || return 1
	ethtool_set "$A" a0 tx off
	stream "$A" a0 tx_packets 10.0.0.2 && stream "$A" a0 tx_packets fd00::2
	local rc=$?
	ethtool_set "$A" a0 tx on
	[ $rc = 0 ] && same "$(bad)" 0
}

# Across a tunnel in a tunnel.
nested()	# transport family words...
{
	tunnel "$@" && wire whole || return 1
	both n0 10.0.0.1 10.0.0.2 key 9 csum && inner_up "$A" n0 1 10.0.9 &&
		inner_up "$B" n0 2 10.0.9 || return 1
	transfer "$A" "$B" 10.0.9.2 $BYTES && transfer "$B" "$A" fd00:9::1 $BYTES
	local rc=$?
	away n0
	return $rc
}

datagrams()	# transport family words...
{
	tunnel "$@" && wire cut && transfer "$A" "$B" 10.0.0.2 50 -u -s 1200 &&
		transfer "$B" "$A" fd00::1 50 -u -s 4000
}

need_module
command -v ethtool >/dev/null || tap_skip_all "needs ethtool"
tap_start
setup_pair || exit 1
for transport in raw udp; do
	for family in 4 6; do
		name="$transport over IPv$family"
		my_turn && tap_test "$name: large packets leave" sends_large $transport $family
		my_turn && tap_test "$name: large packets with a key" \
			sends_large $transport $family key 7
		if [ $transport = raw ] && my_turn; then
			tap_test "$name: large packets with a checksum" \
				sends_large $transport $family csum
		fi
		my_turn && tap_test "$name: segments with sequence numbers" \
			sends_segments $transport $family seq
		my_turn && tap_test "$name: put together again" receives_large $transport $family
		# Inside UDP the kernel does not find the checksum of GRE again.
		[ "$transport" = udp ] ||
			{ my_turn && tap_test "$name: put together again, checksum" \
				receives_large $transport $family key 7 csum; }
		my_turn && tap_test "$name: checksum, key and number" \
			plain $transport $family key 7 csum seq
		my_turn && tap_test "$name: no large packets" plain $transport $family
		my_turn && tap_test "$name: no checksums in hardware" \
			no_offload $transport $family csum
		my_turn && tap_test "$name: a tunnel in it" nested $transport $family
		my_turn && tap_test "$name: datagrams" datagrams $transport $family csum
	done
done
tap_test "ether: large packets" sends_large raw 4 mode ether
tap_test "ether: in UDP" plain udp 6 mode ether csum
tap_finish
