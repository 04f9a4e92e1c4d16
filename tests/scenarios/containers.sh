# Two containers that share a directory: each has PIDs, mounts and a /dev/shm of its own, and in each our
# process is number 1. They work together, and notice each other's death all the same.
NEEDED='unshare mount'
. "$(dirname "$0")/../cli/lib.sh" || exit 1

how=
[ "$(id -u)" = 0 ] || how='--user --map-root-user'
mkdir rings bin
cat >bin/container <<SCRIPT
#!/bin/sh
exec unshare $how --pid --mount --fork --kill-child --mount-proc sh -c '
    mount --bind "\$0" "$work/rings" && mount -t tmpfs none /dev/shm && export SHMQ_DIR="$work/rings" && exec "\$@"' "$SHMQ_DIR" "\$@"
SCRIPT
chmod +x bin/container
PATH=$work/bin:$PATH

gives 'a process is number 1' 1 container sh -c 'echo $$'
gives 'in a container with a /dev/shm of its own' '' container ls -A /dev/shm
works 'a ring made in one' container shmq-create q
check 'is in the directory that they share' [ -e "$SHMQ_DIR/shmq.q" ]

container shmq-pop q >got & popper=$!
comes_true 'a pop in one waits' field_is READERS q 1
works 'a push in the other' container sh -c 'seq 1000 | shmq-push -e q'
finished 0 'ends the stream' $popper
check 'all of it came through' cmp -s got <(seq 1000)

# The producer is killed. A living process of the same number does not speak for it.
works 'a new ring' shmq-create --replace q
mkfifo input
exec 3<>input
container shmq-pop -e q >got 2>complaint & popper=$!
container shmq-push q <input 3>&- & pusher=$!
echo before >&3
comes_true 'a producer and a consumer at work' holds got before
same 'both are number 1' $'1\n1' "$(shmq-stat -J -P q | jq '.. | .pid? // empty')"
same 'both are seen from a third place' '1 1' "$(shmq-stat -r --noheadings -o WRITERS,READERS q)"
same 'and from a container' '1 1' "$(container shmq-stat -r --noheadings -o WRITERS,READERS q)"
kill -KILL $pusher
finished 137 'the container of the producer is killed' $pusher
exec 3>&-
finished 69 'and the consumer in the other one notices' $popper
check 'it says why' grep -q 'q: a producer died' complaint

# The consumer is killed while it holds a message.
works 'a new ring' shmq-create --replace q
mkfifo output
exec 3<>output
container shmq-pop q >output 3>&- & popper=$!
works 'a message longer than a pipe' bash -c 'head -c 200000 /dev/zero | tr "\0" x | shmq-push -w q'
comes_true 'is held by a consumer that cannot write it' bash -c '[ "$(shmq-stat -J -P q | jq "[.. | .holds_slots? // empty] | add")" -gt 0 ]'
kill -KILL $popper
finished 137 'whose container is killed' $popper
exec 3<&-
gives 'another container gets it' '200000 true' bash -c 'container shmq-pop -J -c 1 q | jq -r "\"\(.len) \(.redelivered)\""'
