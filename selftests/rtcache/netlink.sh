#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through tap_test()
#
# netlink.sh - who asks, who flushes, who listens; bursts.
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
setup_ns A B && setup_routed "$A" && setup_routed "$B" || exit 1
burst=${BURST:-2000}
tap_start

cookies_differ()
{
	local a b
	a=$(stat "$A" cookie) b=$(stat "$B" cookie)
	[ -n "$a" ] && [ -n "$b" ] && [ "$a" != "$b" ]
}

word()		# n text
{
	cut -d ' ' -f "$1" <<<"$2"
}

# Which of the two move when COMMAND runs?
moves()		# "families" command...
{
	local want=$1 before after other got=
	shift
	settled "$A" "$B" || return 1
	before=$(gen "$A" get) other=$(gen "$B" get)
	"$@" || return 1
	after=$(gen "$A" get)
	[ "$(word 2 "$before")" = "$(word 2 "$after")" ] || got=inet
	[ "$(word 4 "$before")" = "$(word 4 "$after")" ] || got+=${got:+ }inet6
	if [ "$got" != "$want" ] || [ "$(gen "$B" get)" != "$other" ]; then
		echo "moved '$got' instead of '$want': $before; $after"
		return 1
	fi
	settled "$A"
}

# In a user namespace of his own root has no say over the namespace of the host's.
stranger_flushes()
{
	nsenter --net="/run/netns/$A" setpriv --reuid 65534 --clear-groups --inh-caps=-all \
		--bounding-set=-all "$GEN" flush
}

refused()
{
	local out
	out=$(stranger_flushes 2>&1) && { echo "not refused"; return 1; }
	[[ $out == *"Operation not permitted"* ]] || { echo "$out"; return 1; }
}

# A user namespace's own network namespace is his.
owner_flushes()
{
	unshare -Urn "$GEN" flush
}

# --- listeners --------------------------------------------------------------------------------

listen()	# file ms; waits until it does
{
	spawn "$A" "$1" "$GEN" listen "$2"
	busywait "$WAIT" grep -q ready "$1"
}

# What is told: the route, and that it has settled under the next even generation.
told_of_a_route()
{
	local out=$TMP/told gen
	settled "$A" || return 1
	listen "$out" "$WAIT" || return 1
	ip -n "$A" route add 10.1.0.0/16 dev d0
	wait "$spawned"
	gen=$(sed -n 's,^inet fib_replace gen \([0-9]*\) count 1 10.1.0.0/16 dev .*,\1,p' "$out")
	cat "$out"
	[ -n "$gen" ] && grep -q "^inet settled gen $((gen + 1)) count 0$" "$out"
}

not_told_elsewhere()
{
	local out=$TMP/elsewhere
	settled "$A" || return 1
	listen "$out" $((WAIT / 4)) || return 1
	ip -n "$B" route add 10.1.0.0/16 dev d0
	wait "$spawned"
	! grep fib "$out"
}

routes()	# add|del
{
	awk -v verb="$1" -v n="$burst" 'BEGIN { for (i = 0; i < n; i++)
		printf "route %s 10.%d.%d.0/24 dev d0\n", verb, 100 + i / 256, i % 256 }'
}

# So many messages, and together they stand for each event.
burst_is_summed_up()
{
	local out=$TMP/burst told count settles before
	settled "$A" || return 1
	before=$(stat "$A" inet.settles)
	listen "$out" "$WAIT" || return 1
	ip -n "$A" -batch "$TMP/add" || return 1
	wait "$spawned"
	settles=$(($(stat "$A" inet.settles) - before))
	told=$(grep -c '^inet fib_replace' "$out")
	count=$(awk '$1 == "inet" { sum += $6 } END { print sum }' "$out")
	echo "$burst routes: $settles settles, $told messages that stand for $count"
	! grep lost "$out" && [ "$count" -ge "$burst" ] && [ "$count" -le $((burst + 20)) ] &&
		[ "$told" -lt "$burst" ]
}

# One flux as long as the burst lasts: far fewer settles than routes.
burst_is_one_flux()
{
	local before settles
	settled "$A" || return 1
	before=$(stat "$A" inet.settles)
	ip -n "$A" -batch "$TMP/del" || return 1
	settled "$A" || return 1
	settles=$(($(stat "$A" inet.settles) - before))
	echo "$burst routes: $settles settles"
	[ "$settles" -ge 1 ] && [ $((settles * 20)) -le "$burst" ]
}

routes add >"$TMP/add"
routes del >"$TMP/del"
tap_test 'each namespace has its cookie' cookies_differ
tap_test 'flush: both families' moves 'inet inet6' gen "$A" flush
tap_test 'flush: IPv4' moves inet gen "$A" flush inet
tap_test 'flush: IPv6' moves inet6 gen "$A" flush inet6
if command -v setpriv >/dev/null; then
	tap_test 'flush: refused without CAP_NET_ADMIN' moves '' refused
else
	tap_skip 'flush: refused without CAP_NET_ADMIN' 'needs setpriv'
fi
if unshare -Urn true 2>/dev/null; then
	tap_test 'flush: of his own namespace, anybody may' owner_flushes
else
	tap_skip 'flush: of his own namespace, anybody may' 'no user namespaces'
fi
tap_test 'a listener hears of a route, and of the end of the flux' told_of_a_route
tap_test 'a listener hears nothing of another namespace' not_told_elsewhere
tap_test 'a burst is told of by a few messages, each event counted' burst_is_summed_up
tap_test 'a burst is few fluxes' burst_is_one_flux
tap_finish
