#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2119	# functions are called through tap_test
#
# oracle.sh - random packets through random routes: what leaves in XDP is, device by device
# and byte by byte, what the kernel makes of the same packets when it forwards them itself.
#
#	SEED=N		other packets and routes
#	FLOWS=N		packets of a round; there are three rounds
# shellcheck source=selftests/forward/lib.sh
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-1} FLOWS=${FLOWS:-3000} WAYS_OUT=4
RANDOM=$SEED

# One next hop, or several; a locked MTU now and then.
via4()
{
	local n=$((1 + RANDOM % WAYS_OUT)) m=$((1 + RANDOM % WAYS_OUT))
	case $((RANDOM % 6)) in
	0)	echo "nexthop via 10.0.${n}0.2 weight 2 nexthop via 10.0.${m}0.2" ;;
	1)	echo "via 10.0.${n}0.2 mtu lock 1000" ;;
	*)	echo "via 10.0.${n}0.2" ;;
	esac
}

via6()
{
	local n=$((1 + RANDOM % WAYS_OUT)) m=$((1 + RANDOM % WAYS_OUT))
	case $((RANDOM % 6)) in
	0)	echo "nexthop via fd00:${n}0::2 weight 2 nexthop via fd00:${m}0::2" ;;
	1)	echo "via fd00:${n}0::2 mtu lock 1300" ;;
	*)	echo "via fd00:${n}0::2" ;;
	esac
}

kind()
{
	case $((RANDOM % 20)) in
	0)	echo blackhole ;;
	1)	echo unreachable ;;
	2)	echo prohibit ;;
	esac
}

random_routes()
{
	local i k n
	for ((i = 0; i < 60; i++)); do
		k=$(kind)
		echo "route replace $k 10.$((100 + RANDOM % 4)).$((RANDOM % 256)).0/24" \
			"$([ -n "$k" ] || via4)"
		k=$(kind)
		n=$(printf %x $((RANDOM % 256)))
		echo "-6 route replace $k fd64:$((RANDOM % 4)):$n::/48" "$([ -n "$k" ] || via6)"
	done
	for ((i = 100; i < 103; i++)); do
		echo "route replace 10.$i.0.0/16 $(via4)"
		echo "-6 route replace fd64:$((i - 100))::/32 $(via6)"
	done
	echo "rule add pref 50 ipproto 6 lookup 50"
	echo "route add 10.100.0.0/16 via 10.0.40.2 table 50"
	echo "rule add pref 51 dsfield 0x10 lookup 51"
	echo "route add 10.101.0.0/16 via 10.0.40.2 table 51"
	echo "-6 rule add pref 50 ipproto 6 lookup 50"
	echo "-6 route add fd64::/32 via fd00:40::2 table 50"
	echo "-6 rule add pref 51 dsfield 0x10 lookup 51"
	echo "-6 route add fd64:1::/32 via fd00:40::2 table 51"
	echo "route add default via 10.0.30.2"
	echo "-6 route add default via fd00:30::2"
}

# Debian 12's ip stops a batch at what a kernel does not know, if not told otherwise.
load_routes()
{
	random_routes | sed 's/  */ /g' >"$TMP/routes"
	grep -v '^-6' "$TMP/routes" | ip -n "$ROUTER" -force -batch - 2>"$TMP/batch"
	sed -n 's/^-6 //p' "$TMP/routes" | ip -n "$ROUTER" -6 -force -batch - 2>>"$TMP/batch"
	[ "$(ip -n "$ROUTER" route | wc -l)" -gt 50 ] || { cat "$TMP/batch"; return 1; }
	[ "$(ip -n "$ROUTER" -6 route | wc -l)" -gt 50 ] || { cat "$TMP/batch"; return 1; }
}

replay()	# file
{
	timeout 120 "$FORWARD_TOOLS/replay" "$SEED" "$FLOWS" 3 "$SRC" "$FAR" | sort >"$1"
}

settings()	# rp_filter hash-policy
{
	ns_set "$ROUTER" net.ipv4.conf.all.rp_filter="$1" \
		net.ipv4.fib_multipath_hash_policy="$2" net.ipv6.fib_multipath_hash_policy="$2"
}

same_as_the_kernel()	# rp_filter hash-policy
{
	local hits lookups try
	settings "$1" "$2"
	replay "$TMP/kernel"
	attach 2>"$TMP/attach" || { cat "$TMP/attach"; return 1; }
	keep_generations
	# On a busy machine nobody may vouch for the generations in time: once more.
	for try in 1 2 3 4 5 6; do
		sleep "$SLOW"
		replay "$TMP/xdp"
		hits=$(forward_stat hit) lookups=$(forward_stat looked_up)
		cmp -s "$TMP/kernel" "$TMP/xdp" || break
		[ "$hits" -le $((FLOWS / 10)) ] || break
	done
	vestige "$ROUTER" forward stats >"$TMP/stats"
	vestige "$ROUTER" forward detach
	[ -z "${KEEPER-}" ] || kill_pid "$KEEPER"
	diff "$TMP/kernel" "$TMP/xdp" >"$TMP/diff" || {
		echo "$(grep -c '^<' "$TMP/diff") by the kernel only," \
			"$(grep -c '^>' "$TMP/diff") in XDP only"
		cut -c1-160 "$TMP/diff" | head -n 8
		cat "$TMP/stats"
		return 1
	}
	echo "$(wc -l <"$TMP/kernel") packets came out, $hits as hits, $lookups by lookups," \
		"$try times"
	# The two that are tested had their part in it.
	[ "$hits" -gt $((FLOWS / 10)) ] && [ "$lookups" -gt $((FLOWS / 10)) ]
}

tap_start
setup_router $WAYS_OUT && load_routes || exit 1
tap_test "no source check, hash of addresses" same_as_the_kernel 0 0
tap_test "strict source check, hash of ports" same_as_the_kernel 1 1
tap_test "loose source check, hash of ports" same_as_the_kernel 2 1
tap_finish
