# The C interface, used by the program given: alone (`test`), and on one ring with the commands.
NEEDED=python3
. "$(dirname "$0")/../cli/lib.sh" || exit 1
user=("$1")
case $1 in *.py) user=(env LD_PRELOAD="${PRELOAD:-}" ASAN_OPTIONS=detect_leaks=0 python3 "$1") ;; esac

works 'what the interface promises' "${user[@]}" test
same 'no ring is left' '' "$(ls "$SHMQ_DIR")"

works 'the shell makes a ring' shmq-create -N 64 -s 64 q
works 'the program pushes' "${user[@]}" push q one 'the second' ''
gives 'the shell pops' $'one\nthe second' shmq-pop -a q
gives 'all three, the empty one too' 3 field POPPED q
works 'the shell pushes and ends' shmq-push -e -d three -d 'and four' q
gives 'the program pops until the end' $'three\nand four' "${user[@]}" pop q
works 'that ring is done with' shmq-unlink q

works 'the program makes a ring' "${user[@]}" create fixed
gives 'as the shell sees' '256 8 true' bash -c 'shmq-stat -J fixed | jq -r ".rings[0] | \"\(.slots) \(.slot_size) \(.fixed)\""'
"${user[@]}" pop fixed >popped & reader=$!
comes_true 'the program waits for a message' waits_in fixed READERS $reader
works 'the shell pushes one' shmq-push -F fixed -d 12345678 fixed
works 'and ends' shmq-push -e fixed
finished 0 'the program ends' $reader
same 'and has it' 12345678 "$(cat popped)"

# What a handle holds when its process is killed is delivered again, to whoever comes.
works 'a ring' shmq-create q
works 'with a message' shmq-push -d precious q
"${user[@]}" hold q >held & holder=$!
comes_true 'the program holds it' holds held precious
kill -KILL $holder
wait $holder 2>/dev/null
gives 'killed, it is delivered again, marked' 'precious true' bash -c 'shmq-pop -J -c1 q | jq -r "\"\(.data) \(.redelivered)\""'

check 'an error names ring and reason' grep -q '^nothing-here: no such ring$' <("${user[@]}" pop nothing-here 2>&1)
