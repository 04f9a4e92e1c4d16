# pop commits a message after its output has accepted all of it. Killed, interrupted, without a reader or
# without room, at every point of the way: what the output accepted and what is left in the ring are
# together what there was. Nothing is missing; twice there is only what a killed pop had written and not
# committed: at most the batch it held, marked as redelivered; with --each the one message whose command it
# had started. In a broadcast ring the next reader begins there, and to that nothing is redelivered.
# SHMQ_LONG=1: with more signals and errors.
. "$(dirname "$0")/lib.sh" || exit 1
long=$([ "${SHMQ_LONG:-}" != 1 ] || echo yes)

# Short and long messages, several to a batch and alone: a batch has at most a quarter of the ring.
for i in $(seq 24); do
    case $((i % 8)) in
        3) repeat a 150 ;;
        5) repeat b 900 ;;
        7) repeat c 20000 ;;
    esac
    echo " $i"
done >all.many
head -n 8 all.many >all.few
(repeat w 60000; echo) >all.one

# use MESSAGES [OPTION]: those messages in the ring q, made with that option.
ring=$SHMQ_DIR/shmq.q
use() {
    cp "all.$1" all
    count=$(wc -l <all) broadcast=${2:+yes}
    works "a ring${2:+: $2}" shmq-create --replace -N 1600 ${2:-} q
    works "with $1 in it" shmq-push -n q <all
    cp "$ring" full
}
fill() { cp full "$ring"; }

# What is left in the ring: the messages in `left`, a mark for each that is redelivered in `marks`.
look_at_rest() {
    shmq-pop -J -a q >rest || return 1
    jq -r .data rest >left
    jq -r 'if .redelivered then 1 else 0 end' rest >marks
}
# The whole messages that the file `accepted` begins with, as lines in `printed`.
whole_lines() { head -n "$(tr -cd '\n' <accepted | wc -c)" accepted >printed; }
whole_u32() {
    perl -0777 -ne 'while (length > 4) { my $n = unpack "N"; last if length() < 4 + $n; print substr($_, 4, $n), "\n"; substr($_, 0, 4 + $n, "") }' accepted >printed
}
whole_nul() { tr '\0' '\n' <accepted | head -n "$(tr -cd '\0' <accepted | wc -c)" >printed; }
whole_chunk() {  # nothing between them: told by their lengths
    local bytes
    bytes=$(wc -c <accepted)
    tr -d '\n' <all | cmp -s -n "$bytes" - accepted && awk -v bytes="$bytes" '(bytes -= length) >= 0' all >printed
}
whole_whole() { whole_chunk; }
whole_json() { head -n "$(tr -cd '\n' <accepted | wc -c)" accepted | jq -r .data >printed; }

# accounted FRAMING DUPLICATES_ALLOWED: sets `broken`.
accounted() {
    broken=''
    "whole_$1" && look_at_rest || { broken='what is left cannot be read'; return 1; }
    local printed left twice held='map(select(.redelivered))'
    printed=$(wc -l <printed) left=$(wc -l <left)
    twice=$((printed + left - count))
    [ -z "$broadcast" ] || held=".[:$((twice > 0 ? twice : 0))]"
    if [ "$twice" -lt 0 ]; then broken="$((-twice)) messages are missing"
    elif ! cmp -s printed <(head -n "$printed" all) || ! cmp -s left <(tail -n "$left" all); then broken="not what there was"
    elif [ "$twice" -gt "$2" ]; then broken="$twice messages twice"
    elif [ -z "$broadcast" ] && head -n "$twice" marks | grep -q 0; then broken="of $twice messages twice not all are marked ($printed printed, then $(head -n 3 rest | paste -sd" "))"
    elif [ "$broadcast" ] && grep -q 1 marks; then broken='marked for a reader that never had it'
    elif ! jq -s -e "$held | map(.seq) | length == 0 or max - min < 1600 / 4" rest >/dev/null; then broken='it is more than one batch'
    elif [ "$(participants q)" != 0 ]; then broken="somebody is still attached"
    elif [ "$(field REDELIVERED q)" != "$(grep -c 1 marks)" ]; then broken="$(grep -c 1 marks) marks, but stat counts $(field REDELIVERED q)"
    elif [ "$(field MSGS,USED q)" != '0 0' ]; then broken='the ring is not free after'
    fi
    marked=$(grep -c 1 marks)
    [ -z "$broken" ]
}
most=24  # allowed twice, where it is marked: `accounted` looks that it is no more than a batch

stopped() { case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") in [tT]) true ;; *) false ;; esac; }

options_of() {  # FRAMING
    case $1 in lines) echo -a ;; json) echo -a -J ;; whole) echo -a -w ;; *) echo -a -F "$1" ;; esac
}

report() {  # sentence, what is wrong
    if [ -z "$2" ]; then passed "$1"; else failed "$1" "$2"; fi
}

# disturbed FRAMING LEAST OPTION...: pop in all these ways at each of its writes, which are LEAST at least.
disturbed() {
    local framing=$1 least=$2 options=${*:3}
    local sentence="${broadcast:+broadcast: }pop $options"
    local signal error wrong cut doubled n code allowed before popper i writes
    fill
    calls shmq-pop $options q >made
    cp .calls written
    writes=$(grep -c '^write ' made)
    check "$sentence writes often enough ($writes)" [ "$writes" -ge "$least" ]

    # Killed, or told to stop, as it enters each of its writes. A killed one had written some of its batch.
    for signal in KILL INT ${long:+TERM}; do
        wrong='' cut=0
        for ((n = 1; n <= writes; ++n)); do
            fill
            guard strace -qq -o /dev/null -e trace=write -e inject=write:signal=$signal:when=$n shmq-pop $options q >accepted 2>"$err"
            code=$?
            [ $code = $((128 + $(kill -l $signal))) ] || wrong+=" write $n: exit $code;"
            ! grep '^shmq-' "$err" || wrong+=" write $n: says $(shown "$err");"
            allowed=0
            [ $signal != KILL ] || allowed=$most
            accounted $framing $allowed || wrong+=" write $n: $broken;"
            [ "$(wc -l <left)" = 0 ] || [ "$(wc -l <left)" = $count ] || cut=$((cut + 1))
        done
        report "$sentence, SIG$signal at each of $writes writes: nothing missing, nothing twice unmarked" "$wrong"
        check 'some of it in the middle' [ $cut -ge $((least / 2)) ]
    done

    # Killed after a write and before the commit: stopped where write(2) returns, then killed.
    wrong='' doubled=0
    for ((n = 1; n <= writes; ++n)); do
        fill
        : >accepted
        before=$(awk -v n=$n '/^write\(1,/ && ++i < n { s += $NF } END { print s + 0 }' written)
        strace -qq -D -o /dev/null -e trace=write -e inject=write:signal=STOP:when=$n shmq-pop $options q >accepted 2>"$err" & popper=$!
        for ((i = 0; i < 3000; ++i)); do
            [ "$(wc -c <accepted)" -gt "$before" ] && stopped $popper && break
            sleep 0.01
        done
        kill -KILL $popper
        wait $popper 2>/dev/null
        accounted $framing $most || wrong+=" write $n: $broken;"
        [ "$(cat printed left | wc -l)" -gt $count ] && doubled=$((doubled + 1))
    done
    report "$sentence, killed behind each of $writes writes: nothing missing, twice only what is marked" "$wrong"
    check 'some of it twice' [ $doubled -ge $(((least + 1) / 2)) ]

    # Each write fails: in the ring is what was not accepted, whole.
    for error in ENOSPC EPIPE ${long:+EIO EDQUOT}; do
        wrong=''
        for ((n = 1; n <= writes; ++n)); do
            fill
            injected write:error=$error:when=$n shmq-pop $options q
            cp "$out" accepted
            case $error in
                EPIPE) [ "$status" = 141 ] && ! grep -q '^shmq-' "$err" ;;
                *) [ "$status" = 74 ] && one_line ;;
            esac || wrong+=" write $n: exit $status $(shown "$err");"
            accounted $framing 0 || wrong+=" write $n: $broken;"
        done
        report "$sentence, $error at each of $writes writes: nothing missing, nothing twice" "$wrong"
    done
}
use many
for framing in lines nul chunk u32 json whole; do
    disturbed $framing 5 $(options_of $framing)
done
disturbed lines 5 -c 20
disturbed u32 5 -c 20 -F u32
use one
disturbed whole 1 -w
use many --broadcast
disturbed lines 5 -a
disturbed u32 5 -c 20 -F u32

# ---- broadcast: whoever reads beside it, and slower, gets everything, also what is pushed as far as there is room
fill
writes=$(calls shmq-pop -a q | grep -c '^write ')
for fault in signal=KILL error=ENOSPC; do
    wrong=''
    for ((n = 1; n <= writes; ++n)); do
        fill
        rm -f go got
        shmq-pop -a -F line --each 'cat; until [ -e go ]; do sleep 0.01; done' q >got 2>said & slow=$!
        until [ -s got ] || ! running $slow; do sleep 0.01; done
        guard strace -qq -o /dev/null -e trace=write -e inject=write:$fault:when=$n shmq-pop -a q >accepted 2>"$err"
        code=$?
        case $fault-$code in signal=KILL-137 | error=ENOSPC-74) ;; *) wrong+=" write $n: exit $code;" ;; esac
        shmq-push -n q <all 2>"$err"
        code=$? pushed=$(field PUSHED q)
        [ $code = 1 ] && [ "$pushed" -gt $count ] || wrong+=" write $n: push ends with $code, $pushed messages: $(shown "$err");"
        touch go
        wait $slow || wrong+=" write $n: the other ends with $?: $(shown said);"
        cat all all | head -n "$pushed" | cmp -s - got || wrong+=" write $n: the other got $(wc -l <got) lines;"
        [ "$(field MSGS,USED,READERS q)" = '0 0 0' ] || wrong+=" write $n: left $(field MSGS,USED,READERS q);"
    done
    report "pop, $fault at each of $writes writes: another reader of the broadcast ring gets everything" "$wrong"
done
use many

# ---- a signal at any system call at all
for signal in KILL INT; do
    fill
    calls shmq-pop -a q >made
    wrong='' points=0
    while read -r call nth; do
        case $call in mmap | brk | rt_sigreturn | setitimer) continue ;; esac
        fill
        guard strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=$signal:when=$nth" shmq-pop -a q >accepted 2>"$err"
        code=$? points=$((points + 1))
        [ $code = $((128 + $(kill -l $signal))) ] || [ "$signal-$code-$(wc -l <accepted)" = INT-0-$count ] || wrong+=" $call $nth: exit $code;"
        allowed=0
        [ $signal != KILL ] || allowed=$most
        accounted lines $allowed || wrong+=" $call $nth: $broken;"
    done <made
    report "pop, SIG$signal at each of $points system calls: nothing missing, nothing twice unmarked" "$wrong"
done

# ---- a command for each: killed with the command at work, or when it has ended and the message is not yet
# consumed. Nobody reads on before the last command has ended: they all have the pipe.
use few
each=(shmq-pop -a -F line --each cat q)
for signal in KILL INT; do
    fill
    calls "${each[@]}" >made
    wrong='' points=0 before=''
    : >again
    while read -r call nth; do
        after=$before before=$call
        case $call in mmap | brk | rt_sigreturn | setitimer) continue ;; esac
        fill
        guard strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=$signal:when=$nth" "${each[@]}" 2>"$err" | cat >accepted
        code=${PIPESTATUS[0]} points=$((points + 1))
        [ $code = $((128 + $(kill -l $signal))) ] || [ "$signal-$code-$(wc -l <accepted)" = INT-0-$count ] || wrong+=" $call $nth: exit $code;"
        ! grep '^shmq-' "$err" || wrong+=" $call $nth: says $(shown "$err");"
        allowed=0
        [ $signal != KILL ] || allowed=1
        accounted lines $allowed || wrong+=" $call $nth: $broken;"
        [ "$after" != wait4 ] || [ "$(cat printed left | wc -l)" = $count ] || head -n 1 left >>again
    done <made
    report "pop --each, SIG$signal at each of $points system calls: nothing missing, one at most twice, and marked" "$wrong"
    case $signal in
        KILL) same 'each that was not yet consumed when its command had ended came again' "$(sort all)" "$(sort -u again)" ;;
        INT) check 'and none came again' [ ! -s again ] ;;
    esac
done
use many

# ---- a full disk
fill
ends 74 'pop to /dev/full' bash -c 'shmq-pop -a q >/dev/full'
same 'says so, in one line' 'shmq-pop: stdout: No space left on device' "$(<"$err")"
: >accepted
check 'every message is still in the ring' accounted lines 0
mkdir -p small
trap 'code=$?; ! mountpoint -q "$work/small" || umount "$work/small"; (exit $code); finish' EXIT
for size in 4 8 16 24 28 56; do
    mount -t tmpfs -o size=${size}k tmpfs small || failed 'a small file system can be mounted'
    for framing in lines nul chunk u32 json whole; do
        options=$(options_of $framing)
        fill
        ends 74 "pop $options into $size KiB of disk" bash -c "shmq-pop $options q >small/out"
        cp small/out accepted
        check 'is full' [ "$(wc -c <accepted)" = $((size * 1024)) ]
        report 'what is on it is no more in the ring, the rest is' "$(accounted $framing 0; echo "$broken")"
        rm small/out
    done
    umount small
done
use one
mount -t tmpfs -o size=16k tmpfs small || failed 'a small file system can be mounted'
ends 74 'pop -w into 16 KiB of disk' bash -c 'shmq-pop -w q >small/out'
cp small/out accepted
check 'is full' [ "$(wc -c <accepted)" = 16384 ]
report 'and the message is still in the ring' "$(accounted whole 0; echo "$broken")"
umount small
use many

# ---- a pipe of one page that does not block: many partial writes
cat >pipe.pl <<'P'
# BYTES COMMAND...: the command writes into a small pipe that does not block; of it BYTES are read, slowly
# (-1: all), and printed; then nobody reads any more.
use Fcntl;
my ($bytes, @command) = @ARGV;
pipe my $in, my $out or die;
fcntl $in, 1031, 4096 or die "F_SETPIPE_SZ: $!";
fcntl $out, F_SETFL, O_WRONLY | O_NONBLOCK or die $!;
close $in unless $bytes;  # nobody reads, from the beginning
my $child = fork;
if (!$child) { open STDOUT, ">&", $out or die; exec @command or die }
close $out;
binmode STDOUT;
$| = 1;
while ($bytes != 0) {
    my $got = sysread $in, my $piece, $bytes < 0 || $bytes > 777 ? 777 : $bytes;
    last unless $got;
    print $piece;
    $bytes -= $got if $bytes > 0;
}
close $in;
waitpid $child, 0;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
P
for framing in lines nul chunk u32 json whole; do
    options=$(options_of $framing)
    fill
    shmq-pop -p $options q >everything
    ends 0 "pop $options into a small pipe that does not block" perl pipe.pl -1 shmq-pop $options q
    check 'everything comes through' cmp -s everything "$out"
    wrong=''
    for bytes in 0 1 100 3000 20000 50000; do
        fill
        guard perl pipe.pl $bytes strace -qq -o writes -e trace=write shmq-pop $options q >read 2>"$err"
        code=$?
        [ $code = 141 ] && ! grep -q '^shmq-' "$err" || wrong+=" $bytes: exit $code, $(shown "$err");"
        # What the pipe took, read or not, is what was accepted.
        head -c "$(awk '/^write\(1,/ && $NF ~ /^[0-9]+$/ { s += $NF } END { print s + 0 }' writes)" everything >accepted
        [ "$(wc -c <accepted)" -ge "$bytes" ] && cmp -s read <(head -c "$bytes" everything) || wrong+=" $bytes: read something else;"
        accounted $framing 0 || wrong+=" $bytes: $broken;"
    done
    report "pop $options, whose reader goes away: what the pipe took has left the ring, the rest has not" "$wrong"
done
fill
ends 141 'a reader that was never there' perl pipe.pl 0 shmq-pop -a q
: >accepted
check 'gets nothing, and takes nothing out' accounted lines 0

# ---- redelivered is seen
fill && shmq-pop -a q >/dev/null
works 'one message' shmq-push -d again q
guard strace -qq -o /dev/null -e trace=write -e inject=write:signal=KILL:when=1 shmq-pop -a q >accepted 2>"$err"
before=$(field REDELIVERED q)
gives 'pop -J marks what a killed one held' 'again true' bash -c 'shmq-pop -a -J q | jq -r "\"\(.data) \(.redelivered)\""'
same 'stat counts it' $((before + 1)) "$(field REDELIVERED q)"
works 'an ordinary one' shmq-push -d new q
gives 'has no mark' null bash -c 'shmq-pop -a -J q | jq .redelivered'
