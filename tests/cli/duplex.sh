# Duplex rings: both directions at once, between NAME/a and NAME/b.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a duplex ring' shmq-create -D -N 64 chat
same 'is two files' 'shmq.chat~ab shmq.chat~ba' "$(ls "$SHMQ_DIR" | paste -sd' ')"
works 'a says something' shmq-push -d 'hello b' chat/a
works 'b says something' shmq-push -d 'hello a' chat/b
gives 'stat shows both directions of the bare name' 'chat/a 1
chat/b 1' shmq-stat -r --noheadings -o NAME,MSGS chat
gives 'and of all names' 'chat/a
chat/b' shmq-stat -r --noheadings -o NAME
gives 'a side is what it pushes' 'chat/a 1' shmq-stat -r --noheadings -o NAME,MSGS chat/a
gives 'what a pushed b sees' 'hello b' shmq-pop -p chat/b
gives 'what a pushed b pops' 'hello b' shmq-pop -a chat/b
gives 'what b pushed a pops' 'hello a' shmq-pop -a chat/a
export SHMQ_RING=chat/a
works 'a side may come from the environment' shmq-push -d again
unset SHMQ_RING
gives 'and arrives' again shmq-pop -a /chat/b
refuses 66 '*chat/a and chat/b*' 'the bare name has no side' shmq-push -d x chat
refuses 66 '*chat/a and chat/b*' 'nor when popping' shmq-pop -n chat
refuses 73 '*exists*' 'it exists' shmq-create -D chat
refuses 73 '*duplex*' 'an ordinary ring of that name too' shmq-create chat
refuses 64 '*create -D chat*' 'one side cannot be made alone' shmq-create chat/a
refuses 64 '*bad ring name*' 'there is no third side' shmq-push -d x chat/c
refuses 64 '*bad ring name*' 'nor a side of a side' shmq-push -d x chat/a/b
works '--exist-ok agrees' shmq-create -D -N 64 --exist-ok chat
refuses 76 '*another geometry*' 'or not' shmq-create -D -N 128 --exist-ok chat

# A service: what comes in goes through a program and back.
shmq-pop chat/b | sed -u 's/^/you said: /' | shmq-push chat/b &
service=$!
works 'a request' shmq-push -d 'a question' chat/a
gives 'has its answer' 'you said: a question' shmq-pop -c 1 -t 200 chat/a
works 'and another' shmq-push -d '' chat/a
gives 'and its answer' 'you said: ' shmq-pop -c 1 -t 200 chat/a
refuses 69 '*in use*' 'it is not removed while the service runs' shmq-unlink chat
same 'neither half' 'shmq.chat~ab shmq.chat~ba' "$(ls "$SHMQ_DIR" | paste -sd' ')"
works 'the end of the requests' shmq-push -e chat/a -d 'last one'
wait $service
gives 'ends the service, which has answered' 'you said: last one' shmq-pop -a chat/a

# A creator that died between the two directions.
rm "$SHMQ_DIR/shmq.chat~ba"
refuses 66 '*shmq-create -D chat*' 'half a duplex ring is none, and says how to complete it' shmq-push -d x chat/a
refuses 66 '' 'for the other side too' shmq-pop -n chat/a
gives 'stat calls it by its name' 'chat/a' shmq-stat -r --noheadings -o NAME chat
refuses 73 '*duplex*' 'it is in the way of an ordinary one' shmq-create chat
works 'create -D completes it' shmq-create -D -N 64 chat
works 'and it works' shmq-push -d x chat/b
gives 'both ways' x shmq-pop -a chat/a
works 'with messages in it' shmq-push -d y chat/b
works 'replaced' shmq-create -D --replace chat
gives 'both are new' '0 0' sh -c 'shmq-stat -r --noheadings -o PUSHED chat | paste -sd" "'
works 'unlink removes both' shmq-unlink chat
same 'and leaves nothing' '' "$(ls "$SHMQ_DIR")"
refuses 66 '' 'now there is none' shmq-unlink chat
works '-f minds not' shmq-unlink -f chat
works 'two of them' shmq-create -D one two
works 'a side removes both as well' shmq-unlink one/b
works '--all removes each once' shmq-unlink --all
same 'and nothing is left' '' "$(ls "$SHMQ_DIR")"

works 'an ordinary ring' shmq-create plain
refuses 73 '*ordinary*' 'is in the way of a duplex one' shmq-create -D plain
works 'a duplex ring with a message' shmq-create -D idle
works 'in one direction' shmq-push -d x idle/b
exits 0 'which keeps both from being swept' shmq-unlink --stale --idle 0 idle/a
exits 0 'by the bare name too' shmq-unlink --stale --idle 0 idle
check 'they are there' [ "$(ls "$SHMQ_DIR" | grep -c idle)" = 2 ]
gives 'until it is read' x shmq-pop -a idle/a
gives 'and then both would go' idle shmq-unlink --stale --idle 0 --dry-run idle
works 'and then both go' shmq-unlink --stale --idle 0
works 'another one' shmq-create -D idle
works 'goes by its bare name' shmq-unlink --stale --idle 0 idle
same 'all of them' '' "$(ls "$SHMQ_DIR")"

# Of many who make it at once one succeeds, and it is whole.
for i in 1 2 3 4 5 6 7 8; do shmq-create -D race 2>/dev/null; echo $? >>"$work/codes" & done
wait
same 'of eight creators one made it' '1 7' "$(sort "$work/codes" | uniq -c | awk '{ print $1 }' | paste -sd' ')"
works 'and it is whole' shmq-push -d x race/a

# Ephemeral, and for as long as a command runs.
works 'an ephemeral duplex ring' shmq-create -D --ephemeral brief
shmq-pop brief/b >"$work/brief" &
popper=$!
comes_true 'whose one side waits' sh -c '[ "$(shmq-stat -r --noheadings -o READERS brief/a)" = 1 ]'
works 'stays while one direction is in use, whoever leaves the other' shmq-push -d x brief/b
check 'both are there' [ "$(ls "$SHMQ_DIR" | grep -c brief)" = 2 ]
works 'a message and the end' shmq-push -e -d bye brief/a
wait $popper
same 'that arrives' bye "$(cat "$work/brief")"
same 'and with the last participant both directions go' '' "$(ls "$SHMQ_DIR" | grep brief)"
gives 'a duplex ring for a command, and its name for it' 'answer' shmq-create -D job -- sh -c 'shmq-push -d answer "$SHMQ_RING/b"; shmq-pop -a "$SHMQ_RING/a"'
same 'gone when it ended' '' "$(ls "$SHMQ_DIR" | grep job)"
