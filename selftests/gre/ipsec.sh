#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ipsec.sh - IPsec around a tunnel: a policy of the adopted socket, or of the host. It
# holds from the next packet on, and what it forbids is counted.
#
#   $A  g0 = a0 ------------ b0 = g0  $B     ESP in transport mode, where a policy says so
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317,SC2086
. "$(dirname "$0")/lib.sh"

REQID=7
P4=$(make_udp 10.0.0.1 10.0.0.2 ttl=9)
IN4=$(make_udp 10.0.0.2 10.0.0.1)

association()	# ns src dst spi
{
	ip -n "$1" xfrm state add src "$2" dst "$3" proto esp spi "$4" reqid $REQID \
		mode transport auth 'hmac(sha1)' 0x000102030405060708090a0b0c0d0e0f10111213 \
		enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff
}

associations()
{
	local ns family here there
	for ns in "$A" "$B"; do
		for family in 4 6; do
			both_ends $family
			association "$ns" $here $there 0x10$family &&
				association "$ns" $there $here 0x20$family || return 1
		done
	done
}

# What is between the two ends, and of that kind.
policy()	# ns transport family dir words...
{
	local ns=$1 proto=47 dir=$4 here there
	[ "$2" = raw ] || proto=17
	both_ends $3
	shift 4
	case $ns$dir in
	"${A}out" | "${B}in")
		ip -n "$ns" xfrm policy add src $here dst $there proto $proto dir $dir "$@" ;;
	*)	ip -n "$ns" xfrm policy add src $there dst $here proto $proto dir $dir "$@" ;;
	esac
}

esp=(tmpl proto esp reqid "$REQID" mode transport)

# The other end wants ESP, in both directions.
peer_wants()	# transport family
{
	policy "$B" $1 $2 in "${esp[@]}" && policy "$B" $1 $2 out "${esp[@]}"
}

no_policies()
{
	ip -n "$A" xfrm policy flush
	ip -n "$B" xfrm policy flush
	ip -n "$B" link del g0 2>/dev/null
	ip -n "$A" link del g0 2>/dev/null
	return 0
}

up()		# of $A, which is there already; nothing of its own leaves it
{
	ns_set "$A" net.ipv6.conf.g0.disable_ipv6=1 && ip -n "$A" addr add 10.0.0.1/24 dev g0 &&
		ip -n "$A" link set g0 up
}

peer_up()	# transport family
{
	local here there words=()
	both_ends $2
	[ $1 = raw ] || words=(sport "$PORT")
	gre "$B" add g0 local $there remote $here transport $1 "${words[@]}" &&
		inner_up "$B" g0 2
}

own_device()	# transport family
{
	local here there words=()
	both_ends $2
	SRC=$there DST=$here UDP=''
	[ $1 = raw ] || { words=(sport "$PORT"); UDP=udp=$PORT:$PORT; }
	gre "$A" add g0 local $here remote $there transport $1 "${words[@]}" && up
}

in_clear()
{
	matches "$(out_of g0 "$P4")" " gre flags=0000 proto=0800 payload=$P4\$"
}

encrypted()
{
	local got
	got=$(out_of g0 "$P4")
	matches "$got" ' l4=50 payload=' && ! matches "$got" "$P4" >/dev/null
}

both_ways()
{
	transfer "$A" "$B" 10.0.0.2 50000 && transfer "$B" "$A" 10.0.0.1 50000
}

socket_policy()
{
	same "$(H policy out $REQID)" "ok 0" && same "$(H policy in $REQID)" "ok 0"
}

# Set before the socket is given away.
set_before()	# transport family
{
	peer_up $1 $2 && peer_wants $1 $2 && socket_policy && H add g0 >/dev/null && up &&
		encrypted && both_ways
}

# Set later: no packet more goes out in clear; taken away, and they do again.
set_later()	# transport family
{
	H add g0 >/dev/null && up && in_clear && in_clear || return 1
	socket_policy && encrypted && encrypted || return 1
	same "$(H policy none)" "ok 0" && in_clear || return 1
	peer_up $1 $2 && peer_wants $1 $2 && socket_policy && both_ways
}

# What comes in clear is refused, and counted: by us, or, in UDP, by the socket.
clear_refused()	# transport family
{
	local packet missed want='rx_policy 1'
	packet=$("$W" gre src=$SRC dst=$DST $UDP "$IN4")
	H add g0 >/dev/null && up && into g0 "$packet" >/dev/null || return 1
	same "$(H policy in $REQID)" "ok 0" || return 1
	[ $1 = raw ] || want=
	missed=$(gre_json "$A" g0 .stats.rx_missed_errors)
	counts "$A" g0 "$want" kept_out g0 "$packet" || return 1
	same "$(gre_json "$A" g0 .stats.rx_missed_errors)" $((missed + 1))
}

# A policy of the host, for a socket of our own.
host_policy()	# transport family
{
	own_device $1 $2 && peer_up $1 $2 && in_clear && peer_wants $1 $2 &&
		policy "$A" $1 $2 out "${esp[@]}" && policy "$A" $1 $2 in "${esp[@]}" &&
		encrypted && both_ways || return 1
	ip -n "$A" xfrm policy flush
	in_clear
}

# Nothing at all is let through: it is not the route that is missing.
blocked()	# transport family
{
	own_device $1 $2 && in_clear && policy "$A" $1 $2 out action block || return 1
	counts "$A" g0 'tx_below 1' out_of g0 "$P4" -- -n 0 -t "$QUIET" || return 1
	ip -n "$A" xfrm policy flush
	in_clear
}

need_module
tap_start
setup_pair || exit 1
HOST=$A PEER=$B
associations || tap_skip_all "this kernel has no ESP with AES and SHA-1"
for transport in raw udp; do
	for family in 4 6; do
		name="$transport over IPv$family"
		my_turn || [ $transport$family = raw4 ] || continue
		for test in set_before set_later clear_refused; do
			tap_test "$name, a policy of the socket: ${test//_/ }" \
				with $transport $family $test $transport $family
			no_policies
		done
		for test in host_policy blocked; do
			tap_test "$name, a policy of the host: ${test//_/ }" \
				$test $transport $family
			no_policies
		done
	done
done
tap_finish
