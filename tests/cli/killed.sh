# kill -9 of pushing and popping processes, again and again: the other side goes on, nothing committed
# is missing, nothing is torn, and what is delivered twice is flagged.
. "$(dirname "$0")/lib.sh" || exit 1
rounds=${SHMQ_LONG:+300}
rounds=${rounds:-25} steady_lines=20000

# Some milliseconds, so that the kills fall anywhere; nothing depends on how many.
a_moment() { sleep "0.00$((RANDOM % 10))$((RANDOM % 10))"; }

# "PRODUCER NUMBER" in lines with padding of differing length, so that runs differ.
produce() { perl -e 'for my $n (1 .. $ARGV[1]) { print "$ARGV[0] $n ", "x" x ($n * 37 % 200), "\n" }' "$1" "$2"; }

for slots in 16 1024 65536; do
    name=kill$slots
    works "a ring of $slots slots" shmq-create -N $slots $name
    # Steady ones, never killed: what they push must all come.
    (produce steady $steady_lines | shmq-push $name) & steady=$!
    for ((round = 1; round <= rounds; round++)); do
        shmq-pop -J $name >got.$round 2>complaint.$round & popper=$!
        produce p$round 20000 | shmq-push $name & pusher=$!
        a_moment
        kill -KILL $popper
        a_moment
        kill -KILL $pusher
        wait $popper $pusher
    done 2>/dev/null  # the shell tells of each that was killed
    # One consumer stays until all is there.
    shmq-pop -J $name >got.last 2>complaint.last & popper=$!
    finished 0 "$name: the steady producer has pushed everything" $steady
    works "$name: the end" shmq-push -e $name
    finished 0 "$name: the last consumer drains and ends" $popper
    same "$name: it says nothing" '' "$(cat complaint.last)"
    same "$name: the ring is empty" '0 0' "$(field MSGS,USED $name)"
    same "$name: nobody is left" '0 0' "$(field READERS,WRITERS $name)"
    # Each file in turn; a last line without its end was not delivered.
    check "$name: nothing is missing, torn, out of order or twice without a flag" perl -e '
        my ($rounds, $steady) = @ARGV; my (%times, %unflagged, %place, $messages, $wrong);
        sub wrong { print "@_\n" if $wrong++ < 20 }
        for my $file ((map { "got.$_" } 1 .. $rounds), "got.last") {
            open my $in, "<", $file or next; my %newest;  # killed before it had one
            while (<$in>) {
                next unless chomp;
                my ($seq, $p, $n, $padding, $rest) = /^\{"seq":(\d+),"len":\d+,"data":"(\w+) (\d+) (x*)"(.*)\}$/ or do { wrong("torn", $_); next };
                wrong("torn", $_) if length $padding != $n * 37 % 200;
                wrong("two sequence numbers", $p, $n) if $place{$p}[$n] && $place{$p}[$n] != $seq + 1;
                $place{$p}[$n] = $seq + 1;
                next if $rest =~ /"redelivered":true/;  # the flag belongs to the later one, whichever file that is in
                wrong("twice without a flag", $p, $n) if $unflagged{$p}[$n]++;
                wrong("out of order", $p, $n) if ($newest{$p} // 0) > $n;
                $newest{$p} = $n;
            }
        }
        for my $p (sort keys %place) {
            my $last = $#{$place{$p}};
            $place{$p}[$_] ? $messages++ : wrong("missing", $p, $_, "of", $last) for 1 .. $last;
        }
        wrong("steady: only", $#{$place{steady}}) if $#{$place{steady}} != $steady;
        print "        $messages messages of ", scalar keys %place, " producers\n";
        exit($wrong ? 1 : 0)' $rounds $steady_lines
    rm -f got.* complaint.*
done

# A message handed over and not committed comes again, flagged, with the same sequence number. The
# reader's pipe is full, so the pop holds what it cannot write.
works 'a ring' shmq-create q
perl -e 'print "$_ ", "x" x 1000, "\n" for 1 .. 3500' | shmq-push q
mkfifo out
exec 3<>out
shmq-pop -J q >out 3>&- & popper=$!
comes_true 'a pop has filled its pipe' waits_in q READERS $popper
kill -KILL $popper
finished 137 'and is killed' $popper
ends 0 'the next one' shmq-pop -J -a q
check 'gets the rest, without a gap' bash -c "jq -r .data <'$out' | cut -d' ' -f1 | tr '\n' ' ' | perl -ne '@n = split; exit !(\$n[-1] == 3500 && @n == 3501 - \$n[0])'"
check 'the first of it flagged' bash -c "head -1 '$out' | jq -e .redelivered >/dev/null"
check 'the last of it not' bash -c "tail -1 '$out' | jq -e '.redelivered | not' >/dev/null"
check 'stat counts it' [ "$(field REDELIVERED q)" -ge 1 ]
exec 3>&-
