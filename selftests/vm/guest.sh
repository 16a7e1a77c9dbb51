# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# guest.sh - emulated machines with Debian's kernels; sourced from the top folder
#
#   guest_traps			end what was started here, whatever happens
#   guest_base LIST		the emulator, the tools, and the tests of that list
#   guest_fetch KERNEL		0 there, 1 failed, 4 there is no way to the mirror
#   guest_module KERNEL		vestige.ko for it; optional
#   guest_image KERNEL		the initramfs
#   guest_boot KERNEL SECONDS HOW	in the background; then `wait`. HOW: test, with what the
#				kernel can check; compare; count: one processor that
#				takes a nanosecond for each instruction
#
# All of it is below $O/vm; what a machine says, in run.KERNEL: see init.
readonly HERE=selftests/vm VM=$O/vm
machines=() qemu='' thread=''

# The test runner shows what comes by descriptor 3 at once.
progress()
{
	if [ -e /proc/self/fd/3 ]; then echo "# vm: $*" >&3; else echo "# $*"; fi
}

# Only what was started here, by pid; timeout(1) hands it on to its machine.
stop()
{
	local pid
	trap '' INT TERM HUP
	for pid in "${machines[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	wait
	rm -f "$VM"/run.*/initrd
}

guest_traps()
{
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	trap stop EXIT
}

guest_base()	# list
{
	local folder=$VM/list/vestige
	read -r thread qemu < <("$HERE/qemu.sh" "$VM/qemu" 2>"$VM/qemu.log")
	mkdir -p "$folder" && cp "$1" "$folder/tests" || return
	"$HERE/image.sh" base "$VM/base.cpio" || return
	(cd "$VM/list" && find . | cpio -o -H newc --quiet -R 0:0) >>"$VM/base.cpio"
}

guest_fetch()	# kernel
{
	rm -rf "$VM/run.$1"
	mkdir -p "$VM/run.$1" || return
	"$HERE/fetch.sh" "$1" "$VM/$1" >"$VM/run.$1/fetch" 2>&1
}

# A kernel that was fetched days ago may be gone from the mirror, with its headers.
guest_module()	# kernel; as build.sh
{
	local dir=$VM/$1 run=$VM/run.$1 rc
	"$HERE/build.sh" "$1" "$dir" "$run/build" >>"$run/fetch" 2>&1
	rc=$?
	[ "$rc" = 1 ] && [ ! -e "$run/build" ] || return "$rc"
	touch -d '1 month ago' "$dir/release"
	"$HERE/fetch.sh" "$1" "$dir" >>"$run/fetch" 2>&1 &&
		"$HERE/build.sh" "$1" "$dir" "$run/build" >>"$run/fetch" 2>&1
}

guest_image()	# kernel
{
	local dir=$VM/$1 run=$VM/run.$1 ko
	ko=$O/kmod/$(cat "$dir/release")/vestige.ko
	[ -e "$ko" ] && [ -e "$run/build" ] || ko=
	# shellcheck disable=SC2086	# none or one
	"$HERE/image.sh" modules "$run/modules.cpio" "$dir/tree" $ko >>"$run/fetch" 2>&1 || return 1
	: >"$run/ip.cpio"
	[ ! -e "$dir/sid" ] ||
		"$HERE/image.sh" ip "$run/ip.cpio" "$dir/sid" >>"$run/fetch" 2>&1 || return 1
	cat "$VM/base.cpio" "$run/modules.cpio" "$run/ip.cpio" >"$run/initrd" && rm "$run"/*.cpio
}

# What a kernel can check at run time, shared out, so that the time is: freed and
# overrun memory, and whose it is, in the first; a sample of it in the others; the
# most preemption in the last. All that the module asks for is kmalloc-cg; what the
# verifier of BPF asks for, a lot more, is not.
checks()	# kernel
{
	case $1 in
	6.1)	echo 'slub_debug=FZPU,kmalloc-cg-*,RAW*,UDP*' ;;
	6.12)	echo 'kfence.sample_interval=20' ;;
	*)	echo 'kfence.sample_interval=20 preempt=full' ;;
	esac
}

# The emulator translates code anew for each address that it is seen at: without
# norandmaps a process takes ten times as long to start; and a fifth level of page tables
# (la57) costs it an eighth of its time. A vCPU may stand still
# for long on a busy host: stalls are told of late.
guest_boot()	# kernel seconds test|compare|count
{
	local run=$VM/run.$1 kernel accel="tcg,thread=$thread -cpu max,-la57 -smp 2" more=
	[ "${KVM:-}" != 1 ] || accel='kvm -cpu host -smp 2'
	[ "$3" != count ] || accel='tcg -cpu max,-la57 -smp 1 -icount shift=0,sleep=off'
	[ "$3" != test ] || more=$(checks "$1")
	kernel=$(find "$VM/$1/tree/" -name 'vmlinuz*' -type f)
	# shellcheck disable=SC2086	# several words
	timeout -k 10 "$2" $qemu -accel $accel -m 1G -nodefaults -display none \
		-no-reboot -kernel "$kernel" -initrd "$run/initrd" \
		-append "console=ttyS0 loglevel=6 panic=-1 oops=panic audit=0 tsc=reliable
			no_timer_check norandmaps rcupdate.rcu_cpu_stall_timeout=120
			watchdog_thresh=60 tests_on=$1 $more" \
		-serial "file:$run/console" -serial "file:$run/tap" \
		-serial "file:$run/verdict" </dev/null >"$run/qemu" 2>&1 &
	machines+=($!)
}
