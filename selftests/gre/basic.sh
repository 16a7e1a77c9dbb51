#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# basic.sh - the bytes on the wire: each transport, each family outside, each kind of
# payload, each option; what we send as it should be, what comes taken as it should be.
#
#   $HOST  g0 = a0 192.0.2.1, 2001:db8::1 -------- b0  $PEER: wire(1), no stack
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

# kind of payload: its bytes, its GRE protocol, its ethertype on the device
declare -A inner=(
	[v4]=$("$W" make ip src=10.0.0.1 dst=10.0.0.2)
	[v6]=$("$W" make ip src=fd00::1 dst=fd00::2 len=33)
	[mpls]=$("$W" make mpls src=10.0.0.1 dst=10.0.0.2 len=7)
	[ether]=$("$W" make ether src=10.0.0.1 dst=10.0.0.2)
)
declare -A proto=([v4]=0800 [v6]=86dd [mpls]=8847 [ether]=6558)

# The words of wire(1) for an option of the device, and what is seen of it.
options='
none		|		| 0000	|
key 7		| key=7		| 2000	| key=7
csum		| csum		| 8000	| csum=ok
seq		| seq=SEQ	| 1000	| seq=SEQ
key 7 csum seq	| key=7 csum seq=SEQ | b000 | csum=ok key=7 seq=SEQ
'

outside()	# family direction(out|in); addresses as wire(1) wants them
{
	local a=$HOST4 b=$PEER4
	[ "$1" = 4 ] || { a=$HOST6 b=$PEER6; }
	if [ "$2" = out ]; then echo "src=$a dst=$b"; else echo "src=$b dst=$a"; fi
}

# Everything up to the payload, as a regular expression.
expect()	# transport family flags seen kind
{
	local udp='' ip
	ip="ip4 $(outside 4 out) tos=0 ttl=64 df=1"
	[ "$2" = 4 ] || ip="ip6 $(outside 6 out) tos=0 ttl=64"
	# No checksum of UDP is allowed over IPv4; over IPv6 it has to be right.
	[ "$1" = raw ] || udp=' udp=[0-9]+:4754 ulen=ok usum=(ok|none)'
	[ "$1$2" != udp6 ] || udp=' udp=[0-9]+:4754 ulen=ok usum=ok'
	echo "^$ip$udp gre flags=$3 proto=${proto[$5]}${4:+ $4} payload=${inner[$5]}\$"
}

sends()		# transport family flags seen kind
{
	local got
	if [ "$5" = ether ]; then
		# Out of the one as a frame, out of the other as a packet.
		got=$(ether_out)
	else
		got=$(out_of g0 "${inner[$5]}" -- -y "${proto[$5]}")
	fi
	matches "$got" "$(expect "$1" "$2" "$3" "${4//SEQ/[0-9]+}" "$5")"
}

# A frame of Ethernet goes in with its header; wire(1) does one form at a time.
ether_out()
{
	local frames
	frames=$("$W" pass -e -t "$WAIT" "$HOST" g0 "$PEER" b0 "${inner[ether]}")
	frames=${frames##*payload=}
	"$W" show "${frames:28}"
}

receives()	# transport family words kind
{
	local udp='' got words want
	[ "$1" = raw ] || udp=udp=5555:4754
	read -ra words <<<"$(outside "$2" in) $udp ${3//SEQ/$(unique)} proto=0x${proto[$4]}"
	want="type=${proto[$4]} payload=${inner[$4]}"
	if [ "$4" = ether ]; then
		got=$(ether_in "$("$W" gre "${words[@]}" "${inner[$4]}")")
		want="payload=${inner[$4]}"
	else
		got=$(into g0 "$("$W" gre "${words[@]}" "${inner[$4]}")" -- -r)
	fi
	same "$got" "$want"
}

ether_in()	# packet of IP
{
	local type=0800 got
	[ "${1:0:1}" = 4 ] || type=86dd
	got=$("$W" pass -e -t "$WAIT" "$PEER" b0 "$HOST" g0 \
		"${HOST_MAC//:/}${PEER_MAC//:/}$type$1")
	echo "payload=${got##*payload=}"
}

# A payload of each kind, in a device that has just been told its options.
one_device()	# transport family mode
{
	local words wire flags seen kinds=(v4 v6 mpls) kind rc
	[ "$3" = ip ] || kinds=(ether)
	while IFS='|' read -r words wire flags seen; do
		[ -n "$words" ] || continue
		my_turn || continue
		read -r words <<<"$words"; read -r wire <<<"$wire"
		read -r flags <<<"$flags"; read -r seen <<<"$seen"
		# shellcheck disable=SC2086	# words
		device "$1" "$2" "$3" ${words/none/} >"$TMP/add" 2>&1
		rc=$?
		for kind in "${kinds[@]}"; do
			tap_test "$1 over IPv$2, $kind, $words: sent" \
				both_ok $rc sends "$1" "$2" "$flags" "$seen" "$kind"
			tap_test "$1 over IPv$2, $kind, $words: received" \
				both_ok $rc receives "$1" "$2" "$wire" "$kind"
		done
	done <<<"$options"
}

both_ok()	# status command...
{
	[ "$1" = 0 ] || { cat "$TMP/add"; return 1; }
	"${@:2}"
}

device()	# transport family mode words...
{
	local transport=$1 mode=$3 a=$HOST4 b=$PEER4
	[ "$2" = 4 ] || { a=$HOST6 b=$PEER6; }
	shift 3
	ip -n "$HOST" link del g0 2>/dev/null
	gre "$HOST" add g0 local "$a" remote "$b" transport "$transport" mode "$mode" "$@" &&
		ns_set "$HOST" net.ipv6.conf.g0.disable_ipv6=1 &&
		in_ns "$HOST" "$TOOLS/netdev" offload g0 tx off 2>/dev/null
	ip -n "$HOST" link set g0 up
}

# What was sent and received is in the counters of any device, bytes too.
statistics()
{
	local tx rx bytes
	device raw 4 ip key 7 || return 1
	tx=$(stat64 "$HOST" g0 tx_packets) rx=$(stat64 "$HOST" g0 rx_packets)
	bytes=$(stat64 "$HOST" g0 rx_bytes)
	sends raw 4 2000 key=7 v4 && receives raw 4 key=7 v4 || return 1
	same "$(stat64 "$HOST" g0 tx_packets)" $((tx + 1)) &&
		same "$(stat64 "$HOST" g0 rx_packets)" $((rx + 1)) &&
		same "$(stat64 "$HOST" g0 rx_bytes)" $((bytes + ${#inner[v4]} / 2))
}

# A sequence number in each, one more each time.
seq_counts()
{
	local got
	device raw 4 ip seq || return 1
	got=$(out_of g0 "${inner[v4]}" "${inner[v4]}" "${inner[v4]}" | grep -o " seq=[0-9]*")
	same "${got//$'\n'}" " seq=0 seq=1 seq=2"
}

# RFC 8086: the source port tells flows apart, and stays in the dynamic range.
source_port()
{
	local i ports same
	device udp 4 ip || return 1
	ports=$(for i in {1..16}; do
		out_of g0 "$(make_udp 10.0.0.1 10.0.0.2 sport=$((4000 + i)))"
	done | grep -o 'udp=[0-9]*' | sort -u | wc -l)
	[ "$ports" -ge 8 ] || { echo "$ports ports for 16 flows"; return 1; }
	same=$(out_of g0 "${inner[v4]}" "${inner[v4]}" | grep -o 'udp=[0-9]*' | sort -u)
	if [ "$(wc -l <<<"$same")" = 1 ] && [ "${same#udp=}" -ge 49152 ]; then return; fi
	echo "$same"
	return 1
}

fixed_ports()
{
	local got
	device udp 4 ip sport 6001 dport 6002 || return 1
	got=$(out_of g0 "${inner[v4]}" -- -p 6002)
	matches "$got" ' udp=6001:6002 .* gre flags=0000 ' || return 1
	got=$(into g0 "$("$W" gre src="$PEER4" dst="$HOST4" udp=6002:6001 "${inner[v4]}")" -- -r)
	same "$got" "type=0800 payload=${inner[v4]}"
}

# One key out, another in.
two_keys()
{
	device raw 6 ip ikey 1.2.3.4 okey 5 || return 1
	sends raw 6 2000 key=5 v6 && receives raw 6 key=0x01020304 v6
}

need_module
tap_start
setup_peer_topology || exit 1
for transport in raw udp; do
	for family in 4 6; do
		one_device $transport $family ip
		one_device $transport $family ether
	done
done
tap_test "counted in the statistics of the device" statistics
tap_test "sequence numbers go up one by one" seq_counts
tap_test "UDP source port from the inner flow" source_port
tap_test "UDP ports that were given" fixed_ports
tap_test "different keys in and out" two_keys
tap_finish
