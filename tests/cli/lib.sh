# Sourced by every test of the commands. Each script has a ring directory and a working directory of
# its own, says in sentences what it checks, and leaves nothing behind, however it ends.
#
#   works 'sentence' COMMAND...                 exit 0, and nothing on stderr
#   gives 'sentence' TEXT COMMAND...            the same, and TEXT on stdout (without trailing newlines)
#   exits CODE 'sentence' COMMAND...            that exit code, nothing on stdout and nothing on stderr
#   refuses CODE PATTERN 'sentence' COMMAND...  that exit code, nothing on stdout, and PATTERN (a glob)
#                                               in what `TOOL: ...` says on stderr
#   ends CODE 'sentence' COMMAND...             that exit code; look at "$out" and "$err" yourself
#   check 'sentence' COMMAND...                 any command that is to be true
#   same 'sentence' EXPECTED FOUND              two texts
#   comes_true 'sentence' COMMAND...            true at last: for what another process is about to do
#
# What a command printed is in the files "$out" and "$err", its exit code in $status. Nothing here
# measures time: `guard` only ends what hangs.
set -u
export LC_ALL=C
unset SHMQ_RING
exec </dev/null

: "${SHMQ_BIN:?must name the directory of the commands}"
SHMQ_BIN=$(realpath -e -- "$SHMQ_BIN") || exit 1  # the tests go elsewhere
PATH=$SHMQ_BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
needed="shmq-create shmq-push shmq-pop shmq-stat shmq-unlink jq cmp sha256sum timeout perl ${NEEDED:-}"
for tool in $needed; do
    command -v "$tool" >/dev/null || { echo "FAILED: this test needs '$tool', which is not installed" >&2; exit 1; }
done

SHMQ_DIR=$(mktemp -d /dev/shm/shmq-cli.XXXXXX) || exit 1
export SHMQ_DIR
own_rings=$SHMQ_DIR  # a test may look elsewhere
work=$(mktemp -d "${TMPDIR:-/tmp}/shmq-cli.XXXXXX") || exit 1
cd "$work" || exit 1
out=$work/.out err=$work/.err status=0 checks=0 failed=0
main_pid=$BASHPID

# A process and what it started itself.
kill_all() {
    local child
    for child in $(cat "/proc/$1/task/$1/children"); do kill_all "$child"; done
    kill -KILL "$1"
}

finish() {
    local code=$?
    [ "$BASHPID" = "$main_pid" ] || exit "$code"
    trap - EXIT
    set +u
    local pids
    pids=$(jobs -p)
    if [ -n "$pids" ]; then
        for pid in $pids; do kill_all "$pid"; done 2>/dev/null
        wait $pids 2>/dev/null
    fi
    cd /
    [ "$(type -t clean_up)" != function ] || clean_up
    rm -rf "$own_rings" "$SHMQ_DIR" "$work"
    [ "$checks" -gt 0 ] || { echo "FAILED: nothing was checked"; code=1; }
    [ "$failed" -eq 0 ] || code=1
    echo "$checks checks, $failed failed"
    exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

patience=${SHMQ_TEST_PATIENCE:-240}
guard() {
    if [ "$(type -t "$1")" = function ]; then "$@"; else timeout --signal=KILL "$patience" "$@"; fi
}

passed() { checks=$((checks + 1)); echo "ok      $1"; }
failed() {  # sentence, then lines that explain
    checks=$((checks + 1)) failed=$((failed + 1))
    echo "FAILED  $1 (${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]})"
    shift
    printf '        %s\n' "$@"
}
shown() { head -c 1500 "$1" | tr -c '[:print:]\n' '?' | head -20; }
printed() { printf 'on stdout: [%s]\non stderr: [%s]' "$(shown "$out")" "$(shown "$err")"; }

run() {
    guard "$@" >"$out" 2>"$err"
    status=$?
}

verdict() {  # sentence, what is wrong (empty: nothing), command...
    local sentence=$1 wrong=$2
    shift 2
    if [ -z "$wrong" ]; then passed "$sentence"; else failed "$sentence" "command: $*" "$wrong" "$(printed)"; fi
    [ -z "$wrong" ]
}

works() {
    local sentence=$1 wrong=
    shift
    run "$@"
    [ "$status" = 0 ] || wrong="expected exit 0, found $status"
    [ ! -s "$err" ] || wrong="${wrong:+$wrong; }expected nothing on stderr"
    verdict "$sentence" "$wrong" "$@"
}

gives() {
    local sentence=$1 expected=$2 wrong= found
    shift 2
    run "$@"
    found=$(tr -d '\0' <"$out")
    [ "$status" = 0 ] || wrong="expected exit 0, found $status"
    [ ! -s "$err" ] || wrong="${wrong:+$wrong; }expected nothing on stderr"
    [ "$found" = "$expected" ] || wrong="${wrong:+$wrong; }expected on stdout [$expected]"
    verdict "$sentence" "$wrong" "$@"
}

exits() {
    local code=$1 sentence=$2 wrong=
    shift 2
    run "$@"
    [ "$status" = "$code" ] || wrong="expected exit $code, found $status"
    [ ! -s "$err" ] || wrong="${wrong:+$wrong; }expected nothing on stderr"
    [ ! -s "$out" ] || wrong="${wrong:+$wrong; }expected nothing on stdout"
    verdict "$sentence" "$wrong" "$@"
}

refuses() {
    local code=$1 pattern=$2 sentence=$3 wrong= first
    shift 3
    run "$@"
    first=$(head -1 "$err")
    [ "$status" = "$code" ] || wrong="expected exit $code, found $status"
    [ ! -s "$out" ] || wrong="${wrong:+$wrong; }expected nothing on stdout"
    # shellcheck disable=SC2254  # a pattern is meant
    case $first in
        shmq-*": "*$pattern*) ;;
        *) wrong="${wrong:+$wrong; }expected on stderr [shmq-...: ...$pattern...]" ;;
    esac
    verdict "$sentence" "$wrong" "$@"
}

ends() {
    local code=$1 sentence=$2 wrong=
    shift 2
    run "$@"
    [ "$status" = "$code" ] || wrong="expected exit $code, found $status"
    verdict "$sentence" "$wrong" "$@"
}

check() {
    local sentence=$1
    shift
    if { if [ "$(type -t "$1")" = file ]; then guard "$@"; else "$@"; fi }; then passed "$sentence"; else failed "$sentence" "not true: $*"; fi
}

same() {
    if [ "$2" = "$3" ]; then passed "$1"; else failed "$1" "expected [$2]" "found    [$3]"; fi
}

comes_true() {
    local sentence=$1 end=$((SECONDS + patience))
    shift
    until "$@" 2>/dev/null; do
        if [ $SECONDS -ge $end ]; then failed "$sentence" "still not true: $*"; return 1; fi
        sleep 0.02
    done
    passed "$sentence"
}

# The exit code of a process we started; $status too.
finished() {  # CODE sentence PID
    local end=$((SECONDS + patience))
    while running "$3"; do
        [ $SECONDS -lt $end ] || { kill_all "$3"; failed "$2" "process $3 did not end"; return 1; }
        sleep 0.01
    done
    wait "$3" 2>/dev/null
    status=$?
    same "$2" "$1" "$status"
}

# One figure of one ring: field MSGS q
field() { shmq-stat -r --noheadings -o "$1" "$2"; }
field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
process_state() { sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null; }
sleeps() { [ "$(process_state "$1")" = S ]; }
running() { case $(process_state "$1") in '' | Z) false ;; esac }
# waits_in RING READERS PID [N]: attached, as the Nth of its kind, and at rest.
waits_in() { field_is "$2" "$1" "${4:-1}" && sleeps "$3"; }
holds() { [ "$(cat "$1")" = "$2" ]; }  # a file, a text
random() { head -c "$1" /dev/urandom; }
repeat() { head -c "$2" /dev/zero | tr '\0' "$1"; }
