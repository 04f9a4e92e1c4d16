# Rings that are locked into memory, and rings of huge pages. Mounts live in a namespace of this script and go
# with it, however it ends.
if [ -z "${SHMQ_OWN_MOUNTS:-}" ]; then
    [ "$(id -u)" = 0 ] && how=--mount || how='--mount --map-root-user'
    # shellcheck disable=SC2086
    exec unshare $how env SHMQ_OWN_MOUNTS=1 bash "$0"
fi
NEEDED='mount unshare prlimit setpriv getconf'
. "$(dirname "$0")/lib.sh" || exit 1
stat_json() { shmq-stat -J "$1" | jq -r ".rings[0].$2"; }

# ---- --lock-memory ------------------------------------------------------------------------------
# With so many KiB to lock, and without root's right to lock more.
becomes_limited() { exec prlimit --memlock=$(($1 * 1024)) setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "${@:2}"; }
limited() { (becomes_limited "$@"); }
locked_kib() { sed -nE 's/^VmLck:\s+([0-9]+) kB/\1/p' "/proc/$1/status"; }

works 'a ring that is not locked' shmq-create -N 1024 -s 64 --participants 16 plain
same 'says so' false "$(stat_json plain lock_memory)"
works 'one that is' limited 1024 shmq-create --lock-memory -N 1024 -s 64 --participants 16 locked
same 'says so' true "$(stat_json locked lock_memory)"
size=$(stat_json locked segment_bytes)
for ring in plain locked; do
    becomes_limited 1024 shmq-pop $ring >popped & reader=$!
    comes_true "a consumer waits in $ring" waits_in $ring READERS $reader
    [ $ring = plain ] && kib=0 || kib=$((size / 1024))  # once, though the data is mapped twice
    same 'and has locked this many KiB' $kib "$(locked_kib $reader)"
    works 'it gets its message' limited 1024 shmq-push -e -d hello $ring
    finished 0 'and ends' $reader
    same 'with it' hello "$(cat popped)"
done

works 'the stream goes on' shmq-create --reopen --lock-memory -N 1024 -s 64 --participants 16 locked
refuses 71 "locked: cannot lock its $size bytes into memory, of which a process may lock 65536 (ulimit -l)" 'who may lock 64 KiB only cannot push' limited 64 shmq-push -d x locked
refuses 71 'locked: cannot lock its ' 'nor pop' limited 64 shmq-pop -n locked
refuses 71 'locked: cannot lock its ' 'nor pop without any right to lock' limited 0 shmq-pop -n locked
refuses 71 'locked: cannot lock its ' 'nor wait in it' limited 64 shmq-stat --until full locked
refuses 71 '(ulimit -l)' 'nor make such a ring' limited 64 shmq-create --lock-memory -N 1024 new
refuses 71 '(ulimit -l)' 'nor both directions of one' limited 64 shmq-create -D --lock-memory -N 1024 new
same 'and nothing is left of the attempt' '' "$(find "$SHMQ_DIR" -name '*new*')"
works 'he can look at it' limited 64 shmq-stat locked
same 'none of them is attached' '0 0' "$(field READERS,WRITERS locked | xargs)"
works 'pushing to it with enough' limited 1024 shmq-push -d again locked
gives 'he can look into it' again limited 64 shmq-pop -p locked
works 'and remove it' limited 64 shmq-unlink locked
works 'as he can use the other one' limited 0 shmq-create --reopen -N 1024 -s 64 --participants 16 plain
refuses 76 'another geometry' 'a ring that is there stays as it is' shmq-create --exist-ok --lock-memory -N 1024 -s 64 --participants 16 plain
check 'and the reason is named' grep -q 'expected .*, locked into memory' "$err"
works 'both directions, locked' limited 1024 shmq-create -D --lock-memory -N 1024 -s 64 --participants 16 chat
works 'work' limited 1024 shmq-push -d hi chat/a
gives 'as always' hi limited 1024 shmq-pop -c 1 chat/b

# ---- pages --------------------------------------------------------------------------------------
page=$(getconf PAGESIZE)
ends 0 'create -v' shmq-create -v small
check 'reports the pages' grep -q ", pages of $page bytes\$" "$err"
same 'stat as well' "$page" "$(stat_json small page_size)"

# A hugetlbfs, with pages for two small rings. A machine may have none, or not let us have them.
pages=/proc/sys/vm/nr_hugepages before=
clean_up() {
    umount "$work/huge" 2>/dev/null
    [ -z "$before" ] || echo "$before" >$pages
}
mkdir huge
huge=$(sed -nE 's/^Hugepagesize:\s+([0-9]+) kB/\1/p' /proc/meminfo)
free() { sed -nE 's/^HugePages_Free:\s+([0-9]+)/\1/p' /proc/meminfo; }
if ! mount -t hugetlbfs huge "$work/huge" 2>mount_log; then
    echo "not tested: huge pages, since no hugetlbfs can be mounted here: $(cat mount_log)"
elif ! { before=$(cat $pages) && echo $((before + 8)) >$pages; } 2>/dev/null || [ "$(free)" -lt 4 ]; then
    echo "not tested: huge pages, since this machine does not give us any ($(free) are free)"
else
    SHMQ_DIR=$work/huge
    ends 0 'a ring of huge pages' shmq-create -v -N 1024 -s 64 q
    check 'which create -v reports' grep -q ", pages of $((huge * 1024)) bytes\$" "$err"
    same 'and stat' $((huge * 1024)) "$(stat_json q page_size)"
    same 'it fills them' 0 $(($(stat_json q segment_bytes) % (huge * 1024)))
    works 'it works' bash -c 'seq 3000 | shmq-push -e q & shmq-pop q | cmp - <(seq 3000)'
    works 'a locked one of fixed messages' shmq-create --lock-memory --fixed -N 1024 -s 8 fixed
    gives 'works too' 12345678 bash -c 'shmq-push -F fixed -d 12345678 fixed && shmq-pop -c 1 -F line fixed'
    refuses 71 'bytes needed' 'one larger than the huge pages there are' shmq-create -N 64M -s 64 large
    works 'they go' shmq-unlink q fixed
    same 'leaving nothing' '' "$(ls -A huge)"
fi
