# The commands by which this was to be judged, word for word.
. "$(dirname "$0")/lib.sh" || exit 1

rmdir "$SHMQ_DIR"
export SHMQ_DIR=$(mktemp -d /dev/shm/t.XXXX)

gives 'create, push, pop -a' $'a\nb' bash -c "shmq-create q && printf 'a\nb\n' | shmq-push q && shmq-pop -a q"
gives 'a million lines' "$(seq 1000000 | sha256sum)" bash -c 'seq 1000000 | shmq-push -e q & shmq-pop q | sha256sum'
works 'fifty million random bytes through 1024 slots' \
    bash -c 'head -c 50M /dev/urandom > r; shmq-create -N 1024 -s 64 s; shmq-push -F chunk -e s < r & shmq-pop -F chunk s | cmp - r'
ends 0 'stat in JSON' bash -c "shmq-stat -J | jq -e '.rings[] | select(.name==\"q\")'"
gives 'unlink leaves nothing' '' bash -c 'shmq-unlink q s; ls $SHMQ_DIR'
