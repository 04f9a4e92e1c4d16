#!/bin/sh
# Builds everything and runs all tests; installs first what that needs and is missing.
#
#   sh tests/run.sh [CTEST OPTION]...     such as: -R cli.push, -L unit, -V
#
# The exit code is that of ctest. SHMQ_LONG=1 in the environment makes soaks, kills and models longer.
. "$(dirname "$0")/setup.sh"

# shellcheck disable=SC2086  # lists
install_packages $build_packages $test_packages
build ON
say 'Testing'
exec ctest --test-dir build --output-on-failure -j2 "$@"
