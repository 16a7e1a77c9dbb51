#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034	# variables for who sources this
#
# lib.sh - sourced first by every script of this directory: selftests/net/lib.sh, a router
# between one sender and several ways out, and what came out where.
# shellcheck source=selftests/net/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

FORWARD_TOOLS=${FORWARD_TOOLS:-${TOOLS%/net}/forward}

#   $SRC                    $ROUTER                              $FAR
#   10.0.1.2  s0 ------ in0 10.0.1.1      10.0.N0.1 outN ------ fN  10.0.N0.2
#   fd00:1::2               fd00:1::1   fd00:N0::1                  fd00:N0::2
#
# N is 1 .. WAYS; MACs are 02:00:00:00:<side>:<N>, 1 the router's and 2 the other's.
# Neighbours are permanent, so that nothing but what a test does changes.

mac()		# side number
{
	printf '02:00:00:00:%02x:%02x' "$1" "$2"
}

# A wire whose frames are those that a real one would carry: with checksums, and with
# nobody asleep at the other end.
wire()		# ns dev mac; ROUTER's dev, its mac
{
	ip -n "$1" link add "$2" address "$3" type veth peer name "$4" address "$5" \
		netns "$ROUTER" || return 1
	in_ns "$1" "$TOOLS/netdev" offload "$2" tx off
	in_ns "$1" "$TOOLS/netdev" xdp-pass "$2"
	ip -n "$1" link set "$2" up
	ip -n "$ROUTER" link set "$4" up
}

address()	# ns dev address4 address6
{
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n "$1" addr add "$4/64" dev "$2" nodad
}

# Both sides of one wire know each other for good.
acquaint()	# ns dev number-of-the-wire router-dev address4 address6 router4 router6
{
	neigh "$1" "$2" "$(mac 1 "$3")" "$7" "$8"
	neigh "$ROUTER" "$4" "$(mac 2 "$3")" "$5" "$6"
}

setup_router()	# number of ways out
{
	local n
	WAYS=$1
	setup_ns SRC ROUTER FAR || return 1
	ns_set "$ROUTER" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ns_set "$FAR" net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	wire "$SRC" s0 "$(mac 2 0)" in0 "$(mac 1 0)" || return 1
	address "$SRC" s0 10.0.1.2 fd00:1::2
	address "$ROUTER" in0 10.0.1.1 fd00:1::1
	acquaint "$SRC" s0 0 in0 10.0.1.2 fd00:1::2 10.0.1.1 fd00:1::1
	ip -n "$SRC" route add default via 10.0.1.1
	ip -n "$SRC" -6 route add default via fd00:1::1
	for ((n = 1; n <= WAYS; n++)); do
		wire "$FAR" "f$n" "$(mac 2 "$n")" "out$n" "$(mac 1 "$n")" || return 1
		address "$FAR" "f$n" "10.0.${n}0.2" "fd00:${n}0::2"
		address "$ROUTER" "out$n" "10.0.${n}0.1" "fd00:${n}0::1"
		acquaint "$FAR" "f$n" "$n" "out$n" "10.0.${n}0.2" "fd00:${n}0::2" \
			"10.0.${n}0.1" "fd00:${n}0::1"
	done
}

router_devices()
{
	local n
	echo in0
	for ((n = 1; n <= WAYS; n++)); do echo "out$n"; done
}

# shellcheck disable=SC2046
attach()	# [words of attach...]
{
	defer vestige "$ROUTER" forward detach
	vestige "$ROUTER" forward attach $(router_devices) "$@"
}

forward_stat()	# counter
{
	vestige "$ROUTER" -j forward stats | jq -r ".$1"
}

# --- who keeps the generations ---------------------------------------------------------

# With the module a change is seen before it returns. Without it `vestige rtcache follow`
# hears of it a moment later: WINDOW, in ms, is what it is given.
have_module()
{
	[ -e /sys/module/vestige ]
}

keep_generations()
{
	WINDOW=0
	have_module && return
	WINDOW=$((100 * SLOW))
	spawn "$ROUTER" "$TMP/follow" "$VESTIGE" rtcache follow
	KEEPER=$spawned
	busywait $((5000 * SLOW)) grep -q following "$TMP/follow" >/dev/null
}

# What was changed is known to who forwards.
known()
{
	[ "$WINDOW" = 0 ] || sleep "$(printf '%d.%03d' $((WINDOW / 1000)) $((WINDOW % 1000)))"
}

# --- one packet, and where it comes out ------------------------------------------------------

start_probe()
{
	local n devs=()
	for ((n = 1; n <= WAYS; n++)); do devs+=("f$n"); done
	mkfifo "$TMP/probe.in" "$TMP/probe.out"
	"$FORWARD_TOOLS/probe" "$SRC" s0 "$(mac 1 0)" "$FAR" "${devs[@]}" \
		<"$TMP/probe.in" >"$TMP/probe.out" &
	defer kill_pid $!
	exec {probe_in}>"$TMP/probe.in" {probe_out}<"$TMP/probe.out"
}

# From $SRC to an address; prints "DEV TTL MAC", or "none". What comes is told at once, so
# that a busy host may take its time; that nothing comes is believed sooner: PATIENCE, in ms.
PATIENCE=3000
probe()		# address [tos N] [ttl N] [sport N] [count N]
{
	local from=10.0.1.2 reply
	case $1 in
	*:*)	from=fd00:1::2 ;;
	esac
	echo "$from $* wait $((PATIENCE * SLOW))" >&"$probe_in"
	read -rt $((10 * SLOW)) reply <&"$probe_out" || reply="no answer"
	printf '%s\n' "$reply"
}

goes_to()	# device|none address [options...]
{
	local want=$1 got PATIENCE=$PATIENCE
	shift
	[ "$want" != none ] || PATIENCE=300
	got=$(probe "$@")
	[ "${got%% *}" = "$want" ] || { echo "to $1: $got; not $want"; return 1; }
}

# The next packet is forwarded by a cached flow, to there.
is_cached()	# device address [options...]
{
	local before after
	before=$(forward_stat hit)
	goes_to "$@" || return 1
	after=$(forward_stat hit)
	[ "$after" -gt "$before" ]
}

# Packets until the flow is cached: the first is the stack's, the second asks.
warm()		# device address [options...]
{
	goes_to "$@" && goes_to "$@" && busywait $((3000 * SLOW)) is_cached "$@"
}
