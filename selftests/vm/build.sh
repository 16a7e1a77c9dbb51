#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build.sh KERNEL DIR LOG - vestige.ko for the kernel that fetch.sh put into DIR, as
# $O/kmod/RELEASE/vestige.ko; what the compiler and sparse say goes to LOG
#
# Exit status: 0 there, 1 failed, 3 there but with warnings.
set -u
here=$(realpath "$(dirname "$0")") top=$(realpath "$here/../..")
O=$(realpath -m "${O:-$top/build}")

die() { echo "build: $*" >&2; exit 1; }

build()		# KDIR command...
{
	local kdir=$1
	shift
	"$@" make -C "$top/kmod" KDIR="$kdir" OUT="$out" W=1 C=2 CF=-D__CHECK_ENDIAN__
}

[ $# = 3 ] || die "usage: $0 KERNEL DIR LOG"
kernel=$1 dir=$2 log=$3
release=$(cat "$dir/release") || die "no kernel in $dir; run fetch.sh first"
out=$O/kmod/$release
mkdir -p "$out"
rm -f "$out"/vestige.ko "$out"/*.o # what was compiled already would warn of nothing
case $kernel in
unstable)
	"$here/sid.sh" make "$dir" || exit 1
	build "/usr/src/linux-headers-$release" "$here/sid.sh" run "$dir" "$top" "$O" -- ;;
*)	"$here/headers.sh" "$kernel" "$dir" || exit 1
	build "$(realpath "$dir")/headers/build" ;;
esac >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
! grep -qiE 'warning|error' "$log" || exit 3
