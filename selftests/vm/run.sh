#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh - boots Debian's kernels in emulated machines and runs tests there
#
#   KERNELS="6.1 ..."	of 6.1, 6.12 and unstable, which is the newest (default: all)
#   VMS=N		machines at once (default: 3: each waits half of the time)
#   VM_LIMIT=SECONDS	for one of them (default: 3600)
#   VM_GO=FILE		prepare all, and boot when that file is there
#   VM_TESTS="gre/* ..."	of the list in tests; shell patterns (default: all)
#   KVM=1		not emulated: where /dev/kvm can be used, and does not hang
#   MKKMOD=no		without vestige.ko and its tests
#
# Prints TAP: one line for each test of each kernel. A guest is the kernel out of
# its Debian package and an initramfs with the tools of this host, the tests and
# vestige.ko, built for it; it has no disk and no network. What is fetched and what
# the guests say is kept in build/vm.
#
# Not virtme-ng: sharing the files of the host and starting its services, emulated,
# takes it 40 to 75 s until the first test; an initramfs gets there in 5.
set -u

cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}" PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# shellcheck source=selftests/vm/guest.sh
. selftests/vm/guest.sh
KERNELS=${KERNELS:-6.1 6.12 unstable}
VMS=${VMS:-3}
VM_LIMIT=${VM_LIMIT:-3600}
VM_TESTS=${VM_TESTS:-*}
MKKMOD=${MKKMOD:-yes}
count=0 failed=0

tap()		# ok|"not ok" text
{
	count=$((count + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $count - $2"
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# --- what to run -------------------------------------------------------------

# FOLDER/* is all that has a source there and no line of its own: what was not built
# fails.
sources()	# folder
{
	local file name
	for file in "selftests/$1"/*.sh "selftests/$1"/test_*.c; do
		name=${file##*/}
		case $name in
		'*.sh' | 'test_*.c' | lib.sh | *.bpf.c)	continue ;;
		*.c)	name=${name#test_} ;;
		esac
		grep -q "^$1/${name%.*}[[:space:]]" "$HERE/tests" || echo "$1/${name%.*}"
	done
}

needs_module()	# test
{
	[[ $1 == vm/* ]] || grep -Eqs '^need_(module|rtcache)' "selftests/$1.sh"
}

wanted()	# test
{
	local pattern
	[ "$MKKMOD" = yes ] || ! needs_module "$1" || return 1
	set -f
	for pattern in $VM_TESTS; do
		# shellcheck disable=SC2053	# a pattern
		[[ $1 == $pattern ]] && set +f && return
	done
	set +f
	return 1
}

expand_tests()
{
	local name rest each
	while read -r name rest; do
		case $name in
		'' | '#'*)	continue ;;
		*/'*')	each=$(sources "${name%/*}") ;;
		*)	each=$name ;;
		esac
		for name in $each; do
			! wanted "$name" || echo "$name $rest"
		done
	done <"$HERE/tests"
}

# The verdict on the module is a test, too; without one the others run all the same.
build_module()	# kernel
{
	local run=$VM/run.$1
	[ "$MKKMOD" = yes ] || return 0
	if guest_module "$1"; then
		tap ok "$1 the module builds without a warning"
	else
		tap 'not ok' "$1 the module builds without a warning"
		grep -hiE -A 3 'warning|error' "$run/build" "$run/fetch" | head -n 40 |
			sed 's/^/# | /'
	fi
}

prepare()	# kernel; 0, or as fetch.sh
{
	guest_fetch "$1" || return
	build_module "$1"
	guest_image "$1"
}

# --- judging -----------------------------------------------------------------

# Lines of the kernel's log that tell of a fault.
splats()
{
	grep -E -f <(grep -v '^#' "$HERE/splats.deny") |
		grep -v -E -f <(grep -v '^#' "$HERE/splats.allow"; echo '^$')
}

# By a module that is not the kernel's own and not signed, and by nothing else: what
# warns once may do so before the log begins, or in words that no list has.
untainted()	# log
{
	local taint
	taint=$(sed -n 's/.*vestige: tainted //p' "$1" | tr -d '\r')
	[ -n "$taint" ] && [ $((taint & ~(1 << 12 | 1 << 13))) = 0 ]
}

# Of a machine that stopped: what it complained of first, or else its last line; and how
# the emulator ended.
last_words()	# kernel
{
	local log=$VM/run.$1/console said
	said=$(splats <"$log" | head -n 1)
	[ -n "$said" ] || said=$(grep . "$log" | tail -n 1)
	tr -d '\r' <<<"$said; $(head -n 1 "$VM/run.$1/qemu")"
}

judge_log()	# kernel
{
	local log=$VM/run.$1/console found
	if ! grep -q 'vestige: log begins' "$log" || ! grep -q 'vestige: log ends' "$log"; then
		tap 'not ok' "$1 the kernel's log is whole: $(last_words "$1")"
		tail -n 60 "$log" | sed 's/^/# | /'
		return
	fi
	tap ok "$1 the kernel's log is whole"
	if untainted "$log"; then
		tap ok "$1 the kernel is not tainted"
	else
		tap 'not ok' "$1 the kernel is not tainted ($(grep -o 'tainted [0-9]*' "$log"))"
	fi
	if found=$(splats <"$log"); then
		tap 'not ok' "$1 the kernel complained of nothing: $(last_words "$1")"
		head -n 60 <<<"$found" | sed 's/^/# | /'
	else
		tap ok "$1 the kernel complained of nothing"
	fi
}

judge_output()	# name file exit-status
{
	local word text before=$failed
	while read -r word text; do
		case $word in
		fail)	tap 'not ok' "$1: $text" ;;
		*)	tap ok "$1: $text" ;;
		esac
	done < <(awk -v rc="$3" -f selftests/judge.awk "$2")
	[ "$failed" = "$before" ] && return
	echo "# $1 failed; the end of $2:"
	tail -n 40 "$2" | sed 's/^/# | /'
}

# The output of one test counts only as the verdict describes it.
judge_test()	# kernel test
{
	local run=$VM/run.$1 out rc sum
	out=$run/${2//\//.}.log
	read -r rc sum < <(awk -v name="$2" '$1 == name { print $2, $3, $4 }' "$run/verdict")
	if [ -z "${rc-}" ]; then
		tap 'not ok' "$1 $2: no verdict"
		return
	fi
	awk -v name="$2" '$0 == "@ end " name { exit }
		on { print }
		$0 == "@ begin " name { on = 1 }' "$run/tap" >"$out"
	if [ "$(cksum <"$out")" != "$sum" ]; then
		tap 'not ok' "$1 $2: what it printed did not come out whole"
		return
	fi
	judge_output "$1 $2" "$out" "$rc"
}

# The lines of the list that are for that kernel; init has the same.
tests_on()	# kernel
{
	awk -v kernel=",$1," '{
		on = match($0, /ON=[^ ]*/)
		if (!on || index("," substr($0, RSTART + 3, RLENGTH - 3) ",", kernel))
			print
	}'
}

judge()		# kernel
{
	local name rest n=0
	if [ -s "$VM/run.$1/qemu" ]; then
		sed 's/^/# qemu: /' "$VM/run.$1/qemu"
	fi
	while read -r name rest; do
		judge_test "$1" "$name"
		n=$((n + 1))
	done < <(tests_on "$1" <"$VM/tests")
	if grep -qx "complete $n" "$VM/run.$1/verdict"; then
		tap ok "$1 all $n tests ran"
	else
		tap 'not ok' "$1 all $n tests ran"
	fi
	judge_log "$1"
	awk '/^# took/ { sum += $3; print $3, $5 }
		END { print sum, "altogether" }' "$VM/run.$1/tap" | sort -rn | head -n 6 |
		awk -v kernel="$1" '{ list = list ", " $2 " " $1 " s" }
		END { print "# " kernel " took" substr(list, 2) }'
}

# A check that does not work must not look like a clean log.
judge_judge()
{
	local line
	for line in 'BUG: kernel NULL pointer dereference' 'WARNING: CPU: 0 PID: 1 at net' \
		'WARNING: possible circular locking dependency detected' \
		'rcu: INFO: rcu_sched detected stalls on CPUs'; do
		splats <<<"[    1.0] $line" >/dev/null || break
	done && ! splats <<<'[    1.0] device a0 entered promiscuous mode' >/dev/null
}

# On this host: for the kernels that its compiler is for.
test_dkms()	# kernel
{
	local out=$VM/run.$1/vm.dkms.log
	[ -e "$VM/$1/headers" ] && wanted vm/dkms || return 0
	"$HERE/dkms.sh" "$1" "$VM/$1" >"$out" 2>&1
	judge_output "$1 vm/dkms" "$out" $?
}

# --- all ---------------------------------------------------------------------

[ "$KERNELS" != none ] || skip_all "KERNELS=none"
[ "$(uname -m)" = x86_64 ] || skip_all "the kernels are for x86_64, this host is $(uname -m)"
mkdir -p "$VM" || exit 1
guest_traps
expand_tests >"$VM/tests"
guest_base "$VM/tests" || exit 1

echo "TAP version 13"
if judge_judge; then verdict=ok; else verdict='not ok'; fi
tap "$verdict" "the scan for complaints finds one"
ready=()
for kernel in $KERNELS; do
	prepare "$kernel"
	case $? in
	0)	ready+=("$kernel") ;;
	4)	why=$(grep -m 1 '^E:' "$VM/run.$kernel/fetch")
		tap ok "$kernel # SKIP no way to the Debian mirror: $why" ;;
	*)	tap 'not ok' "$kernel cannot be fetched"
		sed 's/^/# | /' "$VM/run.$kernel/fetch" | tail -n 20 ;;
	esac
done
for kernel in "${ready[@]}"; do
	test_dkms "$kernel"
done
until [ -z "${VM_GO:-}" ] || [ -e "$VM_GO" ]; do
	sleep 1
done
for kernel in "${ready[@]}"; do
	while [ "$(jobs -pr | wc -l)" -ge "$VMS" ]; do
		wait -n
	done
	progress "$kernel is $(cat "$VM/$kernel/release"): booting"
	guest_boot "$kernel" "$VM_LIMIT" test
done
wait
for kernel in "${ready[@]}"; do
	judge "$kernel"
done
echo "1..$count"
[ "$failed" = 0 ]
