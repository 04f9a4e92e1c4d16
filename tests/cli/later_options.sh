# Options of the contract that are not there yet are usage errors, never silently accepted. Whoever
# brings one moves it from here to a test of its own.
. "$(dirname "$0")/lib.sh" || exit 1

later() { refuses 64 '' "not there yet: $*" "$@"; }

works 'a ring' shmq-create q
works 'with a message in it' shmq-push -d message q

later shmq-create --lock-memory new

same 'none of them made or removed a ring' shmq.q "$(ls "$SHMQ_DIR")"
gives 'nor touched the message' message shmq-pop -a q
