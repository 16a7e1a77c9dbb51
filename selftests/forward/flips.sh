#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through tap_test
#
# flips.sh - routes change while packets come without a pause: how many leave by the old
# path after the change has returned? With the module none; with `vestige rtcache follow`
# they do so for a window, which is measured.
#
#	FLIPS=N		changes of each family (default: 10000; in an emulated machine 300)
#	PAUSE=MS	up to so long after one in four (default: 40)
# shellcheck source=selftests/forward/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$SLOW" = 1 ]; then FLIPS=${FLIPS:-10000}; else FLIPS=${FLIPS:-300}; fi
PAUSE=${PAUSE:-$((40 * SLOW))}
# What `follow` may take to hear of a change on a busy machine.
BOUND_US=$((100000 * SLOW))

field()		# name, of $result
{
	sed -n "s/.*$1 \\([0-9]*\\).*/\\1/p" <<<"$result"
}

flipped()	# family
{
	local hits
	hits=$(forward_stat hit)
	result=$(timeout $((280 + FLIPS / 4)) "$FORWARD_TOOLS/flips" "$1" "$FLIPS" "$PAUSE" \
		"$SRC" "$ROUTER" "$FAR") || return 1
	hits=$(($(forward_stat hit) - hits))
	echo "$result; $hits hits"
	# Enough was sent, it came out, and cached flows had a part in it.
	[ "$(field sent)" -ge $((2 * FLIPS)) ] && [ "$(field seen)" -gt $((FLIPS / 2)) ] &&
		[ "$hits" -gt "$FLIPS" ]
}

told()		# family; tells what was measured, also when all is well
{
	local rc
	flipped "$1" >"$TMP/result" 2>&1
	rc=$?
	result=$(<"$TMP/result")
	return "$rc"
}

none_old()
{
	[ "$(field old)" = 0 ]
}

soon_over()
{
	[ "$(field window_us)" -le "$BOUND_US" ]
}

tap_start
setup_router 8 || exit 1
attach age "$((5 * SLOW))s" 2>"$TMP/attach" || { cat "$TMP/attach"; exit 1; }
keep_generations
for f in 4 6; do
	tap_test "IPv$f: $FLIPS flips under load" told "$f"
	result=$(<"$TMP/result")
	echo "# $result"
	if have_module; then
		tap_test "IPv$f: no packet on the old path" none_old
	else
		tap_test "IPv$f: on the old path for at most $BOUND_US us" soon_over
	fi
done
tap_finish
