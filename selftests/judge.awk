# SPDX-License-Identifier: GPL-2.0
#
# judge.awk - TAP of one program in; a line "pass|fail|skip TEXT" out for each
# test. `rc` is the exit status of the program.
#
function verdict(word, text) { print word " " text }
function skip(text,	reason) {
	reason = text
	if (!sub(/^.*#[ \t]*[Ss][Kk][Ii][Pp][^ \t]*[ \t]*:?[ \t]*/, "", reason))
		return 0
	if (reason == "")
		verdict("fail", text " (a skip without a reason)")
	else
		verdict("skip", text)
	return 1
}
/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	planned = 1
	if (plan == 0)
		whole = skip($0)
	next
}
/^(not )?ok([ \t]|$)/ {
	bad = sub(/^not ok/, "")
	if (!bad)
		sub(/^ok/, "")
	sub(/^[ \t]*[0-9]*[ \t]*(-[ \t]*)?/, "")
	seen++
	failures += bad
	if (bad || !skip($0))
		verdict(bad ? "fail" : "pass", $0)
}
/^Bail out!/ { verdict("fail", $0); failures++ }
END {
	if (!planned)
		verdict("fail", "ended without a plan, exit status " rc)
	else if (plan != seen)
		verdict("fail", "planned " plan " tests, ran " seen)
	else if (plan == 0 && !whole)
		verdict("fail", "planned no test and gave no reason")
	else if (rc == 124 || rc == 137)
		verdict("fail", "took too long or was killed")
	else if (rc != 0 && !failures && !(rc == 4 && whole))
		verdict("fail", "exit status " rc " without a failed test")
}
