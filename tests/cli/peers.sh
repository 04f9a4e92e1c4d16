# Several processes on one ring, and several rings.
. "$(dirname "$0")/lib.sh" || exit 1

# Two producers, two consumers, the union compared. In every type that allows it, roomy and tight.
for slots in 65536 64 4; do
    for type in mpmc spmc mpsc spsc; do
        case $type in mp*) producers='1 2' ;; *) producers=1 ;; esac
        case $type in *mc) consumers='1 2' ;; *) consumers=1 ;; esac
        name=$type$slots pushers='' poppers=''
        works "$type with $slots slots" shmq-create -T $type -N $slots $name
        for c in $consumers; do shmq-pop $name >got.$c & poppers="$poppers $!"; done
        for p in $producers; do seq -f "$p %.0f" 20000 | shmq-push $name & pushers="$pushers $!"; done
        for pid in $pushers; do finished 0 "a producer of $name ends" $pid; done
        works 'the end' shmq-push -e $name
        for pid in $poppers; do finished 0 "a consumer of $name ends" $pid; done
        for p in $producers; do seq -f "$p %.0f" 20000; done | sort >expected
        check "$name: everything came once" bash -c "cat $(for c in $consumers; do printf 'got.%s ' "$c"; done)| sort | cmp expected -"
        for c in $consumers; do
            for p in $producers; do
                check "$name: consumer $c got what producer $p sent in its order" bash -c "grep '^$p ' got.$c | cut -d' ' -f2 | sort -nc"
            done
        done
    done
done

# Either may start first.
works 'a ring' shmq-create q
seq 1000 | shmq-push -e q
gives 'producer first' "$(seq 1000)" shmq-pop q
works 'a ring' shmq-create --replace q
shmq-pop q >got & popper=$!
comes_true 'consumer first' waits_in q READERS $popper
seq 1000 | shmq-push -e q
finished 0 'ends' $popper
same 'with everything' "$(seq 1000)" "$(cat got)"

# Single roles
works 'a ring for one and one' shmq-create -T spsc single
mkfifo input
shmq-push single <input & pusher=$!
exec 3<>input
comes_true 'the producer' field_is WRITERS single 1
refuses 69 'single: ' 'a second producer is refused' shmq-push -d x single
kill -STOP $pusher
refuses 69 'single: ' 'also while the first is stopped' shmq-push -d x single
kill -KILL $pusher
finished 137 'the first is killed' $pusher
exec 3>&-
works 'the next is admitted at once' shmq-push -d x single
shmq-pop single >got & popper=$!
comes_true 'the consumer' waits_in single READERS $popper
refuses 69 'single: ' 'a second consumer is refused' shmq-pop -a single
works 'a look is not' shmq-pop -p single
kill -KILL $popper
finished 137 'the first is killed' $popper
works 'the next is admitted at once' shmq-pop -a single

# Both sides wait on rings that are removed.
works 'a full ring and an empty one' bash -c 'shmq-create -N 2 full; seq 2 | shmq-push full; shmq-create empty'
shmq-push -d 3 full 2>push.err & pusher=$!
shmq-pop empty 2>pop.err & popper=$!
comes_true 'a push waits' waits_in full WRITERS $pusher
comes_true 'a pop waits' waits_in empty READERS $popper
works 'both rings are removed' shmq-unlink -f full empty
finished 69 'the push ends with 69' $pusher
finished 69 'the pop ends with 69' $popper
check 'saying why' grep -q remov push.err
check 'both' grep -q remov pop.err

# Fifty rings at once
names=$(seq -f 'ring%.0f' 50)
# shellcheck disable=SC2086
works 'fifty rings' shmq-create -N 64 $names
pids=''
for name in $names; do
    seq 500 | sed "s/^/$name /" | shmq-push $name & pids="$pids $!"
    shmq-pop -c 500 $name >$name.got & pids="$pids $!"
done
for pid in $pids; do finished 0 'one of a hundred ends' $pid; done
for name in $names; do check "$name gave what it got" cmp $name.got <(seq 500 | sed "s/^/$name /"); done
# shellcheck disable=SC2086
works 'and all are removed' shmq-unlink $names

# More than fits at once, each of them with messages in order
works 'many participants' shmq-create -N 1024 crowd
pids=''
for p in $(seq 60); do seq -f "$p %.0f" 100 | shmq-push crowd & pids="$pids $!"; done
guard shmq-pop -c 6000 crowd >got
for pid in $pids; do finished 0 'one of sixty producers ends' $pid; done
check 'all came once' cmp <(sort got) <(for p in $(seq 60); do seq -f "$p %.0f" 100; done | sort)
