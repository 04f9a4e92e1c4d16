# Who may do what: modes, groups, owners, directories, and what lies there instead of a ring.
NEEDED="mkfifo id stat"
. "$(dirname "$0")/lib.sh" || exit 1

check 'this test can be run as root only' [ "$(id -u)" = 0 ]
# Users who need no entry in /etc/passwd. The commands where all of them can get at them.
mkdir bin && cp "$SHMQ_BIN"/shmq-{create,push,pop,stat,unlink} bin/ && chmod -R a+rX "$work" && chmod 755 "$work"
PATH=$work/bin:$PATH
alice=20001 bob=20002 eve=20003 band=30001
as() {  # USER[:GROUP] COMMAND...
    local user=${1%:*} groups=--clear-groups
    [ "$1" = "$user" ] || groups=--groups=${1#*:}
    timeout --signal=KILL "$patience" setpriv --reuid "$user" --regid "$user" "$groups" "${@:2}"
}
chmod 1777 "$SHMQ_DIR"
mode_of() { stat -c %a "$SHMQ_DIR/shmq.$1"; }

# ---- the mode is what was asked for
for mask in 000 022 077 777; do
    for mode in 600 640 660 644 666 400; do
        works "create -m $mode under umask $mask" bash -c "umask $mask; exec shmq-create -N 4 -m $mode q"
        same 'has exactly that mode' $mode "$(mode_of q)"
        same 'and stat says so' "0$mode" "$(field MODE q)"
        works 'gone again' shmq-unlink q
    done
    works "create under umask $mask" bash -c "umask $mask; exec shmq-create -N 4 q"
    same 'is for its owner alone' 600 "$(mode_of q)"
    works 'create --replace -m 640' bash -c "umask $mask; exec shmq-create -N 4 --replace -m 640 q"
    same 'has the new mode' 640 "$(mode_of q)"
    works 'gone again' shmq-unlink q
done

# ---- a group
works 'alice makes a ring for her group' as $alice:$band shmq-create -N 64 -m 660 -g $band band
same 'it is hers, and the group its own' "$alice $band 660" "$(stat -c '%u %g %a' "$SHMQ_DIR/shmq.band")"
works 'bob of that group pushes' as $bob:$band shmq-push -d 'from bob' band
works 'alice pushes' as $alice:$band shmq-push -d 'from alice' band
gives 'bob pops both' $'from bob\nfrom alice' as $bob:$band shmq-pop -a band
gives 'stat tells him whose it is' "$alice" as $bob:$band shmq-stat -r --noheadings -o OWNER band
works '--exist-ok is fine for bob' as $bob:$band shmq-create -N 64 -m 660 -g $band --exist-ok band
seq 5000 >sent
as $alice:$band shmq-push -e band <sent & pusher=$!
gives 'they stream to each other through few slots' "$(seq 5000)" as $bob:$band shmq-pop band
finished 0 'and end' $pusher
for command in 'shmq-push -d x' 'shmq-pop -a' 'shmq-pop -p' 'shmq-stat' 'shmq-unlink' 'shmq-unlink -f' 'shmq-create -N 64 --exist-ok' 'shmq-create -N 64 --replace -f' 'shmq-create -N 64 --reopen'; do
    refuses 77 'band: Permission denied' "eve, not of the group: $command" as $eve $command band
done
refuses 73 'exists already' 'eve: create' as $eve shmq-create -N 64 band
refuses 77 'cannot remove it' 'bob cannot remove it from a sticky directory' as $bob:$band shmq-unlink band
refuses 77 'cannot remove it' 'by no force' as $bob:$band shmq-unlink -f band
same 'and what he tried has not marked it removed' ended "$(field STATE band)"
works 'alice can' as $alice:$band shmq-unlink band
refuses 77 "group $band" 'eve cannot make a ring for a group that is not hers' as $eve shmq-create -N 4 -g $band q
same 'nothing is left of it' '' "$(ls -A "$SHMQ_DIR")"

# ---- read permission: look, and nothing else
works 'alice lets all read' as $alice shmq-create -N 16 -m 644 news
works 'and her group' as $alice shmq-create -N 16 -m 640 -g $alice internal
seq 3 | as $alice shmq-push news
before=$(sha256sum <"$SHMQ_DIR/shmq.news")
gives 'eve peeks' "$(seq 3)" as $eve shmq-pop -p news
gives 'in JSON' '"1"' bash -c "setpriv --reuid $eve --regid $eve --clear-groups shmq-pop -p -J -c 1 news | jq .data"
gives 'and sees how full it is' 3 as $eve shmq-stat -r --noheadings -o MSGS news
for command in 'shmq-push -d x' 'shmq-push -e -d x' 'shmq-pop -a' 'shmq-pop -c 1' 'shmq-pop -n' 'shmq-unlink' 'shmq-unlink -f' 'shmq-create -N 16 --exist-ok' 'shmq-create -N 16 --reopen' 'shmq-create -N 16 --replace' 'shmq-create -N 16 --replace -f'; do
    refuses 77 'news: Permission denied' "eve cannot: $command" as $eve $command news
done
refuses 73 'exists already' 'eve: create' as $eve shmq-create -N 16 news
same 'none of it changed a byte of the ring' "$before" "$(sha256sum <"$SHMQ_DIR/shmq.news")"
for command in 'shmq-pop -p' 'shmq-stat'; do
    refuses 77 'internal: Permission denied' "eve, not of the group: $command" as $eve $command internal
    ends 0 'one of the group can' as $bob:$alice $command internal
done
ends 0 'stat of all shows eve what she may see' as $eve shmq-stat
check 'news' grep -q '^news ' "$out"
check 'and says what she may not' grep -qx 'shmq-stat: internal: Permission denied' "$err"
works 'write permission alone' as $alice shmq-create -N 16 -m 622 wonly
for command in 'shmq-push -d x' 'shmq-pop -a' 'shmq-pop -p' 'shmq-stat'; do refuses 77 'Permission denied' "is not enough: $command" as $eve $command wonly; done

# ---- directories
mkdir -m 755 "$work/closed"
SHMQ_DIR=$work/closed refuses 77 "$work/closed" 'eve makes no ring where she may not write' as $eve shmq-create -N 4 q
mkdir -m 700 "$work/private"
for command in 'shmq-push -d x' 'shmq-pop -a' 'shmq-pop -p' 'shmq-stat' 'shmq-unlink' 'shmq-create'; do
    SHMQ_DIR=$work/private refuses 77 '' "eve in a directory that is not hers: $command" as $eve $command q
done
SHMQ_DIR=$work/private refuses 77 "$work/private" 'stat of all of it' as $eve shmq-stat
SHMQ_DIR=$work/private refuses 77 "$work/private" 'unlink of all of it' as $eve shmq-unlink --all

# ---- fs.protected_regular: in a sticky directory a file of neither its owner nor ours cannot be opened
# with O_CREAT. Nobody here does so.
protected=/proc/sys/fs/protected_regular
rm -f "$SHMQ_DIR"/*
chown $bob "$SHMQ_DIR"
works 'alice makes a ring for all in a sticky directory of bob' as $alice shmq-create -N 16 -m 666 all
was=$(<$protected)
restore() { echo "$was" >$protected; }
trap 'restore 2>/dev/null; finish' EXIT
if echo 2 2>/dev/null >$protected; then
    refused=$(as $eve bash -c ': >>"$1"' bash "$SHMQ_DIR/shmq.all" 2>&1)
    case $refused in *denied*) passed 'fs.protected_regular=2 refuses an open that may create' ;; *) failed 'fs.protected_regular=2 refuses an open that may create' "$refused" ;; esac
else
    echo "note: fs.protected_regular is $was and may not be set here"
fi
for user in $eve $bob 0; do
    works "user $user attaches all the same, and pushes" as "$user" shmq-push -d "$user" all
    gives 'and pops' "$user" as $user shmq-pop -a all
    works '--exist-ok too' as $user shmq-create -N 16 -m 666 --exist-ok all
    refuses 73 'exists already' 'create tells that it is there' as $user shmq-create -N 16 all
done
restore
rm -f "$SHMQ_DIR"/*
chown root "$SHMQ_DIR"

# ---- what is no ring
works "alice's ring" as $alice shmq-create -N 4 -m 666 real
as $alice shmq-push -d kept real
touch theirs && chown $bob theirs && chmod 600 theirs
place() { case $1 in
    link) ln -s shmq.real "$2" ;;
    dangling) ln -s nowhere "$2" ;;
    fifo) mkfifo -m 666 "$2" ;;
    directory) mkdir -m 777 "$2" ;;
    socket) perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' "$2" && chmod 777 "$2" ;;
    device) mknod -m 666 "$2" c 1 3 ;;
    empty) : >"$2" && chmod 666 "$2" ;;
    foreign) head -c 100000 /dev/zero >"$2" && chown $bob "$2" && chmod 666 "$2" ;;
    secret) cp "$SHMQ_DIR/shmq.real" "$2" && chown $bob "$2" && chmod 600 "$2" ;;
    esac; }
for what in link dangling fifo directory socket device empty foreign secret; do
    rm -rf "$SHMQ_DIR/shmq.q"
    place $what "$SHMQ_DIR/shmq.q"
    code=76 text='q: not a ring'
    [ $what = secret ] && code=77 text='q: Permission denied'
    inode=$(stat -c %i "$SHMQ_DIR/shmq.q")
    for command in 'shmq-push -d x' 'shmq-pop -a' 'shmq-pop -p' 'shmq-stat' 'shmq-unlink' 'shmq-create -N 4 --exist-ok' 'shmq-create -N 4 --replace' 'shmq-create -N 4 --reopen'; do
        refuses $code "$text" "$what in place of a ring: $command" as $alice $command q
    done
    refuses 73 'exists already' "$what in place of a ring: shmq-create" as $alice shmq-create -N 4 q
    same 'it is still there' "$inode" "$(stat -c %i "$SHMQ_DIR/shmq.q")"
    gives 'and what a link named is untouched' kept as $alice shmq-pop -p real
    case $what in
        directory) refuses 76 'a directory' 'unlink -f leaves a directory alone' shmq-unlink -f q ;;
        link) works 'unlink -f takes the link' shmq-unlink -f q; gives 'not what it names' kept shmq-pop -p real ;;
        *) works "unlink -f removes the $what" shmq-unlink -f q ;;
    esac
done
rm -rf "$SHMQ_DIR/shmq.q"

# ---- a ring that somebody else made under our name
works 'eve makes a ring that all may read, under a name that alice uses' as $eve shmq-create -N 16 -m 666 jobs
for how in --exist-ok --reopen; do
    refuses 77 "belongs to user $eve" "alice wants one of her own: $how" as $alice shmq-create -N 16 $how jobs
    refuses 77 'with mode 0666' "alice wants one for a group: $how -m 660" as $alice shmq-create -N 16 -m 660 $how jobs
    refuses 77 "belongs to user $eve" "so does root: $how" shmq-create -N 16 $how jobs
    works "one for all is hers as well: $how" as $alice shmq-create -N 16 -m 666 $how jobs
    works "eve keeps her own, whatever mode she asks for: $how" as $eve shmq-create -N 16 $how jobs
done
