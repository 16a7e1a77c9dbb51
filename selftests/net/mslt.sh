#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mslt.sh - behaviour 9: how long TIME_WAIT lasts depends on how near the peer is.
#
#   $HOST                        $ROUTER                       $FAR
#   192.0.2.1/24   a0 ---- b0  192.0.2.2     c0 ---- d0  198.51.100.2/24
#   2001:db8::1/64             198.51.100.1              2001:db8:f::2/64
#
# Sessions of $HOST with itself are loopback, with $ROUTER local, with $FAR,
# which is behind a gateway, remote. Rules for prefixes beat that.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

FAR4=198.51.100.2 GW4=198.51.100.1
FAR6=2001:db8:f::2 GW6=2001:db8:f::1
SERVER_PORT=9000
BULK_PORT=9001 BULK=60000	# servers that want that many bytes
FILL_PORT=9002 FILL=4000000
PORT=	# local port of the last session

# Lengths that cannot be taken for one another, nor for a default.
LOOPBACK_MS=21000 LOCAL_MS=43000 REMOTE_MS=85000

topology()
{
	setup_ns HOST ROUTER FAR
	ns_set "$ROUTER" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	veth_pair "$HOST" a0 "$HOST_MAC" "$ROUTER" b0 "$PEER_MAC"
	veth_pair "$ROUTER" c0 02:00:00:00:00:03 "$FAR" d0 02:00:00:00:00:04
	add_addresses "$HOST" a0 "$HOST4" "$HOST6"
	add_addresses "$ROUTER" b0 "$PEER4" "$PEER6"
	add_addresses "$ROUTER" c0 "$GW4" "$GW6"
	add_addresses "$FAR" d0 "$FAR4" "$FAR6"
	ip -n "$HOST" route add default via "$PEER4"
	ip -n "$HOST" -6 route add default via "$PEER6"
	ip -n "$FAR" route add default via "$GW4"
	ip -n "$FAR" -6 route add default via "$GW6"
}

# A session of $HOST with ADDRESS, closed first here; m in front: v4-mapped.
# It gets the next $PORT.
session()	# address [churn-options...]
{
	local to=${1#m} from=:: mapped=()
	[ "$to" = "$1" ] || mapped=(-m)
	case $to in
	*.*)	from=0.0.0.0 ;;
	esac
	shift
	PORT=$((20000 + $(unique)))
	in_ns "$HOST" "$TOOLS/churn" -c -n 1 "${mapped[@]}" -b "$from" -P "$PORT" "$@" \
		"$to" "$SERVER_PORT" >/dev/null
}

recorded()	# jq-path; of the session with $PORT
{
	vestige "$HOST" -j vtw list |
		jq -r --argjson p "$PORT" ".[] | select(.local_port == \$p) | $1"
}

# Just entered: a length of MS has at most MS left, and not much less.
lasts()		# ms
{
	local left
	left=$(recorded .expires_ms)
	[ -n "$left" ] && [ "$left" -le "$1" ] && [ "$left" -gt $(($1 - 3000 * SLOW)) ] && return
	echo "${left:-nothing} ms are left; the length is $1 ms"
	return 1
}

is_class()	# address class ms [churn-options...]
{
	local class
	session "$1" "${@:4}" || { echo "no session with $1"; return 1; }
	class=$(recorded .class)
	[ "$class" = "$2" ] || { echo "class $class instead of $2"; return 1; }
	lasts "$3"
}

# Not only this host's connect(): the class of a session that a peer began.
incoming_is_local()	# address of $HOST
{
	serve "$HOST" :: 9100 -s || return 1
	in_ns "$ROUTER" "$TOOLS/churn" -c -s -n 1 "$1" 9100 >/dev/null || return 1
	[ "$(vestige "$HOST" -j vtw list |
		jq -r '[.[] | select(.local_port == 9100)][0].class')" = local ]
}

# Prefix, class or duration; then a session and what it must be.
rules='
127.0.0.0/8		remote	127.0.0.1	remote	85000
127.0.0.0/8		30s	127.0.0.1	rule	30000
127.1.0.0/16		31s	127.1.2.3	rule	31000
127.1.2.0/24		local	127.1.2.3	local	43000
127.1.2.3/32		2500ms	127.1.2.3	rule	2500
192.0.2.0/24		remote	192.0.2.2	remote	85000
192.0.2.2/32		32s	m192.0.2.2	rule	32000
198.51.100.0/24		loopback 198.51.100.2	loopback 21000
0.0.0.0/0		33s	198.51.100.2	rule	33000
::1/128			remote	::1		remote	85000
2001:db8:f::/48		34s	2001:db8:f::2	rule	34000
::/0			35s	2001:db8::2	rule	35000
'

rule_beats()	# prefix class-or-duration address class ms
{
	vestige "$HOST" mslt rule add "$1" "$2" || return 1
	is_class "$3" "$4" "$5"
	local rc=$?
	vestige "$HOST" mslt rule del "$1" || return 1
	return "$rc"
}

run_rules()
{
	local prefix what addr class ms
	while read -r prefix what addr class ms; do
		[ -z "$prefix" ] ||
			tap_test "rule $prefix $what: session with $addr is $class, $ms ms" \
				rule_beats "$prefix" "$what" "$addr" "$class" "$ms"
	done <<<"$rules"
}

longest_prefix_wins()
{
	vestige "$HOST" mslt rule add 127.0.0.0/8 40s &&
		vestige "$HOST" mslt rule add 127.7.0.0/16 50s || return 1
	is_class 127.7.7.7 rule 50000 && is_class 127.8.8.8 rule 40000
	local rc=$?
	vestige "$HOST" mslt rule del 127.0.0.0/8
	vestige "$HOST" mslt rule del 127.7.0.0/16
	return "$rc"
}

rules_are_gone()
{
	is_class 127.0.0.1 loopback "$LOOPBACK_MS" && is_class "$PEER4" local "$LOCAL_MS" &&
		[ "$(vestige "$HOST" -j mslt show | jq '.rules | length')" = 0 ]
}

change_at_run_time()
{
	local short=$((4000 * SLOW))	# to be asked for meanwhile, on a busy host
	vestige "$HOST" mslt set loopback "${short}ms" &&
		is_class 127.0.0.1 loopback "$short" || return 1
	sleep "$(((short + 1099) / 1000))"
	[ -z "$(recorded .class)" ] || { echo "$short ms are over; still there"; return 1; }
	vestige "$HOST" mslt set loopback "${LOOPBACK_MS}ms" local 11s &&
		is_class 127.0.0.1 loopback "$LOOPBACK_MS" && is_class "$PEER4" local 11000
	local rc=$?
	vestige "$HOST" mslt set local "${LOCAL_MS}ms"
	return "$rc"
}

# What was promised before holds: only younger sessions live shorter.
older_keep_their_length()
{
	session 127.0.0.1 || return 1
	local old=$PORT
	vestige "$HOST" mslt set loopback 300ms && session 127.0.0.1 && sleep 0.6 || return 1
	PORT=$old
	lasts "$LOOPBACK_MS"
	local rc=$?
	vestige "$HOST" mslt set loopback "${LOOPBACK_MS}ms"
	return "$rc"
}

off_is_a_minute()
{
	vestige "$HOST" mslt off || return 1
	session 127.0.0.1 && lasts 60000 && session "$PEER6" && lasts 60000 &&
		session "$FAR4" && lasts 60000
	local rc=$?
	vestige "$HOST" mslt on
	return "$rc"
}

show_says_it()
{
	local got
	got=$(vestige "$HOST" -j mslt show | jq -c '[.on, .length_ms]')
	[ "$got" = '[true,{"loopback":21000,"local":43000,"remote":85000}]' ] ||
		{ echo "$got"; return 1; }
}

defaults_are()
{
	is_class 127.0.0.1 loopback 2000 && is_class "$PEER4" local 10000 &&
		is_class "$FAR4" remote 60000
}

# netem is not in every kernel; a token bucket is. What queues up before it waits:
# at 64 KB/s, 14 KB of somebody's bulk transfer are 220 ms for everybody.
slow_link()
{
	tc -n "$HOST" qdisc replace dev a0 root tbf rate 512kbit burst 2000 latency 3s
}

fast_link()
{
	tc -n "$HOST" qdisc del dev a0 root
}

queue_is_long()
{
	[ "$(tc -n "$HOST" -s -j qdisc show dev a0 | jq '.[0].backlog')" -gt 12000 ]
}

# The class of a session while the queue is long. On a busy host it may have run dry in
# between, so that who is not slow enough tries again.
class_behind_queue()	# threshold address class ms
{
	local rc
	vestige "$HOST" mslt threshold "$1" && slow_link || return 1
	spawn "$HOST" /dev/null "$TOOLS/churn" -c -n 1 -p "$FILL" "$PEER4" "$FILL_PORT"
	for _ in 1 2 3 4 5; do
		busywait 10000 queue_is_long || echo "the queue does not get long"
		is_class "$2" "$3" "$4"
		rc=$?
		[ "$rc" != 0 ] || break
	done
	kill_pid "$spawned"
	fast_link
	vestige "$HOST" mslt threshold off
	return "$rc"
}

# Fast at first, then slow by its own queue: the best RTT shows how near it is.
once_near_stays_near()
{
	local rc
	vestige "$HOST" mslt threshold 50ms && slow_link || return 1
	SERVER_PORT=$BULK_PORT is_class "$PEER4" local "$LOCAL_MS" -p "$BULK"
	rc=$?
	fast_link
	vestige "$HOST" mslt threshold off
	return "$rc"
}

nearness='
127.0.0.1	loopback
127.255.3.9	loopback
192.0.2.1	loopback
m127.0.0.1	loopback
m192.0.2.1	loopback
::1		loopback
2001:db8::1	loopback
192.0.2.2	local
m192.0.2.2	local
2001:db8::2	local
198.51.100.2	remote
m198.51.100.2	remote
2001:db8:f::2	remote
'

run_nearness()
{
	local addr class
	declare -A ms=([loopback]=$LOOPBACK_MS [local]=$LOCAL_MS [remote]=$REMOTE_MS)
	while read -r addr class; do
		[ -z "$addr" ] || tap_test "a session with $addr is $class" \
			is_class "$addr" "$class" "${ms[$class]}"
	done <<<"$nearness"
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "stock has one length for all"
	tap_finish
fi
topology
backend_attach "$HOST" || exit 1
for ns in "$HOST" "$ROUTER" "$FAR"; do
	serve "$ns" :: "$SERVER_PORT"
	serve "$ns" :: "$BULK_PORT" -p "$BULK"
	serve "$ns" :: "$FILL_PORT" -p "$FILL"
done
tap_test "defaults: 2, 10 and 60 s" defaults_are
vestige "$HOST" mslt set loopback "${LOOPBACK_MS}ms" local "${LOCAL_MS}ms" remote "${REMOTE_MS}ms"
run_nearness
tap_test "a session that the peer began, from on-link IPv4" incoming_is_local "$HOST4"
tap_test "mslt show says what was set" show_says_it
run_rules
tap_test "of two rules the longer prefix wins" longest_prefix_wins
tap_test "deleted rules have no effect" rules_are_gone
tap_test "lengths change at run time" change_at_run_time
tap_test "a shorter length is for younger sessions" older_keep_their_length
tap_test "mslt off: one minute for all" off_is_a_minute
tap_test "a slow on-link peer is promoted to remote, IPv4" \
	class_behind_queue 50ms "$PEER4" remote "$REMOTE_MS"
tap_test "a slow on-link peer is promoted to remote, IPv6" \
	class_behind_queue 50ms "$PEER6" remote "$REMOTE_MS"
tap_test "a slow on-link peer is promoted to remote, mapped" \
	class_behind_queue 50ms "m$PEER4" remote "$REMOTE_MS"
tap_test "not promoted below the threshold" class_behind_queue 5s "$PEER4" local "$LOCAL_MS"
tap_test "not promoted because it was slow for a while" once_near_stays_near
tap_test "loopback is never promoted" class_behind_queue 1ms 127.0.0.1 loopback "$LOOPBACK_MS"
tap_finish
