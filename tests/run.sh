#!/bin/sh
# Builds and runs all tests, on a Debian 12 machine with nothing but this tree. As root, or with sudo.
#   sh tests/run.sh [CTEST-ARGUMENT...]        SHMQ_LONG=1 sh tests/run.sh for the long ones
. "$(dirname -- "$0")/setup.sh"

# shellcheck disable=SC2086  # a list of words
install_packages $build_packages doctest-dev bash jq strace spin gcc clang libclang-rt-14-dev \
    mandoc zsh fish bash-completion pkg-config util-linux procps bsdextrautils perl python3 xz-utils file git diffutils
build_project -DBUILD_TESTING=ON -DSHMQ_WERROR=ON
exec ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "$@"
