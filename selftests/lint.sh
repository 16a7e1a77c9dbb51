#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through check()
#
# lint.sh - style and static checks of what git knows and what is new
#
# Runs what is installed and says what it left out. CHECKPATCH=FILE names the
# kernel's checkpatch.pl where it is not in /usr/src.
set -u

cd "$(dirname "$0")/.." || exit 1
O=${O:-build}
readonly MAX_FILE=600 MAX_FUNCTION=80 MAX_COLUMNS=100
PATH=$PATH:/usr/sbin:/sbin
status=0
read -ra sysinc <<<"-idirafter /usr/include/$(gcc -print-multiarch 2>/dev/null)"
readonly USER_FLAGS=(-std=gnu11 -D_GNU_SOURCE -Iinclude -Iuser "-I$O"
	'-DVESTIGE_VERSION="lint"')
readonly BPF_FLAGS=(-target bpf -mcpu=v3 -O2 -g -Iinclude -Iinclude/bpf -Ibpf
	"${sysinc[@]}")

files() {
	git ls-files -co --exclude-standard -- "$@" | while read -r f; do
		[ ! -f "$f" ] || echo "$f"
	done
}

mapfile -t all_c < <(files '*.c' '*.h')
mapfile -t user_c < <(files '*.c' | grep -v -e '\.bpf\.c$' -e '^kmod/')
mapfile -t bpf_c < <(files '*.bpf.c')
mapfile -t scripts < <(files '*.sh' '.ci/run')

check() {
	local name=$1 out
	shift

	if out=$("$@" 2>&1) && [ -z "$out" ]; then
		echo "ok    $name"
		return
	fi
	status=1
	echo "WRONG $name"
	echo "$out" | sed 's/^/      /' | head -n 60
}

have() {
	command -v "$1" >/dev/null && return
	echo "left out: $1 is not installed ($2)"
	return 1
}

spdx() {
	local f

	for f in "${all_c[@]}" "${scripts[@]}" Makefile kmod/Makefile kmod/Kbuild; do
		head -n 2 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
			echo "$f: no SPDX line at the top"
	done
}

file_length() {
	awk -v max="$MAX_FILE" 'FNR > max && !said[FILENAME]++ {
		print FILENAME ": more than " max " lines" }' "${all_c[@]}" "${scripts[@]}"
}

# A body stands between a brace in column 0 and the next one that closes there.
function_length() {
	awk -v max="$MAX_FUNCTION" '
	FNR == 1 { start = 0 }
	/^\{/ || /^[a-z_]+\(\) \{$/ { start = FNR; next }
	/^\}/ {
		if (start && FNR - start - 1 > max)
			print FILENAME ":" start ": " FNR - start - 1 " lines"
		start = 0
	}' "${all_c[@]}" "${scripts[@]}"
}

whitespace() {
	awk -v max="$MAX_COLUMNS" '
	/[ \t]$/ { print FILENAME ":" FNR ": blank at the end" }
	/^        / && FILENAME ~ /\.[ch]$/ { print FILENAME ":" FNR ": blanks for a tab" }
	{
		line = $0; width = 0
		n = split(line, part, "\t")
		for (i = 1; i < n; i++)
			width = int((width + length(part[i])) / 8) * 8 + 8
		if (width + length(part[n]) > max)
			print FILENAME ":" FNR ": more than " max " columns"
	}' "${all_c[@]}" "${scripts[@]}"
}

compile() {
	local f

	for f in "${user_c[@]}"; do
		"$@" "${USER_FLAGS[@]}" -Wall -Wextra -Wno-sign-compare \
			-Wno-missing-field-initializers -Werror -fsyntax-only "$f"
	done
}

compile_bpf() {
	local f

	for f in "${bpf_c[@]}"; do
		clang "${BPF_FLAGS[@]}" -Wall -Wextra -Wno-unused-parameter \
			-Wno-sign-compare -Werror -fsyntax-only "$f"
	done
}

# Not the endianness checks: the C library's htons() knows nothing of __be16. BPF
# headers have no NULL.
run_sparse() {
	local f

	for f in "${user_c[@]}"; do
		sparse -Wno-bitwise -Wno-non-pointer-null -Wno-decl "${USER_FLAGS[@]}" \
			-I"$(gcc -print-file-name=include)" "${sysinc[@]/-idirafter/-I}" \
			"$f" 2>&1 | grep -E "^(user|bpf|include|selftests)/.*(error|warning):"
	done
	return 0
}

# Headers of a kernel: those of KDIR, of the host, or of the test machines.
kernel_headers() {
	local kdir

	for kdir in "${KDIR:-/lib/modules/$(uname -r)/build}" "$O"/vm/6.1[0-9]*/headers/build \
		"$O"/vm/*/headers/build; do
		[ ! -e "$kdir/include/generated/utsrelease.h" ] || { echo "$kdir"; return; }
	done
}

# The whole build, as the kernel checks itself: it speaks of our files only.
check_kmod() {
	local out=$O/lint

	rm -rf "$out/kmod"
	make -s kmod KDIR="$1" O="$out" W=1 C=2 CF=-D__CHECK_ENDIAN__ 2>&1 |
		grep -iE -A 3 'warning|error'
	return 0
}

run_checkpatch() {
	perl "$1" --no-tree --terse --no-summary --quiet --max-line-length="$MAX_COLUMNS" \
		--ignore SPDX_LICENSE_TAG,FILE_PATH_CHANGES,SPLIT_STRING,VOLATILE \
		--ignore AVOID_EXTERNS,PREFER_KERNEL_TYPES,COMPLEX_MACRO \
		--ignore CONSTANT_COMPARISON,NEW_TYPEDEFS,PREFER_ATTRIBUTE_ALWAYS_UNUSED \
		--ignore TRAILING_STATEMENTS,ARRAY_SIZE,SUSPECT_COMMA_SEMICOLON \
		--ignore EMBEDDED_FUNCTION_NAME,QUOTED_WHITESPACE_BEFORE_NEWLINE \
		--ignore INITIALISED_STATIC,TRAILING_SEMICOLON,MACRO_ARG_UNUSED \
		--ignore ASSIGN_IN_IF,REPEATED_WORD,LINE_SPACING,FUNCTION_ARGUMENTS \
		--ignore ENOSYS,MACRO_ARG_REUSE,STRNCPY,STRCPY,PREFER_DEFINED_ATTRIBUTE_MACRO \
		-f "${all_c[@]}"
}

check 'SPDX line' spdx
check "files up to $MAX_FILE lines" file_length
check "functions up to $MAX_FUNCTION lines" function_length
check "whitespace, $MAX_COLUMNS columns" whitespace
if have shellcheck 'package shellcheck'; then
	check shellcheck shellcheck -x "${scripts[@]}"
fi
[ -e "$O/vtw.skel.h" ] || echo "note  without $O/vtw.skel.h (make) some files do not compile"
if have gcc 'package gcc'; then
	check 'gcc -Wall -Wextra' compile gcc
fi
if have clang 'package clang'; then
	check 'clang -Wall -Wextra' compile clang
	check 'clang -Wall -Wextra for BPF' compile_bpf
fi
if have sparse 'package sparse'; then
	check sparse run_sparse
fi
kdir=$(kernel_headers)
if [ -z "$kdir" ]; then
	echo 'left out: the module, there are no kernel headers (KDIR=DIR; make test gets some)'
elif have sparse 'package sparse'; then
	check "module: gcc W=1, sparse with endianness" check_kmod "$(realpath "$kdir")"
fi
checkpatch=${CHECKPATCH:-$(find /usr/src -path '*/scripts/checkpatch.pl' 2>/dev/null | head -n 1)}
if [ -n "$checkpatch" ]; then
	check checkpatch run_checkpatch "$checkpatch"
else
	echo 'left out: checkpatch.pl (package linux-source-6.1, or CHECKPATCH=FILE)'
fi
exit "$status"
