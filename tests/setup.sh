# shellcheck shell=sh disable=SC2034
# Sourced by demo.sh and run.sh: from a fresh Debian 12 to a build in build/. What is there already is
# left as it is. Runs as root or with sudo, from any directory, without a terminal.
set -eu
exec </dev/null
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

build_packages='g++ cmake ninja-build libcli11-dev libfmt-dev nlohmann-json3-dev jq'
test_packages='doctest-dev spin strace clang libclang-rt-dev procps util-linux bsdutils mount perl-base python3 pkg-config man-db mandoc
               locales bash zsh fish bash-completion tmux mosquitto mosquitto-clients redis-server redis-tools pv mbuffer socat libboost-dev
               lintian dpkg-dev fakeroot systemd binutils file'

say() { printf '== %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: $*: must be run as root, or sudo must be installed" >&2
        return 1
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"; }

install_packages() {  # PACKAGE...
    missing=
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Installing:$missing"
    (
        # Some of them come with a service, which we do not want started.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap 'as_root rm -f $policy' EXIT
            trap 'exit 130' INT
            trap 'exit 143' TERM HUP
            printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
            as_root chmod 755 $policy
        fi
        [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' | head -n 1)" ] || apt update
        # shellcheck disable=SC2086  # a list
        apt install --no-install-recommends $missing || { apt update && apt install --no-install-recommends $missing; }
    )
}

build() {  # TESTS (ON or OFF), then targets (none: everything)
    say "Building in $root/build"
    generator=
    [ -e build/CMakeCache.txt ] || generator='-G Ninja'
    # shellcheck disable=SC2086
    cmake -S . -B build $generator -DCMAKE_BUILD_TYPE=Release -DSHMQ_WERROR=ON -DSHMQ_TOOLS=ON -DBUILD_TESTING="$1"
    shift
    [ $# = 0 ] || set -- --target "$@"
    cmake --build build --parallel "$(nproc)" "$@"
}
