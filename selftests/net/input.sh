#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# input.sh - bad input: one line that says what is wrong and what to do; the
# exit status says whose fault it was (1 usage, 2 the host); nothing stays behind.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2015,SC2016
#	(functions called through tap_test; no if-then-else is meant; words for bash -c)
. "$(dirname "$0")/lib.sh"

# exit | a part of what is said | command. ENTRIES and the like are put in below.
while_detached='
1 | unknown			| attach foo
1 | wants a value		| attach entries
1 | wants a value		| attach dev
1 | wants a value		| attach netns
1 | wants a value		| attach cgroup
1 | too small; 1 to 4194304	| attach entries 0
1 | too large; 1 to 4194304	| attach entries 4194305
1 | whole number		| attach entries 99999999999999999999999
1 | whole number		| attach entries -1
1 | whole number		| attach entries 1k
1 | whole number		| attach entries 1.5
1 | whole number		| attach entries EMPTY
1 | too small			| attach entries6 0
1 | too large			| attach entries6 4194305
1 | whole number		| attach entries6 many
1 | unknown			| attach hook generic
1 | neither on nor off		| attach bind-guard maybe
1 | unknown			| detach foo
1 | unknown			| status foo
1 | unknown			| frobnicate
1 | ambiguous			| d
1 | is unknown			| -x status
1 | is unknown			| -xj status
1 | is unknown			| --frob status
1 | takes no value		| --json=1 status
1 | behind it			| --netns
1 | no name of a namespace	| -n EMPTY status
2 | nosuchns			| -n nosuchns status
1 | stands alone		| detach stale wait
1 | too many			| doctor foo
2 | nosuchdev			| attach dev nosuchdev
2 | nosuchdev			| attach dev lo dev nosuchdev
2 | nosuchdevice		| attach dev nosuchdevicewithalongname
2 | nosuchns			| attach netns nosuchns
2 | junk			| attach netns junk
2 | nosuchns			| detach netns nosuchns
2 | nosuchns			| status netns nosuchns
1 | no name of a namespace	| attach netns ../../proc
2 | nosuchns			| detach netns nosuchns wait
2 | /nosuch/cgroup		| attach cgroup /nosuch/cgroup
2 | cgroup2			| attach cgroup /tmp
2 | cgroup			| attach cgroup /etc/hostname
2 | XDP				| attach hook xdp dev lo
2 | not attached		| detach
2 | not attached		| detach wait
2 | not attached		| vtw list
2 | not attached		| vtw find 127.0.0.1:1 127.0.0.1:2
2 | not attached		| vtw flush
2 | not attached		| vtw stats
2 | not attached		| vtw set restarts 3
2 | not attached		| mslt show
2 | not attached		| mslt set local 1s
2 | not attached		| mslt off
2 | not attached		| mslt rule add 10.0.0.0/8 local
2 | not attached		| monitor
'

while_attached='
1 | has no unit			| mslt set loopback 5
1 | 0				| mslt set loopback 0s
1 | 0				| mslt set loopback 0
1 | negative			| mslt set loopback -1s
1 | 10m				| mslt set loopback 11m
1 | 10m				| mslt set loopback 600001ms
1 | 10m				| mslt set loopback 999999999999999999s
1 | unit			| mslt set loopback 5h
1 | unit			| mslt set loopback 5sec
1 | duration			| mslt set loopback s
1 | duration			| mslt set loopback EMPTY
1 | value			| mslt set loopback
1 | 				| mslt set
1 | unknown			| mslt set nearby 1s
1 | has no unit			| mslt set loopback 1s local 5
1 | has no unit			| mslt threshold 5
1 | 0				| mslt threshold 0s
1 | 				| mslt threshold
1 | bits set behind its length	| mslt rule add 10.0.0.1/8 local
1 | bits set behind its length	| mslt rule add 2001:db8::1/32 local
1 | 				| mslt rule add 10.0.0.0/33 local
1 | 				| mslt rule add 10.0.0.0/-1 local
1 | 				| mslt rule add 2001:db8::/129 local
1 | 				| mslt rule add 10.0.0/8 local
1 | 				| mslt rule add nonsense local
1 | 				| mslt rule add 10.0.0.0/8 nearby
1 | unit			| mslt rule add 10.0.0.0/8 5
1 | 10m				| mslt rule add 10.0.0.0/8 11m
1 | 				| mslt rule add 10.0.0.0/8
1 | 				| mslt rule add
1 | 				| mslt rule
2 | 				| mslt rule del 10.9.0.0/16
1 | 				| mslt on again
1 | unknown			| mslt frobnicate
1 | 				| vtw find 127.0.0.1
1 | 				| vtw find 127.0.0.1:1
1 | 				| vtw find 127.0.0.1:99999 127.0.0.1:1
1 | 				| vtw find 127.0.0.1:x 127.0.0.1:1
1 | 				| vtw find 300.0.0.1:1 127.0.0.1:1
1 | 				| vtw find [::1]:1 127.0.0.1:1
1 | 				| vtw list frobnicate
1 | 				| vtw flush frobnicate
1 | 				| vtw stats frobnicate
1 | unknown			| vtw set frobnicate on
1 | 				| vtw set reopen maybe
1 | 				| vtw set restarts many
1 | 				| vtw set restarts -1
1 | unknown			| vtw frobnicate
2 | already attached		| attach
'

trim()		# text
{
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	echo "${text%"${text##*[![:space:]]}"}"
}

# One line, on stderr alone, for people; with -j the same as JSON on stdout alone.
check_words()	# exit pattern command...
{
	local want=$1 pattern=$2 rc json
	shift 2
	vestige "$HOST" "$@" >"$TMP/out" 2>"$TMP/err"
	rc=$?
	cat "$TMP/out" "$TMP/err"
	[ "$rc" = "$want" ] || { echo "exit $rc instead of $want"; return 1; }
	[ ! -s "$TMP/out" ] || { echo "stdout should be empty"; return 1; }
	[ "$(wc -l <"$TMP/err")" = 1 ] || { echo "not one line"; return 1; }
	grep -q '^vestige: ' "$TMP/err" || { echo "not by vestige"; return 1; }
	grep -qF -- "$pattern" "$TMP/err" || { echo "does not say '$pattern'"; return 1; }
	json=$(vestige "$HOST" -j "$@" 2>"$TMP/err")
	[ $? = "$want" ] && [ ! -s "$TMP/err" ] &&
		[ "$(jq -r 'keys | join(",")' <<<"$json")" = error ] ||
		{ echo "with -j: $json"; cat "$TMP/err"; return 1; }
}

# And nothing has changed, neither attached nor half attached.
check_row()	# attached|detached exit pattern command...
{
	local state=$1
	shift
	check_words "$@" || return 1
	if [ "$state" = attached ]; then
		diff <(echo "$snapshot") <(snapshot)
	else
		is_clean "$HOST" "$BUCKETS"
	fi
}

snapshot()
{
	vestige "$HOST" -j mslt show
	vestige "$HOST" -j status | jq -S 'del(.pool)'
	find /sys/fs/bpf/vestige | sort
}

run_table()	# attached|detached table
{
	local want pattern command words i
	while IFS='|' read -r want pattern command; do
		[ -n "$want" ] || continue
		want=$(trim "$want") pattern=$(trim "$pattern")
		read -ra words <<<"$command"
		for i in "${!words[@]}"; do
			[ "${words[i]}" != EMPTY ] || words[i]=
		done
		tap_test "$1: $(trim "$command")" check_row "$1" "$want" "$pattern" "${words[@]}"
	done <<<"$2"
}

# --- the host is not as it should be ----------------------------------------------

# Refused with one line that has PATTERN; nothing stays. For commands that are
# more than words: PREFIX... vestige ARGUMENTS.
refused()	# pattern command...
{
	local pattern=$1 rc
	shift
	"$@" >"$TMP/out" 2>"$TMP/err"
	rc=$?
	cat "$TMP/out" "$TMP/err"
	[ "$rc" = 2 ] || { echo "exit $rc"; return 1; }
	[ "$(cat "$TMP/out" "$TMP/err" | wc -l)" = 1 ] || { echo "not one line"; return 1; }
	grep -qE -- "$pattern" "$TMP/err" || { echo "does not say '$pattern'"; return 1; }
	[ ! -e /sys/fs/bpf/vestige ] || { find /sys/fs/bpf/vestige; return 1; }
	is_clean "$HOST" "$BUCKETS"
}

not_root()
{
	# Where it was built nobody else may be able to read it.
	install -m 755 "$VESTIGE" /run/netns/vestige || return 1
	local command rc=0
	for command in attach detach status "vtw list" "mslt show"; do
		# shellcheck disable=SC2086	# two words
		refused 'root' in_ns "$HOST" setpriv --reuid 65534 --regid 65534 --clear-groups \
			/run/netns/vestige $command || rc=1
	done
	rm /run/netns/vestige
	return "$rc"
}

# umount in a mount namespace of its own; ours keeps what it has.
without_mount()	# directory command...
{
	local dir=$1
	shift
	unshare -m --propagation private bash -c '
		umount "$0" && exec "$@"' "$dir" "$@"
}

no_bpffs()
{
	local command rc=0
	for command in attach detach "detach stale" status "vtw list" monitor; do
		# shellcheck disable=SC2086	# two words
		refused 'bpffs.*mount' without_mount /sys/fs/bpf \
			nsenter --net="/run/netns/$HOST" "$VESTIGE" $command || rc=1
	done
	return "$rc"
}

# bpffs is elsewhere: it is found, and status finds what attach made.
bpffs_elsewhere()
{
	mkdir -p "$TMP/bpffs"
	unshare -m --propagation private bash -c '
		umount /sys/fs/bpf && mount -t bpf bpf "$2" || exit 1
		set -e
		nsenter --net="/run/netns/$0" "$1" attach dev lo entries 64 entries6 64
		[ -d "$2/vestige" ]
		nsenter --net="/run/netns/$0" "$1" status | grep -q ": attached"
		nsenter --net="/run/netns/$0" "$1" detach
		[ ! -e "$2/vestige" ]' "$HOST" "$VESTIGE" "$TMP/bpffs" &&
		is_clean "$HOST" "$BUCKETS"
}

# ip netns exec hides bpffs: the line says how to go about it.
netns_exec()
{
	local command rc=0
	for command in attach status detach; do
		refused 'vestige -n NAME' ip netns exec "$HOST" "$VESTIGE" "$command" || rc=1
	done
	return "$rc"
}

# Root in name, but not allowed to use BPF.
no_capability()
{
	refused 'kernel refuses BPF' in_ns "$HOST" \
		setpriv --bounding-set=-bpf,-sys_admin "$VESTIGE" attach
}

# bpffs is open to everybody: what somebody else made there is not trusted.
foreign_folder()
{
	local rc=0
	chmod 1777 /sys/fs/bpf
	setpriv --reuid 65534 --regid 65534 --clear-groups mkdir /sys/fs/bpf/vestige || return 1
	vestige "$HOST" attach dev lo entries 64 entries6 64 >"$TMP/out" 2>&1
	[ $? = 2 ] && [ "$(wc -l <"$TMP/out")" = 1 ] && grep "not root's alone" "$TMP/out" || rc=1
	rmdir /sys/fs/bpf/vestige || rc=1
	is_clean "$HOST" "$BUCKETS" && return "$rc"
}

# Whatever is in the words: one line, and nothing that a terminal would obey.
strange_words()
{
	refused_words "command: 'a?b?' is unknown" $'a\nb\e' &&
		refused_words "namespace 'a?b' does not exist" attach netns $'a\nb' &&
		refused_words "device 'a?b' does not exist" attach dev $'a\nb'
}

refused_words()	# text command...
{
	local text=$1
	shift
	vestige "$HOST" "$@" >"$TMP/out" 2>&1
	[ "$(wc -l <"$TMP/out")" = 1 ] && grep -F -- "$text" "$TMP/out" && return
	cat -v "$TMP/out"
	return 1
}

# What was asked for could not be said.
stdout_is_full()
{
	local command
	for command in help status "-j status" doctor; do
		# shellcheck disable=SC2086	# two words
		vestige "$HOST" $command >/dev/full 2>"$TMP/err"
		[ $? = 2 ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
			grep -q 'stdout cannot be written' "$TMP/err" || {
			echo "$command: $(cat "$TMP/err")"
			return 1
		}
	done
}

no_cgroup2()
{
	local dir
	dir=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	[ "$(grep -c ' cgroup2 ' /proc/self/mounts)" = 1 ] ||
		{ echo "more than one cgroup2 is mounted"; return 1; }
	refused 'cgroup2' without_mount "$dir" \
		nsenter --net="/run/netns/$HOST" "$VESTIGE" attach
}

# uname(2) says 2.6.x to this personality.
kernel_too_old()
{
	refused 'kernel 2\.6.*too old' in_ns "$HOST" setarch --uname-2.6 "$VESTIGE" attach
}

# A memory cgroup that has no room for 4 Mi sessions: 170 MB.
memory_cgroup()
{
	local root dir
	root=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' \
		/proc/self/mounts)
	if [ -n "$root" ]; then
		dir=$root/vestige-test-$$
		mkdir "$dir" 2>/dev/null && defer rmdir "$dir" &&
			echo 60M >"$dir/memory.limit_in_bytes" || return 1
	else
		dir=$CG
		echo 60M >"$dir/memory.max" || return 1
	fi 2>/dev/null
	echo "$dir"
}

memory_refused()	# cgroup of the memory controller
{
	refused 'memory' bash -c '
		echo $$ >"$0/cgroup.procs" && exec nsenter --net="/run/netns/$1" "$2" \
			attach dev lo entries 4194304 entries6 4194304' "$1" "$HOST" "$VESTIGE"
}

# Pins of another version: nobody but that version may touch them.
other_version()
{
	local map rc=0 command abi
	vestige "$HOST" attach dev lo entries 64 entries6 64 || return 1
	map=$(find /sys/fs/bpf/vestige -name attachment)
	abi=$(bpftool -j map lookup pinned "$map" key 0 0 0 0 | jq -r '.value[0]')
	set_abi "$map" 99 || return 1
	for command in attach detach status "vtw list" "mslt show"; do
		# shellcheck disable=SC2086	# two words
		vestige "$HOST" $command >"$TMP/out" 2>"$TMP/err"
		[ $? = 2 ] && [ "$(cat "$TMP/out" "$TMP/err" | wc -l)" = 1 ] &&
			grep -q 'another version' "$TMP/err" || {
			echo "$command: $(cat "$TMP/out" "$TMP/err")"
			rc=1
		}
	done
	[ "$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)" = 0 ] || rc=1
	set_abi "$map" "$((abi))"
	vestige "$HOST" detach && is_clean "$HOST" "$BUCKETS" || rc=1
	return "$rc"
}

# Bytes of the value as they are, but for the first word.
set_abi()	# map abi
{
	local -a value
	mapfile -t value < <(bpftool -j map lookup pinned "$1" key 0 0 0 0 |
		jq -r '.value[]')
	value[0]=$(printf '0x%02x' "$2")
	bpftool map update pinned "$1" key 0 0 0 0 value "${value[@]}"
}

# A folder that is there, but is not ours; and files where folders should be.
strange_folder()
{
	local cookie rc=0
	cookie=$(vestige "$HOST" -j status | jq .netns_cookie)
	mkdir -p "/sys/fs/bpf/vestige/$cookie" || return 1
	says_half "$HOST" || rc=1
	vestige "$HOST" attach dev lo entries 64 entries6 64 && vestige "$HOST" detach || rc=1
	is_clean "$HOST" "$BUCKETS" || rc=1
	return "$rc"
}

says_half()	# ns
{
	vestige "$1" status 2>&1 | grep -q 'cut short'
}

help_is_no_error()
{
	local words rc=0
	for words in help "attach help" "vtw help" "mslt help" --help -h -V; do
		# shellcheck disable=SC2086	# two words
		vestige "$HOST" $words >"$TMP/out" 2>"$TMP/err" && [ -s "$TMP/out" ] &&
			[ ! -s "$TMP/err" ] || {
			echo "$words: exit $?, $(head -n 2 "$TMP/out" "$TMP/err")"
			rc=1
		}
	done
	return "$rc"
}

run_host()
{
	local dir
	tap_test "help goes to stdout, and is no error" help_is_no_error
	tap_test "not root" not_root
	tap_test "bpffs not mounted" no_bpffs
	tap_test "bpffs mounted elsewhere is found" bpffs_elsewhere
	tap_test "inside ip netns exec" netns_exec
	tap_test "no capability for BPF" no_capability
	tap_test "a folder of somebody else's" foreign_folder
	tap_test "control characters in words" strange_words
	tap_test "stdout is full" stdout_is_full
	tap_test "cgroup2 not mounted" no_cgroup2
	tap_test "kernel too old" kernel_too_old
	if dir=$(memory_cgroup); then
		tap_test "memory refused" memory_refused "$dir"
		rmdir "$dir"
	else
		tap_skip "memory refused" "no memory controller to limit it with"
	fi
	tap_test "pins of another version" other_version
	tap_test "a folder without an attachment" strange_folder
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "stock has no command"
	tap_finish
fi
setup_ns HOST
BUCKETS=$(ns_get "$HOST" net.ipv4.tcp_max_tw_buckets)
echo junk >/run/netns/junk
run_table detached "$while_detached"
run_host
tap_test "attach" vestige "$HOST" attach dev lo entries 64 entries6 64
defer vestige "$HOST" detach
snapshot=$(snapshot)
run_table attached "$while_attached"
tap_test "detach" vestige "$HOST" detach
tap_test "nothing is left" is_clean "$HOST" "$BUCKETS"
tap_finish
