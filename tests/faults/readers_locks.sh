# Who may only read a ring can take read locks on its file. What that can hold up, what it cannot, and
# that it is told for what it is.
. "$(dirname "$0")/lib.sh" || exit 1
chmod 755 "$SHMQ_DIR"

# reader RING FIRST COUNT: somebody else, with read permission alone, holds read locks of those bytes.
mkfifo ready
reader() {
    setpriv --reuid 20003 --regid 20003 --clear-groups perl -e '
        use Fcntl;
        open my $file, "<", $ARGV[0] or die "$ARGV[0]: $!";
        my $lock = pack "ssx4qqlx4", F_RDLCK, 0, $ARGV[1], $ARGV[2], 0;
        fcntl $file, 37, $lock or die "F_OFD_SETLK: $!";  # 37: F_OFD_SETLK
        print "locked\n";
        close STDOUT;
        sleep' "$SHMQ_DIR/shmq.$1" "$2" "$3" >ready & holder=$!
    same 'a reader takes read locks' locked "$(head -1 ready)"
}
lets_go() { kill "$holder"; wait "$holder" 2>/dev/null; }
removal=4611686018427387904 one_producer=$((removal + 1)) one_consumer=$((removal + 2)) entries=$((removal + 65536))

works 'a ring that others may read' shmq-create -N 16 -m 644 q
shmq-pop -c 2 q >popped & popper=$!
comes_true 'a consumer is attached' waits_in q READERS $popper

# ---- all entries, but that of the consumer
reader q $((entries + 1)) 65534
for command in 'shmq-push -d x' 'shmq-pop -a'; do
    refuses 69 'q: a process that reads it has locked it against attaching' "$command" $command q
    check 'in one line' one_line
    check 'and where to look for it' grep -qF "(fuser $SHMQ_DIR/shmq.q shows who has it open)" "$err"
done
same 'a lock for reading looks like nobody' '1 0' "$(field READERS,WRITERS q)"
gives 'stat looks on' 0 field MSGS q
gives 'so does peek' '' shmq-pop -p q
works '--exist-ok has nothing to do' shmq-create -N 16 -m 644 --exist-ok q
refuses 69 'q: in use' 'it is in use, so it cannot be removed' shmq-unlink q
lets_go
seq 2 | shmq-push q
finished 0 'who was attached before goes on undisturbed' $popper
same 'and gets its messages' "$(seq 2)" "$(<popped)"

reader q $entries 65535
refuses 69 'q: locked by a process that reads it' 'unlink says who is in the way' shmq-unlink q
refuses 69 'q: locked by a process that reads it' 'create --replace too' shmq-create -N 16 --replace q
works 'create --replace -f does not mind' shmq-create -N 16 -m 644 --replace -f q
gives 'and the new ring is free' x bash -c 'shmq-push -d x q && shmq-pop -a q'
lets_go
reader q $entries 65535
works 'unlink -f does not mind' shmq-unlink -f q
lets_go

# ---- those of the whole table, but some
works 'a ring of four participants' shmq-create -N 16 -m 644 --participants 4 q
reader q $entries 3
gives 'one entry left is enough for one' x bash -c 'shmq-push -d x q && shmq-pop -a q'
shmq-pop q & popper=$!
comes_true 'which somebody takes' waits_in q READERS $popper
refuses 69 'a process that reads it has locked it' 'the next is told of the reader' shmq-push -d x q
lets_go
works 'without the reader there is room' shmq-push -d x q
for i in 2 3 4; do shmq-pop q >/dev/null & done
comes_true 'a full table' field_is READERS q 4
refuses 69 'all 4 participants are attached' 'is still called full' shmq-push -d x q
works 'removed' shmq-unlink -f q
wait $(jobs -p)

# ---- the single roles
works 'a ring of one producer and one consumer' shmq-create -N 16 -m 644 -T spsc q
reader q $one_producer 1
refuses 69 'a process that reads it has locked it against attaching' 'push' shmq-push -d x q
gives 'pop does not mind' '' shmq-pop -a q
lets_go
reader q $one_consumer 1
works 'push does not mind' shmq-push -d x q
refuses 69 'a process that reads it has locked it against attaching' 'pop' shmq-pop -a q
lets_go
gives 'the message is there' x shmq-pop -a q

# ---- the removal byte
reader q $removal 1
refuses 69 'q: a process that reads it has locked it against removal' 'unlink' shmq-unlink q
refuses 69 'q: a process that reads it has locked it against removal' 'even -f' shmq-unlink -f q
check 'nor is -f recommended' bash -c '! grep -q -e "(-f" "$1"' bash "$err"
gives 'push and pop do not mind' x bash -c 'shmq-push -d x q && shmq-pop -a q'
check 'rm removes it' rm "$SHMQ_DIR/shmq.q"
lets_go

# ---- a ring that nobody else may read has no such readers
works 'a ring of mode 600' shmq-create -N 16 q
check 'nobody else can lock it' bash -c '! setpriv --reuid 20003 --regid 20003 --clear-groups flock -s -n "$1" true 2>/dev/null' bash "$SHMQ_DIR/shmq.q"
