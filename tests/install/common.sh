# Sourced by every test here, with bash. A ring directory and a working directory of its own, both gone
# at the end. `fail` says what is wrong and goes on; the test fails at its end.
#
#   need TOOL...                 a missing tool is a failure, never a skip
#   same 'sentence' WANT HAVE    two texts, shown as a diff where they differ
#   check 'sentence' COMMAND...  a command that is to succeed
set -u
export LC_ALL=C.UTF-8
unset SHMQ_RING
: "${SHMQ_SOURCE:?must name the source tree}" "${SHMQ_BUILD:?must name the build tree}" "${SHMQ_BIN:?must name the directory of the commands}"
PATH=$SHMQ_BIN:$PATH
commands=(create push pop stat unlink bench)

failed=0 checks=0
fail() { echo "FAILED: $*" >&2; failed=$((failed + 1)); }
need() {
    local tool
    for tool; do command -v "$tool" >/dev/null || { echo "FAILED: this test needs '$tool', which is not installed" >&2; exit 1; }; done
}
plain() { sed "s/.\x08//g"; }  # what mandoc prints, without bold and underline
same() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || { fail "$1"; diff -u --label wanted --label found <(printf '%s\n' "$2") <(printf '%s\n' "$3") >&2; }
}
check() {
    local sentence=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$sentence"
}

SHMQ_DIR=$(mktemp -d /dev/shm/shmq-install.XXXXXX) || exit 1
export SHMQ_DIR
work=$(mktemp -d "${TMPDIR:-/tmp}/shmq-install.XXXXXX") || exit 1
finish() {
    local code=$?
    trap - EXIT
    cd /
    rm -rf "$SHMQ_DIR" "$work"
    [ "$code" -eq 0 ] && [ "$checks" -eq 0 ] && { echo "FAILED: nothing was checked" >&2; code=1; }
    [ "$failed" -eq 0 ] || code=1
    echo "$checks checks, $failed failed"
    exit "$code"
}
trap finish EXIT
cd "$work" || exit 1
