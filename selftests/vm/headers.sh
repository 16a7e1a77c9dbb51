#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# headers.sh KERNEL DIR - the headers of the kernel that fetch.sh put into DIR
#
# DIR/headers holds what a module is built with, DIR/headers/build leads to where
# KDIR= has to point, DIR/headers/release says for which kernel and where. The
# packages are only unpacked, and their absolute paths bent to where they are.
# For unstable there is sid.sh.
set -u
# shellcheck source=selftests/vm/apt.sh
. "$(dirname "$0")/apt.sh"

# Packages that hold files for a build: of the compiler the host's is taken.
packages()
{
	echo "linux-headers-$release"
	depends "linux-headers-$release" | grep -E '^linux-(headers|kbuild)-'
}

# Its makefile, and the links between the three packages, name /usr.
relocate()
{
	local link target
	grep -rlE '(^|[ =])/usr/(src|lib)/linux-' "$new"/usr/src/linux-headers-*/Makefile |
		xargs -r sed -i -E "s,(^|[ =])/usr/(src|lib)/linux-,\1$headers/usr/\2/linux-,"
	find "$new" -type l -lname '/*' | while read -r link; do
		target=$(readlink "$link")
		ln -sfn "$headers$target" "$link"
	done
}

unpack()
{
	local deb
	for deb in "$new"/*.deb; do
		dpkg-deb -x "$deb" "$new" || die "cannot unpack $deb"
		rm "$deb"
	done
	[ -e "$new/lib" ] || ln -s usr/lib "$new/lib"
}

fetch()
{
	local names
	new=$(mktemp -d "$dir/new.XXXXXX") || exit 1
	trap 'rm -rf "$new"' EXIT
	names=$(packages)
	# shellcheck disable=SC2086	# a list of names
	(cd "$new" && own apt-get download $names >log) || die "download: $(tail -n 3 "$new/log")"
	unpack
	relocate
	ln -s "usr/src/linux-headers-$release" "$new/build"
	[ -e "$new/build/Makefile" ] || die "no headers in their package"
	chmod 755 "$new"
	echo "$release $headers" >"$new/release"
	rm -rf "$headers"
	mv "$new" "$headers"
}

[ $# = 2 ] || die "usage: $0 KERNEL DIR"
dir=$(realpath "$2") && headers=$dir/headers || exit 1
release=$(cat "$dir/release") || die "no kernel in $dir; run fetch.sh first"
[ "$(cat "$headers/release" 2>/dev/null)" = "$release $headers" ] || fetch
