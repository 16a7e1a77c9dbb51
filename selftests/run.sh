#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [WORD] - run the tests, or those whose name contains WORD
#
# Tiers, cheapest first: unit (pure functions), prog_run (packets through
# BPF_PROG_TEST_RUN), net, rtcache, forward, selsrc (real sockets in namespaces), vm
# (other kernels, in emulated machines; KERNELS="6.1 ..." or none; what needs the
# module runs only there). Each program prints TAP; here it becomes one TAP stream. A
# program that dies, that prints no plan or fewer tests than planned, or that skips
# without saying why, fails.
#
# The machines are fetched and built from the beginning, with what the other tiers, which
# wait more than they work, leave of the processors. They boot when those are through: a
# machine that has to wait for a processor fails as other tests would.
set -u
shopt -s nullglob

cd "$(dirname "$0")/.." || exit 1
O=${O:-build}
case $O in
/*)	;;
*)	O=$PWD/$O ;;
esac
export O VESTIGE="${VESTIGE:-$O/vestige}" TOOLS="${TOOLS:-$O/selftests/net}"
word=${1:-}
limit=${TEST_TIMEOUT:-300}
log=$O/log
child=
machines=
count=0 passed=0 failed=0 skipped=0

# What was started here, and is not over.
running() {
	jobs -pr | grep -qx "${1:-none}"
}

stop() {
	local pid
	trap '' INT TERM HUP PIPE
	for pid in $child $machines; do
		! running "$pid" || kill -TERM "$pid" 2>/dev/null
	done
	wait
}
trap 'exit 130' INT TERM HUP PIPE
trap stop EXIT

tap() {
	count=$((count + 1))
	echo "$1 $count - $2"
}

judge() {
	local name=$1 out=$2 rc=$3 before=$failed verdict text

	while read -r verdict text; do
		case $verdict in
		pass)	passed=$((passed + 1)); tap ok "$name: $text" ;;
		skip)	skipped=$((skipped + 1)); tap ok "$name: $text" ;;
		fail)	failed=$((failed + 1)); tap 'not ok' "$name: $text" ;;
		esac
	done < <(awk -v rc="$rc" -f selftests/judge.awk "$out")
	[ "$failed" = "$before" ] && return
	echo "# $name failed; the end of $out:"
	tail -n 60 "$out" | sed 's/^/# | /'
}

run_one() {
	local name=$1 program=$2 start=$SECONDS out rc

	out=$log/${name//\//.}.log
	echo "# $name"
	timeout -k 15 "$limit" "$program" >"$out" 2>&1 </dev/null &
	child=$!
	{ wait "$child"; } 2>/dev/null # the shell would tell of a kill, too
	rc=$?
	child=
	judge "$name" "$out" "$rc"
	echo "# $name took $((SECONDS - start)) s"
}

# A C test without its program was not built: that is a failure, not a skip.
run_tier() {
	local tier=$1 start=$SECONDS ran=0 source program name
	shift

	for source; do
		name=${source##*/}
		case $name in
		fault.sh | lib.sh | scenario.sh | state.sh)	continue ;; # used by tests
		*.bpf.c)	continue ;; # part of one
		vrf.sh)	continue ;; # in the emulated machines: not every host has VRFs
		*.c)	program=$O/${source%.c} name=${name#test_} ;;
		*)	program=$source
			! grep -Eq '^need_(module|rtcache)' "$source" || continue ;;
		esac
		name=$tier/${name%.*}
		case $name in
		*"$word"*)	run_one "$name" "$program"; ran=$((ran + 1)) ;;
		esac
	done
	[ "$ran" = 0 ] || echo "# $tier: $ran programs in $((SECONDS - start)) s"
}

start_machines()
{
	[[ vm/run == *"$word"* ]] || return
	# How far they are comes by descriptor 3.
	VM_GO=$log/vm.go nice -n 19 timeout -k 15 "${VM_TIMEOUT:-5000}" selftests/vm/run.sh \
		3>&1 >"$log/vm.run.log" 2>&1 </dev/null &
	machines=$!
}

# All threads of a process and of its descendants. Who forks meanwhile has the old value.
hasten()	# pid
{
	local pid threads=("/proc/$1/task"/*)
	renice -n 0 -p "${threads[@]##*/}" >/dev/null 2>&1
	for pid in $(pgrep -P "$1"); do
		hasten "$pid"
	done
}

wait_for_machines()
{
	local start=$SECONDS rc
	[ -n "$machines" ] || return
	echo "# vm/run"
	for _ in 1 2; do
		! running "$machines" || hasten "$machines"
		sleep 1
	done
	touch "$log/vm.go"
	{ wait "$machines"; } 2>/dev/null
	rc=$?
	machines=
	judge vm/run "$log/vm.run.log" "$rc"
	echo "# vm/run took $((SECONDS - start)) s more"
}

rm -rf "$log"
mkdir -p "$log" || exit 1
echo "TAP version 13"
[ "${MKBPF:-yes}" = no ] || {
	start_machines
}
run_tier unit selftests/unit/test_*.c
[ "${MKBPF:-yes}" = no ] || {
	run_tier prog_run selftests/prog_run/test_*.c
	for tier in net rtcache forward selsrc; do
		run_tier "$tier" "selftests/$tier"/*.sh
	done
	wait_for_machines
}
echo "1..$count"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ $((passed + skipped)) != 0 ]
