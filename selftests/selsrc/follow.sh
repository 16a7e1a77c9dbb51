#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# follow.sh - addresses, routes and wishes change, under load and not, and sources follow.
#
#   $HOST   d0   192.0.2.10/24   the VIP, deprecated, first
#                192.0.2.1/24    preference 9
#                192.0.2.2/24    preference 5
#                192.0.2.3/24
#           d1   203.0.113.1/24
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

VIP=192.0.2.10 FAR=198.51.100.1
SECONDS_OF_LOAD=3

topology()
{
	setup_ns HOST
	# Or with the VIP, the first of its network, all the others would go.
	ns_set "$HOST" net.ipv4.conf.all.promote_secondaries=1
	device "$HOST" d0 "$VIP/24,preferred_lft,0" 192.0.2.1/24 192.0.2.2/24 192.0.2.3/24 \
		2001:db8::3/64 2001:db8::1/64
	device "$HOST" d1 203.0.113.1/24 203.0.113.2/24
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default dev d0
	attach "$HOST" && follow "$HOST" &&
		selsrc "$HOST" policy set default deprecated,preference &&
		vestige "$HOST" addr pref set 192.0.2.1 dev d0 9 &&
		vestige "$HOST" addr pref set 192.0.2.2 dev d0 5
}

settled()
{
	local writes
	writes=$(selsrc_json "$HOST" show | jq -r .inet)
	same "$writes" "in use"
}

# --- an address goes -----------------------------------------------------------------------

# The very next socket; whether the tables know yet or not.
next_best_at_once()	# kind
{
	local got
	busywait 1000 settled >/dev/null && gets 192.0.2.1 "$HOST" -k "$1" "$FAR" || return 1
	ip -n "$HOST" addr del 192.0.2.1/24 dev d0
	got=$(source_of "$HOST" -k "$1" "$FAR")
	ip -n "$HOST" addr add 192.0.2.1/24 dev d0
	same "$got" 192.0.2.2 && soon 192.0.2.1 "$HOST" -k "$1" "$FAR"
}

# What is sent without connect() is not checked, so here the kernel may choose for a moment.
never_fails_to_send()
{
	local i got
	for i in 1 2 3 4 5; do
		soon 192.0.2.1 "$HOST" -k sendto "$FAR" || return 1
		ip -n "$HOST" addr del 192.0.2.1/24 dev d0
		got=$(source_of "$HOST" -k sendto "$FAR")
		soon 192.0.2.2 "$HOST" -k sendto "$FAR" || return 1
		ip -n "$HOST" addr add 192.0.2.1/24 dev d0
		case $got in
		192.0.2.2 | "$VIP")	;;
		*)	echo "$got"; return 1 ;;
		esac
	done
}

# From `ip addr` being back until what is sent has another source.
measured()
{
	local i start took worst=0
	for i in 1 2 3 4 5 6 7 8; do
		soon 192.0.2.1 "$HOST" -k sendto "$FAR" || return 1
		start=${EPOCHREALTIME/[.,]/}
		ip -n "$HOST" addr del 192.0.2.1/24 dev d0
		soon 192.0.2.2 "$HOST" -k sendto "$FAR" || return 1
		took=$((${EPOCHREALTIME/[.,]/} - start))
		[ "$took" -le "$worst" ] || worst=$took
		ip -n "$HOST" addr add 192.0.2.1/24 dev d0
	done
	soon 192.0.2.1 "$HOST" -k sendto "$FAR" || return 1
	echo "# sendto() has the next best $worst us after 'ip addr del' began, at most" >&3
	[ "$worst" -lt $((1000000 * SLOW)) ]
}

ipv6_too()
{
	selsrc "$HOST" policy set d0 index && gets_by_all 2001:db8::1 "$HOST" 2001:db8:f::1 &&
		ip -n "$HOST" addr del 2001:db8::1/64 dev d0 &&
		gets 2001:db8::3 "$HOST" 2001:db8:f::1 &&
		soon 2001:db8::3 "$HOST" -k sendto 2001:db8:f::1 &&
		add_addr "$HOST" d0 2001:db8::1/64 &&
		soon 2001:db8::1 "$HOST" -k sendto 2001:db8:f::1 &&
		selsrc "$HOST" policy del d0
}

# --- routes, rules, labels, devices -----------------------------------------------------------

route_moves()
{
	ip -n "$HOST" route replace "$FAR/32" dev d1 || return 1
	soon 203.0.113.1 "$HOST" "$FAR" && ip -n "$HOST" route del "$FAR/32" dev d1 &&
		soon 192.0.2.1 "$HOST" "$FAR"
}

# Somebody who writes `src` into a route means it.
route_with_src()
{
	ip -n "$HOST" route add "$FAR/32" via 192.0.2.254 src 192.0.2.3 || return 1
	soon 192.0.2.3 "$HOST" "$FAR" && ip -n "$HOST" route del "$FAR/32" &&
		soon 192.0.2.1 "$HOST" "$FAR"
}

# We do not know the rules of policy routing: all of it is the kernel's.
rules_are_doubt()
{
	ip -n "$HOST" rule add fwmark 7 table 99 || return 1
	busywait 1000 says inet "policy routing" && gets "$VIP" "$HOST" "$FAR" &&
		ip -n "$HOST" rule del fwmark 7 && soon 192.0.2.1 "$HOST" "$FAR"
}

says()		# family words
{
	same "$(selsrc_json "$HOST" show | jq -r ".$1")" "$2"
}

labels_change()
{
	selsrc "$HOST" policy set d0 label,index && gets 2001:db8::1 "$HOST" 2001:db8:f::1 &&
		ip -n "$HOST" addrlabel add prefix 2001:db8:f::/48 label 99 &&
		ip -n "$HOST" addrlabel add prefix 2001:db8::3/128 label 99 || return 1
	busywait $((3000 * SLOW)) gets 2001:db8::3 "$HOST" 2001:db8:f::1 &&
		ip -n "$HOST" addrlabel del prefix 2001:db8:f::/48 label 99 &&
		ip -n "$HOST" addrlabel del prefix 2001:db8::3/128 label 99 &&
		busywait $((3000 * SLOW)) gets 2001:db8::1 "$HOST" 2001:db8:f::1 &&
		selsrc "$HOST" policy del d0
}

device_goes_down()
{
	ip -n "$HOST" route add "$FAR/32" dev d1 metric 5 &&
		ip -n "$HOST" route add "$FAR/32" dev d0 metric 9 || return 1
	soon 203.0.113.1 "$HOST" "$FAR" && ip -n "$HOST" link set d1 down &&
		soon 192.0.2.1 "$HOST" "$FAR" && ip -n "$HOST" link set d1 up &&
		ip -n "$HOST" route del "$FAR/32" dev d0 && soon 192.0.2.1 "$HOST" "$FAR"
}

# --- who follows -----------------------------------------------------------------------------

# Nobody does: the kernel's choice, as soon as the lease is over.
nobody_follows()
{
	end_follow KILL
	busywait 3000 gets "$VIP" "$HOST" "$FAR" &&
		selsrc "$HOST" show | grep 'inet left to the kernel: nobody follows' &&
		follow "$HOST" && soon 192.0.2.1 "$HOST" "$FAR"
}

ends_with_a_signal()
{
	end_follow TERM && gets "$VIP" "$HOST" "$FAR" &&
		grep 'times written' "$TMP"/follow.* && follow "$HOST" &&
		soon 192.0.2.1 "$HOST" "$FAR"
}

# More than its queue holds while it stands still: it notices, and reads all anew.
misses_events()
{
	local i follower
	follower=$(cat "$TMP/follower")
	for ((i = 0; i < 20000; i++)); do
		echo "route add 10.$((i / 256 % 256)).$((i % 256)).0/24 dev d1"
	done >"$TMP/routes"
	kill -STOP "$follower"
	ip -n "$HOST" -batch "$TMP/routes" && sed -i s/add/del/ "$TMP/routes" &&
		ip -n "$HOST" -batch "$TMP/routes"
	ip -n "$HOST" route add 10.99.0.0/16 dev d1
	kill -CONT "$follower"
	busywait $((5000 * SLOW)) gets 203.0.113.1 "$HOST" 10.99.1.1 || return 1
	ip -n "$HOST" route del 10.99.0.0/16 dev d1
	cat "$TMP"/follow.*
	grep -q 'told more than was read' "$TMP"/follow.*
}

# --- under load ---------------------------------------------------------------------------------

changes()	# [address that goes and comes]
{
	local end=$((SECONDS + SECONDS_OF_LOAD + 1)) i=0
	while [ "$SECONDS" -lt "$end" ]; do
		i=$((i + 1))
		[ -z "${1-}" ] || ip -n "$HOST" addr del "$1" dev d0
		ip -n "$HOST" route add "10.0.$((i % 256)).0/24" dev d1
		ip -n "$HOST" addr add 203.0.113.77/24 dev d1
		vestige "$HOST" addr pref set 192.0.2.3 dev d0 $((i % 9))
		[ -z "${1-}" ] || ip -n "$HOST" addr add "$1" dev d0
		ip -n "$HOST" route del "10.0.$((i % 256)).0/24" dev d1
		ip -n "$HOST" addr del 203.0.113.77/24 dev d1
		selsrc "$HOST" policy set default deprecated,preference,index
		selsrc "$HOST" policy set default deprecated,preference
	done
	echo "$i"
}

# Nobody moves, and the VIP is never a source; of $rounds rounds, $failed calls failed.
load()		# kind [address that goes and comes]
{
	local out
	changes "${2-}" >"$TMP/changes" 2>&1 &
	out=$(SLOW=2 source_of "$HOST" -k "$1" -t $((SECONDS_OF_LOAD * 1000)) "$FAR")
	wait $!
	echo "$out"
	rounds=$(tail -n 1 "$TMP/changes")
	[ "$(wc -l <"$TMP/changes")" = 1 ] || { cat "$TMP/changes"; return 1; }
	echo "# $1${2:+, $2 goes and comes}: $(head -n 1 <<<"$out"); $rounds rounds of changes" >&3
	failed=$(awk '/^done/ { print $4 }' <<<"$out")
	[[ $out == "done "*" moved 0"* ]] && [ "$rounds" -gt 3 ] && ! grep "^$VIP " <<<"$out"
}

never_fails()	# kind
{
	local rounds failed
	load "$1" && [ "$failed" = 0 ]
}

# An address may go after it was chosen and before it is used: for connect(), which has it
# checked in between, one call for each address that goes, at the very most; for sendto()
# those in the time until it is heard of.
fails_only_while_it_goes()	# kind
{
	local rounds failed most
	load "$1" 192.0.2.1/24 || return 1
	most=$rounds
	[ "$1" != sendto ] || most=$((rounds * 100))
	[ "$failed" -le "$most" ]
}

goes_with_detach()
{
	local follower
	follower=$(cat "$TMP/follower")
	selsrc "$HOST" detach || return 1
	ip -n "$HOST" addr del 192.0.2.3/24 dev d0
	busywait 3000 has_ended "$follower" && selsrc_is_clean
}

exec 3>&1
tap_start
topology || exit 1
for kind in tcp udp; do
	tap_test "an address goes: the next best at once, $kind" next_best_at_once $kind
done
tap_test "an address goes: sendto() does not fail" never_fails_to_send
tap_test "an address goes: how long sendto() needs" measured
tap_test "an address goes, IPv6" ipv6_too
tap_test "a route moves to another device" route_moves
tap_test "a route that names its source" route_with_src
tap_test "policy routing is left to the kernel" rules_are_doubt
tap_test "labels change" labels_change
tap_test "a device goes down" device_goes_down
tap_test "who follows is killed: the kernel's choice, until somebody follows" nobody_follows
tap_test "who follows is told to end" ends_with_a_signal
tap_test "events are missed" misses_events
for kind in tcp udp sendto; do
	tap_test "changes under load: no call fails, $kind" never_fails $kind
	tap_test "an address goes and comes under load, $kind" fails_only_while_it_goes $kind
done
tap_test "detach: who follows ends" goes_with_detach
tap_finish
