# shmq-create NAME... -- COMMAND: rings that do not outlive their command.
. "$(dirname "$0")/lib.sh" || exit 1

rings() { ls -A "$SHMQ_DIR" | xargs; }
there() { [ -e "$SHMQ_DIR/shmq.$1" ]; }
gone() { ! there "$1"; }

refuses 64 'missing COMMAND' 'no command' shmq-create q --
refuses 64 'missing NAME' 'no ring' shmq-create -- true
refuses 64 '--exist-ok' 'a ring that was there before is not one to remove' shmq-create --exist-ok q -- true
refuses 64 '--reopen' 'nor to reopen' shmq-create --reopen q -- true
same 'nothing was made' '' "$(rings)"

works 'a command that does nothing' shmq-create q -- true
same 'leaves nothing' '' "$(rings)"
gives 'it finds the ring in SHMQ_RING' $'one\ntwo' shmq-create q -- sh -c 'shmq-push -d one -d two; shmq-pop -a'
gives 'all rings in SHMQ_RINGS' 'a a b c' shmq-create a b c -- sh -c 'echo $SHMQ_RING $SHMQ_RINGS'
gives 'options behind -- are its own' '-N --help --' shmq-create -N 4 q -- echo -N --help --
gives 'those before are ours' 4 shmq-create -N 4 q -- shmq-stat -r --noheadings -o SLOTS q
gives 'stdin is its own' text bash -c 'echo text | shmq-create q -- cat'
ends 3 'its exit code is ours' shmq-create q -- sh -c 'exit 3'
ends 143 'and 128+n where it died of a signal' shmq-create q -- sh -c 'kill -TERM $$'
refuses 127 'no-such-command: No such file' 'not found is 127' shmq-create q -- no-such-command
touch plain
refuses 126 './plain: Permission denied' 'not executable is 126' shmq-create q -- ./plain
same 'each time nothing is left' '' "$(rings)"
gives 'a message nobody fetched goes too' '' shmq-create q -- shmq-push -d x
same 'with its ring' '' "$(rings)"

works 'a ring of the second name' shmq-create b
refuses 73 'b: exists' 'all rings or none' shmq-create a b -- touch ran
same 'and no command' 'shmq.b' "$(rings)"
check 'which did not run' [ ! -e ran ]
gives '--replace replaces' 7 shmq-create --replace -N 7 b -- shmq-stat -r --noheadings -o SLOTS b
same 'and removes' '' "$(rings)"
works 'a command may remove the ring itself' shmq-create q -- shmq-unlink -f q
works 'and make another' shmq-create q -- sh -c 'shmq-unlink -f q; shmq-create q'
same 'which is not ours to remove' shmq.q "$(rings)"
shmq-unlink q

# While it runs
shmq-create q -- sh -c 'echo $$ >pid~; mv pid~ pid; exec sleep 1000' & job=$!
comes_true 'a job runs' [ -s pid ]
refuses 69 'q: in use' 'its ring is in use' shmq-unlink q
refuses 69 'q: in use' 'as a dry run says' shmq-unlink --dry-run q
works 'nor is it swept' shmq-unlink --stale --idle 0 -f
works 'it may be used' shmq-push -d x q
check 'and stays' there q
shmq-pop q >got 2>complaint & popper=$!
comes_true 'by one who comes' waits_in q READERS $popper
kill "$(cat pid)"
finished 143 'the job is killed' $job
check 'its ring is gone' gone q
finished 69 'who was attached is told' $popper
same 'when it has drained the ring' x "$(cat got)"

# Signals go to the command
for signal in INT TERM HUP QUIT USR1 USR2; do
    rm -f ready
    env --default-signal=INT,QUIT shmq-create q -- bash -c "trap 'echo $signal >signalled; exit 7' $signal; touch ready; while :; do sleep 0.05; done" & job=$!
    comes_true "a job that minds SIG$signal" [ -e ready ]
    kill -$signal $job
    finished 7 'gets it, and its answer is ours' $job
    same 'it was that one' $signal "$(cat signalled)"
    check 'the ring is gone' gone q
done

# The one who made it is killed
rm -f pid
shmq-create q -- sh -c 'echo $$ >pid~; mv pid~ pid; exec shmq-pop q' & job=$!
comes_true 'a job that pops' [ -s pid ]
popper=$(cat pid)
comes_true 'and waits' waits_in q READERS "$popper"
kill -KILL $job
finished 137 'shmq-create is killed' $job
works 'the command goes on' shmq-push -e -d x q
comes_true 'and with its last participant the ring goes' gone q
rm -f pid
shmq-create q -- sh -c 'echo $$ >pid~; mv pid~ pid; exec sleep 1000' & job=$!
comes_true 'one that is not attached' [ -s pid ]
kill -KILL $job
finished 137 'shmq-create is killed' $job
same 'its ring is as good as gone' removed "$(field STATE q)"
refuses 66 'q: no such ring' 'for those who come' shmq-push -d x q
check 'and gone' gone q
kill "$(cat pid)"
rm -f pid
shmq-create q -- sh -c 'echo $$ >pid~; mv pid~ pid; exec sleep 1000' & job=$!
comes_true 'again' [ -s pid ]
kill -KILL $job
finished 137 'killed' $job
works 'a sweep takes it at once' shmq-unlink --stale
check 'gone' gone q
kill "$(cat pid)"
