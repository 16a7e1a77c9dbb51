#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh NAME - runs selftests/bench/NAME.sh in emulated machines of one kernel
#
#   KERNELS=6.12	which one (default)
#   ICOUNT=no		without the second machine, below
#
# Under emulation only ratios within one boot mean anything. The second machine
# counts instructions: its one processor takes a nanosecond for each, so that every
# clock in it is a count (ICOUNT=1 in the environment of the script).
set -u

cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}" PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# shellcheck source=selftests/vm/guest.sh
. selftests/vm/guest.sh
readonly LIMIT=2400

die() { echo "bench: $*" >&2; exit 1; }

# What the script prints, as it comes.
follow()	# pid
{
	tail -q -n +1 -s 0.5 -f --pid="$1" "$VM/run.$kernel/tap" 2>/dev/null | grep -av '^@ '
}

run()		# variable of the script or "", how to boot
{
	local run=$VM/run.$kernel rc
	echo "$name $LIMIT $1" >"$VM/tests"
	guest_base "$VM/tests" || die "cannot make the image"
	guest_image "$kernel" || die "cannot make the image: $(tail -n 3 "$run/fetch")"
	truncate -s 0 "$run/tap" "$run/verdict"
	guest_boot "$kernel" $((LIMIT + 120)) "$2"
	follow "${machines[-1]}"
	wait "${machines[-1]}"
	rc=$(awk -v name="$name" '$1 == name { print $2 }' "$run/verdict")
	[ "$rc" = 0 ] ||
		die "$name ended with ${rc:-no} status; what the kernel said is in $run/console"
}

[ $# = 1 ] || die "usage: $0 NAME"
name=bench/$1
kernel=${KERNELS:-6.12}
[ -e "selftests/$name.sh" ] || die "no selftests/$name.sh"
mkdir -p "$VM"
guest_traps
guest_fetch "$kernel" || die "no kernel $kernel: $(tail -n 3 "$VM/run.$kernel/fetch")"
guest_module "$kernel" || [ $? = 3 ] ||
	die "no module for it: $(tail -n 20 "$VM/run.$kernel/fetch")"
progress "$(cat "$VM/$kernel/release"), emulated"
run '' compare
[ "${ICOUNT:-}" = no ] || {
	progress "$(cat "$VM/$kernel/release"), counting instructions"
	run ICOUNT=1 count
}
