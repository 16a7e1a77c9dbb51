#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# counters.sh - each counter of include/uapi/linux/if_sgre.h is made to grow, alone, by
# its name: in what vestige and ethtool say, and in the statistics of any device.
#
#   $HOST  g0 = a0 192.0.2.1, 2001:db8::1 -------- b0  $PEER: wire(1), no stack
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

V4=$(make_udp 10.0.0.2 10.0.0.1)
OUT=$(make_udp 10.0.0.1 10.0.0.2)

# counter | of the statistics, beside the sum of errors (e) or drops (d) | device | how often,
# and what else
table='
rx_short	| rx e rx_length_errors		|			| 1
rx_version	| rx e rx_frame_errors		|			| 1
rx_reserved	| rx e rx_frame_errors		|			| 1
rx_csum		| rx e rx_crc_errors		|			| 1
rx_no_csum	| rx e rx_crc_errors		| csum			| 1
rx_seq		| rx e rx_fifo_errors		| seq			| 1
rx_proto	| rx d				|			| 1
rx_ecn		| rx e rx_frame_errors		|			| 1
rx_policy	| rx d rx_missed_errors		|			| 1
rx_queued	|				| v6			| 1
tx_no_socket	| tx e tx_carrier_errors	| adopted		| 1 ka_sent 1
tx_no_route	| tx e tx_carrier_errors	|			| 1
tx_loop		| tx e tx_collisions		|			| 1
tx_nesting	| tx e tx_collisions		| remote 198.51.100.1	| 1
tx_too_big	| tx e				| mtu 1500		| 1
tx_proto	| tx e				|			| 1
tx_below	| tx d				|			| 1
ka_sent		|				|			| 1
ka_returned	|				|			| 1
ka_answered	|				|			| 1
'
# Debian's kernels have no way to make memory short for a moment.
UNPROVOKED=(rx_nomem tx_nomem)

packet()	# words... hex
{
	"$W" gre src="$SRC" dst="$DST" "$@"
}

bad()		# words for a packet that is kept out
{
	kept_out g0 "$(packet "$@" "$V4")"
}

unsent()	# hex [options of wire pass...]
{
	same "$(out_of g0 "$1" -- -n 0 -t "$QUIET" "${@:2}")" ""
}

in_host()	# words of ip
{
	ip -n "$HOST" "$@"
}

# Undone by undo, whatever comes of it.
undo=()
for_now()	# command..., -- command that takes it back
{
	local what=()
	while [ "$1" != -- ]; do what+=("$1"); shift; done
	shift
	undo=("$@")
	"${what[@]}"
}

rx_short()	{ bad cut=$((${#V4} / 2 - 1)); }
rx_version()	{ bad ver=1; }
rx_reserved()	{ bad route; }
rx_csum()	{ bad csum=1; }
rx_no_csum()	{ bad; }
rx_seq()	{ bad; }
rx_proto()	{ bad proto=0x806; }
rx_ecn()	{ bad tos=3; }

rx_policy()
{
	for_now in_host xfrm policy add dir in proto 47 action block -- in_host xfrm policy flush
	bad
}

# Behind a hop-by-hop header of padding.
rx_queued()
{
	local whole
	whole=$(packet "$V4")
	into g0 "$(printf '%s%04x00%s2f00010400000000%s' "${whole:0:8}" \
		$((${#whole} / 2 - 40 + 8)) "${whole:14:66}" "${whole:80}")"
}

# Without carrier nothing gets there but keepalives.
tx_no_socket()
{
	H close >/dev/null && gre "$HOST" set g0 keepalive 100 3 &&
		busywait "$WAIT" ka_is_sent >/dev/null
}

tx_no_route()
{
	for_now in_host route add unreachable "$PEER4" -- in_host route del unreachable "$PEER4"
	unsent "$OUT"
}

tx_loop()
{
	for_now in_host route add "$PEER4" dev g0 -- in_host route del "$PEER4"
	unsent "$OUT"
}

# Through one another, until it is too much: the first one is the fifth.
tx_nesting()
{
	for_now gre "$HOST" add g1 local "$HOST4" remote 198.51.100.2 -- in_host link del g1
	ns_set "$HOST" net.ipv6.conf.g1.disable_ipv6=1 && in_host link set g1 up &&
		in_host route add 198.51.100.1 dev g1 && in_host route add 198.51.100.2 dev g0 &&
		unsent "$OUT"
}

# Of a packet from nowhere only IPv6 says who is to be told.
tx_too_big()
{
	unsent "$("$W" make ip src=fd00::1 dst=fd00::2 len=1440)"
}

tx_proto()	{ unsent "$OUT" -y 0806; }

tx_below()
{
	for_now tc -n "$HOST" qdisc add dev a0 clsact -- tc -n "$HOST" qdisc del dev a0 clsact
	tc -n "$HOST" filter add dev a0 egress protocol ip matchall action drop && unsent "$OUT"
}

ka_sent()
{
	gre "$HOST" set g0 keepalive 100 3 && busywait "$WAIT" ka_is_sent >/dev/null
}

ka_is_sent()
{
	[ "$(gre_json "$HOST" g0 .counters.ka_sent)" = 1 ]
}

ka_returned()	{ kept_out g0 "$(packet proto=0 '')"; }

ka_answered()
{
	local inner
	inner=$("$W" gre src="$DST" dst="$SRC" ttl=255 proto=0 '')
	kept_out g0 "$(packet "$inner")"
}

# A device of its own for each.
there()		# words...
{
	case $1 in
	v6)	device raw 6 ;;
	adopted)
		in_host link del g0
		connected udp 4 && H add g0 >/dev/null &&
			ns_set "$HOST" net.ipv6.conf.g0.disable_ipv6=1 && in_host link set g0 up ;;
	remote)	device raw 4 && gre "$HOST" set g0 remote "$2" ;;
	*)	device raw 4 "$@" ;;
	esac
}

statistics()	# names...; their values
{
	local name
	for name; do
		stat64 "$HOST" g0 "$name"
	done | xargs
}

grows()		# counter "rx|tx e|d name" "device" "by and what else"
{
	local name=$1 want="$1 $4" by=${4%% *} names=() before rc
	# shellcheck disable=SC2086	# words
	there $3 || return 1
	# shellcheck disable=SC2086
	set -- $2
	case ${2-} in
	e)	names=("$1_errors" "${@:3}") ;;
	d)	names=("$1_dropped" "${@:3}") ;;
	esac
	before=$(statistics "${names[@]}")
	counts "$HOST" g0 "$want" "$name" &&
		same "$(in_ns "$HOST" ethtool -S g0 | awk -v n="$name:" '$1 == n { print $2 }')" \
			"$by" && same "$(statistics "${names[@]}")" "$(all_more "$by" "$before")"
	rc=$?
	[ ${#undo[@]} = 0 ] || "${undo[@]}"
	undo=()
	return "$rc"
}

all_more()	# by numbers...
{
	local n
	for n in $2; do echo $((n + $1)); done | xargs
}

# A counter that is new has to have a row.
all_are_here()
{
	device raw 4 || return 1
	{
		awk 'NF { print $1 }' <<<"$table"
		printf '%s\n' "${UNPROVOKED[@]}"
	} >"$TMP/rows"
	same "$(gre_json "$HOST" g0 '.counters | keys_unsorted[]' | sort | xargs)" \
		"$(sort "$TMP/rows" | xargs)"
}

need_module
command -v ethtool >/dev/null || tap_skip_all "needs ethtool"
tap_start
setup_peer_topology || exit 1
tap_test "all have a row" all_are_here
while IFS='|' read -r counter where words by; do
	[ -n "$by" ] || continue
	my_turn || continue
	read -r counter <<<"$counter"; read -r by <<<"$by"
	tap_test "$counter" grows "$counter" "$where" "${words//$'\t'/ }" "$by"
done <<<"$table"
tap_finish
