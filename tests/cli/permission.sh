# No permission: 77. As root the commands run as nobody here.
NEEDED=setpriv
. "$(dirname "$0")/lib.sh" || exit 1

if [ "$(id -u)" = 0 ]; then
    other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    # The build may lie where nobody may look.
    mkdir bin && cp "$SHMQ_BIN"/shmq-create "$SHMQ_BIN"/shmq-push "$SHMQ_BIN"/shmq-pop "$SHMQ_BIN"/shmq-stat "$SHMQ_BIN"/shmq-unlink bin/
    PATH=$work/bin:$PATH
    chmod 755 "$work" "$SHMQ_DIR" bin bin/*
    readable='-m 644' closed='-m 600'
else
    other() { "$@"; }
    readable='-m 444' closed='-m 0'
fi
check 'the one who tries is not root' [ "$(other id -u)" != 0 ]

# shellcheck disable=SC2086
works 'a ring for its owner alone' shmq-create $closed mine
refuses 77 'mine: ' 'push' other shmq-push -d x mine
check 'names the reason' grep -q 'Permission denied' "$err"
refuses 77 'mine: ' 'pop' other shmq-pop -a mine
refuses 77 'mine: ' 'pop -p' other shmq-pop -p mine
refuses 77 'mine: ' 'stat' other shmq-stat mine
refuses 77 'mine: ' 'unlink' other shmq-unlink mine
refuses 77 'mine: ' 'unlink -f' other shmq-unlink -f mine
refuses 77 'mine: ' 'create --exist-ok' other shmq-create --exist-ok mine
refuses 77 'mine: ' 'create --replace' other shmq-create --replace mine
refuses 77 'mine: ' 'push --wait-ring does not wait for what is there' other shmq-push --wait-ring -d x mine
check 'the ring is still there' [ -e "$SHMQ_DIR/shmq.mine" ]

# shellcheck disable=SC2086
works 'a ring that others may read' shmq-create $readable seen
[ "$(id -u)" != 0 ] || works 'with a message' shmq-push -d message seen
refuses 77 'seen: ' 'cannot be pushed into' other shmq-push -d x seen
refuses 77 'seen: ' 'nor popped from' other shmq-pop -a seen
[ "$(id -u)" != 0 ] || gives 'but looked into' message other shmq-pop -p seen
works 'and looked at' other shmq-stat seen
ends 0 'all rings: those that may be seen' other shmq-stat
check 'are shown' grep -q '^seen ' "$out"

mkdir closed
chmod 555 closed
SHMQ_DIR=$work/closed refuses 77 closed 'a directory that cannot be written' other shmq-create q
same 'nothing was made' '' "$(ls -A closed)"
chmod 000 closed
SHMQ_DIR=$work/closed ends 77 'one that cannot be searched' other shmq-push -d x q
SHMQ_DIR=$work/closed ends 77 'nor listed' other shmq-stat
chmod 755 closed

if [ "$(id -u)" = 0 ]; then
    chmod 777 "$SHMQ_DIR"
    works 'a ring for everybody' shmq-create -m 666 all
    works 'takes messages from anybody' other shmq-push -d hello all
    gives 'and gives them' hello other shmq-pop -a all
    chmod 755 "$SHMQ_DIR"
    refuses 77 'all: ' 'the directory decides who may remove it' other shmq-unlink all
    works 'and it still works' shmq-push -d x all
    chmod 777 "$SHMQ_DIR"
    refuses 77 '' 'a group one is not in' other shmq-create -g 0 grouped
    check 'nothing was made' [ ! -e "$SHMQ_DIR/shmq.grouped" ]
    works 'but by its owner' shmq-create -g 65534 -m 660 grouped
    works 'a ring for a group takes messages from its members' other shmq-push -d x grouped
fi
