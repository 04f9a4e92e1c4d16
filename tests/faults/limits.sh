# No room: a small tmpfs, a limit on memory, on the size of files, on descriptors.
. "$(dirname "$0")/lib.sh" || exit 1

umount_small() { mountpoint -q "$work/small" && umount "$work/small"; }
trap 'code=$?; umount_small; (exit $code); finish' EXIT
mkdir small
check 'a file system of 1 MB can be mounted' mount -t tmpfs -o size=1m tmpfs small
free() { df --output=avail -B1 small | tail -1; }

# ---- 1 MB of shared memory
SHMQ_DIR_WAS=$SHMQ_DIR
export SHMQ_DIR=$work/small
empty=$(free)
refuses 71 'small: no room for the ring: ' 'a ring of 4 MiB does not fit' shmq-create q
check 'the message tells what is needed' grep -qE ": [0-9]{7} bytes needed, $empty free" "$err"
same 'nothing is left' '' "$(ls -A small)"
same 'and nothing is taken' "$empty" "$(free)"
works 'a ring that fits is made' shmq-create -N 4096 q
taken=$(free)
check 'it has its memory at once' [ "$taken" -lt $((empty - 4096 * 64)) ]
refuses 71 'no room' 'a second one that does not fit is refused' shmq-create -N 16384 r
works 'the rest of the file system is filled' bash -c 'head -c "$1" /dev/zero >small/filler' bash "$taken"
check 'it is full' [ "$(free)" -eq 0 ]
repeat x 200000 >long
works 'pushes need no room' shmq-push -w q <long
works 'pops neither' bash -c 'shmq-pop -w q | cmp - long'
seq 1000 >thousand
for i in 1 2 3 4 5 6 7 8 9 10; do shmq-push q <thousand && shmq-pop -c 1000 q >popped && cmp -s thousand popped || break; done
same 'round and round' 10 "$i"
ends 0 'stat shows it' shmq-stat q
refuses 71 '' 'create in a full file system' shmq-create -N 1 s
refuses 71 '' 'create --replace without room for both' shmq-create --replace -N 16384 q
rm -f small/filler
check 'after that it is the old ring or none' bash -c '[ ! -e small/shmq.q ] || shmq-push -d x q'
works 'unlink gives all of it back' shmq-unlink -f q
same 'all of it' "$empty" "$(free)"
umount_small
check 'without room for one more name' mount -t tmpfs -o size=1m,nr_inodes=2 tmpfs small
works 'the last one' shmq-create -N 4 q
refuses 71 '' 'is the last' shmq-create -N 4 r
gives 'and works' x bash -c 'shmq-push -d x q && shmq-pop -a q'
umount_small
check 'read-only' mount -t tmpfs -o ro tmpfs small
refuses 77 'small' 'a ring in a read-only file system' shmq-create -N 4 q
umount_small
export SHMQ_DIR=$SHMQ_DIR_WAS

# ---- memory
works 'a ring of 64 MiB' shmq-create -N 1M big
seq 3 | shmq-push big
for command in 'shmq-push -d x' 'shmq-pop -a' 'shmq-pop -p' 'shmq-stat'; do
    refuses 71 'no address space for' "$command with 32 MB of address space" prlimit --as=32000000 $command big
    check 'in one line' one_line
done
refuses 71 'no address space for' 'unlink with 32 MB of address space' prlimit --as=32000000 shmq-unlink big
gives 'the ring is as it was' "$(seq 3)" shmq-pop -a big
# Every limit from what a command can start with upwards: it says what is wrong, or does it.
works 'a ring of 1 MiB' shmq-create -N 16384 q
repeat y 400000 >longer
as() { prlimit --as=$(($1 * 1024)) "${@:2}"; }
for command in push pop stat create; do
    case $command in
        push) line='shmq-push -w q' ;;
        pop) line='shmq-pop -w q' ;;
        stat) line='shmq-stat -J q' ;;
        create) line='shmq-create -N 16384 made' ;;
    esac
    reached=no wrong=''
    for ((kib = 2000; kib < 40000; kib += 600)); do
        as $kib shmq-"$command" --version >/dev/null 2>&1 || continue  # not even a start
        rm -f "$SHMQ_DIR/shmq.made"
        shmq-pop -F chunk -a q >/dev/null
        [ $command != pop ] || shmq-push -w q <longer
        run as $kib $line <longer
        here=$(shmq-pop -F chunk -a q | wc -c)
        case $command-$status in
            push-0) [ "$here" = 400000 ] ;;
            push-71) [ "$here" = 0 ] && one_line ;;
            pop-0) [ "$here" = 0 ] && cmp -s "$out" longer ;;
            pop-71) [ "$here" = 400000 ] && one_line && [ ! -s "$out" ] ;;
            stat-0) jq -e .rings "$out" >/dev/null ;;
            create-0) shmq-stat made >/dev/null ;;
            create-71) [ ! -e "$SHMQ_DIR/shmq.made" ] && one_line ;;
            stat-71) one_line ;;
            *) false ;;
        esac || wrong+=" $kib KiB: $status, $here bytes in the ring, $(printed);"
        if [ "$status" = 0 ]; then reached=yes; break; fi
    done
    same "$line works, or says why, with any amount of address space" '' "$wrong"
    same 'and works with enough' yes $reached
done

# ---- the size of files
shmq-pop -F chunk -a q >/dev/null
refuses 71 'File too large' 'a ring larger than files may be' prlimit --fsize=100000 shmq-create -N 16384 r
check 'is not made' [ ! -e "$SHMQ_DIR/shmq.r" ]
seq 10 | shmq-push q
ends 74 'pop into a file that may not grow so large' bash -c 'prlimit --fsize=12 shmq-pop -a q 2>&1 >part | cat; exit ${PIPESTATUS[0]}'
same 'says so' 'shmq-pop: stdout: File too large' "$(<"$out")"
same 'what was accepted has left the ring, the rest has not' "$(seq 10)" "$(cat part; shmq-pop -a q)"

# ---- descriptors
for n in 3 4; do
    for command in 'shmq-push -d x' 'shmq-pop -a'; do refuses 71 'Too many open files' "$command with $n descriptors" prlimit --nofile=$n $command q; done
done
refuses 71 'Too many open files' 'create with 3 descriptors' strace -qq -o /dev/null -e trace=none prlimit --nofile=3 "$SHMQ_BIN/shmq-unlink" q
check 'the ring is there' [ -e "$SHMQ_DIR/shmq.q" ]
gives 'and empty' '' shmq-pop -a q
