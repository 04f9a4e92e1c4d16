# shmq-stat --until: waits for a state of rings, and says so by its exit code alone.
NEEDED='strace setpriv'
. "$(dirname "$0")/lib.sh" || exit 1

watched() { [ "$(watchers "$1")" = "$2" ]; }
watchers() { shmq-stat -J "$1" | jq '.rings[0].watchers'; }

refuses 64 '--until' 'no state' shmq-stat --until
refuses 64 'one of empty, nonempty, full, reader, writer, end' 'a state that is none' shmq-stat --until half q
refuses 64 'needs a NAME' 'no ring' shmq-stat --until empty
refuses 64 'needs --until' '-t without it' shmq-stat -t 1 q
refuses 64 'exclude each other' 'it shows nothing' shmq-stat --until empty -J q
refuses 66 'no such ring' 'a ring that is not there' shmq-stat --until empty q
echo text >"$SHMQ_DIR/shmq.text"
refuses 76 'not a ring' 'what is no ring' shmq-stat --until empty text
rm "$SHMQ_DIR/shmq.text"

works 'a ring' shmq-create -N 4 q
exits 0 'it is empty' shmq-stat --until empty q
for state in nonempty full reader writer end; do refuses 124 'timed out' "it is not: $state" shmq-stat --until $state -t 1ms q; done
shmq-push -d 1 q
exits 0 'with a message it is not empty' shmq-stat --until nonempty q
refuses 124 'timed out' 'nor is it' shmq-stat --until empty -t 0 q
seq 2 4 | shmq-push q
exits 0 'with four it is full' shmq-stat --until=full q

# Each of them comes true while somebody waits.
awaits() { shmq-stat --until "$@" >out 2>err & waiter=$!; comes_true "somebody waits for $1" watched "${!#}" 1; }
heard() { finished 0 "$1" $waiter; same 'without a word' '' "$(cat out err)"; comes_true 'and is gone' watched q 0; }
awaits empty q
check 'as no reader and no writer' [ "$(field READERS,WRITERS q)" = '0 0' ]
shmq-pop -a q >/dev/null
heard 'the last pop makes it empty'
awaits nonempty q
shmq-push -d x q
heard 'the first push makes it nonempty'
awaits full q
seq 3 | shmq-push q
heard 'the last slot makes it full'
shmq-pop -a q >/dev/null
awaits reader q
shmq-pop q >/dev/null & popper=$!
heard 'a pop is a reader'
mkfifo input
awaits writer q
shmq-push q <input & pusher=$!
exec 3>input
heard 'a push is a writer'
awaits end q
exec 3>&-
shmq-push -e q </dev/null
heard 'and makes an end'
finished 0 'the pop ends' $popper
finished 0 'the push too' $pusher
refuses 69 'ended' 'an ended, empty ring will not be nonempty any more' shmq-stat --until nonempty q
exits 0 'the end stays' shmq-stat --until end -t 0 q

# Several at once
shmq-create a b
shmq-stat --until nonempty a b >out 2>err & waiter=$!
comes_true 'somebody waits for two rings' watched b 1
shmq-push -d x a
comes_true 'and goes on after the first' sleeps $waiter
check 'until it is true of both' running $waiter
shmq-push -d x b
finished 0 'that is so' $waiter

# Removed, killed, told to stop
shmq-stat --until reader a >out 2>err & waiter=$!
comes_true 'somebody waits' watched a 1
refuses 69 'in use' 'the ring is in use' shmq-unlink a
works 'removed all the same' shmq-unlink -f a
finished 69 'who waits is told' $waiter
same 'in words' 'shmq-stat: a: the ring was removed' "$(cat err)"
shmq-stat --until reader b & waiter=$!
comes_true 'somebody waits' watched b 1
kill -TERM $waiter
finished 143 'and dies of SIGTERM' $waiter
same 'in order' 0 "$(watchers b)"
shmq-stat --until empty b & one=$!
shmq-stat --until reader b & two=$!
comes_true 'two wait' watched b 2
kill -KILL $one $two
finished 137 'and are killed' $one
finished 137 'both' $two
gives 'which disturbs nobody' x shmq-pop -a b
works 'the ring can be removed' shmq-unlink b

# Waiting costs nothing.
shmq-create idle
shmq-stat --until reader idle & waiter=$!
comes_true 'somebody waits' watched idle 1
ticks() { sed 's/.*) //' "/proc/$waiter/stat" | awk '{ print $12 + $13 }'; }
before=$(ticks)
sleep 1
check 'and does not spin' [ $(($(ticks) - before)) -lt 20 ]
kill -KILL $waiter
finished 137 'killed' $waiter

# Who may only read looks again and again.
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$SHMQ_DIR"
    chmod 777 .
    shmq-create -m 644 public
    as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    refuses 124 'timed out' 'a reader of a public ring may wait' as_nobody shmq-stat --until nonempty -t 1ms public
    as_nobody shmq-stat --until nonempty public >out 2>err & waiter=$!
    comes_true 'it waits' sleeps $waiter
    shmq-push -d x public
    finished 0 'and sees what comes' $waiter
    rm -f seen
    as_nobody strace -qq -e trace=clock_nanosleep -o seen shmq-stat --until empty public >out 2>err & waiter=$!
    comes_true 'it waits' [ -s seen ]
    shmq-unlink public
    finished 69 'and that the ring goes' $waiter
    shmq-create -m 600 private
    refuses 77 'ermission denied' 'not of a private one' as_nobody shmq-stat --until empty private
fi
shmq-create --participants 1 small
shmq-pop small >/dev/null & popper=$!
comes_true 'a full table' waits_in small READERS $popper
exits 0 'does not keep one from waiting' shmq-stat --until reader small
kill $popper
finished 143 'the pop ends' $popper
