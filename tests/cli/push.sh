# shmq-push: every option.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring' shmq-create q
refuses 66 'nowhere: no such ring (create it with shmq-create nowhere)' 'no such ring' shmq-push -d x nowhere

# -d
works '-d pushes its text' shmq-push -d 'a b' q
gives 'and nothing else' 'a b' shmq-pop -a q
works '-d may be repeated' shmq-push -d 1 -d 2 -d 3 q
gives 'in order' $'1\n2\n3' shmq-pop -a q
gives '-d never reads stdin' $'left\nalone' bash -c "printf 'left\nalone\n' | { shmq-push -d x q; cat; }"
works '-d with a newline is one message' shmq-push -d $'a\nb' q
same 'so there are two' 2 "$(field MSGS q)"
shmq-pop -a q >/dev/null 2>&1
works '-d ends with a closed stdin too' bash -c 'shmq-push -d x q <&-'
gives 'and pushes' x shmq-pop -a q

# -c
seq 10 >ten
gives '-c 3 leaves the rest of a file' "$(seq 4 10)" bash -c '{ shmq-push -c 3 q; cat; } <ten'
gives 'and pushes three' "$(seq 3)" shmq-pop -a q
gives '-c 3 leaves the rest of a pipe' "$(seq 4 10)" bash -c 'cat ten | { shmq-push -c 3 q; cat; }'
gives 'and pushes three' "$(seq 3)" shmq-pop -a q
gives '-c 0 pushes nothing and leaves everything' "$(seq 10)" bash -c '{ shmq-push -c 0 q; cat; } <ten'
same 'nothing' 0 "$(field MSGS q)"
works '-c of more than there are' shmq-push -c 100 q <ten
gives 'pushes all' "$(seq 10)" shmq-pop -a q
works '-c and -d' shmq-push -c 2 -d a -d b -d c q
gives 'go together' $'a\nb' shmq-pop -a q
gives '-c counts under -z' c bash -c "printf 'a\0b\0c' | { shmq-push -z -c 2 q; cat; }"
gives 'and pushes two' $'a\nb' shmq-pop -a q
gives '-c 1 under u32 leaves the next frame of a pipe' 'rest' bash -c "printf '\0\0\0\1arest' | { shmq-push -F u32 -c 1 q; cat; }"
gives 'and pushes one' a shmq-pop -a q

# -n and -t on a full ring
works 'a ring of four slots' shmq-create -N 4 full
exits 1 '-n fails at once when it is full' bash -c 'seq 10 | shmq-push -q -n full'
gives 'what fitted is in the ring' "$(seq 4)" shmq-pop -p full
exits 1 '-n with nothing pushed says nothing' shmq-push -n -d x full
ends 124 '-t fails when a message had to wait' shmq-push -t 10ms -d x full
check 'and says so' grep -q '^shmq-push: full: timed out' "$err"
exits 124 '-q -t is silent' shmq-push -q -t 10ms -d x full
exits 124 '-t 0 does not wait' shmq-push -q -t 0 -d x full
gives 'none of it is in the ring' "$(seq 4)" shmq-pop -a full
works '-n where there is room' shmq-push -n -d x full
works '-t where there is room' shmq-push -t 0 -d y full
gives 'both are in the ring' $'x\ny' shmq-pop -a full
seq 4 | shmq-push full
shmq-push -t 1h -d 5 full & pusher=$!
comes_true '-t waits for room' waits_in full WRITERS $pusher
gives 'which a pop makes' 1 shmq-pop -c 1 full
finished 0 'then the message is in' $pusher
gives 'behind the others' "$(seq 2 5)" shmq-pop -a full

# A full ring and no option: wait.
for how in '' block spin adaptive; do
    seq 100 | shmq-push ${how:+--waiting $how} full & pusher=$!
    comes_true "a push waits for room (--waiting ${how:-as the ring says})" field_is USED full 4
    gives 'a pop gets everything' "$(seq 100)" shmq-pop -c 100 full
    finished 0 'and the push ends' $pusher
done

# Each complete message at once
mkfifo lines
shmq-push q <lines & pusher=$!
exec 3<>lines
printf 'one\ntwo\npart' >&3
gives 'complete lines are there before the input ends' $'one\ntwo' shmq-pop -c 2 q
same 'an incomplete one is not' 0 "$(field MSGS q)"
printf 'ly\n' >&3
gives 'until it is complete' partly shmq-pop -c 1 q
printf last >&3
exec 3>&-
finished 0 'the input ends, and the push' $pusher
gives 'with the unterminated line' last shmq-pop -a q
shmq-push -F chunk q <lines & pusher=$!
exec 3<>lines
printf abc >&3
gives 'a chunk is there at once' abc shmq-pop -w q
exec 3>&-
finished 0 'and the push ends' $pusher

# -e
works '-e marks the end' shmq-push -e -d last q
same 'for all to see' ended "$(field STATE q)"
refuses 69 'q: ' 'a later push is refused' shmq-push -d late q
works 'a second end changes nothing' shmq-push -e q
gives 'a pop drains and ends' last shmq-pop q
works 'and again' shmq-pop q
works '-e with empty input' bash -c 'shmq-create e1; shmq-push -e e1'
works 'ends a stream of nothing' shmq-pop e1
shmq-create e2
shmq-pop e2 >got & popper=$!
comes_true 'a pop waits' waits_in e2 READERS $popper
works 'an end wakes it' shmq-push -e e2
finished 0 'and it ends' $popper
shmq-create e3
refuses 65 '' 'a push that fails' bash -c "echo rubbish | shmq-push -e -J e3"
same 'does not mark the end' open "$(field STATE e3)"
shmq-create -N 2 e4
ends 1 'nor does one that finds no room' bash -c 'seq 10 | shmq-push -q -n -e e4'
same 'does not mark the end' open "$(field STATE e4)"
works '-c and -e' bash -c 'shmq-create e5; seq 10 | shmq-push -c 2 -e e5'
gives 'end behind the last that counts' $'1\n2' shmq-pop e5
works 'a push that is at work when another one ends the stream' shmq-create e6
mkfifo more
shmq-push e6 <more 2>complaint & pusher=$!
exec 3<>more
echo 1 >&3
gives 'has pushed' 1 shmq-pop -c 1 e6
works 'the end comes' shmq-push -e e6
echo 2 >&3
exec 3>&-
finished 69 'and it fails' $pusher
check 'saying so' grep -q '^shmq-push: e6: ' complaint
works 'nothing slipped in behind the end' shmq-pop e6

# --wait-ring
shmq-push --wait-ring -d first late & pusher=$!
comes_true 'a push waits for the ring' sleeps $pusher
works 'which is made' shmq-create late
finished 0 'then it pushes' $pusher
gives 'its message' first shmq-pop -a late
ends 124 '-t limits the wait' shmq-push --wait-ring -t 10ms -d x never
check 'and it says what it waited for' grep -q '^shmq-push: never: .*no such ring' "$err"
works '--wait-ring does not wait for what is there' shmq-push --wait-ring -d x late
refuses 76 '' 'nor for what is not a ring' bash -c "echo text >'$SHMQ_DIR/shmq.text'; shmq-push --wait-ring -d x text"

# An exit of 0 is a promise.
shmq-create -N 128 many
seq 100000 | shmq-push many & pusher=$!
guard shmq-pop -c 100000 many >got
finished 0 'a hundred thousand through 128 slots' $pusher
check 'all of them, in order' cmp got <(seq 100000)
same 'are counted' '100000 100000 0' "$(field PUSHED,POPPED,USED many)"
