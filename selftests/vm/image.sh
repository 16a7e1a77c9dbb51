#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# image.sh base OUT.cpio			the tools of this host and the tests
# image.sh ip OUT.cpio DEBIAN-TREE		the ip of that Debian, /vestige/ip-unstable/ip
# image.sh modules OUT.cpio KERNEL-TREE [KO...]	the kernel modules the tests need, and ours
#
# Parts of the initramfs of a guest. The kernel unpacks such archives one after
# the other, so that the base is made once for all kernels. Nothing is
# compressed: an emulated processor takes longer to unpack than to copy.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}

# Whole packages, not single tools: a test may use whatever Debian always has.
readonly PACKAGES='bash bpftool coreutils dash diffutils ethtool findutils grep iperf3 iproute2
	jq kmod mawk mount procps sed util-linux'
# Those of the second row are loaded when a test asks for them: what a machine without
# in-tree tunnels does matters, too.
readonly LOADED='8021q bridge cls_bpf sch_ingress sch_netem sch_tbf tcp_diag tun veth'
readonly ON_DEMAND='ip_gre ip6_gre fou fou6 ipip sit ip6_tunnel dummy vrf macvlan mpls_router
	mpls_iptunnel esp4 esp6 xfrm_user xfrm_interface authenc cbc gcm hmac
	sha1-generic sha256_generic sha512_generic aes_generic ecb ctr drbg
	jitterentropy_rng echainiv seqiv sch_prio sch_htb
	sch_fq sch_fq_codel cls_u32 cls_matchall act_gact act_police act_mirred
	nf_tables nft_ct nft_chain_nat nft_masq nft_compat nf_conntrack udp_diag
	raw_diag inet_diag act_bpf pktgen l2tp_eth vxlan'

die() { echo "image: $*" >&2; exit 1; }

shared_libraries()
{
	ldd "$@" 2>/dev/null | awk '/^\t/ { print ($2 == "=>") ? $3 : $1 }' |
		grep '^/' | sort -u
}

# Debian 12 has one /usr; its packages still name files by /bin and /lib.
skeleton()
{
	local dir
	mkdir -p "$root"/{dev,proc,sys,run,tmp,root,etc} \
		"$root"/usr/{bin,sbin,lib,lib64} || exit 1
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	cp -r /etc/iproute2 "$root/etc/" 2>/dev/null
	echo 'root:x:0:0::/root:/bin/bash' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
}

# Follows links, also those of the alternatives system.
copy()		# file...
{
	local file
	for file; do
		mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file" || exit 1
	done
}

base()
{
	local files
	skeleton
	# shellcheck disable=SC2086	# a list of names
	files=$(dpkg -L $PACKAGES | grep -E '^(/usr)?/s?bin/[^/]+$') || die "no tools"
	# shellcheck disable=SC2086
	copy $files /usr/bin/awk /bin/sh
	{
		mkdir -p "$root/vestige/build" &&
		cp -r selftests README.md "$root/vestige/" &&
		cp -r "$O/vestige" "$O/selftests" "$root/vestige/build/" &&
		{ [ ! -e "$O/link_sgre.so" ] || cp "$O/link_sgre.so" "$root/vestige/build/"; } &&
		install -m 755 selftests/vm/init "$root/init"
	} || die "cannot copy the tests"
	# shellcheck disable=SC2046,SC2086
	copy $(shared_libraries $files /usr/bin/awk \
		$(find "$O/vestige" "$O/selftests" -type f -perm /1))
}

# With the C library and the loader that it wants, by its own name for them.
newest_ip()	# tree
{
	local folder=/vestige/ip-unstable file loader
	mkdir -p "$root$folder" || exit 1
	cp -L "$1/usr/bin/ip" "$root$folder/ip.bin" || die "no ip in $1"
	chroot "$1" ldd /usr/bin/ip | grep -o '/[^ ]*' >"$root/libraries" || die "ldd"
	while read -r file; do
		cp -L "$1$file" "$root$folder/" || exit 1
	done <"$root/libraries"
	loader=$(grep -o 'ld-linux[^/]*$' "$root/libraries")
	rm "$root/libraries"
	printf '#!/bin/sh\nexec %s/%s --library-path %s %s/ip.bin "$@"\n' "$folder" "$loader" \
		"$folder" "$folder" >"$root$folder/ip"
	chmod 755 "$root$folder/ip"
}

# Some are part of the kernel in one release and a module in another, or gone.
# modprobe --show-depends lists what to load, in order, as "insmod PATH".
paths()		# tree release
{
	local module
	for module in $LOADED; do
		modprobe -d "$1" -S "$2" --show-depends "$module" || die "$2 has no module $module"
	done
	for module in $ON_DEMAND; do
		modprobe -q -d "$1" -S "$2" --show-depends "$module" 2>/dev/null
	done
}

# A tree of their own, in which modprobe finds them, unpacked.
modules()	# tree ko...
{
	local tree=$1 release folder path
	shift
	release=$(ls "$tree/lib/modules")
	folder=$root/usr/lib/modules/$release
	mkdir -p "$folder/extra" || exit 1
	cp "$tree/lib/modules/$release"/modules.{order,builtin*} "$folder" ||
		die "$release has no modules.builtin"
	paths "$tree" "$release" >"$root/paths" || exit 1
	awk '$1 == "insmod" { print $2 }' "$root/paths" | sort -u | while read -r path; do
		case $path in
		*.xz)	xz -dc "$path" >"$folder/$(basename "$path" .xz)" ;;
		*)	cp "$path" "$folder/" ;;
		esac || exit 1
	done || die "cannot unpack the modules"
	rm "$root/paths"
	[ $# = 0 ] || cp "$@" "$folder/extra/" || exit 1
	depmod -b "$root/usr" "$release" || die "depmod of $release"
	mkdir -p "$root/vestige"
	echo "$LOADED" >"$root/vestige/modules"
}

[ $# -ge 2 ] || die "usage: $0 base|ip|modules OUT [TREE [KO...]]"
out=$(realpath "$2")
root=$(mktemp -d "$(dirname "$out")/image.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
chmod 755 "$root" # it becomes /, and not all tests are root
case $1 in
base)	base ;;
ip)	newest_ip "$3" ;;
modules)	modules "${@:3}" ;;
esac
(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$out.new" && mv "$out.new" "$out"
