#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# matrix.sh - many addresses, destinations and policies: where the policy is what the kernel
# does for IPv6 (RFC 6724), both agree; whatever the policy is, explain says what connect()
# and sendto() do.
#
#   SEED=N	the same cases again
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
CASES=${CASES:-150}

# The kernel counts common bits up to the length of the prefix, so no destination is on link.
KERNELS_RULES=scope,deprecated,label,common-prefix-len,index

# Sets of addresses; - in front: deprecated. Section 10.1 of RFC 6724 is among them.
sets="
2001:db8:1::1 fe80::1
2001:db8:1::1 -2001:db8:2::1
2001:db8:1::2 2001:db8:3::2
2002:c633:6401::d5e3 2001:db8:1::2
fd00:1::1 2001:db8:1::1
-fd00:1::1 2001:db8:1::1 2002:c633:6401::1 fec0::1
2001:0:1::1 2002:c633:6401::1 2001:db8:9:8::1 -2001:db8:9:7::1 fd11:2::3
3ffe::1 ::192.0.2.1 2001:db8:ffff::1 fec0:1::1
"
destinations="
2001:db8:1:1::1 2001:db8:2:2::1 2001:db8:3:3::1 2001:db8:9:6::1 2001:db8:ffff:1::1 2001:0:2::1
2002:c633:6402::1 2002:808:808::1 fd00:1:1::1 fd11:2:1::1 fdff::1 fec0:2::1 2a00:1450::1
3ffe:1::1 2607:f8b0::1 2001:4860:4860::8888 ff3e::1:2 2001:db8:1::1
"

use_set()	# address...
{
	local addr words
	ip -n "$HOST" -6 addr flush dev d0
	for addr; do
		words=nodad
		[ "${addr#-}" = "$addr" ] || words="nodad preferred_lft 0"
		# shellcheck disable=SC2086	# words
		ip -n "$HOST" addr add "${addr#-}/64" dev d0 $words || return 1
	done
	ip -n "$HOST" -6 route replace default dev d0
}

# A message from before is not in the way: both families are in use, and quiet.
in_use()
{
	same "$(selsrc_json "$HOST" show | jq -r '.inet, .inet6' | sort -u)" "in use"
}

agrees()	# address...
{
	local dest want rc=0 n=0
	use_set "$@" && sleep 0.2 && busywait 2000 in_use || return 1
	for dest in $destinations; do
		want=$(kernels_choice "$HOST" -k udp "$dest" 2>&1)
		gets "$want" "$HOST" -k udp "$dest" || { echo "to $dest"; rc=1; }
		gets "$want" "$HOST" -k sendto "$dest" || { echo "sendto() to $dest"; rc=1; }
		n=$((n + 1))
	done
	[ "$n" -gt 10 ] && return "$rc"
}

more_labels()
{
	ip -n "$HOST" addrlabel add prefix 2001:db8:1::/48 label 77 &&
		ip -n "$HOST" addrlabel add prefix 2001:4860::/32 label 77 && sleep 1.5
}

# --- explain --------------------------------------------------------------------------------

FUNCTIONS=(index preference common-prefix-len same-category scope deprecated label)

random_policy()
{
	local n=$((1 + RANDOM % 8)) i list=
	for ((i = 0; i < n; i++)); do list+=,${FUNCTIONS[RANDOM % 7]}; done
	echo "${list#,}"
}

random_prefs()
{
	local addr
	for addr in 10.0.0.1 10.1.2.3 192.168.7.7 169.254.3.3 64.198.255.1 203.0.113.9; do
		vestige "$HOST" addr pref set "$addr" dev d1 $((RANDOM % 5 - 2))
	done
	for addr in 2001:db8:1::1 fd00::1 2002:c633:6401::1 2001:db8:1::2; do
		vestige "$HOST" addr pref set "$addr" dev d0 $((RANDOM % 5 - 2))
	done
}

random_destination()
{
	case $((RANDOM % 8)) in
	0)	echo 10.$((RANDOM % 256)).$((RANDOM % 8)).$((1 + RANDOM % 250)) ;;
	1)	echo 192.168.$((RANDOM % 16)).$((1 + RANDOM % 250)) ;;
	2)	echo 169.254.$((RANDOM % 256)).$((1 + RANDOM % 250)) ;;
	3)	echo $((1 + RANDOM % 120)).$((RANDOM % 256)).1.$((1 + RANDOM % 250)) ;;
	4)	echo 2001:db8:$((RANDOM % 5))::$((1 + RANDOM % 9)) ;;
	5)	echo fd00:$((RANDOM % 3))::$((1 + RANDOM % 9)) ;;
	6)	echo 2002:c633:6401::$((2 + RANDOM % 9)) ;;
	7)	echo 2a00:$((RANDOM % 9))::1 ;;
	esac
}

explained()	# destination
{
	local dest=$1 said kind rc=0
	said=$(selsrc_json "$HOST" explain "$dest" | jq -r '.source // "nothing"')
	for kind in tcp udp sendto; do
		gets "$said" "$HOST" -k "$kind" "$dest" || { echo "$kind to $dest"; rc=1; }
	done
	[ "$rc" = 0 ] || { selsrc "$HOST" policy show; selsrc "$HOST" explain "$dest"; }
	return "$rc"
}

explain_cases()
{
	local i rc=0 chosen=0 dest
	for ((i = 0; i < CASES; i++)); do
		if ((i % 10 == 0)); then
			selsrc "$HOST" policy set default "$(random_policy)" || return 1
			random_prefs || return 1
			sleep 0.05
		fi
		dest=$(random_destination)
		explained "$dest" || rc=1
		selsrc_json "$HOST" explain "$dest" | jq -e .left_to_kernel >/dev/null ||
			chosen=$((chosen + 1))
	done
	echo "# explain: $CASES cases, seed $SEED, $chosen not left to the kernel" >&3
	[ "$chosen" -gt $((CASES / 2)) ] && return "$rc"
}

# What is left to the kernel is said to be, with the reason.
says_why()	# destination reason
{
	selsrc "$HOST" explain "$1" | grep -F "left to the kernel: $2" || return 1
	[[ $1 == 239.* ]] || explained "$1"	# TCP knows no multicast
}

mixed()
{
	use_set 2001:db8:1::1 fd00::1 2002:c633:6401::1 2001:db8:1::2 -2001:db8:7::1 &&
		device "$HOST" d1 10.0.0.1/24 10.1.2.3/24 192.168.7.7/24 169.254.3.3/24 \
			64.198.255.1/24 203.0.113.9/24,preferred_lft,0 &&
		ip -n "$HOST" -6 addr flush dev d1 scope link &&
		ip -n "$HOST" route add default dev d1 &&
		ip -n "$HOST" route add 10.9.9.0/24 dev d1 src 10.1.2.3 &&
		ip -n "$HOST" route add unreachable 10.8.8.0/24 &&
		sleep 0.2 && busywait 2000 in_use
}

exec 3>&1
tap_start
setup_ns HOST
device "$HOST" d0
attach "$HOST" && follow "$HOST" && selsrc "$HOST" policy set default $KERNELS_RULES || exit 1
while read -ra addrs; do
	[ ${#addrs[@]} = 0 ] || tap_test "as the kernel: ${addrs[*]}" agrees "${addrs[@]}"
done <<<"$sets"
tap_test "labels are added" more_labels
while read -ra addrs; do
	[ ${#addrs[@]} = 0 ] || tap_test "with them: ${addrs[*]}" agrees "${addrs[@]}"
done < <(tail -n 5 <<<"$sets")
tap_test "a device with addresses of all kinds" mixed
tap_test "explain says what connect() does" explain_cases
tap_test "explain: multicast" says_why 239.1.1.1 "destination is multicast"
tap_test "explain: loopback" says_why 127.0.0.1 "destination is loopback"
tap_test "explain: an address of this host" says_why 10.0.0.1 "destination is an address of"
tap_test "explain: a route with a source" says_why 10.9.9.9 "route names the source"
tap_finish
