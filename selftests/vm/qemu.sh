#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# qemu.sh DIR - prints multi|single, threads of a machine, and how to call QEMU; it is that
# of Debian's backports, fetched into DIR, if the host's is too old
#
# Before 8.1 QEMU reads the code that it translates without the lock of its page. If each
# vCPU has a thread of its own, one may translate what another is about to patch, and keep
# that for good. Linux patches (jump labels, static calls) by way of int3: met when nobody
# knows of it any more, it ends the machine, "Oops: int3" in the midst of the scheduler. The
# busier the host, the likelier.
#
# The packages are only unpacked; the libraries are those that the host's own QEMU brought.
# Where there is no way to the mirror that one does, with one thread for a machine.
set -u
# shellcheck source=selftests/vm/apt.sh
. "$(dirname "$0")/apt.sh"

readonly DAYS=30 PACKAGES='qemu-system-x86 qemu-system-common qemu-system-data seabios'

fetch()
{
	local deb
	configure bookworm-backports
	update
	new=$(mktemp -d "$dir/new.XXXXXX") || return 1
	trap 'rm -rf "$new"' EXIT
	# shellcheck disable=SC2086	# a list of names
	(cd "$new" && own apt-get download $PACKAGES) >&2 || return 1
	for deb in "$new"/*.deb; do
		dpkg-deb -x "$deb" "$new/tree" || return 1
	done
	rm -rf "$dir/tree"
	mv "$new/tree" "$dir/tree" && touch "$dir/fetched"
}

# Also: does it find its libraries? The host's QEMU may need fewer.
is_new()	# program
{
	"$1" --version 2>/dev/null | sed -n 's/.* version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' |
		awk '{ new = $1 > 8 || $1 == 8 && $2 >= 1 } END { exit !new }'
}

[ $# = 1 ] || die "usage: $0 DIR"
is_new qemu-system-x86_64 && echo "multi qemu-system-x86_64" && exit
mkdir -p "$1" && dir=$(realpath "$1") || exit 1
[ -n "$(find "$dir" -maxdepth 1 -name fetched -mtime -$DAYS)" ] || (fetch) >&2
share=$dir/tree/usr/share
if is_new "$dir/tree/usr/bin/qemu-system-x86_64"; then
	echo "multi $dir/tree/usr/bin/qemu-system-x86_64 -L $share/qemu -L $share/seabios"
else
	echo "single qemu-system-x86_64"
fi
