# shmq-create --ephemeral: a ring that goes with its last participant.
. "$(dirname "$0")/lib.sh" || exit 1

there() { [ -e "$SHMQ_DIR/shmq.$1" ]; }
gone() { ! there "$1"; }

works 'an ephemeral ring' shmq-create --ephemeral q
same 'is shown' true "$(shmq-stat -J q | jq .rings[0].ephemeral)"
works 'looking' shmq-stat q
works 'in any way' shmq-pop -p q
check 'takes nothing away' there q
shmq-pop q >got & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
works 'one who comes' shmq-push -d one q
check 'and goes leaves it to those who stay' there q
works 'the end' shmq-push -e -d two q
finished 0 'the last one leaves' $popper
same 'with all messages' $'one\ntwo' "$(cat got)"
check 'and the ring is gone' gone q
refuses 66 'q: no such ring' 'for everybody' shmq-push -d x q

works 'another' shmq-create --ephemeral q
works 'its only participant leaves a message' shmq-push -d lost q
check 'and takes the ring with it' gone q

# Killed: the next who looks. Looking itself is read-only.
left_by_the_killed() {
    shmq-create --ephemeral q
    shmq-pop q & popper=$!
    comes_true 'a pop waits' waits_in q READERS $popper
    kill -KILL $popper
    finished 137 'and is killed' $popper
}
left_by_the_killed
check 'the file is still there' there q
same 'shown as removed' removed "$(field STATE q)"
check 'looking took nothing away' there q
refuses 66 'q: no such ring (it was ephemeral' 'a push finds no ring' shmq-push -d x q
check 'and it is gone' gone q
left_by_the_killed
refuses 66 'q: no such ring (it was ephemeral' 'nor does a pop' shmq-pop -a q
check 'and it is gone' gone q
left_by_the_killed
works 'create makes a new one' shmq-create q
works 'that stays' shmq-push -d x q
check 'there' there q
works 'and goes when it is told to' shmq-unlink q
left_by_the_killed
works 'create --exist-ok makes a new one' shmq-create --exist-ok -N 7 q
same 'of another size' 7 "$(field SLOTS q)"
works 'unlink' shmq-unlink q
left_by_the_killed
works 'unlink removes it' shmq-unlink q
left_by_the_killed
gives 'a sweep would, at once' q shmq-unlink --stale --dry-run
works 'a sweep does' shmq-unlink --stale
check 'and it is gone' gone q
left_by_the_killed
shmq-push --wait-ring -d x q & pusher=$!
comes_true 'a push that waits for a ring takes it away' gone q
works 'and goes on' shmq-create q
finished 0 'with the new one' $pusher
gives 'which has the message' x shmq-pop -a q
shmq-unlink q
shmq-unlink --watch --idle 1h & watcher=$!
comes_true 'a watch' sleeps $watcher
left_by_the_killed
comes_true 'sees that the last one was killed' gone q
kill $watcher
finished 143 'and is told to stop' $watcher

works 'ephemeral or not is part of what --exist-ok compares' shmq-create --ephemeral q
works 'the same' shmq-create --ephemeral --exist-ok q
refuses 76 'ephemeral' 'another' shmq-create --exist-ok q
shmq-push -d x q
check 'gone at last' gone q
