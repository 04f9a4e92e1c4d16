# A removal that is stopped while it holds every entry: whoever comes is told what is in the way, and may
# not do its work for it, since what goes on later would take another ring's name away.
. "$(dirname "$0")/lib.sh" || exit 1

# The mmap before the name is taken away is made under the locks.
works 'a ring' shmq-create -N 16 q
calls shmq-unlink q >made
nth=$(awk '$1 == "mmap" { nth = $2 } $1 == "unlink" { print nth; exit }' made)
check 'a removal maps the ring and then takes its name away' [ -n "$nth" ]

# In $remover, standing still.
stopped_removal() {
    works 'a ring with a message' bash -c 'shmq-create -N 16 q && shmq-push -d x q'
    : >trace
    strace -D -o trace -e trace=mmap -e "inject=mmap:signal=STOP:when=$nth" shmq-unlink q 2>complaint & remover=$!
    comes_true 'a removal is stopped' grep -q 'stopped by SIGSTOP' trace
}
in_the_way="q: being removed by another process (fuser $SHMQ_DIR/shmq.q shows who has it open)"
told() { refuses 69 "$in_the_way" "$@"; check 'in one line, and not of -f' bash -c '[ "$(wc -l <"$1")" = 1 ] && ! grep -q -e -f "$1"' bash "$err"; }

stopped_removal
told 'push is told of it' shmq-push -d y q
told 'pop too' shmq-pop -n q
told 'unlink too' shmq-unlink q
told 'unlink -f too' shmq-unlink -f q
told 'create --replace too' shmq-create -N 16 --replace q
told 'create --replace -f too' shmq-create -N 16 --replace -f q
gives 'stat looks on: it is there' '1 0 0' field MSGS,READERS,WRITERS q
gives 'and sees what is waited for' '' shmq-stat --until nonempty q
works '--exist-ok has nothing to do' shmq-create -N 16 --exist-ok q
refuses 73 'q: exists already' 'create says that it exists' shmq-create -N 16 q
kill -CONT $remover
finished 0 'continued it gets done' $remover
same 'without a word' '' "$(<complaint)"
same 'and nothing is left' '' "$(ls -A "$SHMQ_DIR")"

stopped_removal
kill -KILL $remover
finished 137 'a removal that is killed instead' $remover
gives 'is none' x shmq-pop -a q
works 'another one removes the ring' shmq-unlink q

stopped_removal
shmq-unlink -f q 2>complaint & forced=$!
comes_true 'unlink -f waits a moment for the other' sleeps $forced
kill -CONT $remover
finished 0 'the other gets done' $remover
finished 0 'and so does it' $forced
same 'without a word' '' "$(<complaint)"
same 'nothing is left' '' "$(ls -A "$SHMQ_DIR")"
