#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh - attach and detach are killed, or refused, at each of their steps.
#
# VESTIGE_FAULT=N is kill -9 before step N; -N makes that step fail; count prints how many
# there are. After a kill connect() must work, and the next attach or detach must mend what
# is left; after a failure nothing may be left at all, or another cgroup's part untouched.
# shellcheck source=selftests/selsrc/lib.sh disable=SC2015,SC2317
. "$(dirname "$0")/lib.sh"

VIP=192.0.2.10 OWN=192.0.2.1 FAR=198.51.100.1

topology()
{
	setup_ns HOST
	device "$HOST" d0 $VIP/24,preferred_lft,0 $OWN/24
	ip -n "$HOST" route add default via 192.0.2.254
	defer vestige "$HOST" selsrc detach
	printf 'policy set default deprecated\npref set %s dev d0 3\n' $OWN >"$TMP/conf"
	ATTACH=(selsrc attach cgroup "$CG" conf "$TMP/conf")
	DETACH=(selsrc detach)
}

steps_of()	# undo command...
{
	local undo=$1 n
	shift
	n=$(VESTIGE_FAULT=count vestige "$HOST" "$@" 2>&1 | tail -n 1)
	$undo >/dev/null || return 1
	[ "$n" -gt 10 ] && echo "$n"
}

do_attach() { vestige "$HOST" "${ATTACH[@]}"; }
do_detach() { vestige "$HOST" "${DETACH[@]}"; }

kill_at()	# step command...
{
	local step=$1
	shift
	{ VESTIGE_FAULT=$step vestige "$HOST" "$@"; } >/dev/null 2>&1
	[ $? -eq 137 ] || { echo "not killed at step $step"; return 1; }
}

# The socket is connected, by whichever source.
works()
{
	local got
	got=$(source_of "$HOST" "$FAR")
	[ "$got" = "$VIP" ] || [ "$got" = "$OWN" ] || { echo "connect: $got"; return 1; }
}

# A whole one: with somebody who follows it does what the file says.
is_whole()
{
	follow "$HOST" || return 1
	soon "$OWN" "$HOST" "$FAR" && soon "$OWN" "$HOST" -k sendto "$FAR"
	local rc=$?
	end_follow TERM
	return "$rc"
}

killed_then_attach()	# step
{
	kill_at "$1" "${ATTACH[@]}" && works && do_attach && is_whole && do_detach &&
		selsrc_is_clean
}

killed_then_detach()	# step
{
	kill_at "$1" "${ATTACH[@]}" && works && do_detach && selsrc_is_clean && works
}

fails_cleanly()	# step
{
	local out rc
	out=$(VESTIGE_FAULT=-$1 vestige "$HOST" "${ATTACH[@]}" 2>&1)
	rc=$?
	echo "exit $rc: $out"
	[ "$rc" -eq 2 ] && [ "$(wc -l <<<"$out")" = 1 ] && [[ $out == vestige:* ]] &&
		selsrc_is_clean && works
}

run_attach()
{
	local i steps
	steps=$(steps_of do_detach "${ATTACH[@]}")
	tap_result $? "attach has $steps steps"
	for ((i = 1; i <= ${steps:-0}; i++)); do
		if ((i % 2)); then
			tap_test "attach killed at step $i: attach mends" killed_then_attach $i
		else
			tap_test "attach killed at step $i: detach mends" killed_then_detach $i
		fi
		tap_test "attach fails at step $i: nothing is left" fails_cleanly $i
	done
}

# --- detach ----------------------------------------------------------------------------------

detach_killed()	# step mend
{
	do_attach && kill_at "$1" "${DETACH[@]}" && works && $2 || return 1
	[ "$2" = do_detach ] || { is_whole && do_detach; } || return 1
	selsrc_is_clean && works
}


detach_fails()	# step
{
	local out rc
	do_attach || return 1
	out=$(VESTIGE_FAULT=-$1 vestige "$HOST" "${DETACH[@]}" 2>&1)
	rc=$?
	echo "exit $rc: $out"
	[ "$rc" -eq 2 ] && works && do_detach && selsrc_is_clean
}

run_detach()
{
	local i steps
	do_attach
	steps=$(steps_of do_attach "${DETACH[@]}")
	tap_result $? "detach has $steps steps"
	do_detach
	for ((i = 1; i <= ${steps:-0}; i += 2)); do
		tap_test "detach killed at step $i: detach goes on" detach_killed $i do_detach
		tap_test "detach fails at step $i: detach goes on" detach_fails $i
		[ $((i + 1)) -gt "$steps" ] ||
			tap_test "detach killed at step $((i + 1)): attach mends" \
				detach_killed $((i + 1)) do_attach
	done
}

# --- a second cgroup ---------------------------------------------------------------------------

# The first one stays as it is, whatever becomes of the second.
second_fails()	# step
{
	local out rc
	first_prefs
	out=$(VESTIGE_FAULT=-$1 vestige "$HOST" "${SECOND[@]}" 2>&1)
	rc=$?
	[ "$rc" -eq 2 ] && [ "$(wc -l <<<"$out")" = 1 ] || { echo "exit $rc: $out"; return 1; }
	same "$(prefs)" '[3]' && only_the_first
}

# Those of the first one's file, which are everybody's; a second that was attached has changed them.
first_prefs()
{
	vestige "$HOST" addr pref set "$OWN" dev d0 3
	vestige "$HOST" addr pref del "$VIP" dev d0 2>/dev/null
}

prefs()
{
	vestige "$HOST" -j addr show | jq -c '[.[].preference | select(. != 0)]'
}

second_killed()	# step
{
	kill_at "$1" "${SECOND[@]}" && soon "$OWN" "$HOST" "$FAR" &&
		vestige "$HOST" "${SECOND[@]}" && CG=$CG2 soon "$OWN" "$HOST" "$FAR" &&
		selsrc "$HOST" detach cgroup "$CG2" && only_the_first
}

only_the_first()
{
	soon "$OWN" "$HOST" "$FAR" && CG=$CG2 gets "$VIP" "$HOST" "$FAR" &&
		same "$(selsrc_json "$HOST" show | jq -c '[.cgroups[].cgroup]')" "[\"$CG\"]"
}

detach_second()
{
	selsrc "$HOST" detach cgroup "$CG2"
}

run_second()
{
	local i steps
	CG2=$CG-second
	{
		cat "$TMP/conf"
		printf 'pref set %s dev d0 %d\n' $OWN 4 $VIP 5 $VIP 6
	} >"$TMP/conf2"
	SECOND=(selsrc attach cgroup "$CG2" conf "$TMP/conf2")
	mkdir "$CG2" && defer rmdir "$CG2"
	do_attach && follow "$HOST"
	steps=$(steps_of detach_second "${SECOND[@]}")
	tap_result $? "attach of a second cgroup has $steps steps"
	for ((i = 1; i <= ${steps:-0}; i++)); do
		if ((i % 2)); then
			tap_test "a second attach fails at step $i" second_fails $i
		else
			tap_test "a second attach is killed at step $i" second_killed $i
		fi
	done
}

tap_start
topology
run_attach
run_detach
run_second
tap_test "detach" do_detach
tap_test "nothing is left" selsrc_is_clean
tap_finish
