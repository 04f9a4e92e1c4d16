# shmq-unlink --stale and --watch: what goes by itself, what stays, what is said.
NEEDED='setpriv mktemp'
. "$(dirname "$0")/lib.sh" || exit 1

rings() { ls -A "$SHMQ_DIR" | xargs; }
there() { [ -e "$SHMQ_DIR/shmq.$1" ]; }
gone() { ! there "$1"; }

refuses 64 'found' '--idle wants a time' shmq-unlink --stale --idle -1
refuses 64 'needs a value' 'not nothing' shmq-unlink --stale --idle
refuses 64 '--idle goes with --stale' '--idle alone' shmq-unlink --idle 1 q
refuses 64 'exclude' '--all is something else' shmq-unlink --all --stale
refuses 64 'exclude' 'also of --watch' shmq-unlink --all --watch
refuses 64 'exclude' '--watch acts' shmq-unlink --watch --dry-run
refuses 66 'q: no such ring' 'a name that is not there' shmq-unlink --stale q
works 'which -f ignores' shmq-unlink --stale -f q
refuses 66 'q: no such ring' 'is not waited for' shmq-unlink --watch q
works 'and -f has nothing to wait for' shmq-unlink --watch -f q
works 'no ring at all' shmq-unlink --stale

works 'four rings' shmq-create unused held full other
works 'one holds a message' shmq-push -d x full
shmq-pop held >/dev/null & popper=$!
comes_true 'one has a reader' waits_in held READERS $popper
works 'none was unused for a minute' shmq-unlink --stale
same 'so all stay' 'shmq.full shmq.held shmq.other shmq.unused' "$(rings)"
gives '--dry-run tells what would go' $'other\nunused' shmq-unlink --stale --idle 0 --dry-run
gives '-f takes messages too' $'full\nother\nunused' shmq-unlink --stale --idle 0 --dry-run -f
ends 0 '-v tells why' shmq-unlink --stale --idle 0 -v unused held full
check 'in use' grep -qx 'shmq-unlink: held: stays: in use' "$err"
check 'with messages' grep -qx 'shmq-unlink: full: stays: holds messages' "$err"
check 'and how many' grep -qx 'shmq-unlink: 1 of 3 rings removed' "$err"
same 'only what was named' 'shmq.full shmq.held shmq.other' "$(rings)"
kill -STOP $popper
works 'a stopped reader holds its ring' shmq-unlink --stale --idle 0 -f held
check 'it is there' there held
kill -KILL $popper
finished 137 'a killed one' $popper
ends 0 'leaves no time' shmq-unlink --stale --idle 1h -v held
check 'and it is said' grep -q 'held: stays: its last user was killed' "$err"
ends 0 'it counts from that look' shmq-unlink --stale --idle 1h -v held
check 'on' grep -q 'held: stays: unused for' "$err"
works 'a little later it goes' shmq-unlink --stale --idle 1us held
works 'and the rest, with -f' shmq-unlink --stale --idle 0 -f
same 'nothing is left' '' "$(rings)"

# What is not a ring, or not ours
shmq-create mine
echo text >"$SHMQ_DIR/shmq.text"
touch "$SHMQ_DIR/unrelated"
mkdir "$SHMQ_DIR/shmq.dir"
works 'foreign files are nobody'"'"'s business' shmq-unlink --stale --idle 0 -f
same 'and stay' 'shmq.dir shmq.text unrelated' "$(rings)"
refuses 76 'text: not a ring' 'unless one is named' shmq-unlink --stale --idle 0 text
rm -r "$SHMQ_DIR/shmq.text" "$SHMQ_DIR/unrelated" "$SHMQ_DIR/shmq.dir"
if [ "$(id -u)" = 0 ]; then
    other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    mkdir bin && cp "$SHMQ_BIN"/shmq-* bin/ && PATH=$work/bin:$PATH
    chmod 755 "$work" bin
    chmod 1777 "$SHMQ_DIR"
    works 'a ring of root alone, one for all' bash -c 'shmq-create -m 600 closed; shmq-create -m 666 open'
    works 'one of nobody' other shmq-create zmine
    ends 77 'a sweep by nobody' other shmq-unlink --stale --idle 0
    check 'reports the closed one' grep -q '^shmq-unlink: closed: .*[Pp]ermission' "$err"
    check 'and the one it may not remove' grep -q '^shmq-unlink: open: .*Operation not permitted' "$err"
    same 'and takes its own' 'shmq.closed shmq.open' "$(rings)"
    works 'the open one still works' other shmq-push -d x open
    works 'root takes all' shmq-unlink --stale --idle 0 -f
    chmod 755 "$SHMQ_DIR"
else
    works 'a ring that is closed to us' shmq-create -m 0 closed
    works 'one of ours' shmq-create zmine
    refuses 77 'closed: ' 'the closed one is reported' shmq-unlink --stale --idle 0
    same 'and the rest swept' 'shmq.closed' "$(rings)"
    rm -f "$SHMQ_DIR/shmq.closed"
fi

# --watch
works 'a ring to watch' shmq-create q
shmq-pop q >/dev/null & popper=$!
comes_true 'a reader' waits_in q READERS $popper
shmq-unlink --watch --idle 10ms q 2>complaint & watcher=$!
comes_true 'the watch sleeps' sleeps $watcher
kill -KILL $popper
finished 137 'the reader is killed' $popper
finished 0 'the watch of a name ends when it is gone' $watcher
check 'and it is' gone q
same 'without a word' '' "$(cat complaint)"
shmq-create q
shmq-unlink --watch --idle 1h q & watcher=$!
comes_true 'the watch sleeps' sleeps $watcher
works 'somebody else removes it' shmq-unlink q
finished 0 'which ends the watch as well' $watcher

shmq-create held kept; shmq-push -d x kept
echo text >"$SHMQ_DIR/shmq.text"
shmq-pop held >/dev/null & popper=$!
comes_true 'a reader' waits_in held READERS $popper
shmq-unlink --watch -v --idle 10ms 2>complaint & watcher=$!
comes_true 'a watch of all' sleeps $watcher
works 'a ring appears' shmq-create new
comes_true 'and goes' gone new
works 'again' shmq-create new
comes_true 'and goes' gone new
check 'one in use stays' there held
check 'one with messages stays' there kept
check 'it runs on' running $watcher
kill -KILL $popper
finished 137 'the reader is killed' $popper
comes_true 'then its ring goes' gone held
gives 'the messages are popped' x shmq-pop -a kept
comes_true 'then that ring goes' gone kept
kill -TERM $watcher
finished 143 'SIGTERM ends the watch' $watcher
check 'with -v it says what it removed' grep -q '^shmq-unlink: held: removed: unused for' complaint
same 'and nothing else' '' "$(grep -v ': removed: ' complaint)"
same 'and no file that is no ring' shmq.text "$(rings)"
rm "$SHMQ_DIR/shmq.text"
for signal in INT HUP; do
    env --default-signal=INT shmq-unlink --watch & watcher=$!
    comes_true 'a watch sleeps' sleeps $watcher
    kill -$signal $watcher
    finished $((128 + $(kill -l $signal))) "SIG$signal ends it" $watcher
done
