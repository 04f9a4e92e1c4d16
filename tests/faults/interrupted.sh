# Signals that are none of ours, and calls that come back with EINTR for them, again and again: nothing is
# lost, nothing fails that can be tried again. And what a signal that ends a push leaves behind.
. "$(dirname "$0")/lib.sh" || exit 1

ring=$SHMQ_DIR/shmq.q
seq 200 >input
works 'a ring' shmq-create -N 64 q
cp "$ring" empty
calls shmq-push -e q < <(seq 3) >calls_of_push
calls shmq-pop -e q >calls_of_pop
own_in_push() { awk -v call="$1" '$1 == call { print $2; found = 1; exit } END { if (!found) print 1 }' calls_of_push; }
own_in_pop() { awk -v call="$1" '$1 == call { print $2; found = 1; exit } END { if (!found) print 1 }' calls_of_pop; }

# ---- every second call of one kind is interrupted, on both sides of a busy ring
for call in read write futex poll fcntl pread64 membarrier; do
    cp empty "$ring"
    strace -qq -o /dev/null -e trace=$call -e inject=$call:error=EINTR:when=$(own_in_pop $call)+2 shmq-pop -e q >popped 2>complaint & popper=$!
    ends 0 "push, every second $call interrupted" strace -qq -o /dev/null -e trace=$call -e inject=$call:error=EINTR:when=$(own_in_push $call)+2 shmq-push q <input
    check 'without a word' [ ! -s "$err" ]
    finished 0 'and so the pop' $popper
    check 'everything comes through' cmp -s input popped
    same 'without a word either' '' "$(<complaint)"
done

# ---- stopped and continued all the time, behind small pipes
cp empty "$ring"
seq 30000 >many
shmq-pop -e q > >(cat >popped; : >done) & popper=$!
cat many | shmq-push q & pusher=$!
comes_true 'a push and a pop at work' [ -d /proc/$popper ]
stops=0
while kill -0 $pusher 2>/dev/null && [ $stops -lt 300 ]; do
    kill -STOP $pusher $popper; kill -CONT $pusher; kill -STOP $pusher; kill -CONT $popper $pusher
    kill -WINCH $popper $pusher; kill -URG $popper $pusher
    stops=$((stops + 1))
done 2>/dev/null
finished 0 'the push ends in order' $pusher
finished 0 'the pop too' $popper
comes_true 'its output is complete' [ -e done ]
check 'everything came through' cmp -s many popped

# ---- membarrier and futex are not there at all, for one side or both
for who in push pop both; do
    for call in membarrier futex; do
        cp empty "$ring"
        trace="strace -qq -o /dev/null -e trace=$call -e inject=$call:error=ENOSYS:when="
        in_push=$trace$(own_in_push $call)+ in_pop=$trace$(own_in_pop $call)+
        [ $who = push ] && in_pop=''
        [ $who = pop ] && in_push=''
        $in_pop shmq-pop -e q >popped 2>complaint & popper=$!
        ends 0 "a push without $call in $who" $in_push shmq-push q <input
        finished 0 'the pop ends' $popper
        check 'everything comes through' cmp -s input popped
        same 'without a word' '' "$(cat "$err" complaint)"
    done
done

# ---- a push that is ended by a signal, at any system call: a beginning of its input is in the ring
for signal in KILL INT; do
    cp empty "$ring"
    head -5 input >few
    calls shmq-push q <few >made
    wrong='' points=0
    while read -r call nth; do
        case $call in mmap | brk | rt_sigreturn | setitimer) continue ;; esac
        cp empty "$ring"
        guard strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=$signal:when=$nth" shmq-push q <few >"$out" 2>"$err"
        code=$? points=$((points + 1))
        n=$(shmq-pop -p q | tee held | wc -l)
        # After the last look at it a signal changes nothing any more.
        [ $code = $((128 + $(kill -l $signal))) ] || [ "$signal-$code-$n" = "${signal/KILL/none}-0-5" ] || wrong+=" $call $nth: exit $code;"
        cmp -s held <(head -n "$n" few) || wrong+=" $call $nth: not a beginning;"
        [ "$(participants q)" = 0 ] || wrong+=" $call $nth: still attached;"
        [ "$n" = 0 ] || [ "$n" = 5 ] || wrong+=" $call $nth: a part;"
        sound q || wrong+=" $call $nth: the ring does not work;"
    done <made
    if [ -z "$wrong" ]; then passed "push, SIG$signal at each of $points system calls"; else failed "push, SIG$signal at each of $points system calls" "$wrong"; fi
done

# ---- waiting, and told to stop
for signal in INT TERM HUP; do
    cp empty "$ring"
    env --default-signal=INT shmq-pop q >popped 2>complaint & popper=$!
    comes_true 'a pop waits' waits_in q READERS $popper
    kill -$signal $popper
    finished $((128 + $(kill -l $signal))) "SIG$signal ends it" $popper
    same 'without a word' '' "$(<complaint)"
    same 'it is detached' 0 "$(participants q)"
    env --ignore-signal=$signal shmq-pop q >popped 2>complaint & popper=$!
    comes_true "a pop waits that ignores SIG$signal" waits_in q READERS $popper
    kill -$signal $popper
    works 'it goes on' shmq-push -e -d x q
    finished 0 'until the end' $popper
done
