#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# follow.sh - `vestige rtcache follow`: generations from rtnetlink, without the module.
#
#   $HOST                                  $PEER
#   192.0.2.1/24, 2001:db8::1/64  a0 --- b0
#                                 a1 --- b1
#
# A map `gens` is pinned for $HOST as if something that keeps copies of routes were
# attached there: pinned(1) makes it and looks at it.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
BACKEND=stock
. "$(dirname "$0")/../net/lib.sh"

PINNED=${TOOLS%/net}/rtcache/pinned
LEASE_MS=1000		# RTCACHE_LEASE_NS
WAIT=$((2000 * SLOW))	# something awaited comes within
GENS=			# folder of the pinned map

# It outlives the test that starts it: so its pid, and in the end how it ended, are in files.
follow()	# words of the command behind `vestige`...
{
	[ $# -gt 0 ] || set -- rtcache follow
	rm -f "$TMP/status"
	(
		nsenter --net="/run/netns/$HOST" "$VESTIGE" "$@" &
		echo $! >"$TMP/pid"
		wait $!
		echo $? >"$TMP/status"
	) >"$TMP/follow" 2>&1 &
	busywait "$WAIT" test -s "$TMP/pid"
}

follower()
{
	cat "$TMP/pid"
}

send()		# signal
{
	kill "-$1" "$(follower)"
}

# Ends it as it should end; what it printed is in $TMP/follow.
unfollow()	# [signal]
{
	[ -e "$TMP/pid" ] || return 0
	send "${1:-TERM}"
	busywait "$WAIT" test -s "$TMP/status"
	rm "$TMP/pid"
	[ "$(cat "$TMP/status")" = 0 ] && return
	echo "exit status $(cat "$TMP/status"): $(cat "$TMP/follow")"
	return 1
}

show()		# [folder]; inet inet6 usable|idle usable|idle
{
	"$PINNED" show "${1:-$GENS}"
}

is()		# wanted pattern of `usable|idle usable|idle` [folder]
{
	[[ $(show "${2:-$GENS}") == *" $1" ]]
}

# Both families settled, with a lease.
usable()	# [folder]
{
	busywait "$WAIT" is 'usable usable' "${1:-$GENS}" && return
	echo "not usable: $(show "${1:-$GENS}")"
	return 1
}

idle()
{
	busywait "$WAIT" is 'idle idle' && return
	echo "still usable: $(show)"
	return 1
}

stats()		# jq-expression
{
	vestige "$HOST" -j rtcache stats | jq -r "$1"
}

setup()
{
	setup_ns HOST PEER || return 1
	veth_pair "$HOST" a0 "$HOST_MAC" "$PEER" b0 "$PEER_MAC" &&
		veth_pair "$HOST" a1 02:00:00:00:00:03 "$PEER" b1 02:00:00:00:00:04 || return 1
	ip -n "$HOST" addr add "$HOST4/24" dev a0
	ip -n "$HOST" addr add "$HOST6/64" dev a0 nodad
	GENS=/sys/fs/bpf/vestige_forward/$(in_ns "$HOST" "$PINNED" cookie)
	OWN=${GENS/forward/own}
	defer unfollow
}

# --- coming and going ---------------------------------------------------------------------

starts_without_maps()
{
	follow
	busywait "$WAIT" stats .follow.pid >/dev/null
	[ "$(stats .follow.pid)" = "$(follower)" ] && [ "$(stats '.maps | length')" = 0 ]
}

map_comes_later()	# folder
{
	"$PINNED" make "$1" && usable "$1" &&
		[ "$(stats '[.maps[].kept_by] | unique[]')" = follow ]
}

# Detached and attached again: the new map knows nothing yet, the other one goes on.
map_is_replaced()
{
	local before after
	read -r before _ < <(show "$OWN")
	rm "$GENS/gens" && "$PINNED" make "$GENS" && usable || return 1
	read -r after _ < <(show)
	[ "$after" -gt "$before" ] && usable "$OWN" && [ "$(show)" = "$(show "$OWN")" ]
}

map_goes()
{
	rm -r "$OWN" && sleep 0.5 && usable && [ "$(stats '.maps | length')" = 1 ]
}

second_is_refused()
{
	local rc
	in_ns "$HOST" timeout $((5 * SLOW)) "$VESTIGE" rtcache follow >"$TMP/out" 2>"$TMP/err"
	rc=$?
	[ "$rc" = 2 ] && [ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
		grep -q 'another one runs' "$TMP/err" && usable && return
	cat "$TMP/out" "$TMP/err"
	return 1
}

# Nothing is left, what it vouched for it vouches for no more, and it tells its window.
ends_clean()	# signal
{
	local gen
	read -r gen _ < <(show)
	unfollow "$1" || return 1
	is 'idle idle' && [ "$("$PINNED" left "$GENS")" = 0 ] &&
		[ "$(show | cut -d' ' -f1)" -gt "$gen" ] &&
		[ ! -e "${GENS/forward/rtcache}" ] &&
		grep -qE '^window p50 [0-9.]+ us, p99 [0-9.]+ us, max [0-9.]+ us of [1-9]' \
			"$TMP/follow" && follow && usable && return
	show
	ls -d /sys/fs/bpf/*/*
	cat "$TMP/follow"
	return 1
}

# Until the lease is over the maps are believed, and then nobody is.
killed()
{
	local left before after
	read -r before _ < <(show)
	send KILL
	busywait "$WAIT" test -s "$TMP/status"
	left=$("$PINNED" left "$GENS")
	idle && follow && usable || return 1
	read -r after _ < <(show)
	[ "$left" -le "$LEASE_MS" ] && [ "$after" -gt "$before" ] && return
	echo "$left ms left; generation $before, then $after"
	return 1
}

json_at_the_end()
{
	unfollow && follow && usable && unfollow || return 1
	follow -j rtcache follow
	usable && sleep 0.5 && unfollow &&
		jq -e '.window | .probes > 0 and .p50_ns > 0 and .p99_ns >= .p50_ns and
			.max_ns >= .p99_ns' "$TMP/follow" >/dev/null && follow && usable && return
	cat "$TMP/follow"
	return 1
}

# The module's own map, and one of another version, are left as they are.
leaves_alone()	# forever|small words-of-the-warning
{
	unfollow && "$PINNED" make "$OWN" "$1" && follow && usable && sleep 0.5 || return 1
	case $1 in
	forever)
		[ "$(show "$OWN")" = "1000 1000 usable usable" ] &&
			[ "$(stats '[.maps[].kept_by] | sort | join(" ")')" = "follow module" ]
		;;
	small)
		[ "$(grep -c 'left alone' "$TMP/follow")" = 1 ]
		;;
	esac || { show "$OWN"; cat "$TMP/follow"; return 1; }
	rm -r "$OWN"
}

# --- what happened, to which family ----------------------------------------------------------

# family, name, command; N stands for `ip -n $HOST`. One after the other.
events='
4	route added	N route add 198.51.100.0/24 via 192.0.2.9
4	route replaced	N route replace 198.51.100.0/24 via 192.0.2.8
4	route with another metric	N route add 198.51.100.0/24 via 192.0.2.9 metric 5
4	that one deleted	N route del 198.51.100.0/24 metric 5
4	route appended	N route append 198.51.100.0/24 via 192.0.2.7
4	multipath	N route replace 203.0.113.0/24 nexthop via 192.0.2.8 nexthop via 192.0.2.9
4	a member removed	N route replace 203.0.113.0/24 nexthop via 192.0.2.8
4	route in a table of its own	N route add default via 192.0.2.9 table 100
4	blackhole	N route add blackhole 10.0.0.0/8
4	flush of a table	N route flush table 100
6	route added	N -6 route add 2001:db8:1::/48 via 2001:db8::9
6	route replaced	N -6 route replace 2001:db8:1::/48 via 2001:db8::8
6	route with another metric	N -6 route add 2001:db8:1::/48 via 2001:db8::9 metric 5
6	multipath	N -6 route append 2001:db8:1::/48 via 2001:db8::7
6	route deleted	N -6 route del 2001:db8:1::/48 metric 5
6	flush	N -6 route flush 2001:db8:1::/48
4	rule added	N rule add from 10.0.0.0/8 table 100
4	rule deleted	N rule del from 10.0.0.0/8 table 100
6	rule added	N -6 rule add from 2001:db8:2::/48 table 100
6	rule deleted	N -6 rule del from 2001:db8:2::/48 table 100
46	nexthop added	N nexthop add id 1 via 192.0.2.9 dev a0
46	nexthop replaced	N nexthop replace id 1 via 192.0.2.8 dev a0
46	group added	N nexthop add id 9 group 1
46	IPv6 nexthop added	N nexthop add id 2 via 2001:db8::9 dev a0
46	nexthop deleted	N nexthop del id 1
4	neighbour added	N neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev a0
4	its MAC changes	N neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev a0
-	it becomes stale	N neigh change 192.0.2.9 lladdr 02:00:00:00:00:0a dev a0 nud stale
-	it becomes permanent	N neigh change 192.0.2.9 lladdr 02:00:00:00:00:0a dev a0
4	neighbour deleted	N neigh del 192.0.2.9 dev a0
46	IPv6 neighbour added	N neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev a0
46	its MAC changes	N neigh replace 2001:db8::9 lladdr 02:00:00:00:00:0a dev a0
-	it becomes stale	N neigh change 2001:db8::9 lladdr 02:00:00:00:00:0a dev a0 nud stale
46	IPv6 neighbour deleted	N neigh del 2001:db8::9 dev a0
-	a neighbour that fails	N neigh add 192.0.2.99 dev a0 nud failed
4	address added	N addr add 192.0.2.5/24 dev a0
4	address deleted	N addr del 192.0.2.5/24 dev a0
6	address added	N addr add 2001:db8::5/64 dev a0 nodad
6	address deleted	N addr del 2001:db8::5/64 dev a0
4	forwarding	S net.ipv4.conf.a1.forwarding=1
6	forwarding	S net.ipv6.conf.a1.forwarding=1
4	rp_filter	S net.ipv4.conf.a1.rp_filter=2
46	MTU	N link set a1 mtu 1400
46	MAC	N link set a1 address 02:00:00:00:00:13
46	link down	N link set a1 down
46	renamed	N link set a1 name c1
46	link up	N link set c1 up
46	carrier lost	P link set b1 down
46	carrier back	P link set b1 up
46	moved away	N link set c1 netns TO
46	device gone	P link del b0
'

event()		# words...
{
	local verb=$1
	shift
	case $verb in
	N)	ip -n "$HOST" "${@/#TO/$PEER}" ;;
	P)	ip -n "$PEER" "$@" ;;
	S)	ns_set "$HOST" "$1" ;;
	esac
}

# The families whose generation differs: "4", "6", "46" or "-".
changed()	# before after
{
	local b4 b6 a4 a6
	read -r b4 b6 _ <<<"$1"
	read -r a4 a6 _ <<<"$2"
	case $((a4 > b4))$((a6 > b6)) in
	00)	echo - ;;
	01)	echo 6 ;;
	10)	echo 4 ;;
	11)	echo 46 ;;
	esac
}

has_changed()	# before families
{
	[ "$(changed "$1" "$(show)")" = "$2" ]
}

# Nothing moves for a while. (What a link does goes on for a while.)
quiet()
{
	local before
	before=$(show | cut -d' ' -f1,2)
	sleep 0.06
	[ "$before" = "$(show | cut -d' ' -f1,2)" ]
}

# More than was awaited is seen, too: by what has changed when all is quiet again.
flushes()	# families command...
{
	local want=$1 before after
	shift
	busywait "$WAIT" quiet && usable || return 1
	before=$(show)
	event "$@" || return 1
	[ "$want" = - ] && sleep 0.1
	busywait "$WAIT" has_changed "$before" "$want"
	usable && busywait "$WAIT" quiet || return 1
	after=$(show)
	[ "$(changed "$before" "$after")" = "$want" ] && return
	echo "families $(changed "$before" "$after") instead of $want: $before, then $after"
	return 1
}

run_events()
{
	local families name command words
	while IFS=$'\t' read -r families name command; do
		[ -n "$families" ] || continue
		read -ra words <<<"$command"
		tap_test "$name flushes $families: ${command/#? /}" \
			flushes "$families" "${words[@]}"
	done <<<"$events"
}

# The same in another namespace is no business of ours.
others_do_not_matter()
{
	local before
	busywait "$WAIT" quiet
	before=$(show)
	ip -n "$PEER" link add v0 type veth peer name v1 &&
		ip -n "$PEER" link set v0 up &&
		ip -n "$PEER" addr add 192.0.2.77/24 dev v0 &&
		ip -n "$PEER" route add 198.51.100.0/24 dev v0 &&
		ip -n "$PEER" -6 rule add from 2001:db8:9::/48 table 9 || return 1
	sleep 0.3
	[ "$(changed "$before" "$(show)")" = - ]
}

# Who may can write into the queue; only what the kernel writes counts.
others_are_not_believed()
{
	local before port
	# shellcheck disable=SC2016	# of awk
	port=$(in_ns "$HOST" awk '$2 == 0 && $4 !~ /^0+$/ { print $3; exit }' /proc/net/netlink)
	[ -n "$port" ] || { echo "no socket that listens"; return 1; }
	busywait "$WAIT" quiet
	before=$(show)
	in_ns "$HOST" "$PINNED" fake "$port" && sleep 0.2 || return 1
	[ "$(changed "$before" "$(show)")" = - ]
}

tells_events()
{
	unfollow && follow -j rtcache follow events || return 1
	usable && busywait "$WAIT" quiet
	ip -n "$HOST" route add 198.51.101.0/24 dev lo
	busywait "$WAIT" grep -q fib_add "$TMP/follow"
	usable && unfollow || return 1
	jq -se 'map(select(.reason == "fib_add")) | length == 1 and (.[0] |
		.prefix == "198.51.101.0/24" and .dev == "lo" and .family == "inet" and
		.generation % 2 == 1 and .count == 1)' "$TMP/follow" >"$TMP/jq" &&
		jq -se 'map(select(.reason == "settled")) | length >= 3 and
			all(.generation % 2 == 0)' "$TMP/follow" >"$TMP/jq" && follow && usable &&
		return
	cat "$TMP/follow"
	return 1
}

# --- too much at once -----------------------------------------------------------------------

# Asleep it hears nothing and its queue runs over; awake again it must flush before it
# vouches for anything. All the while no copy from before may be used.
overrun_while_asleep()
{
	local uses before
	unfollow && follow rtcache follow rcvbuf 4096 && usable || return 1
	before=$(stats .follow.overruns)
	send STOP
	busywait $((LEASE_MS + WAIT)) is 'idle idle' >/dev/null ||
		{ echo "the lease does not run out"; send CONT; return 1; }
	in_ns "$HOST" "$PINNED" routes lo 0 5000 || echo "no routes"
	"$PINNED" stale "$GENS" 1000 >"$TMP/uses" &
	uses=$!
	sleep 0.2
	send CONT
	wait "$uses"
	usable || return 1
	[ "$(cat "$TMP/uses")" = 0 ] && [ "$(stats .follow.overruns)" -gt "$before" ] && return
	echo "used $(cat "$TMP/uses") times; overruns $before, then $(stats .follow.overruns)"
	return 1
}

# A queue for a few messages, and thousands: each loss is seen, and at the end it hears.
overrun_awake()
{
	local before
	in_ns "$HOST" "$PINNED" routes lo 10000 20000 || return 1
	usable || return 1
	[ "$(stats .follow.overruns)" -gt 0 ] || { echo "no overrun"; return 1; }
	before=$(show)
	ip -n "$HOST" route del 198.51.101.0/24 dev lo
	busywait "$WAIT" has_changed "$before" 4 && usable
}

# One flux, however many changes: the generation is odd from the first to the last.
burst_is_one_flush()
{
	local before after
	unfollow && follow && usable && busywait "$WAIT" quiet || return 1
	before=$(stats .follow.inet.flushes)
	in_ns "$HOST" "$PINNED" routes lo 40000 10000 || return 1
	usable && sleep 0.5 || return 1
	after=$(stats '.follow.inet | "\(.flushes) \(.changes)"')
	read -r after changes <<<"$after"
	[ $((after - before)) -le $((20 * SLOW)) ] && [ "$changes" -ge 1000 ] && return
	echo "$((after - before)) flushes for $changes changes"
	return 1
}

# --- the window --------------------------------------------------------------------------------

# Measured for real, beside what it says of itself.
window()
{
	local p50 p99 max
	read -r p50 p99 max < <(in_ns "$HOST" "$PINNED" window "$GENS" lo 200)
	[ -n "$max" ] || return 1
	echo "# window of 200 route changes: p50 $((p50 / 1000)) us, p99 $((p99 / 1000)) us," \
		"max $((max / 1000)) us; of its own probes: $(stats '.follow.window |
		"p50 \(.p50_ns / 1000 | floor) us, p99 \(.p99_ns / 1000 | floor) us, " +
		"max \(.max_ns / 1000 | floor) us, \(.probes) probes"')" >"$TMP/window"
	[ "$p50" -lt $((20000000 * SLOW)) ] && [ "$max" -lt $((1000000000 * SLOW)) ]
}

# --- bad words -----------------------------------------------------------------------------------

# One line on stderr and none on stdout; under -j one object; the status.
refused()	# status words...
{
	local want=$1 status
	shift
	vestige "$HOST" "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	[ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" -eq 1 ] || status="$status, unexpected"
	[ "$status" = "$want" ] ||
		{ echo "exit status $status; $(cat "$TMP/out" "$TMP/err")"; return 1; }
	vestige "$HOST" -j "$@" 2>"$TMP/err" | jq -e 'keys == ["error"]' >"$TMP/out" &&
		[ ! -s "$TMP/err" ] && return
	echo "-j: $(cat "$TMP/out" "$TMP/err")"
	return 1
}

bad_words='
1	rtcache
1	rtcache nonsense
1	rtcache f
1	rtcache follow nonsense
1	rtcache follow rcvbuf
1	rtcache follow rcvbuf 1
1	rtcache follow rcvbuf -1
1	rtcache follow rcvbuf 99999999999
1	rtcache follow events more
1	rtcache flush ipx
1	rtcache flush inet inet6
1	rtcache stats all
1	rtcache monitor inet
'

run_bad_words()
{
	local status words
	while IFS=$'\t' read -r status words; do
		[ -n "$status" ] || continue
		# shellcheck disable=SC2086	# a list of words
		tap_test "'$words' is refused: $status" refused "$status" $words
	done <<<"$bad_words"
}

without_module()
{
	local word
	for word in monitor stats flush 'flush inet6'; do
		# shellcheck disable=SC2086	# a list of words
		refused 2 rtcache $word || return 1
		# shellcheck disable=SC2086
		vestige "$HOST" rtcache $word 2>&1 | grep -q 'the module is not loaded' || return 1
	done
}

without_root()
{
	in_ns "$HOST" setpriv --reuid 65534 --clear-groups "$VESTIGE" rtcache follow \
		>"$TMP/out" 2>"$TMP/err"
	[ $? = 2 ] && [ ! -s "$TMP/out" ] && [ "$(cat "$TMP/err")" = \
		"vestige: needs root; try again with sudo" ] && return
	cat "$TMP/out" "$TMP/err"
	return 1
}

tap_start
setup || { echo "Bail out! no topology"; exit 1; }
run_bad_words
if [ ! -e /sys/module/vestige ]; then
	tap_test "monitor, stats and flush without the module say so" without_module
fi
tap_test "follow as somebody else is refused" without_root
tap_test "follow starts where nothing is attached" starts_without_maps
tap_test "what is attached later is found" map_comes_later "$GENS"
tap_test "so is a second part" map_comes_later "$OWN"
tap_test "what is attached anew is found" map_is_replaced
tap_test "what is detached is let go" map_goes
tap_test "a second follow is refused" second_is_refused
run_events
tap_test "another namespace's changes flush nothing here" others_do_not_matter
tap_test "messages that others send flush nothing" others_are_not_believed
tap_test "follow events tells them" tells_events
tap_test "overrun while it is stopped" overrun_while_asleep
tap_test "overrun while it runs" overrun_awake
tap_test "a burst is one flush" burst_is_one_flush
tap_test "the window" window
cat "$TMP/window" 2>/dev/null
tap_test "TERM: ends clean" ends_clean TERM
tap_test "INT: ends clean" ends_clean INT
tap_test "HUP: ends clean" ends_clean HUP
tap_test "killed: nobody vouches when the lease is over" killed
tap_test "-j: the window as JSON" json_at_the_end
tap_test "what the module keeps is left alone" leaves_alone forever
tap_test "what another version pinned is left alone" leaves_alone small
tap_test "at the end" unfollow
tap_finish
