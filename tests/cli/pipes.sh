# The pipes at stdin and stdout: one through which much goes in a short time is made larger, no other.
NEEDED=python3
. "$(dirname "$0")/lib.sh" || exit 1

# The size of the pipe at the end: at stdin after 24 MiB were read from it, so many bytes at a time and with
# a rest after each; at stdout after 24 MiB were written to it.
cat >far_side.py <<'E2'
import fcntl, os, sys, time
side, at_once, rest = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
line, left = b"x" * 99 + b"\n", 24 << 20
while left > 0:
    moved = len(os.read(0, at_once)) if side == "reads" else os.write(1, line * (at_once // 100))
    if not moved:
        break
    left -= moved
    if rest:
        time.sleep(rest)
print(fcntl.fcntl(0 if side == "reads" else 1, 1032), file=sys.stderr)  # F_GETPIPE_SZ
while side == "reads" and os.read(0, 1 << 20):
    pass
E2
popped_by() {  # bytes at once, rest: the size of pop's stdout
    shmq-create q
    yes "$(printf %099d 0)" | head -n 300000 | shmq-push -e q &
    shmq-pop q | python3 far_side.py reads "$@" 2>size
    ended
}
pushed_by() {  # the size of push's stdin
    shmq-create q
    shmq-pop q >/dev/null &
    python3 far_side.py writes "$@" 2>size | shmq-push -e q
    ended
}
ended() {
    wait
    shmq-unlink -f q
    cat size
}
is() { [ "$("${@:2}")" = "$1" ]; }

# A busy machine makes everybody slow now and then.
comes_true 'who reads quickly from pop gets a large pipe' is 1048576 popped_by 1048576 0
comes_true 'and who writes quickly to push' is 1048576 pushed_by 65536 0
same 'who takes its time with 64 KiB leaves pop the pipe as it was' 65536 "$(popped_by 65536 0.002)"
same 'and push' 65536 "$(pushed_by 65536 0.002)"
