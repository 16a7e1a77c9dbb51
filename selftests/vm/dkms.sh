#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through check()
#
# dkms.sh KERNEL DIR - is the module that `make dkms_install` and `make kmod_install`
# bring one that installs? For the kernel whose headers are in DIR.
#
# With the dkms of Debian 12, unpacked and working on trees of its own: the host gets
# no dkms, and no module.
set -u
cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}"
# shellcheck source=selftests/vm/apt.sh
. selftests/vm/apt.sh

kernel=$1 dir=$(realpath "$2") || exit 1
release=$(cat "$dir/release") headers=$dir/headers/build
version=$(sed -n 's/^VERSION[ \t]*:= *//p' Makefile)
tmp=$(mktemp -d "$(realpath "$O")/dkms.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0

check()		# text command...
{
	local text=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $n - $text"
	else
		echo "not ok $n - $text"
		failed=1
		tail -n 20 "$tmp/out" | sed 's/^/# | /'
		find "$tmp/tree" -name make.log -exec tail -n 20 {} + 2>/dev/null | sed 's/^/# | /'
	fi
}

# apt.sh works on $dir.
unpack_dkms()
{
	local dir=$O/vm/dkms
	[ ! -x "$dir/usr/sbin/dkms" ] || return 0
	mkdir -p "$dir" && dir=$(realpath "$dir") && configure bookworm && update || return
	(cd "$dir" && own apt-get download dkms) && dpkg-deb -x "$dir"/dkms_*.deb "$dir"
}

dkms()		# command kernel-release
{
	mkdir -p "$tmp/tree" "$tmp/modules/$release"
	"$O/vm/dkms/usr/sbin/dkms" "$1" vestige/"$version" --dkmstree "$tmp/tree" \
		--sourcetree "$tmp/usr/src" --installtree "$tmp/modules" --no-depmod \
		${2:+-k "$2" -a x86_64 --kernelsourcedir "$headers"}
}

# Twice, and nothing but sources: they build, below.
sources()
{
	local files=$tmp/usr/src/vestige-$version
	make -s dkms_install DESTDIR="$tmp" && make -s dkms_install DESTDIR="$tmp" || return
	[ -e "$files/dkms.conf" ] && ! grep -r @VERSION@ "$files" &&
		! find "$files" -type f ! -name '*.[ch]' ! -name '*.sh' ! -name 'dkms.conf' \
			! -name Kbuild ! -name Makefile | grep .
}

is_module()	# file
{
	[ "$(modinfo -F vermagic "$1" | cut -d ' ' -f 1)" = "$release" ] &&
		modinfo -F alias "$1" | grep -qx rtnl-link-sgre
}

installed()
{
	local file
	file=$(find "$tmp/modules/$release/updates/dkms" -name 'vestige.ko*' -type f)
	[ -n "$file" ] && is_module "$file"
}

# Nothing that a machine has to be told of: too old is too old.
too_old()
{
	! dkms build 5.10.0-1-amd64 && grep -q 'BUILD_EXCLUSIVE' "$tmp/out"
}

lacking()
{
	sed 's/^CONFIG_NET_UDP_TUNNEL=.*/# CONFIG_NET_UDP_TUNNEL is not set/' \
		"$headers/.config" >"$tmp/config"
	kmod/check-config.sh "$headers" && ! kmod/check-config.sh "$tmp/config" 2>"$tmp/lacking" &&
		grep -q 'lacks CONFIG_NET_UDP_TUNNEL' "$tmp/lacking"
}

by_hand()
{
	make -s kmod_install KDIR="$headers" O="$tmp/o" DESTDIR="$tmp/dest" &&
		is_module "$tmp/dest/lib/modules/$release/updates/vestige.ko"
}

untouched()
{
	local before after
	before=$(cat "$tmp/before")
	after=$(git status --porcelain --ignored kmod include 2>/dev/null)
	[ "$before" = "$after" ] || { echo "$after"; return 1; }
}

no_headers()
{
	local out
	out=$(make -n O="$tmp/o2" KDIR=/nonexistent all 2>&1)
	[ "$(grep -c 'vestige.ko is not built' <<<"$out")" = 1 ] &&
		! make -n O="$tmp/o2" KDIR=/nonexistent MKKMOD=no all 2>&1 | grep -q vestige.ko
}

git status --porcelain --ignored kmod include >"$tmp/before" 2>/dev/null
check "dkms_install installs its sources, twice" sources
check "dkms of Debian 12 is there" unpack_dkms
check "dkms add" dkms add
check "dkms build for $kernel" dkms build "$release"
check "dkms install for $kernel" dkms install "$release"
check "dkms has installed a module of $kernel" installed
check "dkms refuses a kernel before 6.1, by BUILD_EXCLUSIVE_KERNEL" too_old
check "dkms remove" dkms remove "$release"
check "check-config names what is lacking" lacking
check "kmod_install with DESTDIR" by_hand
check "the sources have nothing beside them afterwards" untouched
check "without headers one line says that there is no module" no_headers
echo "1..$n"
exit "$failed"
