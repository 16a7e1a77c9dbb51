# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# apt.sh - apt on lists and a cache of its own, below $dir/apt; sourced. The host keeps
# its sources and its package lists.
#
# shellcheck disable=SC2154	# $dir is of who sources this

readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

die() { echo "${0##*/}: $*" >&2; exit 1; }

# The mirror that the host uses for Debian itself. Who is behind a source is known
# once its list was fetched; before, its suite and component have to do.
# shellcheck disable=SC2016	# apt's $, not the shell's
mirror()
{
	local codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' \
		'Created-By: Packages' | awk -v codename="$codename" '
		$1 ~ /^cdrom:/ || $2 ~ /-(security|updates|backports)/ || $3 != "main" { next }
		$4 == "Debian" && !known { known = $1 }
		$2 == codename && !likely { likely = $1 }
		END { print known ? known : likely }'
}

configure()	# suite
{
	local url
	url=$(mirror)
	[ -n "$url" ] || die "apt has no source of Debian itself"
	mkdir -p "$dir"/apt/{lists/partial,cache/archives/partial} || exit 1
	: >"$dir/apt/status"
	echo "deb [signed-by=$KEYRING arch=amd64] $url $1 main" >"$dir/apt/sources.list"
}

own()		# apt-get|apt-cache arguments...
{
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::sourcelist="$dir/apt/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$dir/apt/lists" -o Dir::State::status="$dir/apt/status" \
		-o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User=root \
		-o APT::Architecture=amd64 -o Acquire::Languages=none \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@" 2>&1
}

# apt calls a mirror that it cannot reach a warning, and succeeds.
update()
{
	local out
	out=$(own apt-get -o APT::Update::Error-Mode=any update) && return
	echo "$out" >&2
	[ ! -e "$dir/release" ] || return 0 # what is there will do
	grep -qE -e 'Could not (resolve|connect)' -e 'Temporary failure|unreachable' \
		-e 'onnection (refused|timed out)' <<<"$out" && exit 4
	exit 1
}

depends()	# package
{
	own apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr , '\n' |
		awk '{ print $1 }'
}
