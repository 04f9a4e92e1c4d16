# Descriptors 0, 1 and 2 that are closed when a command starts: each of them, and all combinations. No
# ring may take their place, and what cannot be read or written is an error.
. "$(dirname "$0")/lib.sh" || exit 1

# without FDS COMMAND...: with those descriptors closed; notes in "$work/opened" where each ring was opened
without() {
    local fds=$1 redirections='' fd
    shift
    for fd in $fds; do redirections+=" $fd>&-"; done
    strace -f -qq -o "$work/.opened" -e trace=openat bash -c "exec \"\$@\" $redirections" bash "$@"
}
# The rings were opened somewhere behind 2.
out_of_the_way() {
    grep -q "$SHMQ_DIR" "$work/.opened" && ! grep "$SHMQ_DIR" "$work/.opened" | grep -qE '= [012]$'
}
fresh() { rm -f "$SHMQ_DIR"/*; shmq-create -N 16 "${1:-q}"; }
closed() { case " $fds " in *" $1 "*) true ;; *) false ;; esac; }

seq 3 >input
for fds in 0 1 2 '0 1' '0 2' '1 2' '0 1 2'; do
    rm -f "$SHMQ_DIR"/*
    exits 0 "create without $fds" without "$fds" shmq-create -N 16 q
    check "its file is none of the closed ones" out_of_the_way
    gives 'the ring is whole' 1 bash -c 'shmq-push -d 1 q && shmq-pop -a q'
    ends 73 "create without $fds where there is one" without "$fds" shmq-create -N 16 q
    closed 2 || check 'says so' grep -q 'shmq-create: q: exists already' "$err"
    check 'and no more' [ ! -s "$out" ]

    exits 0 "push -d without $fds" without "$fds" shmq-push -d x q
    check "its ring is none of the closed ones" out_of_the_way
    gives 'the message is in the ring' x shmq-pop -a q

    if closed 0; then
        ends 74 "push of stdin without $fds" without "$fds" shmq-push q
        closed 2 || check 'says so' grep -q '^shmq-push: stdin: Bad file descriptor$' "$err"
        gives 'nothing is in the ring' '' shmq-pop -a q
        ends 74 "push of a stream without $fds" without "$fds" shmq-push -F chunk q
        gives 'nothing is in the ring' '' shmq-pop -a q
    else
        exits 0 "push of stdin without $fds" without "$fds" shmq-push q <input
        gives 'the messages are in the ring' "$(seq 3)" shmq-pop -a q
    fi
    check "its ring is none of the closed ones" out_of_the_way

    seq 3 | shmq-push q
    for options in '-a' '-e -t 1ms' '-a -J' '-p'; do
        if closed 1; then
            ends 74 "pop $options without $fds" without "$fds" shmq-pop $options q
            closed 2 || check 'says so' grep -q '^shmq-pop: stdout: Bad file descriptor$' "$err"
            gives 'every message is still in the ring' "$(seq 3)" shmq-pop -p q
        elif [ "$options" = -p ]; then
            ends 0 "pop $options without $fds" without "$fds" shmq-pop -p q
            same 'prints all' "$(seq 3)" "$(<"$out")"
        fi
        check "its ring is none of the closed ones" out_of_the_way
    done
    if ! closed 1; then
        ends 0 "pop -a without $fds" without "$fds" shmq-pop -a q
        same 'prints all' "$(seq 3)" "$(<"$out")"
    fi
    shmq-pop -a q >/dev/null
    exits 0 "pop of an empty ring without $fds" without "$fds" shmq-pop -a q
    ends 66 "pop of no ring without $fds" without "$fds" shmq-pop -a nowhere
    closed 2 || check 'says so' grep -q 'no such ring' "$err"
    check 'and prints nothing' [ ! -s "$out" ]

    for command in 'shmq-stat q' 'shmq-stat -J' 'shmq-stat --help' 'shmq-stat --version'; do
        ends "$(closed 1 && echo 74 || echo 0)" "$command without $fds" without "$fds" $command
        [[ $command == *--* ]] || check "its ring is none of the closed ones" out_of_the_way
    done
    ends "$(closed 1 && echo 74 || echo 0)" "unlink --dry-run without $fds" without "$fds" shmq-unlink --dry-run q
    check 'the ring is there' [ -e "$SHMQ_DIR/shmq.q" ]
    exits 0 "unlink without $fds" without "$fds" shmq-unlink q
    check "its ring is none of the closed ones" out_of_the_way
    same 'and the ring is gone' '' "$(ls -A "$SHMQ_DIR")"
    ends 64 "a usage error without $fds" without "$fds" shmq-push --no-such-option
done

# A closed descriptor whose place cannot be taken: no ring may come there instead.
for command in 'shmq-pop -a q' 'shmq-push -d x q' 'shmq-stat q' 'shmq-create p' 'shmq-unlink q'; do
    fresh
    first=$(calls bash -c "exec $command >&-" | awk '$1 == "openat" { print $2; exit }')
    fresh
    seq 3 | shmq-push q
    ends 71 "$command where the place of a closed stdout cannot be taken" strace -qq -o /dev/null -e trace=openat -e inject=openat:error=EMFILE:when="$first" bash -c "exec $command >&-"
    check 'says so' grep -q 'closed standard descriptor' "$err"
    same 'and leaves the ring as it was' "$(seq 3)" "$(shmq-pop -p q)"
    same 'and makes none' shmq.q "$(ls -A "$SHMQ_DIR")"
done
