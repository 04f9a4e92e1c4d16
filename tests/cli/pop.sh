# shmq-pop: every option, and when it ends.
. "$(dirname "$0")/lib.sh" || exit 1

fill() { guard shmq-push "$@" q; }

works 'a ring' shmq-create q
refuses 66 'nowhere: no such ring (create it with shmq-create nowhere)' 'no such ring' shmq-pop nowhere
refuses 66 'nowhere: no such ring' 'nor to peek into' shmq-pop -p nowhere

# -a
works '-a of an empty ring' shmq-pop -a q
seq 5 | fill
gives '-a prints all there is' "$(seq 5)" shmq-pop -a q
same 'and consumes it' 0 "$(field MSGS q)"

# -c
seq 5 | fill
gives '-c 3 prints three' "$(seq 3)" shmq-pop -c 3 q
same 'and leaves two' 2 "$(field MSGS q)"
gives '-c 0 prints none' '' shmq-pop -c 0 q
same 'and takes none' 2 "$(field MSGS q)"
gives 'long options' "$(seq 4 5)" shmq-pop --count=2 q
shmq-pop -c 3 q >got & popper=$!
comes_true '-c waits for more' waits_in q READERS $popper
seq 4 | fill
finished 0 'until it has enough' $popper
same 'then it ends' "$(seq 3)" "$(cat got)"
gives 'and has left the rest' 4 shmq-pop -a q

# -n
exits 1 '-n of an empty ring' shmq-pop -n q
exits 1 '-n -c 1 of an empty ring' shmq-pop -n -c 1 q
seq 3 | fill
gives '-n prints what is there' "$(seq 3)" shmq-pop -n q
seq 3 | fill
ends 1 '-n with fewer than -c' shmq-pop -n -c 5 q
same 'prints them all the same' "$(seq 3)" "$(cat "$out")"
seq 3 | fill
gives '-n with as many as -c' "$(seq 3)" shmq-pop -n -c 3 q

# -t
ends 124 '-t of an empty ring' shmq-pop -t 10ms q
check 'says so' grep -q '^shmq-pop: q: timed out' "$err"
exits 124 '-q -t is silent' shmq-pop -q -t 10ms q
seq 3 | fill
ends 124 '-t after what was there' shmq-pop -q -t 10ms q
same 'prints it' "$(seq 3)" "$(cat "$out")"
seq 3 | fill
ends 124 '-t with fewer than -c' shmq-pop -q -t 10ms -c 5 q
seq 3 | fill
gives '-t with as many as -c' "$(seq 3)" shmq-pop -t 0 -c 3 q
shmq-pop -t 1h -c 1 q >got & popper=$!
comes_true '-t waits' waits_in q READERS $popper
fill -d x
finished 0 'a message comes in time' $popper
same 'and is printed' x "$(cat got)"

# Waiting, however
for how in '' block spin adaptive; do
    shmq-pop ${how:+--waiting $how} -c 1 q >got & popper=$!
    comes_true "a pop waits (--waiting ${how:-as the ring says})" field_is READERS q 1
    fill -d "$how"
    finished 0 'a message ends the wait' $popper
    same 'and is printed' "$how" "$(cat got)"
done

# Flushed whenever the ring is empty
shmq-pop q >got 2>complaint & popper=$!
for i in 1 2 3; do
    fill -d $i
    comes_true "message $i is in the output while the pop waits" holds got "$(seq $i)"
done
check 'the pop still waits' kill -0 $popper
fill -e
finished 0 'until the end of the stream' $popper
same 'of which it says nothing' '' "$(cat complaint)"

# The end of the stream
works 'a ring with an end' bash -c 'shmq-create end; seq 3 | shmq-push -e end'
gives 'a pop drains it and ends with 0' "$(seq 3)" shmq-pop end
works 'and again' shmq-pop end
works 'and with -a' shmq-pop -a end
works 'and with -n' shmq-pop -n end
works 'and with -t' shmq-pop -t 1h end
works 'and with -e' shmq-pop -e end
exits 1 'with -c 1 an end with nothing read is 1' shmq-pop -c 1 end
works 'so that a shell loop ends' bash -c 'shmq-create loop; seq 3 | shmq-push -e loop; while m=$(shmq-pop -c1 loop); do echo "got $m"; done >got'
same 'having got everything' $'got 1\ngot 2\ngot 3' "$(cat got)"
works 'another one' bash -c 'shmq-create end2; seq 3 | shmq-push -e end2'
ends 1 'fewer than -c before the end is 1' shmq-pop -c 5 end2
same 'and they are printed' "$(seq 3)" "$(cat "$out")"

# -e: as a fifo's reader
works 'a ring' shmq-create e
shmq-pop -e e >got & popper=$!
comes_true 'pop -e waits for the first producer' waits_in e READERS $popper
works 'one comes and goes' shmq-push -d x e
finished 0 'then it ends' $popper
same 'with what came' x "$(cat got)"
shmq-pop -e e >got & popper=$!
comes_true 'pop -e waits' waits_in e READERS $popper
works 'a producer without a message comes and goes' shmq-push e
finished 0 'counts as seen' $popper
works 'a ring with messages and no producer' shmq-push -d y e
gives 'is drained, and that is the end' y shmq-pop -e e
mkfifo one two
shmq-push e <one & first=$!
shmq-push e <two & second=$!
exec 3<>one 4<>two
comes_true 'two producers' field_is WRITERS e 2
shmq-pop -e e >got 3>&- 4>&- & popper=$!
echo 1 >&3
exec 3>&-
finished 0 'one leaves' $first
comes_true 'its message is read' holds got "$(echo 1)"
echo 2 >&4
comes_true 'pop -e stays for the other' holds got "$(seq 2)"
exec 4>&-
finished 0 'the other leaves' $second
finished 0 'then it ends' $popper
shmq-push e <one & first=$!
exec 3<>one
comes_true 'a producer' field_is WRITERS e 1
shmq-pop -e e >got 2>complaint 3>&- & popper=$!
seq 1000 >&3
comes_true 'has pushed' field_is PUSHED e 1004
comes_true 'and the pop waits for it' waits_in e READERS $popper
kill -KILL $first
finished 137 'it is killed' $first
exec 3>&-
finished 69 'pop -e ends with 69' $popper
same 'after draining' "$(seq 1000)" "$(cat got)"
check 'and says why' grep -q '^shmq-pop: e: ' complaint
fill2() { guard shmq-push -d "$1" e; }
fill2 later
gives 'a death before this pop attached does not count' later shmq-pop -e e
shmq-pop -e e >got 2>complaint & popper=$!
comes_true 'pop -e waits' waits_in e READERS $popper
refuses 65 '' 'a producer that fails' bash -c "printf '{\"data\":\"x\"}\nrubbish\n' | shmq-push -J e"
finished 69 'ends it with 69' $popper
same 'after draining' x "$(cat got)"
shmq-push e <one & first=$!
exec 3<>one
comes_true 'a producer' field_is WRITERS e 1
shmq-pop -e e >got 2>complaint 3>&- & popper=$!
comes_true 'and a pop' waits_in e READERS $popper
kill -TERM $first
finished 143 'it dies of a signal' $first
exec 3>&-
finished 69 'pop -e ends with 69' $popper
shmq-create e2
shmq-pop -e -c 2 e2 >got & popper=$!
comes_true 'pop -e -c 2 waits' waits_in e2 READERS $popper
seq 5 | shmq-push e2
finished 0 'and ends after two' $popper
same 'with the others left' 3 "$(field MSGS e2)"
shmq-pop -a e2 >/dev/null
works 'a message' shmq-push -d x e2
ends 1 'pop -e -c 2 of one message' shmq-pop -e -c 2 e2
exits 124 'pop -e -t: no producer in time' shmq-pop -q -e -t 10ms e2
exits 1 'pop -e -n: nothing there' shmq-pop -e -n e2

# -p
works 'a ring to look into' bash -c 'shmq-create p; seq 5 | shmq-push p'
gives '-p prints what is there' "$(seq 5)" shmq-pop -p p
same 'and leaves it' 5 "$(field MSGS p)"
gives '-p -c 2 prints two' "$(seq 2)" shmq-pop -p -c 2 p
gives '-p again' "$(seq 5)" shmq-pop --peek p
gives '-p under another framing' '"1"' bash -c 'shmq-pop -p -c 1 -J p | jq -c .data'
same 'is nobody who was ever attached' 0 "$(shmq-stat -J p | jq '.rings[0].readers')"
shmq-pop -a p >/dev/null
works '-p of an empty ring' shmq-pop -p p
exits 1 '-p -c 1 of an empty ring' shmq-pop -p -c 1 p

# --wait-ring
shmq-pop --wait-ring -c 1 late >got & popper=$!
comes_true 'a pop waits for the ring' sleeps $popper
works 'which is made' shmq-create late
works 'and gets a message' shmq-push -d first late
finished 0 'then the pop ends' $popper
same 'with the message' first "$(cat got)"
ends 124 '-t limits the wait' shmq-pop --wait-ring -t 10ms never
check 'and it says what it waited for' grep -q '^shmq-pop: never: .*no such ring' "$err"
