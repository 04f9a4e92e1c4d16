# Somebody writes into every part of a ring, its header included, while the commands work in it. They may
# be refused, see nonsense and say so; none dies, hangs, or blames the system. SHMQ_LONG=1: a minute of each.
. "$(dirname "$0")/../cli/lib.sh" || exit 1
seconds=${SHMQ_LONG:+60}
seconds=${seconds:-2}

# FILE STOP: until there is a file of that name. Words anywhere, most of them near a place that matters, of
# values that are plausible, close to what was there, or none; and from time to time all as it was. Only
# the mark of a removed ring is left alone, behind which there is nothing to see.
cat >scribble.pl <<'P'
use strict;
use warnings;
my ($path, $stop) = @ARGV;
open my $ring, "+<:raw", $path or die "$path: $!";
my $bytes = -s $ring;
sub get { my ($at, $n) = @_; sysseek $ring, $at, 0; sysread($ring, my $data, $n) == $n or die "read: $!"; $data }
sub put { my ($at, $data) = @_; sysseek $ring, $at, 0; syswrite($ring, $data) == length $data or die "write: $!" }
my $good = get(0, $bytes);
my ($lines, $entries, $words, undef, $data) = unpack "x80 Q5", $good;  # shmq(5)
my $removed = $lines + 640;
until (-e $stop) {
    for (1 .. (rand() < 0.5 ? 50 : 2)) {  # few, so that what is spoiled is also reached
        my $part = rand;
        my $at = 8 * int(($part < 0.2 ? $lines + rand 1024 : $part < 0.4 ? $entries + rand 1024 : $part < 0.6 ? $words + rand 512 : $part < 0.9 ? $data + rand 512 : $part < 0.999 ? 4096 + rand($bytes - 4096) : rand 512) / 8);
        next if $at + 8 > $bytes;
        my $kind = int rand 6;
        my $value = pack "Q", $kind == 0 ? 0 : $kind == 1 ? ~0 : $kind == 2 ? int(rand 2**32) << 32 | int rand 2**32 : $kind == 3 ? int rand 300 : $kind == 4 ? 1 << int rand 64
                            : do { use integer; unpack("Q", get($at, 8)) + int(rand 7) - 3 };
        $at == $removed ? put($at + 4, substr $value, 4) : put($at, $value);
    }
    put(4096, substr $good, 4096) if rand() < 0.3;
    put(0, substr $good, 0, 4096) if rand() < 0.5;
    select undef, undef, undef, rand 0.002;
}
put(0, $good);
P

# What a command may say of a ring that is not one: the codes of the README, and none that blames the system.
allowed=' 0 1 65 66 69 76 124 '
worker() {  # NAME COMMAND...
    local name=$1 code
    shift
    until [ -e stop ]; do
        timeout --signal=KILL 30 "$@" </dev/null >/dev/null 2>"said.$name"
        code=$?
        case $allowed in *" $code "*) ;; *) echo "$* ends with $code: $(shown "said.$name")" ;; esac
        grep -v '^shmq-[a-z]*: ' "said.$name" | sed "s/^/$* says: /" | head -3
        echo "$code" >&9
    done >"wrong.$name" 9>>"codes.$name"
}

message=$(repeat x 8)
refused=0
for kind in '' --broadcast '--overflow overwrite' '--broadcast --overflow overwrite' '--fixed -s 8' '--record a:u32,b:char[4]'; do
    rm -f "$SHMQ_DIR"/* stop codes.* wrong.*
    works "a ring${kind:+: $kind}" shmq-create $kind -N 64 --participants 8 q
    cp "$SHMQ_DIR/shmq.q" good
    perl scribble.pl "$SHMQ_DIR/shmq.q" stop & scribbler=$!
    worker push shmq-push -t 20ms -d hello q & workers=$!
    worker push-fixed shmq-push -t 20ms -F fixed -d $message q & workers+=" $!"
    worker pop-json shmq-pop -J -t 20ms q & workers+=" $!"
    worker pop-chunk shmq-pop -F chunk -t 20ms q & workers+=" $!"
    worker peek shmq-pop -p q & workers+=" $!"
    worker stat shmq-stat -J -P q & workers+=" $!"
    worker until shmq-stat --until full -t 20ms q & workers+=" $!"
    end=$((SECONDS + seconds))
    while [ $SECONDS -lt $end ] || [ "$(cat codes.* 2>/dev/null | wc -l)" -lt 50 ]; do sleep 0.1; done
    : >stop
    finished 0 'somebody wrote into it' $scribbler
    wait $workers
    for name in push push-fixed pop-json pop-chunk peek stat until; do
        check "$name has run" [ -s codes.$name ]
        same 'and says nothing but what it may' '' "$(head -3 wrong.$name)"
    done
    refused=$((refused + $(cat codes.* | grep -c '^76$')))
    cat good >"$SHMQ_DIR/shmq.q"
    gives 'restored, it is a ring again' $message bash -c "shmq-push -d $message q && shmq-pop -F chunk -a q"
done
check 'some saw that it was corrupt' [ $refused -gt 0 ]
