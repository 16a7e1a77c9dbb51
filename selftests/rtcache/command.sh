#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through tap_test()
#
# command.sh - `vestige rtcache monitor | stats | flush` with the module.
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
setup_ns A B && setup_routed "$A" && setup_routed "$B" || exit 1
# The first one also looks at what nobody tells the module of, and finds something.
vestige "$A" rtcache flush
settled "$A" "$B"
burst=${BURST:-500}
monitor=	# pid
tap_start

stats()		# ns jq-expression
{
	vestige "$1" -j rtcache stats | jq -r "$2"
}

generations()	# ns; as the kernel gives them away
{
	gen "$1" get | awk '{ print $2, $4 }'
}

stats_are_the_kernels()
{
	settled "$A" || return 1
	[ "$(stats "$A" '.module | "\(.inet.generation) \(.inet6.generation)"')" = \
		"$(generations "$A")" ] || return 1
	stats "$A" '.maps == [] and .follow == null and (.module.inet | keys == ["counters",
		"generation", "obstacles", "settles", "untold"])' | grep -q true
}

counts()	# counter command...; of inet
{
	local name=$1 before after
	shift
	before=$(stats "$A" ".module.inet.counters.$name")
	"$@" || return 1
	after=$(stats "$A" ".module.inet.counters.$name")
	[ "$after" = $((before + 1)) ] && return
	echo "$name: $before, then $after"
	return 1
}

text_has_them_too()
{
	local out
	settled "$A"
	out=$(vestige "$A" rtcache stats)
	read -r four six <<<"$(generations "$A")"
	grep -q '^module, [0-9]* cached routes of its own$' <<<"$out" &&
		grep -q "^inet  generation $four, settled [0-9]* times" <<<"$out" &&
		grep -q "^inet6 generation $six, settled [0-9]* times" <<<"$out" &&
		grep -qE '^ +fib_replace +[0-9]+$' <<<"$out" && return
	echo "$out"
	return 1
}

# Those families of $A and no others, and nothing of $B.
flush()		# "families" [word]
{
	local want=$1 before after other got=
	shift
	settled "$A" "$B" || return 1
	before=$(generations "$A") other=$(generations "$B")
	vestige "$A" rtcache flush "$@" || return 1
	after=$(generations "$A")
	[ "${before% *}" = "${after% *}" ] || got=inet
	[ "${before#* }" = "${after#* }" ] || got+=${got:+ }inet6
	[ "$got" = "$want" ] && [ "$other" = "$(generations "$B")" ] && return
	echo "flushed '$got' instead of '$want': $before; $after"
	return 1
}

stranger_is_refused()
{
	in_ns "$A" setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
		"$VESTIGE" rtcache flush >"$TMP/out" 2>&1
	[ $? = 2 ] && [ "$(cat "$TMP/out")" = "vestige: needs root; try again with sudo" ] &&
		return
	cat "$TMP/out"
	return 1
}

# --- monitor -----------------------------------------------------------------------------

start_monitor()	# ns [options]
{
	local ns=$1
	shift
	spawn "$ns" "$TMP/monitor" "$VESTIGE" "$@" rtcache monitor
	monitor=$spawned
	# It says nothing until something happens.
	busywait "$WAIT" says '"reason":"user"| user ' flush_now "$ns"
}

flush_now()
{
	vestige "$1" rtcache flush
}

says()		# pattern [command...]; runs it before
{
	local pattern=$1
	shift
	[ $# = 0 ] || "$@"
	sleep 0.1
	grep -qE "$pattern" "$TMP/monitor"
}

stop_monitor()
{
	kill "$monitor"
	wait "$monitor"
}

# In one shell: the monitor is a child of this one.
monitors()
{
	start_monitor "$A" || return 1
	ip -n "$A" route add 203.0.113.0/24 via 192.0.2.9
	ip -n "$A" -6 route add 2001:db8:9::/48 dev d1
	ip -n "$B" route add 203.0.112.0/24 via 192.0.2.9
	busywait "$WAIT" says 'inet  fib_[a-z]* +gen [0-9]*[13579] 203\.0\.113\.0/24 dev d0' &&
		busywait "$WAIT" says 'inet6 fib_.* 2001:db8:9::/48 dev d1' &&
		busywait "$WAIT" says 'inet  settled +gen [0-9]*[02468]' || return 1
	stop_monitor || { echo "exit status $?"; return 1; }
	! says 203.0.112.0
}

monitors_in_json()
{
	start_monitor "$A" -j || return 1
	ip -n "$A" route del 203.0.113.0/24
	busywait "$WAIT" says fib_del && stop_monitor || return 1
	jq -se 'map(select(.reason == "fib_del")) | .[0] | .family == "inet" and
		.prefix == "203.0.113.0/24" and .generation % 2 == 1 and .count >= 1 and
		(.obstacles | type) == "array"' "$TMP/monitor" >"$TMP/jq"
}

# Few lines, but each route is counted in one of them.
burst_is_summed_up()
{
	local i sum lines
	for ((i = 0; i < burst; i++)); do
		echo "route add 20.$((i / 256)).$((i % 256)).0/24 dev d0"
	done >"$TMP/routes"
	start_monitor "$A" -j && : >"$TMP/monitor" || return 1
	ip -n "$A" -batch "$TMP/routes" || return 1
	settled "$A"
	sleep 1
	stop_monitor || return 1
	sum=$(tr -d '\0' <"$TMP/monitor" | jq -s 'map(.count) | add')
	lines=$(wc -l <"$TMP/monitor")
	echo "$lines lines for $sum events"
	[ "$sum" -ge "$burst" ] && [ "$lines" -lt "$burst" ]
}

follow_beside_it()
{
	local follower pid
	spawn "$A" "$TMP/follow" "$VESTIGE" rtcache follow
	follower=$spawned
	busywait "$WAIT" follows
	pid=$(stats "$A" .follow.pid)
	kill "$follower"
	wait "$follower" || { cat "$TMP/follow"; return 1; }
	[ "$pid" = "$follower" ] && [ "$(stats "$A" .follow)" = null ]
}

follows()
{
	stats "$A" '.follow.pid' | grep -q '[0-9]'
}

tap_test "stats: what the kernel says" stats_are_the_kernels
tap_test "stats: a route is counted" counts fib_replace ip -n "$A" route add 203.0.115.0/24 dev d0
tap_test "stats: and its end" counts fib_del ip -n "$A" route del 203.0.115.0/24
tap_test "stats as text" text_has_them_too
tap_test "flush inet" flush inet inet
tap_test "flush inet6" flush inet6 inet6
tap_test "flush: both" flush "inet inet6"
tap_test "flush is counted" counts user vestige "$A" rtcache flush inet
tap_test "flush by somebody else is refused" stranger_is_refused
tap_test "monitor: routes of this namespace, and no others" monitors
tap_test "monitor -j" monitors_in_json
tap_test "monitor: a burst in few lines, none uncounted" burst_is_summed_up
tap_test "follow runs beside the module" follow_beside_it
tap_finish
