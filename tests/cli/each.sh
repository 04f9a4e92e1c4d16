# shmq-pop --each: a command for each message, consumed when the command has handled it.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring' shmq-create q
works 'three messages' sh -c 'printf "one\ntwo words\nthree\n" | shmq-push q'
gives 'a command gets each on its stdin' '[one][two words][three]' shmq-pop -a --each 'printf "[%s]" "$(cat)"' q
works 'nothing is left, and nothing to do is no error' shmq-pop -a --each false q
works 'bytes' sh -c 'printf "a\0b\n" | shmq-push -w q'
gives 'arrive as they are' '61 00 62 0a' sh -c "shmq-pop -a --each 'od -An -tx1' q | xargs"
works 'one more' shmq-push -d hello q
gives 'or as JSON' '{"seq":4,"len":5,"data":"hello"}' shmq-pop -aJ --each cat q
works 'and one more' shmq-push -d hello q
gives 'or framed' 'hello' shmq-pop -a -z --each "tr -d '\\0'" q

works 'four' sh -c 'seq 4 | shmq-push q'
ends 1 'the command that fails ends it' shmq-pop -a --each 'read n; echo $n; [ $n != 2 ] || exit 3' q
same 'after the one before' "$(seq 2)" "$(cat "$out")"
check 'and says what happened' grep -q 'q: message [0-9]* stays in the ring: the command exited with 3' "$err"
gives 'what failed is still there, marked, with its name and number in the environment' 'q 1
q 0
q 0' shmq-pop -a --each 'cat >/dev/null; echo $SHMQ_RING $SHMQ_REDELIVERED; [ $SHMQ_SEQ -gt 0 ]' q
works 'one' shmq-push -d x q
refuses 1 '*died of signal 9' 'a command that is killed has not handled it' shmq-pop -a --each 'kill -KILL $$' q
ends 1 'nor has one that is not there' shmq-pop -a -q --each /nowhere/at/all q
check 'which is said' grep -q 'the command exited with 127' "$err"
gives 'a command need not read' 'x' shmq-pop -a --each 'echo x' q
works 'a large message' sh -c 'head -c 1000000 /dev/zero | shmq-push -w q'
gives 'is there whole' 1000000 shmq-pop -a --each 'wc -c' q
works 'and one that nobody reads' sh -c 'head -c 1000000 /dev/zero | shmq-push -w q'
works 'holds nobody up' shmq-pop -a --each true q
works 'five' sh -c 'seq 5 | shmq-push q'
gives '-c counts' "$(seq 2)" shmq-pop -c 2 --each cat -F line q
refuses 64 '*--each*' 'not with peek' shmq-pop -p --each cat q
refuses 64 '*--each*' 'not without a command' shmq-pop --each '' q
gives 'the rest, until the end' "$(seq 3 5; echo last)" sh -c 'shmq-push -e -d last q; shmq-pop -F line --each cat q'

# Killed or asked to end in the middle: nothing is lost.
works 'another ring' shmq-create slow
works 'with two jobs' sh -c 'seq 2 | shmq-push slow'
mkfifo gate
shmq-pop --each 'cat >>done; read go <gate' slow &
popper=$!
comes_true 'the first is begun' [ -s done ]
kill -TERM $popper
echo go >gate
wait $popper
same 'asked to end it does so when the command has ended' 143 $?
gives 'and the first is done' 1 shmq-stat -r --noheadings -o MSGS slow
shmq-pop --each 'echo $$ >pid~; mv pid~ pid; exec sleep 1000' slow &
popper=$!
comes_true 'the second is begun' [ -s pid ]
kill -KILL $popper
wait $popper 2>/dev/null
kill -KILL "$(cat pid)"
gives 'killed in the middle it leaves the job to the next' '1 2' shmq-pop -a --each 'echo $SHMQ_REDELIVERED "$(cat)"' slow
