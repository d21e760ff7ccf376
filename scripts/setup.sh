#!/bin/bash
# Installs what the given make goals need and this machine lacks: usage `scripts/setup.sh GOAL...`.
# As root on Debian it calls apt-get; else it prints the exact command and fails. Silent when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
want() { # want COMMAND PACKAGE...: the packages are needed when the command is not there
	command -v "$1" >/dev/null 2>&1 || packages+=("${@:2}")
}

goals=" $* "
want cc gcc libc6-dev
want make make
want emcc emscripten
want wasm-ld lld
[ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
[ -e /usr/include/linux/ptrace.h ] || packages+=(linux-libc-dev)
case $goals in *" test "*)
	want crit criu        # Debian's crit decodes every image set we write
	want zstd zstd        # packs archives for tests to read
	want gdb-multiarch gdb-multiarch # opens the core dumps we write
	want chromium chromium # opens the views we write
	want setsid util-linux
	want iptables iptables # one of the two network locks; /usr/sbin may not be on PATH
	want ip iproute2      # networks of their own to move a server in
	# programs that are checkpointed (test/real)
	want redis-server redis-server
	want memcached memcached
	want nginx nginx-light
	[ -x /usr/lib/postgresql/15/bin/postgres ] || packages+=(postgresql-15)
	want javac openjdk-17-jdk-headless
	want caddy caddy
	want perl perl
	[ -x /usr/bin/python3 ] || packages+=(python3)
	want tmux tmux
	want vim vim
	want less less ;;
esac
case $goals in *" test "* | *" core-test "* | *fuzz*)
	# the core's tests and fuzzers: clang (emscripten brings it) with its sanitizers
	compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*' >/dev/null || packages+=(clang-14 libclang-rt-14-dev) ;;
esac

if [ ${#packages[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		echo "Missing: ${packages[*]} (names of Debian packages). Install what your system calls them, then run make again."
		exit 1
	elif [ "$(id -u)" != 0 ]; then
		echo "Missing Debian packages. Run this, then make again:"
		echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
		exit 1
	fi
	echo "Installing from Debian: ${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q </dev/null
	apt-get install -q -y --no-install-recommends "${packages[@]}" </dev/null
fi

if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0] >= 20')" != true ]; then
	echo "Node 20 or later is needed (found: $(node --version 2>/dev/null || echo none)). https://nodejs.org/en/download has it."
	exit 1
fi
node scripts/modules-ready.mjs
