#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh check|install GROUP... - Debian packages that a job needs
#
# check   names all that are missing at once, and how to get them
# install gets them through apt, after saying which; needs root
#
# Groups: cc (unit tests only), build, test, vm, vmkmod, lint. A probe looks for the thing
# that is used, not for the package, so that a tool from elsewhere will do.
set -u

readonly TABLE='
cc	make		cmd	make
cc	gcc		cmd	gcc
cc	libc6-dev	header	stdio.h
cc	linux-libc-dev	header	linux/bpf.h
build	clang		cmd	clang
build	bpftool		cmd	bpftool
build	libbpf-dev	header	bpf/libbpf.h
build	libelf-dev	header	libelf.h
build	zlib1g-dev	header	zlib.h
build	libjson-c-dev	header	json-c/json.h
build	libmnl-dev	header	libmnl/libmnl.h
test	iproute2	cmd	ip
test	iproute2	cmd	ss
test	iproute2	cmd	tc
test	procps		cmd	sysctl
test	util-linux	cmd	unshare
test	util-linux	cmd	nsenter
test	mount		cmd	mount
test	mawk		cmd	awk
test	jq		cmd	jq
vm	qemu-system-x86	cmd	qemu-system-x86_64
vm	cpio		cmd	cpio
vm	kmod		cmd	modprobe
vm	xz-utils	cmd	xz
vmkmod	gcc-12		cmd	gcc-12
vmkmod	sparse		cmd	sparse
vmkmod	debootstrap	cmd	debootstrap
vm	ethtool		cmd	ethtool
vm	iperf3		cmd	iperf3
lint	shellcheck	cmd	shellcheck
lint	sparse		cmd	sparse
'

usage() {
	echo "usage: $0 check|install GROUP..." >&2
	exit 1
}

present() {
	case $1 in
	cmd)	command -v "$2" >/dev/null 2>&1 ;;
	header)	set -- /usr/include/"$2" /usr/include/*-linux-*/"$2" \
			/usr/local/include/"$2"
		local f
		for f; do
			[ -e "$f" ] && return 0
		done
		return 1 ;;
	esac
}

missing() {
	local group package kind what

	while read -r group package kind what; do
		case " $* " in
		*" $group "*) present "$kind" "$what" || echo "$package" ;;
		esac
	done <<<"$TABLE" | sort -u | tr '\n' ' '
}

die() {
	echo "deps: $*" >&2
	exit 1
}

install_packages() {
	echo "These Debian packages are missing and will be installed: $*"
	[ "$(id -u)" = 0 ] || die "not root; run: sudo apt-get install $*"
	command -v apt-get >/dev/null || die "no apt-get here; install: $*"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update </dev/null ||
		echo "deps: apt-get update failed; trying with the old lists" >&2
	apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@" </dev/null ||
		die "apt-get could not install: $*"
}

[ $# -ge 2 ] || usage
verb=$1
shift
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
lack=$(missing "$@")
lack=${lack% }
[ -n "$lack" ] || exit 0
case $verb in
check)
	die "missing Debian packages: $lack (apt-get install $lack)" ;;
install)
	# shellcheck disable=SC2086 # a list of package names
	install_packages $lack
	lack=$(missing "$@")
	[ -z "$lack" ] || die "still missing after the install: $lack" ;;
*)
	usage ;;
esac
