# shmq-stat -P: who is attached, and what each of them does. What ipcs shows, and --limits.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring' shmq-create -N 8 --participants 8 q
gives 'nobody is attached: the headings' 'RING PID USER COMMAND ROLE STATE HOLDS MESSAGES BYTES LOST' shmq-stat -P
ends 0 'in JSON' shmq-stat -P -J
check 'an empty list' jq -e '.format == 1 and .participants == []' "$out"
refuses 66 'no such ring' 'of a ring that is not there' shmq-stat -P nowhere
refuses 64 'columns out of RING' 'a column of rings' shmq-stat -P -o NAME q
refuses 64 'columns out of NAME' 'a column of participants without -P' shmq-stat -o COMMAND q

mkfifo input
shmq-push q <input & pusher=$!
exec 3>input
printf 'one\nthree\n' >&3
comes_true 'a producer has pushed two messages' field_is MSGS q 2
gives 'it has a line' "q $pusher $(id -un) shmq-push producer 2 8" shmq-stat -P -r --noheadings -o RING,PID,USER,COMMAND,ROLE,MESSAGES,BYTES q
gives 'and holds nothing' - shmq-stat -P --noheadings -o HOLDS q
mkfifo full
exec 4<>full
perl -e 'print "x" x 200000' >big & filler=$!
wait $filler
works 'a ring of large messages' shmq-create -N 8 -s 128K large
shmq-push -w large <big
shmq-pop -w large >full & popper=$!
holding() { [ "$(shmq-stat -P --noheadings -r -o HOLDS,ROLE large)" = '0+2 consumer' ]; }
comes_true 'a consumer that cannot write out what it has holds it' holding
works 'JSON' shmq-stat -P -J large
check 'says so too' jq -e --argjson pid $popper '.participants[0] | .pid == $pid and .role == "consumer" and .holds_position == 0 and .holds_slots == 2 and .alive and .messages == 0' "$out"
check 'with what /proc knows' jq -e '.participants[0] | .command == "shmq-pop" and .state == "sleeping" and .attached_ns > 0' "$out"
same 'it is attached' 1 "$(field NATTCH large)"
state_is() { [ "$(shmq-stat -P --noheadings -r -o STATE,COMMAND "$1")" = "$2" ]; }
kill -STOP $popper
comes_true 'a stopped one is stopped' state_is large 'stopped shmq-pop'
kill -KILL $popper
finished 137 'and killed' $popper
comes_true 'dead, and its pid says nothing' state_is large 'dead -'
same 'it is attached no more' 0 "$(field NATTCH large)"
exec 4>&-

# A process may call itself as it likes.
works 'a ring' shmq-create odd
cp "$(command -v shmq-pop)" "$(printf 'p\033[2Jq\nr')"
"./$(printf 'p\033[2Jq\nr')" -c 1 odd >/dev/null & popper=$!
comes_true 'somebody with an odd name' state_is odd 'sleeping p?[2Jq?r'
shmq-push -d x odd
finished 0 'takes the message' $popper

# Whose pid it is, is known by what that process has mapped; in another PID namespace it is nobody's.
if [ "$(id -u)" = 0 ] && unshare --pid --fork true 2>/dev/null; then
    unshare --pid --fork --kill-child sh -c 'sleep 0; exec shmq-pop large >/dev/null' & child=$!
    comes_true 'somebody of another PID namespace' field_is READERS large 1
    same 'is alive, and without a name' 'alive -' "$(shmq-stat -P --noheadings -r -o STATE,COMMAND large | grep -v ^dead)"
    shmq-push -e large </dev/null
    finished 0 'it ends' $child
fi

# ---- what ipcs shows ----------------------------------------------------------------------------
printf 'x\n' >&3
comes_true 'another message' field_is MSGS q 3
gives 'owner, group, creator and theirs' "$(id -un) $(id -gn) $(id -un) $(id -gn)" shmq-stat -r --noheadings -o OWNER,GROUP,CREATOR,CGROUP q
gives 'who pushed last' $pusher shmq-stat --noheadings -o PUSHPID q
gives 'nobody has popped' '- -' shmq-stat -r --noheadings -o POPPID,POPTIME q
check 'times are dates' grep -qE '^2[0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]( 2[^ ]*){2}$' <(shmq-stat -r --noheadings -o CTIME,ATIME,PUSHTIME q)
shmq-pop -c 1 q >/dev/null & popper=$!
finished 0 'a pop comes and goes' $popper
gives 'it was the last to pop, to leave, and to come or leave' "$popper $popper $popper" shmq-stat -r --noheadings -o POPPID,DPID,LPID q
exec 3>&-
finished 0 'the push ends' $pusher
shmq-push -c 1 -d later q & other=$!
finished 0 'another comes, into its place' $other
gives 'is the last to push' $other shmq-stat --noheadings -o PUSHPID q
works 'JSON' shmq-stat -J q
check 'has nanoseconds, in order' jq -e '.rings[0] | .created_ns > 1e18 and .created_ns <= .last_pop_ns and .last_pop_ns <= .last_push_ns and .last_push_ns <= .last_detach_ns and .active_ns == .last_push_ns' "$out"
check 'and bytes' jq -e '.rings[0] | .pushed_bytes == 14 and .popped_bytes == 3' "$out"
shmq-pop q >/dev/null & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
comes_true 'and has taken all' field_is MSGS q 0
kill -KILL $popper
finished 137 'killed' $popper
gives 'it was the last to pop all the same' $popper shmq-stat --noheadings -o POPPID q
shmq-pop -n q >/dev/null
gives 'also when its place is taken' $popper shmq-stat --noheadings -o POPPID q
gives 'how participants wait' adaptive shmq-stat --noheadings -o WAIT q

# ---- --limits -----------------------------------------------------------------------------------
refuses 64 'takes no NAME' '--limits is not about rings' shmq-stat --limits q
refuses 64 'exclude each other' 'nor about participants' shmq-stat --limits -P
works '--limits' shmq-stat --limits
check 'has a line for the directory' grep -qx "directory of the rings  *$SHMQ_DIR" "$out"
works 'raw' shmq-stat --limits -r --noheadings
same 'it is keys and values' "max_name 200" "$(grep max_name "$out")"
same 'without spaces in them' '' "$(awk 'NF != 2' "$out")"
works 'JSON' shmq-stat --limits -J
check 'has numbers' jq -e --arg dir "$SHMQ_DIR" '.format == 1 and (.limits | .directory == $dir and .file_system == "tmpfs" and .max_participants == 65535 and .page_bytes >= 4096 and .max_record == 3584)' "$out"
same 'the size is what stat -f says' "$(stat -f -c '%b*%S' "$SHMQ_DIR" | sed 's/.*/echo $((&))/' | sh)" "$(jq '.limits.size_bytes // 0' "$out")"
free=$(jq '.limits.free_bytes' "$out") most=$(jq '.limits.largest_ring_bytes' "$out")
check 'the largest ring would fit' [ "$most" -le "$free" ]
check 'twice as many slots would not' [ $((most * 2)) -gt "$free" ]
SHMQ_DIR=$SHMQ_DIR/none refuses 71 'No such file' 'a directory that is not there' shmq-stat --limits
