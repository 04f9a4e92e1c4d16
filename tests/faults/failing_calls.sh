# Every system call of every command fails once, each in its turn, and once for good. The answer is the
# ordinary one, where the call could be done without, or one line that says what failed and a code of
# the table; never a crash, a hang, half a ring or a lost message. Where it was only interrupted, the call
# is made again, and the answer is the ordinary one. SHMQ_LONG=1: with every plausible error; else with one
# of them for each call, which differs from call to call, and with all calls of one name interrupted.
. "$(dirname "$0")/lib.sh" || exit 1

errors_of() {
    case $1 in
        openat) echo EMFILE EACCES ENOMEM ENFILE ;;
        read) echo EIO EAGAIN ;;
        pread64) echo EIO ;;
        write) echo EIO ENOSPC EAGAIN EDQUOT ;;
        fcntl) echo ENOLCK ENOMEM ;;
        fallocate) echo ENOSPC EIO ENOSYS EPERM ENOMEM ;;
        mmap) echo ENOMEM EPERM EACCES ;;
        linkat) echo ENOSPC EACCES EPERM EIO EROFS ;;
        unlink) echo EACCES EPERM EIO EBUSY ;;
        newfstatat | fstat) echo ENOMEM EIO ;;
        getdents64) echo EIO ENOMEM ;;
        futex) echo ENOSYS EPERM EAGAIN ;;
        membarrier) echo ENOSYS EPERM ENOMEM ;;
        getrandom) echo ENOSYS ;;
        fchmod | fchown) echo EPERM EIO ;;
        madvise) echo EINVAL ENOMEM ;;
        brk) echo ENOMEM ;;
        clone | clone3) echo EAGAIN ENOMEM ;;
        pipe2 | memfd_create | socket) echo EMFILE ENFILE ;;
        connect) echo ECONNREFUSED EACCES ;;
        close | munmap | fstatfs | ioctl | lseek) echo EIO ;;
    esac
}
# Those that a signal, or a file system that answers so for one, may interrupt. None of it shows.
interruptible() {
    [[ $1 == @(openat|read|pread64|write|fcntl|fallocate|linkat|unlink|newfstatat|fstat|fstatfs|getdents64|futex|getrandom|fchmod|fchown|poll|clock_nanosleep|wait4|rt_sigtimedwait|close|ioctl) ]]
}
cannot_fail() { [[ $1 == @(getpid|geteuid|getegid|prctl|prlimit64|mprotect|rt_sigaction|rt_sigprocmask|rt_sigpending|rt_sigreturn) ]]; }

# What the first answer may be, given the call and the error.
code_fits() {  # code call error how
    [ "$3" != EINTR ] || [ "$1" = "$ordinary" ] || return
    case $1 in
        "$ordinary" | 71) true ;;
        74) [[ $2 == @(read|write|close|poll) ]] ;;
        77) [[ $3 == @(EACCES|EPERM|EROFS) ]] ;;
        69) [[ $2 == *stat* && $4 == + ]] ;;  # nobody can tell whose descriptor it is: as if replaced
        *) false ;;
    esac
}

# scenario 'name' COMMAND...: after `before` and the command, `after` must be true. $status: its code.
# $spared: a call that is not to fail. (A close that is made to fail has not closed anything, which no
# kernel does: whoever waits for the end of that pipe waits for ever.)
scenario() {
    local name=$1 call nth turn=0 all_calls errors error how unknown=''
    local -A wrong=() faults=() interrupted=()
    shift
    before
    all_calls=$(calls "$@" <input)
    before
    run "$@" <input
    ordinary=$status
    cp "$err" ordinary.err
    cp "$out" ordinary.out
    while read -r call nth; do
        [ "$call" != "${spared:-}" ] || continue
        errors=($(errors_of "$call"))
        if [ ${#errors[@]} = 0 ] && ! interruptible "$call"; then
            cannot_fail "$call" || unknown+=" $call"
            continue
        fi
        if interruptible "$call"; then
            # What is made again counts as well: with every second one, each is interrupted once. To an end,
            # since the C library may need an even number of them, all of which it makes again; but not its futexes.
            if [ "${SHMQ_LONG:-}" = 1 ] || [ "$call" = futex ]; then fault EINTR "" "$@"
            elif [ -z "${interrupted[$call]:-}" ]; then fault EINTR "..$((nth + 60))+2" "$@"; fi
            interrupted[$call]=1
        fi
        [ ${#errors[@]} -gt 0 ] || continue
        turn=$((turn + 1))
        [ "${SHMQ_LONG:-}" = 1 ] || errors=("${errors[turn % ${#errors[@]}]}")
        for error in "${errors[@]}"; do
            fault "$error" "" "$@"
            # And from then on, but for what is to be tried again, is the C library's too, or is not asked.
            [[ $error == EAGAIN || $call == @(futex|close|munmap|fstatfs) ]] || fault "$error" + "$@"
        done
    done <<<"$all_calls"
    same "$name: it is known of every call how it may fail" '' "$unknown"
    for call in $(printf '%s\n' "${!faults[@]}" | sort); do
        if [ -z "${wrong[$call]:-}" ]; then passed "$name: $call fails in ${faults[$call]} ways"; else failed "$name: $call fails in ${faults[$call]} ways" "${wrong[$call]}"; fi
    done
}

# One run of a scenario: $call fails with that error the $nth time, and then as `how` says to strace.
fault() {  # error how COMMAND...
    local error=$1 how=$2 key=$call:error=$1:when=$nth$2 why=''
    [ "$call" != brk ] || key=brk:retval=0:when=$nth$how  # it answers with an address
    shift 2
    before
    injected "$key" "$@" <input
    faults[$call]=$((${faults[$call]:-0} + 1))
    code_fits "$status" "$call" "$error" "$how" || why="exit $status"
    if [ "$status" = "$ordinary" ]; then
        cmp -s ordinary.err "$err" || [ "$call-$error" = write-${error/EINTR/} ] || { [ "$call-$error" = openat-EACCES ] && one_line; } || why+=' other words on stderr'
        [ "$error" != EINTR ] || cmp -s ordinary.out "$out" || why+=' something else on stdout'
    elif ! one_line; then
        [ "$call" = write ] && [ ! -s "$err" ] || why+=' not one line on stderr'
    fi
    after || why+=" $broken"
    [ -z "$why" ] || wrong[$call]+="${wrong[$call]:+$'\n        '}$key: $why: $(printed | tr '\n' ' ')"
}

ring=$SHMQ_DIR/shmq.q
seq 3 >input
there() { [ "$(ls -A "$SHMQ_DIR")" = shmq.q ]; }
holds() {  # exactly this
    shmq-pop -p q >held 2>/dev/null
    [ "$(<held)" = "$1" ] || { broken="the ring holds [$(tr '\n' ' ' <held)]"; false; }
}
left_alone() { there && holds "$1" && [ "$(participants q)" = 0 ] || { broken=${broken:-'the ring is not as it was'}; false; }; }

shmq-create -N 16 q && cp "$ring" empty && seq 11 14 | shmq-push q && cp "$ring" four && seq 16 | shmq-push -n -q q
cp "$ring" full
rm "$ring"
with() { rm -rf "$SHMQ_DIR"/*; [ "$1" = none ] || cp "$1" "$ring"; broken=''; }
four=$(seq 11 14) full=$(seq 11 14; seq 12)

before() { with none; }
after() {
    if [ "$status" = 0 ]; then there && holds '' && sound q || { broken='no sound ring'; false; }
    else [ -z "$(ls -A "$SHMQ_DIR")" ] || { broken='half a ring is left'; false; }; fi
}
scenario 'create' shmq-create -N 16 q
scenario 'create with a group' shmq-create -N 16 -g 12345 q

before() { with four; }
after() { left_alone "$four"; }
scenario 'create where one exists' shmq-create -N 16 q
scenario 'create --exist-ok' shmq-create -N 16 --exist-ok q
scenario 'peek' shmq-pop -p q
scenario 'stat' shmq-stat -J q
scenario 'stat of all' shmq-stat
scenario 'stat --until' shmq-stat --until full -t 20ms q

after() {  # the old one, none, or the new one
    if [ "$status" = 0 ]; then there && holds '' && sound q || { broken='no sound ring'; false; }
    else [ -z "$(ls -A "$SHMQ_DIR")" ] || left_alone "$four"; fi
}
scenario 'create --replace' shmq-create -N 16 --replace q

after() {
    if [ "$status" = 0 ]; then [ -z "$(ls -A "$SHMQ_DIR")" ] || { broken='it is still there'; false; }
    else left_alone "$four" && sound q || { broken=${broken:-'it is not removed, but not sound either'}; false; }; fi
}
scenario 'unlink' shmq-unlink q
[ "${SHMQ_LONG:-}" != 1 ] || scenario 'unlink --all' shmq-unlink --all
scenario 'unlink -f' shmq-unlink -f q

# A beginning of the input is in the ring, all of it on success; after that the ring works.
pushed() {  # what was there before
    shmq-pop -a q >held 2>/dev/null
    local lines had
    lines=$(wc -l <held) had=$(printf %s "$1" | grep -c '')
    [ "$(<held)" = "$({ [ -z "$1" ] || echo "$1"; head -n $((lines - had)) input; })" ] || { broken="the ring held [$(tr '\n' ' ' <held)]"; return 1; }
    [ "$status" != 0 ] || [ "$lines" = $((had + $(wc -l <input))) ] || { broken="success, but the ring held $lines messages"; return 1; }
    [ "$(participants q)" = 0 ] || { broken='somebody is still attached'; return 1; }
}
before() { with four; }
after() { pushed "$four"; }
scenario 'push' shmq-push q
after() { pushed "$four" && { [ "$status" != 0 ] || [ "$(field STATE q)" = ended ]; }; }
scenario 'push -e' shmq-push -e q
after() {
    shmq-pop -F chunk -a q >held
    case $status-$(tr '\n' ' ' <held) in *-'11121314' | *-'111213141 2 3 ') [ "$(participants q)" = 0 ] ;; *) broken="the ring held [$(<held)]"; false ;; esac
}
scenario 'push of a stream' shmq-push -F chunk q
before() { with full; }
after() { left_alone "$full"; }
scenario 'push that waits for room' shmq-push -t 20ms q

# What is on stdout, and what is left in the ring, are what there was; nothing twice but what is marked.
before() { with four; }
after() {
    shmq-pop -J -a q >rest 2>/dev/null
    jq -r .data rest >held
    cat "$out" held | sort -n | uniq >both
    [ "$(<both)" = "$four" ] || { broken="printed [$(tr '\n' ' ' <"$out")] left [$(tr '\n' ' ' <held)]"; return 1; }
    [ "$(cat "$out" held | wc -l)" = 4 ] || { broken="twice: printed [$(tr '\n' ' ' <"$out")] left [$(tr '\n' ' ' <held)]"; return 1; }
    [ "$(participants q)" = 0 ] || { broken='somebody is still attached'; return 1; }
}
scenario 'pop' shmq-pop -a q
scenario 'pop of one' shmq-pop -c 1 q
scenario 'pop -e' shmq-pop -e -t 20ms q
scenario 'pop --each' shmq-pop -a --each 'cat; echo' q

# ---- the other kinds of rings
with none
shmq-create --broadcast -N 16 q && seq 11 14 | shmq-push q && cp "$ring" broadcast
with none
shmq-create --overflow overwrite -N 4 q && seq 11 14 | shmq-push q && cp "$ring" overwrite
before() { with broadcast; }
scenario 'pop of a broadcast ring' shmq-pop -a q
after() { pushed "$four"; }
scenario 'push into a broadcast ring' shmq-push q
before() { with overwrite; }
after() {  # the newest four, of what was there and a beginning of the input
    local some=3
    shmq-pop -a q >held 2>/dev/null
    until [ $some -lt 0 ] || [ "$(<held)" = "$({ echo "$four"; head -n $some input; } | tail -4)" ]; do some=$((some - 1)); done
    [ $some = 3 ] || { [ $some -ge 0 ] && [ "$status" != 0 ]; } || { broken="the ring held [$(tr '\n' ' ' <held)]"; return 1; }
    [ "$(participants q)" = 0 ] || { broken='somebody is still attached'; return 1; }
}
scenario 'push that overwrites' shmq-push q

# ---- somebody is attached, whom /proc knows
with four
mkfifo nothing
shmq-push q <nothing & pusher=$!
exec 7>nothing
comes_true 'a producer is attached' waits_in q WRITERS $pusher
before() { broken=''; }
after() { there && holds "$four" && [ "$(participants q)" = 1 ] || { broken=${broken:-'the ring is not as it was'}; false; }; }
scenario 'stat -P' shmq-stat -P -J q
exec 7>&-
finished 0 'it has not noticed' $pusher

# ---- rings that go by themselves: none is left that one could use
gone() { [ -z "$(ls -A "$SHMQ_DIR")" ] || [ "$(field STATE q)" = removed ] || { broken='it is still there'; false; }; }
with none
shmq-create --ephemeral -N 16 q && cp "$ring" ephemeral
before() { with none; }
after() {
    if [ "$status" = 0 ]; then there && holds '' && [ "$(field STATE q)" = open ] || { broken='no ring'; false; }
    else [ -z "$(ls -A "$SHMQ_DIR")" ] || { broken='half a ring is left'; false; }; fi
}
scenario 'create --ephemeral' shmq-create --ephemeral -N 16 q
before() { with ephemeral; }
after() { gone || { [ "$status" != 0 ] && left_alone ''; }; }
scenario 'push into an ephemeral ring' shmq-push q
before() { with none; }
after() { gone; }
spared=close scenario 'create -- COMMAND' shmq-create -N 16 q -- true
before() { with empty; }
after() { [ "$(ls -A "$SHMQ_DIR")" = '' ] || { [ "$error" != EINTR ] && left_alone '' && sound q; } || { broken=${broken:-'it is there, but not sound'}; false; }; }
scenario 'unlink --stale' shmq-unlink --stale --idle 0 q
