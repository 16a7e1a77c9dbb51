#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034	# preludes are for the tests that source this
#
# scenario.sh - sourced by the segment_*.sh scripts. A scenario is a name and a
# script for peer(1). Each runs for IPv4, IPv6 and v4-mapped sockets, on stock
# Linux and on vestige, by XDP and by tc; what was seen on the wire must be the
# same but for what the file `differences` names with its reason. A difference
# that is listed and does not show fails too.
#
# BACKEND=stock|vestige runs only that one, and nothing is compared; HOOK=xdp|tc
# only that hook. ONLY=PATTERN runs the scenarios whose name matches; JOBS=N so
# many at once.

case ${BACKEND:-both} in
stock) RUNS="stock" ;;
vestige) RUNS="${HOOK:-xdp tc}" ;;
*) RUNS="stock ${HOOK:-xdp tc}" ;;
esac
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FAMILIES=${FAMILIES:-4 6 mapped}
ONLY=${ONLY:-*}
JOBS=${JOBS:-8}

# What every scenario starts from, so that no group inherits from the last one.
# No rate limit: what is answered shall not hang on how fast the machine is.
DEFAULTS="net.ipv4.tcp_timestamps=1 net.ipv4.tcp_rfc1337=0
	net.ipv4.tcp_invalid_ratelimit=0 net.ipv4.tcp_fin_timeout=60"

# --- preludes --------------------------------------------------------------

# The host opens; it has no listener on the port.
CLIENT='
do bind @host @hport
do connect @peer @pport
open passive
do connected
'

# The peer opens; the listener stays in slot 0, the connection is in slot 1.
SERVER='
do reuse 1
do bind @any @hport
do listen
open active
do accept 1
'

# The host closes first. Its last window is the one that came with its FIN.
CLOSE='
do close
expect FA
send A
send FA
expect A win=last
'

TS='set ts 5000'
CLIENT_TW="$TS$CLIENT$CLOSE"
SERVER_TW="$TS$SERVER$CLOSE"
CLIENT_TW_NOTS="$CLIENT$CLOSE"
SERVER_TW_NOTS="$SERVER$CLOSE"

# --- what comes of a segment -------------------------------------------------

ANSWER='expect A win=last'
SILENCE='expect none'
# What the stack sends for a segment of no connection (RFC 9293, 3.5.2).
RESET='expect R seq=rcv'
# No session any more.
GONE='
state none
probe A
expect R seq=rcv'

# --- table -----------------------------------------------------------------

names=() scripts=() groups=()
group=

# Scenarios that follow run with these sysctls; a word without "=" is a function
# group_WORD that is called with on before them and with off after them.
with()	# [name=value|word]...
{
	group="$*"
}

# Arguments after the name are joined to one script, a line break between.
scenario()	# name script...
{
	local name=$1 IFS=$'\n'
	shift
	# shellcheck disable=SC2254	# a pattern is meant
	case $name in
	$ONLY) ;;
	*) return ;;
	esac
	names+=("$name") scripts+=("$*") groups+=("$group")
}

# --- running ---------------------------------------------------------------

family_addresses()	# family; sets host_addr peer_addr any_addr
{
	host_addr=$HOST4 peer_addr=$PEER4 any_addr=0.0.0.0
	[ "$1" != 6 ] || { host_addr=$HOST6 peer_addr=$PEER6; }
	[ "$1" = 4 ] || any_addr=::
}

play()		# index family log port-offset
{
	local host_addr peer_addr any_addr family=$2 port_base
	family_addresses "$family"
	case $family in
	4) port_base=10000 ;;
	6) port_base=11000 ;;
	*) port_base=12000 ;;
	esac
	port_base=$((port_base + $4))
	export VESTIGE
	# shellcheck disable=SC2086	# a command, or nothing
	in_ns "$PEER" timeout 30 $PEER_RUN "$TOOLS/peer" -i b0 -m "$PEER_MAC" -M "$HOST_MAC" \
		-a "$peer_addr" -A "$host_addr" -n "$any_addr" -b "$BACKEND" \
		-p $((port_base + 20000 + $1)) -P $((port_base + $1)) \
		-s "exec nsenter --net=/run/netns/$HOST $TOOLS/sock $family" \
		-S "$NET_DIR/state.sh $BACKEND $HOST" \
		<<<"${scripts[$1]}" >"$3" 2>&1
	echo $? >"$3.rc"
}

# Whether segments come in one batch after all is up to the kernel, and to who else is on
# that CPU: if it does not look like one, it is tried again, with other ports.
run_one()	# index family log
{
	local tries=1 n
	[[ " ${groups[$1]} " != *" one_batch "* ]] || tries=5
	for ((n = 0; n < tries; n++)); do
		play "$1" "$2" "$3" $((200 * n))
		[ "$(<"$3.rc")" != 0 ] || break
	done
}

# Segments sent back to back come in one batch: the device is polled by a
# kernel thread, on a CPU that the peer holds until it waits.
PEER_RUN=
group_one_batch()	# on|off
{
	local sys=$TMP/sys value=1 proc name
	[ "$1" = on ] || value=0
	PEER_RUN=
	mkdir -p "$sys"
	in_ns "$HOST" mount -t sysfs sysfs "$sys" || return 1
	in_ns "$HOST" "$TOOLS/netdev" offload a0 gro "$1"
	# A veth takes this way only for frames that could not be larger anyway.
	in_ns "$PEER" "$TOOLS/netdev" offload b0 tso off
	echo $value >"$sys/class/net/a0/threaded"
	umount "$sys"
	[ "$1" = on ] || return 0
	for proc in /proc/[0-9]*; do
		read -r name 2>/dev/null <"$proc/comm" || continue
		[[ $name != napi/a0-* ]] || taskset -cp 0 "${proc##*/}" >/dev/null
	done
	PEER_RUN="taskset -c 0 chrt -f 1"
}

# Routes to the peer with TSvals in microseconds.
group_usec_route()	# on|off
{
	if [ "$1" = on ]; then
		skip_reason="timestamps in microseconds need Linux 6.7 or later"
		in_ns "$HOST" "$TOOLS/netdev" usec-route "$PEER4/32" a0 || return 4
		in_ns "$HOST" "$TOOLS/netdev" usec-route "$PEER6/128" a0
	else
		ip -n "$HOST" route del "$PEER4/32"
		ip -n "$HOST" route del "$PEER6/128"
	fi
}

# Settings of vestige; stock has none.
vtw_set()	# on|off setting value-on value-off
{
	local value=$4
	[ "$1" = off ] || value=$3
	[ "$BACKEND" = stock ] || vestige "$HOST" vtw set "$2" "$value"
}

group_reopen_off() { vtw_set "$1" reopen off on; }
group_two_restarts() { vtw_set "$1" restarts 2 7; }

apply_group()	# on|off words...
{
	local onoff=$1 word
	shift
	# shellcheck disable=SC2086	# a list of words
	ns_set "$HOST" $DEFAULTS || return 1
	for word; do
		case $word in
		*=*) [ "$onoff" = off ] || ns_set "$HOST" "$word" || return 1 ;;
		*) "group_$word" "$onoff" || return ;;
		esac
	done
}

# A group that this kernel cannot have: 4, with the reason in skip_reason.
skip_group()	# words
{
	local i family
	for i in "${!names[@]}"; do
		[ "${groups[i]}" = "$1" ] || continue
		for family in $FAMILIES; do
			echo "$skip_reason" >"$TMP/$run.$i.$family"
			echo skip >"$TMP/$run.$i.$family.rc"
		done
	done
}

# All scenarios of one group, JOBS at a time.
run_group()	# words
{
	local i family running=0 rc
	# shellcheck disable=SC2086	# a list of words
	apply_group on $1
	rc=$?
	[ $rc -ne 4 ] || skip_group "$1"
	[ $rc -ne 4 ] || return 0
	[ $rc -eq 0 ] || return 1
	for i in "${!names[@]}"; do
		[ "${groups[i]}" = "$1" ] || continue
		for family in $FAMILIES; do
			[ $((running++)) -lt "$JOBS" ] || wait -n
			run_one "$i" "$family" "$TMP/$run.$i.$family" &
		done
	done
	wait
	# shellcheck disable=SC2086	# a list of words
	apply_group off $1
}

# Set by a test that needs more in $HOST than the topology.
scenario_setup() { :; }

# A run is stock, or vestige by the name of its hook.
run_backend()	# run
{
	local -A done_groups=()
	local g run=$1
	BACKEND=vestige HOOK=$run
	[ "$run" != stock ] || BACKEND=stock
	setup_peer_topology || return 1
	scenario_setup || return 1
	backend_attach "$HOST" || return 1
	for g in "${groups[@]}"; do
		[ -z "${done_groups["x$g"]-}" ] || continue
		done_groups["x$g"]=1
		run_group "$g" || return 1
	done
	backend_detach "$HOST"
}

# --- judging ---------------------------------------------------------------

# Segments both ways and states. The window of a living socket depends on how
# its memory is accounted, which XDP changes; scripts say themselves what window
# they expect of TIME_WAIT.
wire()	# log
{
	local line
	while IFS= read -r line; do
		case $line in
		[\<\>=]*) ;;
		*) continue ;;
		esac
		[[ $line =~ ^(.*)\ win=[0-9]+(.*)$ ]] &&
			line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
		printf '%s\n' "$line"
	done <"$1"
}

declare -A reasons=()
read_differences()
{
	local name reason
	while IFS=$'\t' read -r name reason; do
		[ -z "$reason" ] || reasons[$name]=$reason
	done < <(tr -s '\t' <"$NET_DIR/differences")
}

compare()	# run index family title
{
	local a b reason diff title="$4: $1"
	a=$(wire "$TMP/stock.$2.$3")
	b=$(wire "$TMP/$1.$2.$3")
	reason=${reasons["${names[$2]}"]-}${reasons["${names[$2]}@$3"]-}
	if [ -n "$reason" ] && [ "$a" != "$b" ]; then
		tap_pass "$title differs from stock: $reason"
	elif [ -n "$reason" ]; then
		tap_fail "$title differs from stock" "listed in differences, but is the same"
	elif [ "$a" = "$b" ]; then
		tap_pass "$title same as stock on the wire"
	else
		diff=$(diff -U2 --label stock --label "$1" <(echo "$a") <(echo "$b"))
		tap_fail "$title same as stock on the wire" "$diff"
	fi
}

judge()	# index family
{
	local title="${names[$1]} $2" run log
	[ "$2" = mapped ] || title="${names[$1]} IPv$2"
	for run in $RUNS; do
		log=$TMP/$run.$1.$2
		[ -e "$log.rc" ] || echo "did not run" | tee "$log" >"$log.rc"
		if [ "$(<"$log.rc")" = skip ]; then
			tap_skip "$title: $run" "$(<"$log")"
			continue
		elif [ "$(<"$log.rc")" = 0 ]; then
			tap_pass "$title: $run"
		else
			tap_fail "$title: $run" "$(<"$log")"
		fi
		[ "${RUNS%% *}" != stock ] || [ "$run" = stock ] ||
			compare "$run" "$1" "$2" "$title"
	done
}

run_scenarios()
{
	local i run family
	read_differences
	tap_start
	for run in $RUNS; do
		run_backend "$run" >"$TMP/backend.log" 2>&1
		tap_result $? "attach and detach: $run" "$(cat "$TMP/backend.log")"
	done
	for i in "${!names[@]}"; do
		for family in $FAMILIES; do
			judge "$i" "$family"
		done
	done
	tap_finish
}
