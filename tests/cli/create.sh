# shmq-create: every option, and what it makes.
. "$(dirname "$0")/lib.sh" || exit 1

json() { shmq-stat -J "$1" | jq -r ".rings[0].$2"; }

works 'without options' shmq-create plain
same 'slots are 64 bytes' 64 "$(json plain slot_size)"
same 'the room is 4 MiB' $((4 << 20)) $(($(json plain slots) * $(json plain slot_size)))
same 'the type is mpmc' mpmc "$(json plain type)"
same '256 may take part' 256 "$(json plain max_participants)"
same 'the mode is 0600' 600 "$(stat -c %a "$SHMQ_DIR/shmq.plain")"
same 'it is open' open "$(json plain state)"
same 'and empty' 0 "$(json plain used)"
same 'waiting is adaptive' adaptive "$(json plain waiting)"
check 'all of its memory is there' [ $(($(stat -c %b "$SHMQ_DIR/shmq.plain") * 512)) -ge "$(stat -c %s "$SHMQ_DIR/shmq.plain")" ]

refuses 73 'plain: exists' 'a ring of that name exists already' shmq-create plain
same 'and nothing was left of the attempt' shmq.plain "$(ls -A "$SHMQ_DIR")"

# -N, -s: the capacity is what was asked for, exactly
works '-N and -s' shmq-create -N 100 -s 128 sized
same 'as many slots as -N says' 100 "$(json sized slots)"
same 'of as many bytes as -s says' 128 "$(json sized slot_size)"
works 'a hundred messages of one slot each go in' bash -c 'seq 100 | shmq-push -n sized'
exits 1 'one more does not' shmq-push -n -d 101 sized
same 'all slots are used' 100 "$(json sized used)"
works 'sizes as in coreutils: -N 1K' shmq-create -N 1K k
same '1K is 1024' 1024 "$(json k slots)"
works '-N 1KB' shmq-create -N 1KB kb
same '1KB is 1000' 1000 "$(json kb slots)"
works '-N 1KiB' shmq-create -N 1KiB kib
same '1KiB is 1024' 1024 "$(json kib slots)"
works '-s 1M -N 4' shmq-create -s 1M -N 4 m
same '1M is 1048576' 1048576 "$(json m slot_size)"
works '-s alone keeps the room' shmq-create -s 4K room
same 'of 4 MiB' $((4 << 20)) $(($(json room slots) * $(json room slot_size)))
works 'a ring of one slot' shmq-create -N 1 -s 64 single
works 'takes a message' shmq-push -d a single
exits 1 'and only one' shmq-push -n -d b single
gives 'which comes out' a shmq-pop -a single

# --fixed
works '--fixed' shmq-create --fixed -s 8 -N 4 fixed
same 'is shown' true "$(json fixed fixed)"
works 'a message of just that size' shmq-push -d 12345678 fixed
refuses 65 7 'a shorter one is refused' shmq-push -d 1234567 fixed
check 'naming both sizes' grep -q 8 "$err"
refuses 65 9 'a longer one is refused' shmq-push -d 123456789 fixed
gives 'the right one is in the ring' 12345678 shmq-pop -a fixed
works 'a fixed slot may be one byte' shmq-create --fixed -s 1 -N 2 tiny
gives 'and carry it' $'a\nb' bash -c 'shmq-push -n -d a -d b tiny; shmq-pop -a tiny'

# --max-message
works '--max-message' shmq-create --max-message 10 short
works 'ten bytes are fine' shmq-push -d 1234567890 short
refuses 65 11 'eleven are refused' shmq-push -d 12345678901 short
refuses 64 '' '--max-message of more than fits' shmq-create -N 4 -s 64 --max-message 1M much

# -T
for type in spsc mpsc spmc mpmc; do
    works "-T $type" shmq-create -T "$type" -N 64 "$type"
    same "$type is shown" "$type" "$(json "$type" type)"
    gives "$type carries messages" $'1\n2\n3' bash -c "seq 3 | shmq-push $type; shmq-pop -a $type"
done

works '--overflow block' shmq-create --overflow block overflow

# --timestamps
works '--timestamps' shmq-create --timestamps stamped
before=$(date +%s%N)
works 'a message with its time' shmq-push -d now stamped
after=$(date +%s%N)
ends 0 'pop -J shows it' shmq-pop -J -a stamped
time=$(jq .time "$out" 2>/dev/null)
check 'in nanoseconds of now' [ "$((time >= before && time <= after))" = 1 ]
works 'in a fixed ring too' shmq-create --timestamps --fixed -s 3 stamped-fixed
works 'which takes messages' shmq-push -d now stamped-fixed
ends 0 'and shows their time' shmq-pop -J -a stamped-fixed
check 'in nanoseconds' jq -e ".time >= $after" "$out"
ends 0 'without --timestamps' bash -c 'shmq-push -d now plain; shmq-pop -J -a plain'
check 'there is no time' jq -e 'has("time") | not' "$out"

for how in adaptive block spin; do
    works "--waiting $how" shmq-create --waiting "$how" "wait-$how"
    same "--waiting $how is shown" "$how" "$(json "wait-$how" waiting)"
done

# -m, -g
umask 077
works '-m 660 in spite of the umask' shmq-create -m 660 mode
same 'is the mode exactly' 660 "$(stat -c %a "$SHMQ_DIR/shmq.mode")"
works '-m 0644, as chmod takes it' shmq-create -m 0644 mode2
same 'is the mode exactly' 644 "$(stat -c %a "$SHMQ_DIR/shmq.mode2")"
umask 0
works 'without a umask' shmq-create unmasked
same 'the mode is 0600 all the same' 600 "$(stat -c %a "$SHMQ_DIR/shmq.unmasked")"
umask 022
group=$(id -gn) gid=$(id -g)
works '-g by name' shmq-create -g "$group" by-name
same 'is the group' "$gid" "$(stat -c %g "$SHMQ_DIR/shmq.by-name")"
works '-g by number' shmq-create -g "$gid" by-number
same 'is the group' "$gid" "$(stat -c %g "$SHMQ_DIR/shmq.by-number")"

# --exist-ok
works '--exist-ok makes a ring' shmq-create --exist-ok -N 64 -T spsc ok
works 'a message' shmq-push -d kept ok
works '--exist-ok is content with the same' shmq-create --exist-ok -N 64 -T spsc ok
refuses 76 64 'not with another number of slots' shmq-create --exist-ok -N 128 -T spsc ok
check 'and tells both' grep -q 128 "$err"
refuses 76 '' 'not with another type' shmq-create --exist-ok -N 64 ok
refuses 76 '' 'not with another slot size' shmq-create --exist-ok -N 64 -s 128 -T spsc ok
refuses 76 '' 'not with fixed ones' shmq-create --exist-ok -N 64 -T spsc --fixed ok
refuses 76 '' 'not with another longest message' shmq-create --exist-ok -N 64 -T spsc --max-message 5 ok
gives 'the message was kept' kept shmq-pop -a ok

# --replace
works 'a message' shmq-push -d old ok
works '--replace' shmq-create --replace -N 32 ok
same 'is a new ring' 32 "$(json ok slots)"
same 'an empty one' 0 "$(json ok messages)"
works '--replace needs nothing to replace' shmq-create --replace fresh
shmq-pop ok >popped 2>complaint & popper=$!
comes_true 'a pop waits' waits_in ok READERS $popper
id=$(json ok id)
refuses 69 'ok: in use' '--replace refuses while somebody is attached' shmq-create --replace ok
same 'the ring is the same' "$id" "$(json ok id)"
works '--replace -f does not' shmq-create --replace -f ok
finished 69 'the one attached ends with 69' $popper
check 'saying why' grep -q '^shmq-pop: ok: ' complaint
check 'there is a new ring' [ "$(json ok id)" != "$id" ]

# --reopen
works 'a ring that ends' bash -c 'shmq-create ended; shmq-push -e -d last ended'
same 'is ended' ended "$(json ended state)"
refuses 69 'ended' 'an ended ring takes no message' shmq-push -d more ended
works '--exist-ok leaves it ended' shmq-create --exist-ok ended
same 'as it was' ended "$(json ended state)"
works '--reopen' shmq-create --reopen ended
same 'opens it' open "$(json ended state)"
works 'and it takes messages again' shmq-push -d more ended
gives 'behind those it had' $'last\nmore' shmq-pop -a ended
refuses 76 '' '--reopen is as particular as --exist-ok' shmq-create --reopen -N 3 ended
works '--reopen makes the ring where there is none' shmq-create --reopen anew
works '-f with --replace where there is none' shmq-create --replace -f anew2

# --participants
works '--participants 1' shmq-create --participants 1 few
shmq-pop few >/dev/null 2>&1 & popper=$!
comes_true 'one takes part' waits_in few READERS $popper
refuses 69 few 'one more is refused' shmq-push -d x few
check 'with a hint at --participants' grep -q -e '--participants' "$err"
kill -KILL $popper
finished 137 'the one is killed' $popper
works 'the dead do not count' shmq-push -d x few
gives 'and so on' x shmq-pop -a few

# Several names
works 'several names' shmq-create -N 16 n1 n2 n3
for name in n1 n2 n3; do same "$name is there" 16 "$(json $name slots)"; done
refuses 73 'n2: exists' 'one that fails does not keep the others' shmq-create n4 n2 n5
works 'from being made' shmq-stat n4 n5
refuses 64 '' 'a bad name among them' shmq-create n6 a/c n7
refuses 66 '' 'keeps all from being made' shmq-stat n6

# No room: nothing is left behind, and the figures are told
refuses 71 'bytes' 'more than any memory' shmq-create -N 1T -s 64 huge
check 'with the bytes needed and free' grep -qE '[0-9]+ bytes needed, [0-9]+ free' "$err"
check 'and no file is left' [ ! -e "$SHMQ_DIR/shmq.huge" ]
SHMQ_DIR=$SHMQ_DIR/none refuses 71 none 'a directory that is not there' shmq-create q
