# Signals: a command leaves its ring in order, then dies of the signal; the other side goes on.
. "$(dirname "$0")/lib.sh" || exit 1

# A shell starts background commands with SIGINT ignored; this is how a terminal would start them. Its
# own child writes how the command ended into FILE: "exit N" or "signal N".
cat >as_child <<'PERL'
my $report = shift;
my $child = fork // die;
if (!$child) { $SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV or die }
open my $pid, ">", "$report.pid~"; print $pid $child; close $pid; rename "$report.pid~", "$report.pid";
waitpid $child, 0;
open my $file, ">", "$report~"; print $file $? & 127 ? "signal " . ($? & 127) : "exit " . ($? >> 8); close $file;
rename "$report~", $report;
PERL
start() {  # FILE command...
    rm -f "$1" "$1.pid"
    perl as_child "$@" <&0 &  # without <&0 a shell gives it /dev/null
    # Silently: stdout is the command's.
    until [ -s "$1.pid" ]; do sleep 0.01; done
    pid=$(cat "$1.pid")
}
ended_by() {  # sentence FILE signal|exit N
    comes_true "$1: it ends" [ -s "$2" ]
    same "$1" "$3" "$(cat "$2" 2>/dev/null)"
}

for signal in INT TERM HUP; do
    number=$(kill -l $signal)
    shmq-create --replace q
    start pop shmq-pop q >got 2>complaint
    comes_true 'a pop waits' waits_in q READERS "$pid"
    kill -$signal "$pid"
    ended_by "SIG$signal ends a waiting pop, by the signal" pop "signal $number"
    same 'it has left the ring' 0 "$(field READERS q)"
    same 'in order' 0 "$(shmq-stat -J q | jq '.rings[0].consumers_ended_badly')"
    same 'without a word' '' "$(cat complaint)"
    works 'the ring goes on' shmq-push -d x q
    gives 'and gives what it gets' x shmq-pop -a q

    shmq-create --replace -N 4 q
    seq 4 | shmq-push q
    start push shmq-push -d 5 q 2>complaint
    comes_true 'a push waits for room' waits_in q WRITERS "$pid"
    kill -$signal "$pid"
    ended_by "SIG$signal ends a waiting push, by the signal" push "signal $number"
    same 'it has left the ring' 0 "$(field WRITERS q)"
    same 'as one that failed' 1 "$(shmq-stat -J q | jq '.rings[0].producers_ended_badly')"
    same 'without a word' '' "$(cat complaint)"
    gives 'what it did not push is not there' "$(seq 4)" shmq-pop -a q

    shmq-create --replace q
    rm -f input
    mkfifo input
    exec 3<>input
    start push shmq-push q <input 2>complaint 3>&-
    printf 'whole\npart' >&3
    comes_true 'and has pushed a line' field_is MSGS q 1
    kill -$signal "$pid"
    ended_by "SIG$signal ends a push that waits for input" push "signal $number"
    exec 3>&-
    gives 'the complete line is in the ring' whole shmq-pop -a q

    start push shmq-push --wait-ring -d x never 2>complaint
    comes_true 'a push waits for a ring' sleeps "$pid"
    kill -$signal "$pid"
    ended_by "SIG$signal ends the wait" push "signal $number"

    # A pop that cannot write: its messages stay.
    shmq-create --replace q
    seq 100000 >numbers
    shmq-push q <numbers & pusher=$!
    mkfifo out
    exec 3<>out
    start pop shmq-pop q >out 2>complaint 3>&-
    comes_true 'a pop has filled its pipe' waits_in q READERS "$pid"
    kill -$signal "$pid"
    ended_by "SIG$signal ends a pop that cannot write" pop "signal $number"
    shmq-pop -c 1 q >first
    kill $pusher 2>/dev/null
    wait $pusher 2>/dev/null
    guard shmq-pop -a q >rest
    timeout 1 cat <&3 >taken
    exec 3<&-
    rm out
    check 'nothing is lost between what it wrote and what is left' bash -c "{ head -n \$((\$(head -1 first) - 1)) numbers; cat first rest; } | cmp - <(head -n \$(tail -1 rest) numbers)"
    check 'what it wrote reaches to what is left' bash -c "[ \$(grep -c '' taken) -ge \$((\$(cat first) - 1)) ]"
done

# Ignored signals stay ignored, as nohup wants it.
shmq-create --replace q
shmq-pop q >got & popper=$!   # the shell has it ignore SIGINT
comes_true 'a pop waits' waits_in q READERS $popper
kill -INT $popper
works 'a message' shmq-push -d still q
comes_true 'is popped by the pop that ignores SIGINT' holds got still
kill -TERM $popper
finished 143 'SIGTERM ends it' $popper

# SIGPIPE
shmq-create --replace q
seq 50000 | shmq-push q
check 'pop | head -1 ends' bash -c 'shmq-pop q 2>complaint | head -1 >first; [ ${PIPESTATUS[0]} = 141 ]'
same 'with the first line' 1 "$(cat first)"
same 'without a word' '' "$(cat complaint)"
guard shmq-pop -a q >rest
from=$(head -1 rest)
check 'the ring holds all that was not written' cmp rest <(seq "$from" 50000)
check 'no more was taken than fits into a pipe and into head' [ "$(seq "$((from - 1))" | wc -c)" -le $((64 * 1024 + 64 * 1024)) ]
shmq-push -d only q
check 'pop | head -1 ends also when no further message comes' bash -c 'shmq-pop q 2>complaint | head -1 >first; [ ${PIPESTATUS[0]} = 141 ]'
same 'with the line' only "$(cat first)"
mkfifo pipe
shmq-pop q >pipe 2>complaint & popper=$!
exec 3<pipe
comes_true 'a pop waits' waits_in q READERS $popper
exec 3<&-
finished 141 'it notices that its reader goes' $popper
same 'without a word' '' "$(cat complaint)"
works 'a message it had no part in' shmq-push -d kept q
gives 'is still there' kept shmq-pop -a q
check 'with SIGPIPE ignored it is an error: 74' bash -c "trap '' PIPE; seq 5 | shmq-push q; exec 3> >(:); sleep 0.01; while kill -0 \$! 2>/dev/null; do sleep 0.01; done; shmq-pop -a q >&3 2>complaint; [ \$? = 74 ]"
check 'which is said' grep -q '^shmq-pop: stdout: ' complaint
gives 'and the messages are still there' "$(seq 5)" shmq-pop -a q

# Ctrl-C in a pipeline ends both; a stopped process is alive.
shmq-create --replace q
shmq-pop q >got & popper=$!
comes_true 'a pop waits' waits_in q READERS $popper
kill -STOP $popper
comes_true 'is stopped' bash -c "grep -q ') T ' /proc/$popper/stat"
works 'a push goes on' shmq-push -d while-stopped q
same 'the stopped one counts' 1 "$(field READERS q)"
kill -CONT $popper
comes_true 'continued, it gets the message' holds got while-stopped
kill -TERM $popper
finished 143 'and ends' $popper
