#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# gone.sh - an address is removed under load, and the module is heard: no call fails, and none
# that begins later gets it. The module comes and goes, events are missed.
#
#   $HOST   d0   192.0.2.10/24   the VIP, deprecated, first
#                192.0.2.1/24    preference 9
#                192.0.2.2/24    preference 5
#                2001:db8::1, 2001:db8::2   the same
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

GONE=${TOOLS%/net}/selsrc/gone
ROUNDS=${ROUNDS:-30}
need_module

topology()
{
	setup_ns HOST
	# Or with the VIP, the first of its network, all the others would go.
	ns_set "$HOST" net.ipv4.conf.all.promote_secondaries=1
	device "$HOST" d0 192.0.2.10/24,preferred_lft,0 192.0.2.1/24 192.0.2.2/24 \
		2001:db8::10/64,preferred_lft,0 2001:db8::1/64 2001:db8::2/64
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default dev d0
}

wishes()
{
	selsrc "$HOST" policy set default deprecated,preference &&
		vestige "$HOST" addr pref set 192.0.2.1 dev d0 9 &&
		vestige "$HOST" addr pref set 192.0.2.2 dev d0 5 &&
		vestige "$HOST" addr pref set 2001:db8::1 dev d0 9 &&
		vestige "$HOST" addr pref set 2001:db8::2 dev d0 5
}

events_by()	# module|follow
{
	same "$(selsrc_json "$HOST" show | jq -r .events)" "$1"
}

# Out, and it does not come by itself when it is asked for. Another test may have it in use.
without_module()
{
	local modprobe
	modprobe=$(cat /proc/sys/kernel/modprobe)
	rmmod vestige || return 1
	echo >/proc/sys/kernel/modprobe
	defer eval "echo '$modprobe' >/proc/sys/kernel/modprobe"
}

# Attached without it; who follows sees that it has come.
module_comes_later()
{
	attach "$HOST" && follow "$HOST" && wishes && events_by follow || return 1
	modprobe vestige && busywait $((3000 * SLOW)) events_by module &&
		[ "$(heard_anew)" = 1 ] && return
	cat "$TMP"/follow.*
	return 1
}

heard_anew()
{
	cat "$TMP"/follow.* | grep -c 'the module is heard from now on'
}

module_stays()
{
	! rmmod vestige && events_by module
}

# --- the address goes --------------------------------------------------------------------

# The next best at once, whoever asks; once more if something was left to the kernel.
next_at_once()	# address prefixlen next destination
{
	local try before rc=1
	for try in 1 2 3 4 5; do
		before=$(left)
		next_once "$@" && rc=0 || rc=1
		add_addr "$HOST" d0 "$1/$2" && soon "$1" "$HOST" -k sendto "$4" || return 1
		[ "$rc" != 0 ] && [ "$(left)" -gt "$before" ] || return "$rc"
		echo "left to the kernel, try $try"
	done
	return "$rc"
}

next_once()
{
	local kind rc=0 gone
	for kind in tcp udp sendto; do
		soon "$1" "$HOST" -k "$kind" "$4" || return 1
	done
	gone=$(counted "$HOST" gone)
	ip -n "$HOST" addr del "$1/$2" dev d0
	for kind in tcp udp sendto; do
		gets "$3" "$HOST" -k "$kind" "$4" || { echo "by $kind"; rc=1; }
	done
	same "$(($(counted "$HOST" gone) - gone))" 1 || rc=1
	return "$rc"
}

# It is the module's doing: who follows stands still. Out of the tables, one after the other.
without_who_follows()	# destination winner prefixlen address...
{
	local to=$1 winner=$2 len=$3 addr rc=0 text
	shift 3
	for addr; do
		busywait $((1000 * SLOW)) candidate "$to" "$addr" || return 1
	done
	kill -STOP "$(cat "$TMP/follower")"
	for addr; do
		candidate "$to" "$addr" && ip -n "$HOST" addr del "$addr/$len" dev d0
		! candidate "$to" "$addr" || rc=1
	done
	text=$(selsrc "$HOST" explain "$to")
	echo "$text"
	grep -Eq "^ +$winner .*best$" <<<"$text" || [[ $text == *"nobody follows"* ]] || rc=1
	kill -CONT "$(cat "$TMP/follower")"
	for addr; do add_addr "$HOST" d0 "$addr/$len" || rc=1; done
	return "$rc"
}

candidate()	# destination address
{
	selsrc "$HOST" explain "$1" | grep "^ *$2 " | grep -qv 'cannot reach it'
}

# Also where bind() refuses nothing, so that connect() is not checked.
nonlocal_bind()
{
	local rc=0
	ns_set "$HOST" net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1
	next_at_once 192.0.2.1 24 192.0.2.2 "$FAR" &&
		next_at_once 2001:db8::1 64 2001:db8::2 "$FAR6" || rc=1
	ns_set "$HOST" net.ipv4.ip_nonlocal_bind=0 net.ipv6.ip_nonlocal_bind=0
	return "$rc"
}

# What is left to the kernel, which may take the VIP: who follows may not get the CPU in
# time on a busy host, and tables are turned over under a sendto(). Each is counted.
left()
{
	selsrc_json "$HOST" show | jq '.counters | .unsettled + .stale + .moved + .doubt'
}

under_load()	# address prefixlen next destination
{
	local out before others
	before=$(left)
	out=$(in_cgroup "$HOST" "$GONE" -n "$ROUNDS" -p "$2" d0 "$1" "$3" "$4")
	echo "$out"
	echo "# $ROUNDS times ${out//$'\n'/; }" >&3
	others=$(awk '{ n += $9 } END { print n + 0 }' <<<"$out")
	echo "left to the kernel $(($(left) - before)), another source $others"
	[ "$(grep -Ec '^(tcp|udp|sendto) calls [1-9][0-9]* failed 0 dead 0 ' <<<"$out")" = 3 ] &&
		[ "$others" -le "$(($(left) - before))" ]
}

device_goes_down()
{
	local down rc=0
	soon 192.0.2.1 "$HOST" "$FAR" || return 1
	down=$(counted "$HOST" gone_device)
	kill -STOP "$(cat "$TMP/follower")"
	ip -n "$HOST" link set d0 down
	[ "$(counted "$HOST" gone_device)" -gt "$down" ] || rc=1
	selsrc "$HOST" explain "$FAR" | grep -q 'policy routing, VRF' || rc=1
	kill -CONT "$(cat "$TMP/follower")"
	ip -n "$HOST" link set d0 up
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default dev d0
	add_addr "$HOST" d0 2001:db8::1/64 && add_addr "$HOST" d0 2001:db8::2/64
	soon 192.0.2.1 "$HOST" "$FAR" || rc=1
	return "$rc"
}

# --- others --------------------------------------------------------------------------------

# Each namespace has programs of its own, and hears of its own addresses.
another_namespace()
{
	local gone rc=0
	setup_ns OTHER
	device "$OTHER" d0 192.0.2.10/24,preferred_lft,0 192.0.2.1/24 192.0.2.2/24
	ip -n "$OTHER" route add default via 192.0.2.254
	mkdir "$CG/other" && defer rmdir "$CG/other"
	selsrc "$OTHER" attach cgroup "$CG/other" || return 1
	gone=$(counted "$HOST" gone)
	ip -n "$OTHER" addr del 192.0.2.1/24 dev d0
	same "$(counted "$OTHER" gone) $(($(counted "$HOST" gone) - gone))" "1 0" || rc=1
	selsrc "$OTHER" detach && events_by module || rc=1
	return "$rc"
}

# The pin goes, and with it the events, until who follows looks: it hears again, and what
# changed in between is in the tables.
events_are_missed()
{
	local link
	link=$(find /sys/fs/bpf/vestige_selsrc -name link_event)
	soon 192.0.2.1 "$HOST" "$FAR" || return 1
	kill -STOP "$(cat "$TMP/follower")"
	rm "$link" && events_by follow && ip -n "$HOST" addr del 192.0.2.1/24 dev d0
	kill -CONT "$(cat "$TMP/follower")"
	busywait $((3000 * SLOW)) events_by module &&
		busywait $((1000 * SLOW)) gets_by_all 192.0.2.2 "$HOST" "$FAR" &&
		[ "$(heard_anew)" = 2 ] || return 1
	add_addr "$HOST" d0 192.0.2.1/24 && next_at_once 192.0.2.1 24 192.0.2.2 "$FAR"
}

module_goes_after_detach()
{
	selsrc "$HOST" detach && selsrc_is_clean && rmmod vestige && modprobe vestige
}

FAR=198.51.100.1 FAR6=2001:db8:f::1
exec 3>&1
tap_start
topology || exit 1
without_module || tap_skip_all "the module is in use"
tap_test "attached without the module, which comes later" module_comes_later
tap_test "attached, it stays" module_stays
tap_test "an address goes: the next best at once, IPv4" \
	next_at_once 192.0.2.1 24 192.0.2.2 "$FAR"
tap_test "an address goes: the next best at once, IPv6" \
	next_at_once 2001:db8::1 64 2001:db8::2 "$FAR6"
tap_test "who follows stands still: out of the tables all the same, IPv4" \
	without_who_follows "$FAR" 192.0.2.10 24 192.0.2.1 192.0.2.2
tap_test "who follows stands still: out of the tables all the same, IPv6" \
	without_who_follows "$FAR6" 2001:db8::10 64 2001:db8::1 2001:db8::2
tap_test "with ip_nonlocal_bind" nonlocal_bind
tap_test "$ROUNDS times under load, IPv4: none fails, none gets it later" \
	under_load 192.0.2.1 24 192.0.2.2 "$FAR"
tap_test "$ROUNDS times under load, IPv6: none fails, none gets it later" \
	under_load 2001:db8::1 64 2001:db8::2 "$FAR6"
tap_test "a device goes down" device_goes_down
tap_test "another namespace" another_namespace
tap_test "events are missed: the tables are written anew" events_are_missed
tap_test "detached, it goes" module_goes_after_detach
tap_finish
