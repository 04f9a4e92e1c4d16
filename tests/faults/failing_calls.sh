# Every system call of every command fails once, each in its turn, and once for good. The answer is the
# ordinary one, where the call could be done without, or one line that says what failed and a code of
# the table; never a crash, a hang, half a ring or a lost message. SHMQ_LONG=1: with every plausible
# error; else with one of them for each call, which differs from call to call.
. "$(dirname "$0")/lib.sh" || exit 1

errors_of() {
    case $1 in
        openat) echo EMFILE EACCES ENOMEM ENFILE EINTR ;;
        read) echo EIO EINTR EAGAIN ;;
        pread64) echo EIO EINTR ;;
        write) echo EIO ENOSPC EINTR EAGAIN EDQUOT ;;
        fcntl) echo EINTR ENOLCK ENOMEM ;;
        fallocate) echo ENOSPC EINTR EIO ENOSYS EPERM ENOMEM ;;
        mmap) echo ENOMEM EPERM EACCES ;;
        linkat) echo ENOSPC EACCES EPERM EIO EROFS ;;
        unlink) echo EACCES EPERM EIO EBUSY ;;
        newfstatat | fstat) echo ENOMEM EIO ;;
        getdents64) echo EIO ENOMEM ;;
        futex) echo EINTR ENOSYS EPERM EAGAIN ;;
        membarrier) echo ENOSYS EPERM ENOMEM ;;
        getrandom) echo ENOSYS EINTR ;;
        fchmod) echo EPERM EIO ;;
        madvise) echo EINVAL ENOMEM ;;
        brk) echo ENOMEM ;;
        poll | clock_nanosleep) echo EINTR ;;
        close | munmap | fstatfs | ioctl | lseek) echo EIO ;;
        *) ;;  # what cannot fail: getpid, rt_sigaction
    esac
}

# What the first answer may be, given the call and the error.
code_fits() {  # code call error
    case $1 in
        "$ordinary" | 71) true ;;
        74) [[ $2 == @(read|write|close|poll) ]] ;;
        77) [[ $3 == @(EACCES|EPERM|EROFS) ]] ;;
        69) [[ $2 == *stat* && $4 == + ]] ;;  # nobody can tell whose descriptor it is: as if replaced
        *) false ;;
    esac
}

# scenario 'name' COMMAND...: after `before` and the command, `after` must be true. $status: its code.
scenario() {
    local name=$1 call nth error how hows why some turn=0 all_calls errors key
    local -A wrong=() faults=()
    shift
    before
    all_calls=$(calls "$@" <input)
    before
    run "$@" <input
    ordinary=$status
    cp "$err" ordinary.err
    while read -r call nth; do
        errors=($(errors_of "$call"))
        [ ${#errors[@]} -gt 0 ] || continue
        some=("${errors[@]}") turn=$((turn + 1))
        [ "${SHMQ_LONG:-}" = 1 ] || some=("${errors[turn % ${#errors[@]}]}")
        for error in "${some[@]}"; do
            # Once; and from then on, but for what is to be tried again, is the C library's too, or is not asked.
            hows='once +'
            [[ $error == @(EINTR|EAGAIN) || $call == @(futex|close|munmap|fstatfs) ]] && hows=once
            for how in $hows; do
                key=$call:error=$error:when=$nth${how#once}
                before
                injected "$key" "$@" <input
                faults[$call]=$((${faults[$call]:-0} + 1))
                why=''
                code_fits "$status" "$call" "$error" "$how" || why="exit $status"
                if [ "$status" = "$ordinary" ]; then
                    cmp -s ordinary.err "$err" || [ "$call" = write ] || why+=' other words on stderr'
                elif ! one_line; then
                    [ "$call" = write ] && [ ! -s "$err" ] || why+=' not one line on stderr'
                fi
                after || why+=" $broken"
                [ -z "$why" ] || wrong[$call]+="${wrong[$call]:+$'\n        '}$key: $why: $(printed | tr '\n' ' ')"
            done
        done
    done <<<"$all_calls"
    for call in $(printf '%s\n' "${!faults[@]}" | sort); do
        if [ -z "${wrong[$call]:-}" ]; then passed "$name: $call fails in ${faults[$call]} ways"; else failed "$name: $call fails in ${faults[$call]} ways" "${wrong[$call]}"; fi
    done
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
