# Sourced by run.sh and demo.sh: installs what is missing on a Debian machine, configures and builds.
# Afterwards $top is the project, $build the build directory.
#
#   . setup.sh; setup PACKAGE...
set -eu
top=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
build=$top/build
build_packages="g++ cmake ninja-build libcli11-dev libfmt-dev nlohmann-json3-dev"

# As root, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
    done
}

install_packages() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    echo "== installing: $missing"
    # shellcheck disable=SC2086  # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null
    # Servers among the packages are only for tests to start: policy-rc.d keeps them from starting now.
    policy=/usr/sbin/policy-rc.d
    made_policy=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
        made_policy=yes
    fi
    status=0
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing </dev/null || status=$?
    [ -z "$made_policy" ] || as_root rm -f $policy
    return $status
}

# build_project CMAKE-ARGUMENT...
build_project() {
    echo "== building in $build"
    cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@" </dev/null
    cmake --build "$build" --parallel "$(nproc)" </dev/null
}
