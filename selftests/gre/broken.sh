#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# broken.sh - what comes malformed is kept out and counted, each kind on its own; what is
# only odd (fragments, pieces in memory, padding) is taken.
#
#   $HOST  g0 = a0 192.0.2.1, 2001:db8::1 -------- b0  $PEER: wire(1), no stack
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

V4=$("$W" make ip src=10.0.0.2 dst=10.0.0.1)
V6=$("$W" make ip src=fd00::2 dst=fd00::1)

packet()	# words... hex
{
	# shellcheck disable=SC2086	# empty or one word
	"$W" gre src="$SRC" dst="$DST" $UDP "$@"
}

# Kept out, and on that counter alone; among what the device says was lost as well.
counted()	# counter words... [hex]
{
	all_counted "$1" "$(packet "${@:2}")"
}

all_counted()	# counter hex...
{
	local counter=$1 before
	shift
	before=$(lost)
	counts "$HOST" g0 "$counter $#" kept_out g0 "$@" || return 1
	same "$(lost)" $((before + $#))
}

lost()
{
	gre_json "$HOST" g0 '.stats | .rx_errors + .rx_dropped'
}

passes()	# words... hex
{
	local got
	got=$(into g0 "$(packet "$@")" -- -r)
	same "${got##*payload=}" "${*: -1}"
}

# device | what is wrong | counter | words for the packet
table='
		| version 1			| rx_version	| ver=1
		| version 7			| rx_version	| ver=7
		| routing			| rx_reserved	| route
		| strict source route		| rx_reserved	| reserved=0x0800
		| a reserved bit		| rx_reserved	| reserved=0x0400
		| checksum wrong by a bit	| rx_csum	| csum=1
		| checksum wrong		| rx_csum	| csum=0xffff
		| ARP				| rx_proto	| proto=0x0806
		| a protocol nobody has		| rx_proto	| proto=0x1234
		| a frame			| rx_proto	| proto=0x6558
		| PPTP				| rx_version	| ver=1 proto=0x880b
key 7		| version 1, with its key	| rx_version	| ver=1 key=7
key 7		| checksum wrong		| rx_csum	| key=7 csum=0x100
csum		| no checksum			| rx_no_csum	|
csum		| checksum wrong		| rx_csum	| csum=0x8000
key 7 csum	| no checksum			| rx_no_csum	| key=7
seq		| no number			| rx_seq	|
seq key 7	| no number			| rx_seq	| key=7
mode ether	| a packet			| rx_proto	| proto=0x0800
'

run_table()
{
	local words what counter bad transport family
	for transport in raw udp; do
		for family in 4 6; do
			while IFS='|' read -r words what counter bad; do
				[ -n "$counter" ] || continue
				my_turn || continue
				read -r words <<<"$words"; read -r what <<<"$what"
				read -r counter <<<"$counter"; read -r bad <<<"$bad"
				# shellcheck disable=SC2086	# words
				device $transport $family $words >"$TMP/add" 2>&1
				# shellcheck disable=SC2086
				tap_test "$transport over IPv$family, '$words': $what" \
					counted "$counter" $bad "$V4"
			done <<<"$table"
		done
	done
}

# Every length that is too short, with every option: the header, then the packet in it.
cut_short()	# transport family words... -- wire-words...
{
	local device=() len cut packets=()
	while [ "$1" != -- ]; do device+=("$1"); shift; done
	shift
	device "${device[@]}" || return 1
	len=$((${#V4} / 2))
	# The inner header is cut: from one byte of it to none.
	for cut in $((len - 19)) $((len - 1)) "$len"; do
		packets+=("$(packet "${@//SEQ/$(unique)}" cut="$cut" "$V4")")
	done
	all_counted rx_short "${packets[@]}"
}

# A header that ends in its own middle has no key; it is counted where it can be.
cut_header()	# transport family
{
	local flags cut packets=()
	device "$1" "$2" || return 1
	for flags in 0x8000 0x2000 0x1000 0xb000; do
		for cut in 1 4; do
			packets+=("$(packet flags="$flags" cut=$((${#V4} / 2 + cut)) "$V4")")
		done
	done
	# Not even four bytes, down to none.
	for cut in 1 2 3 4; do
		packets+=("$(packet cut=$((${#V4} / 2 + cut)) "$V4")")
	done
	all_counted rx_short "${packets[@]}"
}

# In a device with a key nobody can tell whose they are: nothing happens.
cut_before_key()	# transport family
{
	device "$1" "$2" key 7 || return 1
	counts "$HOST" g0 '' kept_out g0 "$(packet key=7 cut=$((${#V4} / 2 + 1)) "$V4")" \
		"$(packet cut=$((${#V4} / 2 + 2)) "$V4")"
}

# Another key, none, one too many; another peer; another port: not for this device.
not_ours()	# transport family
{
	device "$1" "$2" key 7 || return 1
	counts "$HOST" g0 '' kept_out g0 "$(packet key=8 "$V4")" "$(packet "$V4")" || return 1
	device "$1" "$2" || return 1
	counts "$HOST" g0 '' kept_out g0 "$(packet key=0 "$V4")" || return 1
	case $2 in
	4)	SRC=192.0.2.77 ;;
	6)	SRC=2001:db8::77 ;;
	esac
	counts "$HOST" g0 '' kept_out g0 "$(packet "$V4")"
}

# RFC 2890: older than the last is old, also across the wrap; newer is not.
sequence()	# transport family
{
	device "$1" "$2" seq || return 1
	passes seq=1000 "$V4" && counted rx_seq seq=1000 "$V4" && counted rx_seq seq=999 "$V4" &&
		counted rx_seq seq=0x80000500 "$V4" && passes seq=1001 "$V4" &&
		passes seq=5000 "$V4" && counted rx_seq seq=1002 "$V4" || return 1
	device "$1" "$2" seq || return 1
	passes seq=0xfffffffe "$V4" && passes seq=0xffffffff "$V4" && passes seq=0 "$V4" &&
		counted rx_seq seq=0xffffffff "$V4" && passes seq=1 "$V4"
}

# Another peer, another key: he counts from where he is.
sequence_anew()	# transport family
{
	local other=192.0.2.3
	[ "$2" = 4 ] || other=2001:db8::3
	device "$1" "$2" seq || return 1
	passes seq=5000 "$V4" && counted rx_seq seq=4 "$V4" || return 1
	gre "$HOST" set g0 remote "$other" || return 1
	SRC=$other
	passes seq=4 "$V4" && counted rx_seq seq=3 "$V4" || return 1
	gre "$HOST" set g0 key 7 || return 1
	passes key=7 seq=1 "$V4" && passes key=7 seq=2 "$V4" && counted rx_seq key=7 seq=1 "$V4"
}

# A bad checksum does not move the window.
bad_sum_moves_nothing()
{
	device raw 4 seq csum || return 1
	passes seq=10 csum "$V4" && counted rx_csum seq=4000 csum=1 "$V4" &&
		passes seq=11 csum "$V4"
}

# --- odd, but right --------------------------------------------------------------------

checksum_not_demanded()
{
	device "$1" "$2" || return 1
	passes csum "$V4" && passes csum proto=0x86dd "$V6"
}

seq_not_demanded()
{
	device "$1" "$2" || return 1
	passes seq=9 "$V4" && passes seq=3 "$V4"
}

# Bytes behind the packet, as short frames have them. They are no part of the sum.
padded()
{
	device raw 4 csum || return 1
	passes csum pad=9 "$V4" && passes csum pad=1 "$V4"
}

# Fragments lie in a list of buffers: nothing may be taken for one piece.
fragmented()	# transport size
{
	local big words pieces got
	device "$1" 4 key 7 csum || return 1
	big=$("$W" make ip src=10.0.0.2 dst=10.0.0.1 len=1200)
	words=$("$W" frag "$2" "$(packet key=7 csum "$big")")
	mapfile -t pieces <<<"$words"
	[ ${#pieces[@]} -gt 1 ] || return 1
	got=$(into g0 "${pieces[@]}" -- -n 1 -r)
	same "${got##*payload=}" "$big"
}

fragmented_and_wrong()
{
	local pieces
	device "$1" 4 csum || return 1
	mapfile -t pieces < <("$W" frag 8 "$(packet csum=1 "$V4")")
	counts "$HOST" g0 'rx_csum 1' kept_out g0 "${pieces[@]}"
}

# A large packet of which only a few bytes lie in one piece. The header of IPv4 ends at
# 20, GRE at 36: cut in all of them.
in_pieces()	# transport family linear
{
	local big got
	device "$1" "$2" key 7 csum || return 1
	big=$("$W" make ip src=10.0.0.2 dst=10.0.0.1 len=5000)
	got=$(into g0 "$(packet key=7 csum "$big")" -- -n 1 -r -l "$3")
	same "${got##*payload=}" "$big"
}

# IPv6 with extension headers in front of GRE: not the quick way, but the right one.
# Each hop-by-hop header is one of padding.
with_extension()
{
	local whole payload ext=2f00010400000000 got
	device raw 6 || return 1
	whole=$(packet "$V4")
	payload=${whole:80}
	got=$(printf '%s%04x00%s%s%s' "${whole:0:8}" $((${#payload} / 2 + 8)) \
		"${whole:14:66}" "$ext" "$payload")
	got=$(into g0 "$got" -- -n 1 -r)
	same "${got##*payload=}" "$V4"
}

# IPv4 options too.
with_options()
{
	local whole got
	device raw 4 || return 1
	whole=$(packet "$V4")
	# Header of 6 words, 4 bytes of no operation; the checksum is set anew below.
	got=$(option_packet "$whole")
	got=$(into g0 "$got" -- -n 1 -r)
	same "${got##*payload=}" "$V4"
}

option_packet()	# hex of IPv4
{
	local h=$1 total sum=0 i head
	total=$((${#h} / 2 + 4))
	head=$(printf '46%s%04x%s0000%s01010101' "${h:2:2}" "$total" "${h:8:12}" "${h:24:16}")
	for ((i = 0; i < 48; i += 4)); do sum=$((sum + 0x${head:i:4})); done
	sum=$(((sum & 0xffff) + (sum >> 16)))
	printf '%s%04x%s%s' "${head:0:20}" $((~((sum & 0xffff) + (sum >> 16)) & 0xffff)) \
		"${head:24}" "${h:40}"
}

# RFC 2784: bits 6 to 12 are ignored.
reserved_later()
{
	device "$1" "$2" || return 1
	passes reserved=0x0100 "$V4" && passes reserved=0x03f8 "$V4"
}

# Anything at all: the host is still there, the device still works.
random_bytes()
{
	local packets
	device "$1" "$2" key 7 csum seq || return 1
	# shellcheck disable=SC2086	# empty or one word
	mapfile -t packets < <("$W" fuzz 500 "${SEED:-$RANDOM}" src="$SRC" dst="$DST" $UDP key=7 \
		seq=1 "$V4")
	[ ${#packets[@]} = 500 ] || return 1
	into g0 "${packets[@]}" -- -n 0 -t "$QUIET" >"$TMP/fuzz"
	device "$1" "$2" && passes "$V4"
}

need_module
tap_start
setup_peer_topology || exit 1
# XDP at the other end allows no more than a page.
ip -n "$PEER" link set b0 xdp off
ip -n "$HOST" link set a0 mtu 9000 && ip -n "$PEER" link set b0 mtu 9000 || exit 1
run_table
for transport in raw udp; do
	for family in 4 6; do
		name="$transport over IPv$family"
		my_turn || [ $transport$family = raw4 ] || continue
		tap_test "$name: cut short" cut_short $transport $family --
		tap_test "$name: cut short, with a key" cut_short $transport $family key 7 -- key=7
		tap_test "$name: cut short, with all" \
			cut_short $transport $family key 7 csum seq -- key=7 csum seq=SEQ
		tap_test "$name: cut in its header" cut_header $transport $family
		tap_test "$name: cut before its key" cut_before_key $transport $family
		tap_test "$name: not for us" not_ours $transport $family
		tap_test "$name: sequence numbers" sequence $transport $family
		tap_test "$name: another peer's sequence numbers" sequence_anew $transport $family
		tap_test "$name: a checksum that was not asked for" \
			checksum_not_demanded $transport $family
		tap_test "$name: a number that was not asked for" \
			seq_not_demanded $transport $family
		tap_test "$name: bits that are to be ignored" reserved_later $transport $family
		tap_test "$name: 16 bytes in one piece" in_pieces $transport $family 16
		tap_test "$name: 41 bytes in one piece" in_pieces $transport $family 41
		tap_test "$name: 500 packets of anything" random_bytes $transport $family
	done
	tap_test "$transport: in fragments" fragmented $transport 400
	tap_test "$transport: in fragments of 8 bytes" fragmented $transport 8
	tap_test "$transport: in fragments, and wrong" fragmented_and_wrong $transport
done
tap_test "a bad checksum moves no window" bad_sum_moves_nothing
tap_test "padded" padded
tap_test "behind an extension header" with_extension
tap_test "behind IP options" with_options
tap_finish
