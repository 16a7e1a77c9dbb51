#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# input.sh - bad input to selsrc and addr: one line that says what is wrong; the exit status
# says whose fault it was (1 usage, 2 the host); nothing is changed by it.
# shellcheck source=selftests/selsrc/lib.sh disable=SC2015,SC2317
. "$(dirname "$0")/lib.sh"

# exit | a part of what is said | command
while_detached='
1 | unknown			| selsrc frobnicate
1 | unknown			| selsrc attach foo
1 | wants a value		| selsrc attach cgroup
1 | wants a value		| selsrc attach netns
1 | wants a value		| selsrc attach conf
2 | /nosuch/cgroup		| selsrc attach cgroup /nosuch/cgroup
2 | cgroup2			| selsrc attach cgroup /tmp
2 | nosuchns			| selsrc attach netns nosuchns
1 | no name of a namespace	| selsrc attach netns ../../proc
2 | /nosuch/conf		| selsrc attach conf /nosuch/conf
1 | unknown			| selsrc detach foo
2 | not attached		| selsrc detach
2 | nosuchns			| selsrc detach netns nosuchns
2 | not attached		| selsrc show
2 | not attached		| selsrc policy show
2 | not attached		| selsrc policy set default index
2 | not attached		| selsrc policy del default
2 | not attached		| selsrc explain 192.0.2.1
2 | not attached		| selsrc follow
2 | not attached		| addr pref set 192.0.2.1 dev d0 1
2 | not attached		| addr show
'

while_attached='
2 | already attached		| selsrc attach cgroup CG
1 | too many			| selsrc show foo
1 | too many			| selsrc follow foo
1 | too many			| selsrc policy show foo
1 | unknown			| selsrc policy frobnicate
1 | write default or DEV	| selsrc policy set
1 | write default or DEV	| selsrc policy set default
1 | write default or DEV	| selsrc policy del
1 | same-category, scope, deprecated, label | selsrc policy set default nosuch
1 | no function			| selsrc policy set default index,nosuch
1 | no function			| selsrc policy set default INDEX
1 | no function			| selsrc policy set default inde
1 | no function			| selsrc policy set default indexx
1 | empty			| selsrc policy set default EMPTY
1 | comma			| selsrc policy set default ,
1 | comma			| selsrc policy set default index,
1 | comma			| selsrc policy set default ,index
1 | comma			| selsrc policy set default index,,preference
1 | at most 8			| selsrc policy set default NINE
2 | nosuchdev			| selsrc policy set nosuchdev index
1 | no name of a device		| selsrc policy set EMPTY index
1 | no name of a device		| selsrc policy set averylongnameofadevice index
2 | nosuchdev			| selsrc policy del nosuchdev
2 | none for d0			| selsrc policy del d0
2 | none for default		| selsrc policy del default
1 | unknown			| selsrc policy set default index foo
1 | wants a value		| selsrc policy set default index cgroup
2 | is not attached		| selsrc policy set default index cgroup /nosuch
1 | too many			| selsrc policy set default index cgroup CG more
2 | is not attached		| selsrc detach cgroup /nosuch
1 | write DEST			| selsrc explain
1 | not an address		| selsrc explain nonsense
1 | and nothing else		| selsrc explain 192.0.2.1:80
1 | and nothing else		| selsrc explain 192.0.2.0/24
1 | unknown			| selsrc explain 192.0.2.1 foo
1 | wants a value		| selsrc explain 192.0.2.1 dev
2 | nosuchdev			| selsrc explain 192.0.2.1 dev nosuchdev
2 | is not attached		| selsrc explain 192.0.2.1 cgroup /nosuch
1 | unknown			| addr frobnicate
1 | say what			| addr pref
1 | too many			| addr show foo
1 | write ADDR			| addr pref set
1 | write ADDR			| addr pref set 192.0.2.1
1 | write ADDR			| addr pref set 192.0.2.1 dev d0
1 | write ADDR			| addr pref set 192.0.2.1 dev d0 1 2
1 | unknown			| addr pref set 192.0.2.1 via d0 1
1 | not an address		| addr pref set nonsense dev d0 1
1 | and nothing else		| addr pref set 192.0.2.1/24 dev d0 1
1 | and nothing else		| addr pref set 192.0.2.1:1 dev d0 1
1 | -32768 to 32767		| addr pref set 192.0.2.1 dev d0 32768
1 | -32768 to 32767		| addr pref set 192.0.2.1 dev d0 -32769
1 | -32768 to 32767		| addr pref set 192.0.2.1 dev d0 99999999999999999999
1 | whole number		| addr pref set 192.0.2.1 dev d0 one
1 | whole number		| addr pref set 192.0.2.1 dev d0 1.5
1 | whole number		| addr pref set 192.0.2.1 dev d0 1x
1 | whole number		| addr pref set 192.0.2.1 dev d0 --1
1 | whole number		| addr pref set 192.0.2.1 dev d0 -
1 | whole number		| addr pref set 192.0.2.1 dev d0 EMPTY
2 | nosuchdev			| addr pref set 192.0.2.1 dev nosuchdev 1
2 | does not have the address	| addr pref set 192.0.2.99 dev d0 1
2 | does not have the address	| addr pref set 192.0.2.1 dev lo 1
2 | does not have the address	| addr pref set 2001:db8::99 dev d0 1
1 | write ADDR			| addr pref del 192.0.2.1 dev d0 1
2 | has none			| addr pref del 192.0.2.1 dev d0
2 | nosuchdev			| addr pref del 192.0.2.1 dev nosuchdev
'

# exit | line | a part of what is said | the file; ; stands for the end of a line
files='
1 | 1 | a line is	| frobnicate
1 | 3 | a line is	| # one;;policy get default
1 | 2 | no function	| policy set default index;policy set default nosuch
1 | 1 | a line is	| policy set default index, preference
1 | 1 | at most 8	| policy set default index,index,index,index,index,index,index,index,index
1 | 1 | a line is	| policy set default
1 | 1 | a line is	| policy del default
1 | 1 | a line is	| policy set default index cgroup /
2 | 2 | nosuchdev	| ;policy set nosuchdev index
1 | 1 | 32767		| pref set 192.0.2.1 dev d0 32768
1 | 1 | whole number	| pref set 192.0.2.1 dev d0 many
1 | 1 | not an address	| pref set 192.0.2 dev d0 1
2 | 1 | does not have	| pref set 192.0.2.9 dev d0 1
1 | 1 | a line is	| pref set 192.0.2.1 on d0 1
1 | 1 | a line is	| pref set 192.0.2.1 dev d0 1 2
1 | 4 | a line is	| policy set default index;;pref set 192.0.2.1 dev d0 1;x
1 | 1 | a line is	| selsrc
1 | 1 | a line is	| 1 2 3 4 5 6 7 8 9 10 11 12
'

trim()		# text
{
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	echo "${text%"${text##*[![:space:]]}"}"
}

# One line on stderr alone; with -j the same as JSON on stdout alone.
check_words()	# exit pattern command...
{
	local want=$1 pattern=$2 rc
	shift 2
	vestige "$HOST" "$@" >"$TMP/out" 2>"$TMP/err"
	rc=$?
	cat "$TMP/out" "$TMP/err"
	[ "$rc" = "$want" ] || { echo "exit $rc instead of $want"; return 1; }
	[ ! -s "$TMP/out" ] || { echo "stdout should be empty"; return 1; }
	[ "$(wc -l <"$TMP/err")" = 1 ] && grep -q '^vestige: ' "$TMP/err" &&
		grep -qF -- "$pattern" "$TMP/err" || { echo "does not say '$pattern'"; return 1; }
	vestige "$HOST" -j "$@" >"$TMP/out" 2>"$TMP/err"
	[ $? = "$want" ] && [ ! -s "$TMP/err" ] &&
		jq -e --arg p "$pattern" '.error | contains($p)' "$TMP/out" >/dev/null
}

run_table()	# table
{
	local want pattern words word args
	while IFS='|' read -r want pattern words; do
		[ -n "$(trim "$want")" ] || continue
		args=()
		for word in $words; do
			case $word in
			EMPTY)	word= ;;
			NINE)	word=label,label,label,label,index,index,index,index,index ;;
			CG)	word=$CG ;;
			esac
			args+=("$word")
		done
		tap_test "$(trim "$words" | cut -c 1-70)" \
			check_words "$(trim "$want")" "$(trim "$pattern")" "${args[@]}"
	done <<<"$1"
}

check_file()	# exit line pattern text
{
	tr ';' '\n' <<<"$4" >"$TMP/conf"
	check_words "$1" "$TMP/conf:$2: " selsrc attach cgroup "$CG" conf "$TMP/conf" &&
		check_words "$1" "$3" selsrc attach cgroup "$CG" conf "$TMP/conf" &&
		selsrc_is_clean
}

run_files()
{
	local want line pattern text
	while IFS='|' read -r want line pattern text; do
		want=$(trim "$want") text=$(trim "$text")
		[ -z "$want" ] || tap_test "file: ${text:0:60}" \
			check_file "$want" "$(trim "$line")" "$(trim "$pattern")" "$text"
	done <<<"$files"
}

no_directory()
{
	mkdir -p "$TMP/dir" && check_words 2 "cannot be read" selsrc attach conf "$TMP/dir"
}

# All that it can say, and the words of the command line, too; no newline at the end.
good_file()
{
	printf '%s' '# policies
policy set default deprecated,preference	# for all
	selsrc policy set d0 preference

addr pref set 192.0.2.1 dev d0 -7
pref set 2001:db8::1 dev d0 +32767' >"$TMP/conf"
	selsrc "$HOST" attach cgroup "$CG" conf "$TMP/conf" || return 1
	same "$(selsrc "$HOST" policy show)" "default deprecated,preference cgroup $CG
d0 preference cgroup $CG" &&
		same "$(vestige "$HOST" -j addr show | jq -c '[.[].preference | select(. != 0)]')" \
			'[-7,32767]'
	local rc=$?
	selsrc "$HOST" detach && selsrc_is_clean && return "$rc"
}

# The one that is read unless another is named; it is also no matter if it is not there.
usual_file()
{
	local rc
	mkdir "$TMP/etc" "$TMP/work" && mount -t overlay -o \
		"lowerdir=/etc,upperdir=$TMP/etc,workdir=$TMP/work" overlay /etc 2>/dev/null ||
		{ mount -t tmpfs etc /etc && touch /etc/passwd; } || return 1
	mkdir -p /etc/vestige && echo "policy set default label" >/etc/vestige/selsrc.conf
	selsrc "$HOST" attach cgroup "$CG"
	same "$(selsrc "$HOST" policy show)" "default label cgroup $CG"
	rc=$?
	selsrc "$HOST" detach
	umount /etc
	return "$rc"
}

snapshot()
{
	selsrc "$HOST" policy show
	vestige "$HOST" addr show
	selsrc_json "$HOST" show | jq -c .cgroups
}

tap_start
setup_ns HOST
device "$HOST" d0 192.0.2.1/24 192.0.2.2/24 2001:db8::1/64
run_table "$while_detached"
run_files
tap_test "a folder for a file" no_directory
tap_test "a file with all it can say" good_file
tap_test "the usual file" usual_file
tap_test "detached, nothing is left" selsrc_is_clean
tap_test "attach" attach "$HOST"
before=$(snapshot)
run_table "$while_attached"
tap_test "nothing was changed by it" same "$(snapshot)" "$before"
tap_test "detach" selsrc "$HOST" detach
tap_test "nothing is left" selsrc_is_clean
tap_finish
