#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# routed.sh - answers whose route leads out of another device than the segment came by.
#
#   $HOST                                   $PEER, owned by peer(1)
#   192.0.2.1/24     2001:db8::1/64    a0 ------ b0   the peer's frames come here
#   198.51.100.1/24  2001:db8:1::1/64  a1 ------ b1   the routes lead here
#   203.0.113.1/24   2001:db8:2::1/64  a2 ------ b2   or here
#                             (a tun)  a3 ------ b3   either: no link header at this end
#
# The peer is far away, 192.18.0.9 and 2001:db8:f::9, behind next hop .2 of a wire. Stock
# Linux routes its answers; vestige does so under a generation of routes: of the module,
# or else of `vestige rtcache follow`.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

FAR4=192.18.0.9 FAR6=2001:db8:f::9
NET4=(192.0.2 198.51.100 203.0.113) NET6=(2001:db8: 2001:db8:1: 2001:db8:2:)
FAMILIES=${FAMILIES:-4 6 mapped}
WAIT=$((5000 * SLOW))

mac()		# side wire; side 1 is the host's
{
	printf '02:00:00:00:%02x:%02x' "$1" "$2"
}

topology()
{
	local n
	setup_ns HOST PEER || return 1
	ns_set "$PEER" net.ipv6.conf.default.disable_ipv6=1
	ns_set "$HOST" net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv4.ip_forward=0 net.ipv4.tcp_invalid_ratelimit=0
	for n in 0 1 2; do
		veth_pair "$HOST" "a$n" "$(mac 1 $n)" "$PEER" "b$n" "$(mac 2 $n)" || return 1
		ns_set "$HOST" "net.ipv4.conf.a$n.rp_filter=0"
		add_addresses "$HOST" "a$n" "${NET4[n]}.1" "${NET6[n]}:1"
		neigh "$HOST" "a$n" "$(mac 2 $n)" "${NET4[n]}.2" "${NET6[n]}:2"
	done
	spawn "$HOST" "$TMP/shuttle" "$TOOLS/shuttle" -m "$HOST" a3 "$PEER" b3
	busywait "$WAIT" grep -q ready "$TMP/shuttle" >/dev/null || return 1
	ns_set "$HOST" net.ipv4.conf.a3.rp_filter=0
	ip -n "$HOST" link set a3 up
	ip -n "$PEER" link set b3 up
}

choose()	# family
{
	family=$1
	if [ "$1" = 6 ]; then
		FAR=$FAR6 NET=("${NET6[@]/%/:}") OWN=${NET6[0]}:1 ip=-6
	else
		FAR=$FAR4 NET=("${NET4[@]/%/.}") OWN=${NET4[0]}.1 ip=-4
	fi
}

r()		# words of ip, for the family
{
	ip -n "$HOST" "$ip" "$@"
}

# The stack's own segments come by wire $NOW from now on.
route_by()	# wire
{
	NOW=$1
	if [ "$NOW" = 3 ]; then r route replace "$FAR" dev a3
	else r route replace "$FAR" via "${NET[NOW]}2" dev "a$NOW"
	fi
}

# --- generations ---------------------------------------------------------------

have_module()
{
	[ -e /sys/module/vestige ]
}

# Of our map: who keeps it, and both generations.
gens()
{
	vestige "$HOST" -j rtcache stats |
		jq -r '.maps[] | select(.part == "vestige") | "\(.kept_by) \(.inet) \(.inet6)"'
}

# Somebody does, both are settled, and above these.
settled()	# inet inet6
{
	local who inet inet6
	read -r who inet inet6 < <(gens)
	[ "${who:-nobody}" != nobody ] && [ "$inet" -gt "$1" ] && [ "$inet6" -gt "$2" ] &&
		[ $(((inet | inet6) & 1)) = 0 ]
}

# Not in tap_test(): what is started in its subshell nobody ends.
start_keeper()
{
	have_module && return
	spawn "$HOST" "$TMP/follow" "$VESTIGE" rtcache follow
	KEEPER=$spawned
}

are_kept()
{
	busywait "$WAIT" settled 0 0 >/dev/null && return
	echo "nobody keeps generations: $(gens)"
	return 1
}

# Who keeps them has seen all that was done up to now: messages come in order, and after those
# come these.
known()
{
	local who inet inet6
	[ "$BACKEND" = vestige ] || return 0
	read -r who inet inet6 < <(gens)
	ip -n "$HOST" route add blackhole 100.64.0.1
	ip -n "$HOST" -6 route add blackhole 2001:db8:dead::1
	ip -n "$HOST" route del blackhole 100.64.0.1
	ip -n "$HOST" -6 route del blackhole 2001:db8:dead::1
	busywait "$WAIT" settled "$inet" "$inet6" >/dev/null || echo "$who does not see changes"
}

# --- sessions with $OWN ----------------------------------------------------------

# A peer(1) that gets its script in pieces, so that routes can be changed between them. It
# sends on b$FROM. $n tells its sessions apart. SLOW: a tun is served by a process, whose turns
# are not to be taken for those of the host's clock.
FROM=0
declare -A script_fd peer_pid

meet()
{
	local fd
	n=$(unique)
	mkfifo "$TMP/script.$n"
	SLOW=$((10 * SLOW)) in_ns "$PEER" timeout $((60 * SLOW)) "$TOOLS/peer" -i "b$FROM" \
		-m "$(mac 2 0)" -M "$(mac 1 0)" -a "$FAR" -A "$OWN" \
		-p $((20000 + n)) -P $((30000 + n)) \
		-s "exec nsenter --net=/run/netns/$HOST $TOOLS/sock $family" \
		<"$TMP/script.$n" >"$TMP/peer.$n" 2>&1 &
	peer_pid[$n]=$!
	defer kill_pid $!
	exec {fd}>"$TMP/script.$n"
	script_fd[$n]=$fd
}

came_to_its_end()	# number
{
	[ -e "$TMP/done.$1" ] || ! kill -0 "${peer_pid[$1]}" 2>/dev/null
}

from()		# wire|any
{
	if [ "$1" = any ]; then echo set from any; else echo "set from b$1"; fi
}

play()		# number line...
{
	local n=$1 fd=${script_fd[$1]}
	shift
	rm -f "$TMP/done.$n"
	printf '%s\n' "$(from "$NOW")" "$@" "$(from "$NOW")" "run touch $TMP/done.$n" >&"$fd"
	busywait $((20000 * SLOW)) came_to_its_end "$n" >/dev/null
	[ -e "$TMP/done.$n" ] || { cat "$TMP/peer.$n"; return 1; }
}

part()		# number
{
	local fd=${script_fd[$1]}
	exec {fd}>&-
	wait "${peer_pid[$1]}"
}

open_it()	# number [what the socket does first]
{
	play "$1" 'set ts 5000' ${2:+"$2"} 'do bind @host @hport' 'do connect @peer @pport' \
		'open passive' 'do connected'
}

close_it()	# number
{
	play "$1" 'do close' 'expect FA' 'send FA' 'expect A'
}

# The peer's FIN comes again, by b$FROM: where, and to whom, does the answer go?
late_fin()	# number wire
{
	local macs
	macs="smac=$(mac 1 "$2") dmac=$(mac 2 "$2")"
	[ "$2" != 3 ] || macs=
	play "$1" "$(from "$2")" 'probe FA seq=snd-1' "expect A win=last $macs"
}

session()	# wire-of-the-answer
{
	local n rc=0
	meet
	open_it "$n" && close_it "$n" && late_fin "$n" "$1" || rc=1
	part "$n"
	return "$rc"
}

grew()		# counter by command...
{
	local counter=$1 by=$2 before got
	shift 2
	[ "$BACKEND" = stock ] || before=$(counter "$HOST" "$counter")
	"$@" || return 1
	[ "$BACKEND" != stock ] || return 0
	got=$(($(counter "$HOST" "$counter") - before))
	[ "$got" = "$by" ] || { echo "$counter grew by $got, not by $by"; return 1; }
}

# --- what is shown ------------------------------------------------------------------

goes_back()
{
	route_by 1 && grew answered_routed 0 session 0
}

goes_by_route()
{
	route_by 1 && known && grew answered_routed 1 session 1
}

# Where a session is answered that closed before the change: not the old way. vestige knows
# no more than that until the next one closes.
elsewhere()	# wire-of-the-route
{
	if [ "$BACKEND" = stock ]; then echo "$1"; else echo 0; fi
}

follows()
{
	local n old rc=0
	route_by 1 && known || return 1
	meet
	old=$n
	open_it "$old" && close_it "$old" && late_fin "$old" 1 &&
		route_by 2 && known && late_fin "$old" "$(elsewhere 2)" &&
		session 2 && late_fin "$old" 2 || rc=1
	part "$old"
	return "$rc"
}

# A host that forwards says what the route is, whoever keeps generations.
forwards()
{
	local n rc=0
	ns_set "$HOST" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	route_by 1 && known
	meet
	open_it "$n" && close_it "$n" && late_fin "$n" 1 &&
		route_by 2 && grew path_asked 1 late_fin "$n" 2 || rc=1
	part "$n"
	ns_set "$HOST" net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	known
	return "$rc"
}

# Addresses of this host with routes of their own.
by_source()
{
	local n old rc=0 first=$OWN second=${NET[0]}7
	local OWN=$first
	if [ "$ip" = -4 ]; then r addr add "$second/24" dev a0
	else r addr add "$second/64" dev a0 nodad
	fi
	route_by 1
	r rule add from "$second" lookup 100
	r route add "$FAR" via "${NET[2]}2" dev a2 table 100
	known
	meet
	old=$n
	open_it "$old" && close_it "$old" || rc=1
	OWN=$second NOW=2
	session 2 || rc=1
	OWN=$first NOW=1
	late_fin "$old" 1 || rc=1
	part "$old"
	r rule del from "$second" lookup 100
	r route flush table 100
	r addr flush to "$second" dev a0
	known
	return "$rc"
}

# Sessions of the same addresses with different routes: stock knows the mark of each; vestige
# answers where segments come from. What has no mark, as RSTs, goes by the other wire.
split()
{
	local n odd rc=0
	route_by 1
	r rule add fwmark 9 lookup 100
	r route add "$FAR" via "${NET[2]}2" dev a2 table 100
	known
	session 1 || rc=1
	NOW=any
	meet
	odd=$n
	open_it "$odd" 'do mark 9' && grew path_split 1 close_it "$odd" &&
		late_fin "$odd" "$(elsewhere 2)" || rc=1
	part "$odd"
	NOW=1
	session "$(elsewhere 1)" || rc=1
	r rule del fwmark 9 lookup 100
	r route flush table 100
	known
	return "$rc"
}

# All of a pair have the mark: the route is another than that of what has none, and the
# neighbour layer knows of no mark.
marked()
{
	local n rc=0
	route_by 1
	r rule add fwmark 9 lookup 100
	r route add "$FAR" via "${NET[2]}2" dev a2 table 100
	known
	NOW=any
	meet
	open_it "$n" 'do mark 9' && close_it "$n" && late_fin "$n" "$(elsewhere 2)" || rc=1
	part "$n"
	NOW=1
	r rule del fwmark 9 lookup 100
	r route flush table 100
	known
	return "$rc"
}

class_of()	# number
{
	vestige "$HOST" -j vtw list | jq -r --argjson p $((30000 + $1)) \
		'.[] | select(.local_port == $p) | .class'
}

# The socket is in FIN_WAIT_2 and sends nothing more: its route is stale when it enters. Others
# have learned meanwhile that the peer is on link.
orphan_is()	# class
{
	local n old rc=0
	route_by 1 && known
	meet
	old=$n
	open_it "$old" && play "$old" 'do shutdown wr' 'expect FA' 'send A' || return 1
	neigh "$HOST" a1 "$(mac 2 1)" "$FAR"
	r route replace "$FAR" dev a1
	known
	session 1 && play "$old" 'do close' || rc=1
	[ "$(class_of "$old")" = "$1" ] || { echo "class $(class_of "$old")"; rc=1; }
	part "$old"
	return "$rc"
}

# --- run -------------------------------------------------------------------------------

run_family()	# name family
{
	choose "$2"
	tap_test "$1: v$2 the answer leaves by the device of the route" goes_by_route
	# v4-mapped: the same segments, but another kind of socket.
	[ "$2" = mapped ] || run_routes "$1: v$2"
	[ "$BACKEND" = stock ] || tap_test "$1: v$2 the class, when its route is stale" \
		grew path_borrowed 1 orphan_is local
}

run_routes()	# name
{
	tap_test "$1 where segments come from" grew answered_routed 0 in_line
	tap_test "$1 by a device without a link header" no_header 0 3
	tap_test "$1 of segments that came by one" no_header 3 1
	tap_test "$1 after a change of the route it follows" follows
	tap_test "$1 each address of the host by its own route" by_source
	tap_test "$1 sessions of the same addresses, different routes" split
	tap_test "$1 all sessions of the same addresses with a mark" marked
	tap_test "$1 a host that forwards" forwards
}

no_header()	# wire of the segments, wire of the route
{
	local FROM=$1
	route_by "$2" && known && grew answered_routed 1 session "$2"
}

in_line()
{
	route_by 0 && known && session 0
}

run_vestige()	# hook
{
	topology
	tap_test "hook $1: attach" vestige "$HOST" attach hook "$1"
	if ! have_module; then
		for f in $FAMILIES; do
			choose "$f"
			tap_test "hook $1: v$f nobody keeps generations: back" goes_back
		done
	fi
	start_keeper
	tap_test "hook $1: generations are kept" are_kept
	if [ "$1" = xdp ]; then
		for f in $FAMILIES; do
			choose "$f"
			tap_test "hook xdp: v$f back, and counted" grew answered_astray 1 astray
		done
	else
		for f in $FAMILIES; do run_family "hook $1" "$f"; done
	fi
	tap_test "hook $1: detach" vestige "$HOST" detach
	[ -z "${KEEPER-}" ] || kill_pid "$KEEPER"
	KEEPER=
}

astray()
{
	route_by 1 && known && session 0
}

tap_start
mine=$BACKEND
BACKEND=stock
topology
for f in $FAMILIES; do run_family stock "$f"; done
BACKEND=$mine
[ "$BACKEND" = stock ] || for hook in ${HOOKS:-tc xdp}; do run_vestige "$hook"; done
tap_finish
