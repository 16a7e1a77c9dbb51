#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034	# variables for who sources this
#
# lib.sh - sourced first by every script of this directory: selftests/net/lib.sh, two
# topologies, packets as hex, and what a device has counted.
# shellcheck source=selftests/net/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

GRE_TOOLS=${GRE_TOOLS:-${TOOLS%/net}/gre}
W=$GRE_TOOLS/wire FLOW=$GRE_TOOLS/flow

# The wire is quick, an emulated processor is not: something awaited comes within
# WAIT; nothing comes within QUIET.
WAIT=$((1000 * SLOW)) QUIET=$((30 * SLOW))

# Is it the turn of the next row of a table? On a real machine always; in an emulated one,
# where a process takes a hundred times as long to start, each kernel has a third of
# the rows, and the three together all. THOROUGH=1: all.
row=0
case $(uname -r) in
6.1.*)	third=0 ;;
6.12.*)	third=1 ;;
*)	third=2 ;;
esac

my_turn()
{
	row=$((row + 1))
	[ "$SLOW" = 1 ] || [ -n "${THOROUGH-}" ] || [ $((row % 3)) = $third ]
}

need_module()
{
	[ -x "$W" ] || tap_skip_all "the test programs are not built: $GRE_TOOLS"
	[ -e /sys/module/vestige ] || modprobe vestige 2>/dev/null ||
		tap_skip_all "this kernel has no module vestige (make kmod)"
}

need_kind()	# kind; can this kernel make devices of it?
{
	ip link add name vt-probe type dummy 2>/dev/null
	ip link del vt-probe 2>/dev/null
	modprobe "$1" 2>/dev/null || [ -e "/sys/module/$1" ]
}

# --- two machines with a stack each --------------------------------------------------
#
#   $A                                    $B
#   192.0.2.1/24      a0 ------ b0        192.0.2.2/24
#   2001:db8::1/64                        2001:db8::2/64
#
# Through a tunnel NAME: 10.0.0.1 and fd00::1 here, 10.0.0.2 and fd00::2 there.
setup_pair()
{
	setup_ns A B && wire_pair
}

wire_pair()
{
	ip -n "$A" link add a0 address "$HOST_MAC" type veth \
		peer name b0 address "$PEER_MAC" netns "$B" || return 1
	add_addresses "$A" a0 "$HOST4" "$HOST6"
	add_addresses "$B" b0 "$PEER4" "$PEER6"
	ip -n "$A" link set a0 up
	ip -n "$B" link set b0 up
	neigh "$A" a0 "$PEER_MAC" "$PEER4" "$PEER6"
	neigh "$B" b0 "$HOST_MAC" "$HOST4" "$HOST6"
}

inner_up()	# ns dev last-octet [prefix: 10.0.0]
{
	local net=${4:-10.0.0}
	ip -n "$1" addr add "$net.$3/24" dev "$2"
	ip -n "$1" addr add "fd00:${net##*.}::$3/64" dev "$2" nodad
	ip -n "$1" link set "$2" up
}

both()		# name local remote words...; in $A, and the same the other way round in $B
{
	local name=$1 a=$2 b=$3
	shift 3
	away "$name"
	gre "$A" add "$name" local "$a" remote "$b" "$@" &&
		gre "$B" add "$name" local "$b" remote "$a" "$@"
}

away()		# names...
{
	local name
	for name; do
		ip -n "$A" link del "$name" 2>/dev/null
		ip -n "$B" link del "$name" 2>/dev/null
	done
	return 0
}

# Through the same wire with any transport.
tunnel()	# transport family words...
{
	local here there
	both_ends "$2"
	both g0 "$here" "$there" transport "$1" "${@:3}" && inner_up "$A" g0 1 &&
		inner_up "$B" g0 2
}

# --- a device and its wire -----------------------------------------------------------
#
# setup_peer_topology of net/lib.sh: $HOST has the device, $PEER only a wire. What
# the device sends comes out of b0; what is put into b0 comes to $HOST.

# g0 anew, and what wire(1) needs for packets to it: $SRC, $DST, $UDP.
device()	# transport family words...
{
	local here there transport=$1
	both_ends "$2"
	SRC=$there DST=$here UDP=''
	[ "$transport" = raw ] || UDP=udp=5555:4754
	shift 2
	ip -n "$HOST" link del g0 2>/dev/null
	gre "$HOST" add g0 local "$here" remote "$there" transport "$transport" "$@" || return 1
	ns_set "$HOST" net.ipv6.conf.g0.disable_ipv6=1
	ip -n "$HOST" link set g0 up
}

# Puts packets into DEV of $HOST; prints what leaves for the peer.
out_of()	# dev hex... [-- options of wire pass]
{
	local dev=$1 hex=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do hex+=("$1"); shift; done
	[ $# = 0 ] || shift
	"$W" pass -t "$WAIT" "$@" "$HOST" "$dev" "$PEER" b0 "${hex[@]}"
}

# Puts packets on the wire; prints what DEV of $HOST makes of them (-r: as bytes).
into()		# dev hex... [-- options]
{
	local dev=$1 hex=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do hex+=("$1"); shift; done
	[ $# = 0 ] || shift
	"$W" pass -t "$WAIT" -m "$HOST_MAC" "$@" "$PEER" b0 "$HOST" "$dev" "${hex[@]}"
}

# None of these gets to DEV.
kept_out()	# dev hex...
{
	local dev=$1 got
	shift
	got=$(into "$dev" "$@" -- -n 0 -t "$QUIET")
	[ -z "$got" ] || { echo "came through: $got"; return 1; }
}

# --- a socket of a user ----------------------------------------------------------------

PORT=4754

# holder(1) under the name of sock() in net/lib.sh: sock H open udp 4 ...
hold()		# ns
{
	local fifo in out
	fifo=$TMP/hold.$(unique)
	mkfifo "$fifo.in" "$fifo.out"
	nsenter --net="/run/netns/$1" "$GRE_TOOLS/holder" "$VESTIGE" <"$fifo.in" >"$fifo.out" &
	sock_pid[H]=$!
	exec {in}>"$fifo.in" {out}<"$fifo.out"
	sock_in[H]=$in sock_out[H]=$out
}

# It goes, and what it held with it.
let_go()
{
	sock_stop H 2>/dev/null
	ip -n "$HOST" link del g0 2>/dev/null
	return 0
}

H()
{
	sock H "$@"
}

# From $HOST to $PEER; sets what device() sets.
connected()	# udp|raw family
{
	local here there port=$PORT
	both_ends "$2"
	SRC=$there DST=$here UDP=''
	if [ "$1" = raw ]; then port=0; else UDP=udp=$PORT:$PORT; fi
	hold "$HOST" && H open "$1" "$2" >/dev/null && H bind "$here" $port >/dev/null &&
		H connect "$there" $port >/dev/null
}

# Runs a test with a socket that is there for it alone.
with()		# udp|raw family command...
{
	local rc
	connected "$1" "$2" || return 1
	"${@:3}"
	rc=$?
	let_go
	return $rc
}

make_udp()	# src dst [words...]
{
	local src=$1 dst=$2
	shift 2
	"$W" make ip src="$src" dst="$dst" "$@"
}

# --- what a device says ----------------------------------------------------------------

gre()		# ns words...
{
	local ns=$1
	shift
	in_ns "$ns" "$VESTIGE" gre "$@"
}

gre_json()	# ns dev jq-expression
{
	in_ns "$1" "$VESTIGE" -j gre show "$2" | jq -r ".[0] | $3"
}

counters()	# ns dev; "name value" of those that are not 0, in one line
{
	gre_json "$1" "$2" '[.counters | to_entries[] | select(.value != 0) |
		"\(.key) \(.value)"] | join(" ")'
}

# Runs a command and wants exactly these counters of DEV to have grown by so much.
counts()	# ns dev "name number ..." command...
{
	local ns=$1 dev=$2 want=$3 before after got
	shift 3
	before=$(gre_json "$ns" "$dev" .counters)
	"$@" || return 1
	after=$(gre_json "$ns" "$dev" .counters)
	got=$(jq -rn --argjson a "$before" --argjson b "$after" '[$b | to_entries[] |
		select(.value != $a[.key]) | "\(.key) \(.value - $a[.key])"] | join(" ")')
	[ "$got" = "$want" ] || { echo "counted '$got' instead of '$want'"; return 1; }
}

stat64()	# ns dev name
{
	ip -n "$1" -s -s -j link show "$2" |
		jq --arg k "$3" '.[0].stats64 | .[$k[:2]][$k[3:]]'
}

# An object that every script wants: is TEXT exactly what was expected?
same()		# text wanted
{
	[ "$1" = "$2" ] && return
	echo "got:    $1"
	echo "wanted: $2"
	return 1
}

matches()	# text extended-regular-expression
{
	[[ $1 =~ $2 ]] && return
	echo "got:    $1"
	echo "wanted: $2"
	return 1
}

# Packets come in the order of their numbers only if one processor sends them all. For
# what this subshell, that of a test, starts from now on.
one_processor()
{
	taskset -pc 0 "$BASHPID" >/dev/null
}

# --- a real stream -----------------------------------------------------------------------

# N bytes (or, with -u, datagrams) from one namespace to another, all of them right.
transfer()	# from-ns to-ns address n [options of flow...]
{
	local from=$1 to=$2 addr=$3 n=$4 port out udp='' opt
	shift 4
	port=$((20000 + $(unique)))
	out=$TMP/flow.$port
	for opt; do [ "$opt" != -u ] || udp=-u; done
	spawn "$to" "$out" "$FLOW" -l $udp ${udp:+-n "$n"} -t $((2000 * SLOW)) "$addr" "$port"
	busywait $((1000 * SLOW)) grep -q ready "$out" || return 1
	in_ns "$from" timeout $((20 * SLOW)) "$FLOW" "$@" -n "$n" "$addr" "$port" ||
		{ kill_pid "$spawned"; return 1; }
	wait "$spawned"
	tail -n 1 "$out"
	case $udp in
	'')	[ "$(tail -n 1 "$out")" = "$n ok" ] ;;
	*)	[[ $(tail -n 1 "$out") == "$n "*" ok" ]] ;;
	esac
}
