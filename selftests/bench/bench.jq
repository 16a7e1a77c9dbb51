# SPDX-License-Identifier: GPL-2.0
#
# bench.jq - raw results of bench.sh in, {figures, checks} out
#
# A check is {part, what, value, bound, ok}; bound null: for information.
# Ratios are made within one round, and then the median of them is taken.

def median: sort | if length == 0 then null else .[length / 2 | floor] end;
def digits($n): if . == null then null
	else . * pow(10; $n) | round / pow(10; $n) end;

def at_most($part; $what; $value; $bound): {$part, $what, value: ($value | digits(2)),
	bound: "<= \($bound)", ok: ($value != null and $value <= $bound)};
def at_least($part; $what; $value; $bound): {$part, $what, value: ($value | digits(2)),
	bound: ">= \($bound)", ok: ($value != null and $value >= $bound)};
def tell($part; $what; $value): {$part, $what, value: ($value | digits(2)),
	bound: null, ok: true};

# (a) memory
def memory: .a // [] | map(
	if .stock then
		tell("a"; "stock, bytes a session: client closes first, slots"; .stock.bytes),
		tell("a"; "  the same, growth of the slabs"; .stock.bytes_measured)
	elif .server then
		tell("a"; "stock, bytes a session: server closes first, slots"; .server.bytes)
	else
		at_most("a"; "IPv4, bytes a session at \(.v4.capacity)";
			.v4.bytes / .v4.capacity; 42),
		at_most("a"; "IPv6, bytes a session at \(.v6.capacity)";
			.v6.bytes / .v6.capacity; 66),
		at_most("a"; "fixed tables, KiB"; .fixed / 1024; 512)
	end);

# (b) and (c): rounds of all ways of a situation
def rounds: group_by(.situation) | map({
	situation: .[0].situation,
	ways: (group_by(.way) | map({key: .[0].way, value: {
		rate: (map(.rate) | median),
		p50_us: (map(.p50_ns / 1e3) | median | digits(1)),
		p99_us: (map(.p99_ns / 1e3) | median | digits(1)),
		made: (map(.made) | median), failed: (map(.failed) | add),
		ended: (map(.ended) | unique | join(" ")),
		cpu_us: (map(.cpu_ns / 1e3) | median | digits(1)),
		host_cpu_us: (map(.host_cpu_ns / 1e3) | median | digits(1)),
		protected: (map(.protected / .closed) | median | [., 1] | min | digits(3)),
		bytes: (map(.bytes) | median | digits(1)),
	}}) | from_entries),
	speed: (group_by(.round) | map(
		(map(select(.way == "vestige") | .rate)[0]) as $ours |
		(map(select(.way != "vestige") | .rate) | max) as $best |
		if $ours and $best then $ours / $best else empty end) | median),
	speed_cpu: (group_by(.round) | map(
		(map(select(.way == "vestige") | .cpu_ns)[0]) as $ours |
		(map(select(.way == "stock" or .way == "knob") | .cpu_ns) | min) as $best |
		if $ours and $best then $best / $ours else empty end) | median),
	cpu: (group_by(.round) | map(
		(map(select(.way == "vestige") | .cpu_ns)[0]) as $ours |
		(map(select(.way == "stock") | .cpu_ns)[0]) as $stock |
		if $ours and $stock then $ours / $stock else empty end) | median),
	flat: (map(select(.way == "vestige" and (.parts | length) == 3) |
		.parts[2].p99_ns / .parts[0].p99_ns) | median),
	lost: (map(select(.way == "vestige") | .failed) | add),
});

def connections: (.b // []) | rounds | map(. as $s |
	at_least("b"; "\(.situation): connections/s over the best other way"; .speed; 1),
	tell("b"; "  the same, a second of CPU (ss works elsewhere: left out)"; .speed_cpu),
	(select(.flat) | at_most("b"; "\(.situation): connect() p99 past 28,232 ports over before"; .flat; 1.5)),
	at_most("b"; "\(.situation): failed connections"; .lost; 0));

# The CPU time of the thread holds its softirqs, too: segments on lo are received
# by who sends them. Not in it are stock's timers, which fire a minute later. The
# time of the whole host is in the table; it holds what else was running.
def cpu: (.b // []) | rounds | map(
	at_most("c"; "\(.situation): CPU a connection over stock"; .cpu; 1));

# (d) table
def versus($entries; $kind; $what; $ours; $bound):
	(map(.[$kind][$what] / .vestige[$ours]) | median) as $ratio |
	at_least("d"; "\($entries): \($what) of \($kind) over ours"; $ratio; $bound);

def tables: (.d // []) | group_by(.entries) | map(.[0].entries as $n |
	(if $n <= 65536 then [10, 4, 1.5] else [1, 1, 1] end) as [$insert, $hit, $miss] |
	(["vestige", "hash", "lru"][] as $kind | ["fill", "full", "hit", "miss"][] as $what |
		tell("d"; "\($n): \($kind), \($what), ns"; map(.[$kind][$what]) | median)),
	(("hash", "lru") as $kind |
		versus($n; $kind; "fill"; "fill"; $insert),
		versus($n; $kind; "full"; "full"; $insert),
		versus($n; $kind; "hit"; "hit"; $hit),
		versus($n; $kind; "miss"; "miss"; $miss)));

# (e) passing segments
def segments: (.e // []) | group_by([.program, .frame]) | map(
	at_most("e"; "\(.[0].program), \(.[0].frame): ns over an empty program";
		map(.over_ns) | median; if .[0].program == "vtw_xdp" then 20 else 30 end));

# (f) answers to FINs
def fins: (.f // []) as $f | if $f == [] then [] else
	[("stock", "tc", "xdp") as $way |
		tell("f"; "\($way): FINs answered a second";
			$f | map(select(.way == $way) | .answers_per_s) | median)] +
	[("tc", "xdp") as $way | at_least("f"; "\($way): answers over stock";
		($f | group_by(.round) | map(
			(map(select(.way == $way) | .answers_per_s)[0]) as $ours |
			(map(select(.way == "stock") | .answers_per_s)[0]) as $stock |
			if $ours and $stock then $ours / $stock else empty end) | median); 1)]
	end;

{
	connections: ((.b // []) | rounds),
	checks: ([memory, connections, cpu, tables, segments, fins] | flatten),
} | .missed = [.checks[] | select(.ok | not) | .what]
