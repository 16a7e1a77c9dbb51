#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through tap_test()
#
# lifetime.sh - namespaces come and go in the midst of events; so does the module.
# shellcheck source=selftests/rtcache/lib.sh
. "$(dirname "$0")/lib.sh"
need_rtcache
tap_start
rounds=${ROUNDS:-12}

# Its last routes go in the moment that the namespace does, and a flux may be under way.
namespace_in_flux()	# name
{
	ip netns add "$1" && ip -n "$1" -batch "$TMP/routes"
	ip netns del "$1"
}

namespaces()
{
	local i jobs=()
	{
		echo 'link add d0 type dummy'
		echo 'link set d0 up'
		for ((i = 0; i < 50; i++)); do
			echo "route add 10.0.$i.0/24 dev d0"
			echo "route add 2001:db8:$i::/48 dev d0"
		done
	} >"$TMP/routes"
	for ((i = 0; i < rounds; i++)); do
		namespace_in_flux "vt-life-$i" &
		jobs+=($!)
		if ((i % 3 == 2)); then
			wait "${jobs[@]}" || return 1
			jobs=()
		fi
	done
	[ ${#jobs[@]} = 0 ] || wait "${jobs[@]}"
}

# Events all the time, in a namespace that stays.
churn()
{
	local i
	for ((i = 0; ; i++)); do
		ip -n "$A" route replace 10.1.0.0/16 dev "d$((i % 2))"
		ip -n "$A" neigh replace 192.0.2.7 dev d0 \
			lladdr "02:00:00:00:00:$(printf %02x $((i % 256)))"
	done
}

churning()	# command...
{
	local pid rc
	churn >/dev/null 2>&1 &
	pid=$!
	defer kill_pid "$pid"
	"$@"
	rc=$?
	kill_pid "$pid"
	return "$rc"
}

module_turns()
{
	local i
	for ((i = 0; i < rounds; i++)); do
		rmmod vestige || return 1
		modprobe vestige || return 1
	done
}

generations_grow()
{
	local before after
	before=$(gen "$A" get)
	rmmod vestige && modprobe vestige || return 1
	after=$(gen "$A" get)
	echo "$before; $after"
	[ "$(cut -d ' ' -f 2 <<<"$after")" -gt "$(cut -d ' ' -f 2 <<<"$before")" ] &&
		[ "$(cut -d ' ' -f 4 <<<"$after")" -gt "$(cut -d ' ' -f 4 <<<"$before")" ]
}

# Neither a listener keeps the module, nor who traces it.
unloads_while_in_use()
{
	busywait "$WAIT" grep -q ready "$TMP/listen" || return 1
	rmmod vestige && modprobe vestige
}

no_splat()
{
	! dmesg | grep -E 'WARNING|BUG|Oops|leaked|use-after-free|refcount_t|possible circular'
}

setup_ns A && setup_routed "$A" || exit 1
tap_test "$rounds namespaces come and go in flux" churning namespaces
tap_test 'the namespace that stays settles' settled "$A"
if [ "$(cat /sys/module/vestige/refcnt)" = 0 ]; then
	tap_test "$rounds times the module goes and comes, under events" churning module_turns
	tap_test 'generations of the next one begin beyond' generations_grow
	# Not in tap_test(): what is deferred in its subshell is never done.
	spawn "$A" "$TMP/listen" "$GEN" listen 10000
	setup_trace .0 || echo '# no tracefs'
	tap_test 'the module goes while somebody listens and traces' unloads_while_in_use
	tap_test 'and settles' settled "$A"
else
	tap_skip 'the module goes and comes' 'it is in use'
fi
tap_test 'the kernel has not complained' no_splat
tap_finish
