#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pool.sh - behaviour 8: what happens when the pool is full.
#
# The oldest of a class go first, exactly; each is counted; nothing goes before
# the pool is full; `status` says so. Sessions are told apart by their local
# port, which counts up: so the survivors must be the last ports.
# shellcheck source=selftests/net/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

# Records belong to a class in chunks of this many neighbours.
CHUNK=16
NEAR=127.0.0.1	# class loopback
FAR=127.0.0.2	# class remote, by a rule
NEAR6=::1

setup()		# entries
{
	[ -z "${HOST-}" ] || vestige "$HOST" detach
	setup_ns HOST
	backend_attach "$HOST" entries "$1" entries6 "$1" || return 1
	# Nothing may end by itself while we count.
	vestige "$HOST" mslt set loopback 5m local 5m remote 5m &&
		vestige "$HOST" mslt rule add "$FAR/32" remote
}

# N sessions with peer ADDRESS; local ports from FIRST on.
sessions()	# address first number
{
	local mapped=
	if [[ $1 == m* ]]; then mapped=-m; fi
	# shellcheck disable=SC2086 # an option or nothing
	in_ns "$HOST" "$TOOLS/churn" $mapped -n "$3" -b "${1#m}" -P "$2" "${1#m}" 9000
}

# Local ports that are remembered for peer ADDRESS, as "first-last/number".
survivors()	# address
{
	# Counted from the list itself, not from status.
	vestige "$HOST" -j vtw list | jq -r --arg a "$1" '
		[.[] | select(.peer == $a) | .local_port] | sort |
		if . == [] then "none" else "\(.[0])-\(.[-1])/\(length)" end'
}

# The newest ones, without a gap, the last one of them FIRST + NUMBER - 1.
are_the_newest()	# address last at-least at-most
{
	local got first last n
	got=$(survivors "$1")
	IFS=-/ read -r first last n <<<"$got"
	if [ "$got" != none ] && [ "$last" = "$2" ] && [ $((last - first + 1)) = "$n" ] &&
	   [ "$n" -ge "$3" ] && [ "$n" -le "$4" ]; then
		return 0
	fi
	echo "remembered of $1: $got; expected the last $3 to $4 up to $2"
	return 1
}

# Every session that was made is either live or counted as evicted.
adds_up()	# family made
{
	local live evicted
	live=$(live "$HOST" "$1") evicted=$(counter "$HOST" evicted)
	[ $((live + evicted)) -eq "$2" ] || {
		echo "$2 made, but $live live and $evicted evicted"
		return 1
	}
}

no_eviction_before_full()	# family address number
{
	sessions "$2" 1000 "$3" || return 1
	[ "$(counter "$HOST" evicted)" = 0 ] || {
		echo "$(counter "$HOST" evicted) evicted, with $(live "$HOST" "$1") live"
		return 1
	}
	[ "$(live "$HOST" "$1")" = "$3" ] || {
		echo "$3 made, $(live "$HOST" "$1") live"
		return 1
	}
	are_the_newest "$2" $((1000 + $3 - 1)) "$3" "$3"
}

# One more: exactly the oldest goes. A whole chunk may go at once when its
# turn comes, but never a younger one before an older one.
one_more()	# family address made capacity
{
	sessions "$2" $((1000 + $3)) 1 || return 1
	are_the_newest "${2#m}" $((1000 + $3)) $(($4 - CHUNK + 1)) "$4" &&
		adds_up "$1" $(($3 + 1))
}

many_more()	# family address made capacity more
{
	sessions "$2" $((1000 + $3)) "$5" || return 1
	are_the_newest "${2#m}" $((1000 + $3 + $5 - 1)) $(($4 - CHUNK + 1)) "$4" &&
		adds_up "$1" $(($3 + $5))
}

exactly_one_at_a_time()	# address made capacity
{
	local i
	for ((i = 0; i < CHUNK; i++)); do
		sessions "$1" $((1000 + $2 + i)) 1 || return 1
		are_the_newest "$1" $((1000 + $2 + i)) "$3" "$3" || return 1
	done
}

status_says_full()
{
	vestige "$HOST" status 2>&1 | grep 'a pool was full' &&
		[ "$(status_of "$HOST" .evicted)" = 1 ]
}

# $1 near and $2 far sessions fill the pool. Then the near ones go on.
two_classes()
{
	local first last n
	sessions "$NEAR" 1000 80 && sessions "$FAR" 3000 80 || return 1
	sessions "$NEAR" 1080 200 || return 1
	are_the_newest "$NEAR" 1279 64 160 || return 1
	if [ "$(survivors "$FAR")" != none ]; then
		IFS=-/ read -r first last n <<<"$(survivors "$FAR")"
		are_the_newest "$FAR" 3079 1 80 || return 1
	fi
	adds_up v4 360
}

# Room follows the traffic: the class that is used now gets most of the pool.
shares_follow()
{
	sessions "$FAR" 5000 400 || return 1
	are_the_newest "$FAR" 5399 $((160 - 2 * CHUNK)) 160 || return 1
	adds_up v4 760
}

# A class that holds a part of a chunk costs the others at most the rest of it.
small_class()
{
	sessions "$FAR" 3000 1 && sessions "$NEAR" 1000 $((160 - CHUNK)) || return 1
	[ "$(counter "$HOST" evicted)" = 0 ] || {
		echo "evicted with $((160 - CHUNK + 1)) of 160 in use"
		return 1
	}
	adds_up v4 $((160 - CHUNK + 1))
}

# What expired is no eviction, and its room is used again.
expired_is_not_evicted()
{
	vestige "$HOST" mslt set loopback 100ms && sessions "$NEAR" 1000 100 || return 1
	sleep 0.3
	sessions "$NEAR" 2000 100 && sleep 0.3 && sessions "$NEAR" 3000 100 || return 1
	[ "$(counter "$HOST" evicted)" = 0 ] || {
		echo "$(counter "$HOST" evicted) evicted, $(counter "$HOST" expired) expired"
		return 1
	}
	[ "$(counter "$HOST" entered_time_wait)" = 300 ] || {
		echo "entered_time_wait: $(counter "$HOST" entered_time_wait)"
		return 1
	}
}

# Under load on all CPUs nothing is lost from the books.
books_under_load()
{
	in_ns "$HOST" "$TOOLS/churn" -t 4 -n 20000 "$NEAR" 9000 || return 1
	local live lost
	live=$(live "$HOST" v4) lost=$(counter "$HOST" lost_no_record)
	echo "live $live, lost_no_record $lost"
	[ "$live" -gt $((160 - CHUNK)) ] && [ "$live" -le 160 ] && [ "$lost" -le 20 ]
}

# Pool and index for one session, and all fixed tables.
memory_is_small()
{
	status_of "$HOST" '[.pool.v4.bytes / .pool.v4.capacity,
		.pool.v6.bytes / .pool.v6.capacity, .fixed_bytes]'
	[ "$(status_of "$HOST" '.pool.v4.bytes <= 42 * .pool.v4.capacity and
		.pool.v6.bytes <= 66 * .pool.v6.capacity and .fixed_bytes <= 512 * 1024')" = true ]
}

capacity_is()	# entries
{
	[ "$(status_of "$HOST" .pool.v4.capacity)" = "$1" ] &&
		[ "$(status_of "$HOST" .pool.v6.capacity)" = "$1" ]
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "a full table of stock refuses the newest; known"
	tap_finish
fi
setup 160 || tap_skip_all "cannot attach"
tap_test "v4: nothing goes before the pool is full" no_eviction_before_full v4 "$NEAR" 160
tap_test "v4: one more, and the oldest goes" one_more v4 "$NEAR" 160 160
tap_test "v4: status says that the pool is full" status_says_full
tap_test "v4: 500 more leave the newest" many_more v4 "$NEAR" 161 160 500
setup 160
tap_test "v6: nothing goes before the pool is full" no_eviction_before_full v6 "$NEAR6" 160
tap_test "v6: one more, and the oldest goes" one_more v6 "$NEAR6" 160 160
tap_test "v6: 100 more leave the newest" many_more v6 "$NEAR6" 161 160 100
setup 160
tap_test "mapped: 160 fill the IPv4 pool" sessions m"$NEAR" 1000 160
tap_test "mapped: one more, and the oldest goes" one_more v4 m"$NEAR" 160 160
tap_test "v4: one by one, each time exactly the oldest" exactly_one_at_a_time "$NEAR" 161 160
setup 160
tap_test "two classes: each keeps its newest" two_classes
tap_test "two classes: the share follows the traffic" shares_follow
setup 160
tap_test "a class with one session costs at most one chunk" small_class
setup 160
tap_test "expired sessions are not evicted" expired_is_not_evicted
setup 160
tap_test "20000 sessions on 4 threads: the books balance" books_under_load
setup 1000
tap_test "1000 entries are 1000, not a power of two" capacity_is 1000
tap_test "1000 entries: nothing goes before the pool is full" \
	no_eviction_before_full v4 "$NEAR" 1000
tap_test "1000 entries: 50 more leave the newest" many_more v4 "$NEAR" 1000 1000 50
setup 65536
tap_test "64 Ki entries: at most 42 and 66 bytes each, 512 KiB fixed" memory_is_small
setup 1048576
tap_test "1 Mi entries: at most 42 and 66 bytes each, 512 KiB fixed" memory_is_small
setup 7
tap_test "7 entries: nothing goes before the pool is full" \
	no_eviction_before_full v4 "$NEAR" 7
tap_finish
