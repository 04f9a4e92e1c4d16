# pop -e ends when its producers have gone: with 0 where they left in order, with 69, after it has printed
# everything, where one of them died or failed.
. "$(dirname "$0")/lib.sh" || exit 1

# ending CODE 'sentence' PRODUCER...: what a pop -e, there before, makes of one that pushes 1 to 3.
ending() {
    local code=$1 sentence=$2 popper
    shift 2
    rm -f "$SHMQ_DIR"/*
    shmq-create -N 64 q
    shmq-pop -e q >popped 2>complaint & popper=$!
    comes_true "$sentence: a pop waits" waits_in q READERS $popper
    "$@" >/dev/null 2>&1
    finished "$code" "then it ends with $code" $popper
    same 'having printed all' "$(seq 3)" "$(<popped)"
    if [ "$code" = 0 ]; then same 'without a word' '' "$(<complaint)"
    else same 'and says why' 'shmq-pop: q: a producer died or failed before the end of the stream' "$(<complaint)"; fi
}
# Pushes 1 to 3 and waits for more; then that signal.
signalled() {
    mkfifo more
    env --default-signal=INT shmq-push q <more & pusher=$!  # the shell has it ignored in the background
    exec 8>more
    seq 3 >&8
    until [ "$(wc -l <popped)" = 3 ]; do sleep 0.01; done
    kill -"$1" $pusher
    wait $pusher
    exec 8>&-
    rm more
}
ending 0 'a producer that leaves' bash -c 'seq 3 | shmq-push q'
ending 0 'one that marks the end' bash -c 'seq 3 | shmq-push -e q'
ending 0 'one that is stopped and goes on' bash -c 'seq 3 | { shmq-push q & kill -STOP $!; kill -CONT $!; wait $!; }'
ending 69 'a killed producer' signalled KILL
ending 69 'an interrupted one' signalled INT
ending 69 'a terminated one' signalled TERM
ending 69 'one that hangs up' signalled HUP
ending 69 'one that crashes' signalled SEGV
ending 69 'one whose input cannot be read' bash -c "seq 3 >input; exec strace -qq -o /dev/null -e trace=read -e inject=read:error=EIO:when=2+ shmq-push q <input"
ending 69 'one whose message is too long' bash -c '{ seq 3; head -c 10000 /dev/zero; } | shmq-push q'
ending 69 'one with a bad frame' bash -c "printf '\0\0\0\0011\0\0\0\0012\0\0\0\0013\0\0\0\0074' | shmq-push -F u32 q"
ending 69 'one killed as it wakes the pop' bash -c "seq 3 >input; exec strace -qq -o /dev/null -e trace=munmap -e inject=munmap:signal=KILL:when=1 shmq-push q <input"

# One of two fails, the other leaves in order.
rm -f "$SHMQ_DIR"/*
works 'a ring' shmq-create -N 64 q
mkfifo more
shmq-pop -e q >popped 2>complaint & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
shmq-push q <more & pusher=$!
exec 8>more
seq 2 >&8
comes_true 'and prints' [ "$(wc -l <popped)" -ge 0 ]
until [ "$(wc -l <popped)" = 2 ]; do sleep 0.01; done
exits 65 'a second producer fails' bash -c 'head -c 10000 /dev/zero | shmq-push q 2>/dev/null'
echo 3 >&8
exec 8>&-
finished 0 'the first one leaves in order' $pusher
finished 69 'the pop ends with 69' $popper
same 'having printed all' "$(seq 3)" "$(<popped)"

# What ended badly before a pop came is not its affair.
rm -f "$SHMQ_DIR"/*
works 'a ring' shmq-create -N 64 q
exits 65 'a producer fails' bash -c 'head -c 10000 /dev/zero | shmq-push q 2>/dev/null'
seq 3 | shmq-push q
ends 0 'a later pop -e does not mind' shmq-pop -e q
same 'and prints all' "$(seq 3)" "$(<"$out")"

# A full ring with -n: the answer is no, and what was cut short counts as a failure.
works 'a small ring' shmq-create -N 4 small
shmq-pop -e small >popped 2>complaint & popper=$!
comes_true 'a pop waits' waits_in small READERS $popper
kill -STOP $popper
ends 1 'a push that is cut short' shmq-push -q -n small < <(seq 100)
kill -CONT $popper
finished 69 'is a failure' $popper
same 'what went in came out' "$(seq "$(wc -l <popped)")" "$(<popped)"
