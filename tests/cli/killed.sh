# kill -9 of pushing and popping processes, again and again: the other side goes on, nothing committed
# is missing, nothing is torn, and what is delivered twice is flagged.
. "$(dirname "$0")/lib.sh" || exit 1
rounds=${SHMQ_LONG:+300}
rounds=${rounds:-25}

# Some milliseconds, so that the kills fall anywhere; nothing depends on how many.
a_moment() { sleep "0.00$((RANDOM % 10))$((RANDOM % 10))"; }

# "PRODUCER NUMBER" in lines with padding of differing length, so that runs differ.
produce() { perl -e 'for my $n (1 .. $ARGV[1]) { print "$ARGV[0] $n ", "x" x ($n * 37 % 200), "\n" }' "$1" "$2"; }

for slots in 16 1024 65536; do
    name=kill$slots
    works "a ring of $slots slots" shmq-create -N $slots $name
    # Steady ones, never killed: what they push must all come.
    (produce steady 30000 | shmq-push $name) & steady=$!
    last=0
    for ((round = 1; round <= rounds; round++)); do
        shmq-pop -J $name >got.$round 2>complaint.$round & popper=$!
        produce p$round 100000 | shmq-push $name 2>/dev/null & pusher=$!
        a_moment
        kill -KILL $popper
        a_moment
        kill -KILL $pusher
        wait $popper $pusher 2>/dev/null
    done
    # One consumer stays until all is there.
    shmq-pop -J $name >got.last 2>complaint.last & popper=$!
    finished 0 "$name: the steady producer has pushed everything" $steady
    works "$name: the end" shmq-push -e $name
    finished 0 "$name: the last consumer drains and ends" $popper
    same "$name: it says nothing" '' "$(cat complaint.last)"
    same "$name: the ring is empty" '0 0' "$(field MSGS,USED $name)"
    same "$name: nobody is left" '0 0' "$(field READERS,WRITERS $name)"
    cat got.[0-9]* got.last >/dev/null
    # Each file in turn: a last line without its end was not delivered.
    check "$name: nothing is missing, torn, out of order or twice without a flag" perl -e '
        my ($rounds, $steady) = @ARGV; my (%seen, %seq, %flagged, $bad);
        for my $file ((map { "got.$_" } 1 .. $rounds), "got.last") {
            open my $in, "<", $file or die; my %newest;
            while (<$in>) {
                next unless s/\n\z//;
                my ($seq, $text) = /^\{"seq":(\d+),"len":\d+,"data":"([^"]*)"/ or do { print "torn: $_\n"; $bad++; next };
                my $again = /"redelivered":true/;
                my ($p, $n, $x) = $text =~ /^(\w+) (\d+) (x*)$/ or do { print "torn: $_\n"; $bad++; next };
                if (length $x != $n * 37 % 200) { print "torn: $_\n"; $bad++ }
                if (exists $seq{"$p $n"} && $seq{"$p $n"} != $seq) { print "two sequence numbers: $p $n\n"; $bad++ }
                $seq{"$p $n"} = $seq; $seen{$p}{$n}{count}++;
                # Delivered before and not flagged now: the flag belongs to the later one, whichever file that is in.
                $seen{$p}{$n}{plain}++ unless $again;
                if (!$again) { if (exists $newest{$p} && $newest{$p} > $n) { print "out of order: $p $n\n"; $bad++ } $newest{$p} = $n }
            }
        }
        my $messages = 0;
        for my $p (sort keys %seen) {
            my $most = (sort { $b <=> $a } keys %{$seen{$p}})[0];
            for my $n (1 .. $most) {
                my $m = $seen{$p}{$n} or do { print "missing: $p $n of $most\n" if $bad++ < 20; next };
                $messages++;
                if (($m->{plain} // 0) > 1) { print "twice without a flag: $p $n\n"; $bad++ }
            }
            if ($p eq "steady" && $most != $steady) { print "steady: only $most\n"; $bad++ }
        }
        print "$messages messages of ", scalar keys %seen, " producers\n";
        exit($bad ? 1 : 0)' $rounds 30000
    rm -f got.* complaint.*
done

# A message handed over and not committed comes again, flagged, with the same sequence number. The
# reader's pipe is full, so the pop holds what it cannot write.
works 'a ring' shmq-create q
perl -e 'print "$_ ", "x" x 1000, "\n" for 1 .. 1000' | shmq-push q
mkfifo out
exec 3<>out
shmq-pop -J q >out 3>&- & popper=$!
comes_true 'a pop has filled its pipe' waits_in q READERS $popper
kill -KILL $popper
finished 137 'and is killed' $popper
ends 0 'the next one' shmq-pop -J -a q
check 'gets the rest, without a gap' bash -c "jq -r .data <'$out' | cut -d' ' -f1 | tr '\n' ' ' | perl -ne '@n = split; exit !(\$n[-1] == 1000 && @n == 1001 - \$n[0])'"
check 'the first of it flagged' bash -c "head -1 '$out' | jq -e .redelivered"
check 'the last of it not' bash -c "tail -1 '$out' | jq -e '.redelivered | not'"
check 'stat counts it' [ "$(field REDELIVERED q)" -ge 1 ]
exec 3>&-
