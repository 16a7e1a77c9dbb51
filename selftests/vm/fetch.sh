#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh KERNEL DIR - the newest Debian kernel of that series into DIR
#
#   6.1		Debian 12		6.12	its backports
#   unstable	the newest that Debian has
#
# DIR/release names what is there, DIR/tree holds it. The packages are only
# unpacked, and apt works on lists and a cache below DIR: the host keeps its
# sources, its package lists and its kernel. What was fetched is good for a week.
#
# Exit status: 0 there, 1 failed, 4 there is no way to the mirror.
set -u
# shellcheck source=selftests/vm/apt.sh
. "$(dirname "$0")/apt.sh"

readonly DAYS=7
# Of thousands of modules those that have to do with networks.
readonly WANTED=('*/vmlinuz*' '*/modules.*' '*/kernel/net/*' '*/kernel/drivers/net/*'
	'*/kernel/lib/*' '*/kernel/crypto/*' '*/kernel/arch/*')

# Newer packages split the kernel from its modules.
packages()	# release
{
	echo "linux-image-$1"
	depends "linux-image-$1" | grep -E "^linux-(binary|modules|base)-${1//+/\\+}\$"
}

unpack()
{
	local deb
	for deb in "$new"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$new/tree" --wildcards "${WANTED[@]}" 2>/dev/null
	done
	[ -e "$new/tree/lib" ] || ln -s usr/lib "$new/tree/lib"
	find "$new/tree/" -name 'vmlinuz*' -type f | grep -q . || die "no kernel in its package"
}

fetch()		# release
{
	local names
	new=$(mktemp -d "$dir/new.XXXXXX") || exit 1
	trap 'rm -rf "$new"' EXIT
	mkdir "$new/tree"
	names=$(packages "$1")
	# shellcheck disable=SC2086	# a list of names
	(cd "$new" && own apt-get download $names >log) || die "download: $(tail -n 3 "$new/log")"
	unpack
	depmod -b "$new/tree" "$1" 2>/dev/null || die "depmod of $1"
	rm -rf "$dir/tree" "$dir/modules.cpio"
	mv "$new/tree" "$dir/tree" && echo "$1" >"$dir/release"
}

[ $# = 2 ] || die "usage: $0 KERNEL DIR"
case $1 in
6.1)	suite=bookworm ;;
6.12)	suite=bookworm-backports ;;
unstable) suite=unstable ;;
*)	die "no kernel '$1'; known: 6.1 6.12 unstable" ;;
esac
mkdir -p "$2" && dir=$(realpath "$2") || exit 1
[ -z "$(find "$dir" -maxdepth 1 -name release -mtime -$DAYS)" ] || exit 0
configure "$suite"
update
release=$(depends linux-image-amd64 | sed -n 's/^linux-image-\([0-9]\)/\1/p')
[ -n "$release" ] || [ -e "$dir/release" ] || die "$suite has no kernel"
if [ -z "$release" ] || [ "$release" = "$(cat "$dir/release" 2>/dev/null)" ]; then
	touch "$dir/release"
else
	fetch "$release"
fi
