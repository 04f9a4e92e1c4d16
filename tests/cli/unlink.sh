# shmq-unlink: what goes, what stays.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring' shmq-create q
works 'goes' shmq-unlink q
same 'and nothing is left' '' "$(ls -A "$SHMQ_DIR")"
refuses 66 'q: no such ring' 'a ring that is not there' shmq-unlink q
works '-f ignores that' shmq-unlink -f q
works 'a ring with messages' bash -c 'shmq-create q; shmq-push -d x q'
works 'goes too' shmq-unlink q
works 'several' bash -c 'shmq-create a b c; shmq-unlink a b c'
same 'and nothing is left' '' "$(ls -A "$SHMQ_DIR")"
works 'two rings' shmq-create a c
refuses 66 'b: no such ring' 'one that is not there among them' shmq-unlink a b c
same 'does not keep the others' '' "$(ls -A "$SHMQ_DIR")"

# In use
shmq-create q
shmq-pop q >got 2>complaint & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
refuses 69 'q: in use' 'a ring in use stays' shmq-unlink q
check 'with a hint at -f' grep -q -e -f "$err"
kill -STOP $popper
refuses 69 'q: in use' 'in use by a stopped process too' shmq-unlink q
kill -CONT $popper
works 'it still works' shmq-push -d x q
comes_true 'as before' holds got "$(echo x)"
works '-f removes it' shmq-unlink -f q
same 'so that its name is gone' '' "$(ls -A "$SHMQ_DIR")"
finished 69 'the pop ends with 69' $popper
check 'and says so' grep -q '^shmq-pop: q: .*remov' complaint
shmq-create q
shmq-pop q >/dev/null & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
kill -KILL $popper
finished 137 'is killed' $popper
works 'the dead do not hold a ring' shmq-unlink q

# The attached drain
works 'a ring and a slow reader' bash -c 'shmq-create q; seq 1000 | shmq-push q; mkfifo out'
shmq-pop q >out 2>complaint & popper=$!
exec 3<out
comes_true 'a pop is attached' field_is READERS q 1
kill -STOP $popper
works 'the ring is removed' shmq-unlink -f q
kill -CONT $popper
check 'the pop drains it' cmp <(seq 1000) - <&3
exec 3<&-
finished 69 'and ends with 69' $popper
works 'a full ring' bash -c 'shmq-create -N 4 q; seq 4 | shmq-push q'
shmq-push -d 5 q 2>complaint & pusher=$!
comes_true 'a push waits' waits_in q WRITERS $pusher
works 'the ring is removed' shmq-unlink -f q
finished 69 'the push ends with 69' $pusher
check 'and says so' grep -q '^shmq-push: q: .*remov' complaint
for how in rm 'shmq-create --replace -f'; do
    shmq-create q
    shmq-pop q >/dev/null 2>complaint & popper=$!
    comes_true "a pop waits, then $how" waits_in q READERS $popper
    case $how in rm) check 'the file is removed by hand' rm "$SHMQ_DIR/shmq.q" ;; *) works 'the ring is replaced' shmq-create --replace -f q ;; esac
    finished 69 'the pop ends with 69' $popper
    shmq-unlink -f q
done

# --all, --dry-run
works 'three rings' shmq-create a b c
gives '--dry-run tells' $'a\nc' shmq-unlink --dry-run a c
gives 'for all' $'a\nb\nc' shmq-unlink --all --dry-run
same 'and removes nothing' 'shmq.a shmq.b shmq.c' "$(ls -A "$SHMQ_DIR" | xargs)"
shmq-pop b & popper=$!
comes_true 'one is in use' waits_in b READERS $popper
ends 69 '--dry-run says so' shmq-unlink --all --dry-run
same 'of that one' $'a\nc' "$(cat "$out")"
gives '--dry-run -f would remove it' $'a\nb\nc' shmq-unlink --all --dry-run -f
refuses 66 '' '--dry-run of a ring that is not there' shmq-unlink --dry-run nowhere
works '--dry-run -f of one' shmq-unlink -f --dry-run nowhere
refuses 69 'b: in use' '--all leaves what is in use' shmq-unlink --all
same 'and takes the rest' shmq.b "$(ls -A "$SHMQ_DIR")"
touch "$SHMQ_DIR/other"
works '--all -f takes it too' shmq-unlink --all -f
finished 69 'the pop ends' $popper
same 'what is not named as a ring stays' other "$(ls -A "$SHMQ_DIR")"
works '--all of nothing' shmq-unlink --all
rm "$SHMQ_DIR/other"

# Not a ring
echo text >"$SHMQ_DIR/shmq.text"
refuses 76 'text: not a ring' 'a text file stays' shmq-unlink text
same 'as it was' text "$(cat "$SHMQ_DIR/shmq.text")"
works '-f removes it' shmq-unlink -f text
ln -s /etc/passwd "$SHMQ_DIR/shmq.link"
refuses 76 'link: not a ring' 'a symbolic link stays' shmq-unlink link
works '-f removes it' shmq-unlink -f link
check 'and not what it points to' [ -s /etc/passwd ]
mkdir "$SHMQ_DIR/shmq.dir"
refuses 76 'dir: not a ring' 'a directory stays' shmq-unlink -f dir
rmdir "$SHMQ_DIR/shmq.dir"
