#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sid.sh make DIR			a small Debian unstable with the headers, DIR/sid
# sid.sh run DIR FOLDER... -- COMMAND	runs that in it; it sees those folders of the host
#
# The newest kernel wants its own compiler, and its tools a newer C library than
# this host's. Which compiler, the headers' package says. The newest ip comes
# along. All mounts are made in a mount namespace that ends with the command, so
# that none is ever left.
set -u
# shellcheck source=selftests/vm/apt.sh
. "$(dirname "$0")/apt.sh"

# The kernel asks a script whether sparse is there, and Debian's package leaves the
# script out. It is there.
allow_sparse()
{
	[ -e "$1/checker-valid.sh" ] || printf '#!/bin/sh\necho 1\n' >"$1/checker-valid.sh"
	chmod 755 "$1/checker-valid.sh"
}

make_tree()
{
	local new=$dir/sid.new
	rm -rf --one-file-system "$new"
	unshare -m --propagation private debootstrap --variant=minbase --arch=amd64 \
		--keyring="$KEYRING" --include="$packages" \
		sid "$new" "$(awk '{ print $(NF - 2) }' "$dir/apt/sources.list")" \
		>"$dir/sid.log" 2>&1 ||
		die "debootstrap: $(tail -n 5 "$dir/sid.log")"
	rm -rf "$new"/var/{cache/apt,lib/apt/lists}/*
	[ -e "$new/usr/src/linux-headers-$release/Makefile" ] || die "no headers in the tree"
	allow_sparse "$new/usr/src/linux-headers-$release/scripts"
	rm -rf --one-file-system "$sid"
	mv "$new" "$sid" && echo "$packages" >"$sid/release"
}

# Objtool reads /proc.
run()
{
	# shellcheck disable=SC2016	# the inner shell's
	exec unshare -m --propagation private bash -euc '
		sid=$1
		shift
		mount -t proc proc "$sid/proc"
		while [ "$1" != -- ]; do
			mkdir -p "$sid$1"
			mount --bind "$1" "$sid$1"
			shift
		done
		shift
		exec chroot "$sid" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C "$@"
	' sid "$sid" "$@"
}

[ $# -ge 2 ] || die "usage: $0 make DIR | run DIR FOLDER... -- COMMAND"
verb=$1 dir=$(realpath "$2") || exit 1
sid=$dir/sid
shift 2
case $verb in
make)	release=$(cat "$dir/release") || die "no kernel in $dir; run fetch.sh first"
	packages=make,libc6-dev,sparse,iproute2,linux-headers-$release
	[ "$(cat "$sid/release" 2>/dev/null)" = "$packages" ] || make_tree ;;
run)	run "$@" ;;
*)	die "no verb '$verb'" ;;
esac
