#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ttl_tos.sh - TTL and TOS of the outer header: fixed, inherited; ECN as RFC 6040 has it,
# going in and coming out.
#
#   $HOST  g0 = a0 192.0.2.1, 2001:db8::1 -------- b0  $PEER: wire(1), no stack
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

device()	# family words...
{
	local a=$HOST4 b=$PEER4
	[ "$1" = 4 ] || { a=$HOST6 b=$PEER6; }
	shift
	ip -n "$HOST" link del g0 2>/dev/null
	gre "$HOST" add g0 local "$a" remote "$b" "$@" || return 1
	ns_set "$HOST" net.ipv6.conf.g0.disable_ipv6=1
	ip -n "$HOST" link set g0 up
}

inner()		# family words...
{
	local a=10.0.0.1 b=10.0.0.2
	[ "$1" = 4 ] || { a=fd00::1 b=fd00::2; }
	make_udp "$a" "$b" "${@:2}"
}

# "tos ttl" of each line, before what is inside.
fields()
{
	sed -E 's/^ip[46] .* tos=([0-9]+) ttl=([0-9]+).*/\1 \2/'
}

# An inner packet with these, an outer one with those.
outer_is()	# outer-family device-words inner-family inner-words "tos ttl"
{
	# shellcheck disable=SC2086	# words
	device "$1" $2 && same "$(out_of g0 "$(inner "$3" $4)" | fields)" "$5"
}

# device | inner | tos and ttl outside
sending='
			| ttl=9			| 0 64
ttl 17			| ttl=9			| 0 17
ttl inherit		| ttl=9			| 0 9
ttl inherit		| ttl=255		| 0 255
ttl 1			| ttl=200		| 0 1
ttl 255			| ttl=1			| 0 255
ttl inherit pmtudisc off | ttl=33		| 0 33
tos 0xb8		| tos=0			| 184 64
tos 0x28		| tos=0xb8		| 40 64
tos inherit		| tos=0xb8		| 184 64
tos inherit		| tos=0			| 0 64
tos inherit ttl inherit	| tos=0x48 ttl=3	| 72 3
tos inherit		| tos=0xba		| 186 64
tos inherit		| tos=0xbb		| 187 64
transport udp tos inherit ttl inherit | tos=0x68 ttl=5 | 104 5
transport udp tos 0x10	| tos=1			| 17 64
'

run_sending()
{
	local words packet want out in
	while IFS='|' read -r words packet want; do
		[ -n "$want" ] || continue
		read -r words <<<"$words"; read -r packet <<<"$packet"; read -r want <<<"$want"
		for out in 4 6; do
			for in in 4 6; do
				my_turn || continue
				tap_test "IPv$in in IPv$out, '$words': $packet gives $want" \
					outer_is $out "$words" $in "$packet" "$want"
			done
		done
	done <<<"$sending"
}

# RFC 6040, 4.1, normal mode: the outer header has a copy of the inner mark. With a
# DSCP of its own as well.
marks_go_in()	# outer-family inner-family device-words dscp
{
	local i packets=() want=''
	# shellcheck disable=SC2086	# words
	device "$1" $3 || return 1
	for i in 0 1 2 3; do
		packets+=("$(inner "$2" tos="$i")")
		want+="$(($4 + i)) 64"$'\n'
	done
	same "$(out_of g0 "${packets[@]}" | fields)" "${want%$'\n'}"
}

# RFC 6040, 4.2: what is inside afterwards, by what came inside (row) and outside
# (column): Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3. x: dropped and counted.
matrix='
0 0 0 0 x
1 1 1 1 3
2 2 1 2 3
3 3 3 3 3
'

# One row: four packets, with each mark outside.
marks_come_out()	# outer-family inner-family row inner 0 1 2 3
{
	local outer=$1 family=$2 mark=$3 i a=$PEER4 b=$HOST4 packets=() want=() expect
	local proto=0x0800
	[ "$outer" = 4 ] || { a=$PEER6 b=$HOST6; }
	[ "$family" = 4 ] || proto=0x86dd
	shift 3
	for i in 0 1 2 3; do
		packets+=("$("$W" gre src="$a" dst="$b" tos="$i" proto="$proto" \
			"$(inner "$family" tos=$((0xb8 + mark)))")")
		expect=$1
		shift
		[ "$expect" = x ] || want+=("$((0xb8 + expect)) 64")
	done
	same "$(into g0 "${packets[@]}" -- -n ${#want[@]} | fields)" \
		"$(printf '%s\n' "${want[@]}")"
}

run_receiving()
{
	local out in row words wrong
	for out in 4 6; do
		device $out
		for in in 4 6; do
			while read -ra row; do
				[ ${#row[@]} -gt 0 ] || continue
				wrong=''
				[[ ${row[*]} != *x* ]] || wrong='rx_ecn 1'
				words=$(counts "$HOST" g0 "$wrong" \
					marks_come_out $out $in "${row[@]}" 2>&1)
				tap_result $? \
					"IPv$in in IPv$out, ${row[0]} inside: becomes ${row[*]:1}" \
					"$words"
			done <<<"$matrix"
		done
	done
}

# The header that was marked has a checksum that is right.
marked_checksum()
{
	device 4 || return 1
	local got
	got=$(into g0 "$("$W" gre src="$PEER4" dst="$HOST4" tos=3 "$(inner 4 tos=2)")")
	matches "$got" ' tos=3 .* usum=ok' && ! matches "$got" 'ipsum=bad' >/dev/null
}

# What cannot be answered with a mark, MPLS, goes by the device's own.
mpls_inherits_nothing()
{
	device 4 ttl inherit tos inherit || return 1
	same "$(out_of g0 "$("$W" make mpls src=10.0.0.1 dst=10.0.0.2 tos=3 ttl=7)" -- -y 8847 |
		fields)" "0 64"
}

# In a frame it is the packet that is looked at.
ether()
{
	local frame got
	device 4 mode ether ttl inherit tos inherit || return 1
	frame=$("$W" make ether src=10.0.0.1 dst=10.0.0.2 ttl=7 tos=0x2a)
	got=$("$W" pass -e -t "$WAIT" "$HOST" g0 "$PEER" b0 "$frame")
	got=${got##*payload=}
	same "$("$W" show "${got:28}" | fields)" "42 7"
}

need_module
tap_start
setup_peer_topology || exit 1
run_sending
for out in 4 6; do
	for in in 4 6; do
		tap_test "IPv$in in IPv$out: marks are copied outside" marks_go_in $out $in '' 0
		tap_test "IPv$in in IPv$out: beside a TOS of the device" \
			marks_go_in $out $in 'tos 0x20' 32
	done
done
run_receiving
tap_test "a header that was marked has the right checksum" marked_checksum
tap_test "MPLS has nothing to inherit" mpls_inherits_nothing
tap_test "a frame inherits from the packet in it" ether
tap_finish
