# A file system that is too small for a ring: 71, with the bytes needed and free, and nothing left behind.
# The file system lives in a mount namespace of this script and goes with it, however it ends.
if [ -z "${SHMQ_OWN_MOUNTS:-}" ]; then
    [ "$(id -u)" = 0 ] && how=--mount || how='--mount --map-root-user'
    # shellcheck disable=SC2086
    exec unshare $how env SHMQ_OWN_MOUNTS=1 bash "$0"
fi
NEEDED='mount unshare'
. "$(dirname "$0")/lib.sh" || exit 1

clean_up() { umount "$work/tiny" 2>/dev/null; }
mkdir tiny
check 'a file system of 1 MiB' mount -t tmpfs -o size=1m tiny "$work/tiny"
[ "$failed" = 0 ] || exit 1
SHMQ_DIR=$work/tiny

refuses 71 'bytes' 'a ring of 4 MiB' shmq-create q
needed=$(grep -oE '[0-9]+ bytes needed' "$err" | cut -d' ' -f1)
free=$(grep -oE '[0-9]+ free' "$err" | cut -d' ' -f1)
check 'names the bytes needed, which are more than 4 MiB' [ "${needed:-0}" -gt $((4 << 20)) ]
same 'and the bytes free' $((1 << 20)) "$free"
same 'and leaves nothing behind' '' "$(ls -A tiny)"
same 'not even unseen' 0 "$(df --output=used tiny | tail -1 | xargs)"
works 'a small ring fits' shmq-create -N 1024 -s 64 --participants 16 small
works 'and works' bash -c 'seq 3000 | shmq-push -e small & shmq-pop small | cmp - <(seq 3000)'
works 'it can be filled: its memory was there from the beginning' bash -c 'shmq-create --reopen -N 1024 -s 64 --participants 16 small; seq 1024 | shmq-push -n small'
refuses 71 'free' 'another one does not fit' shmq-create -N 16K -s 64 other
head -c 10M /dev/zero >tiny/filler 2>/dev/null
check 'the file system is full' [ "$(df --output=avail tiny | tail -1 | xargs)" = 0 ]
refuses 71 'free' 'now not even a tiny one does' shmq-create -N 4 --participants 1 tiny
gives 'the ring that is there works on' "$(seq 1024)" shmq-pop -a small
works 'also for pushing' bash -c 'seq 1024 | shmq-push -n small'
works 'and goes' shmq-unlink small
same 'leaving nothing' filler "$(ls -A tiny)"
