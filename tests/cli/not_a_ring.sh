# Something else in place of a ring: 76, at once, and it stays as it was.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a ring to spoil' bash -c 'shmq-create -N 64 --participants 4 good; seq 3 | shmq-push good'
good=$SHMQ_DIR/shmq.good
size=$(stat -c %s "$good")
patched() {  # OFFSET BYTES(printf): a copy of the ring with other bytes there
    cp "$good" "$SHMQ_DIR/shmq.bad"
    printf "$2" | dd of="$SHMQ_DIR/shmq.bad" bs=1 seek="$1" conv=notrunc status=none
}

for kind in text empty 'one byte' 'text of a page' truncated 'truncated to its header' 'cut by one byte' longer 'other version' \
            'other byte order' 'unknown feature' 'other magic' 'other geometry' 'wrong checksum' zeros random 'symbolic link' directory fifo; do
    bad=$SHMQ_DIR/shmq.bad
    case $kind in
        text) echo 'this is no ring' >"$bad" ;;
        empty) : >"$bad" ;;
        'one byte') printf S >"$bad" ;;
        'text of a page') repeat x 8192 >"$bad" ;;
        truncated) head -c $((size / 2)) "$good" >"$bad" ;;
        'truncated to its header') head -c 4096 "$good" >"$bad" ;;
        'cut by one byte') head -c $((size - 1)) "$good" >"$bad" ;;
        longer) { cat "$good"; repeat x 4096; } >"$bad" ;;
        'other version') patched 12 '\2' ;;
        'other byte order') patched 8 '\1\2\3\4' ;;
        'unknown feature') patched 22 '\1' ;;
        'other magic') patched 7 'X' ;;
        'other geometry') patched 48 '\377' ;;
        'wrong checksum') patched 248 '\0\0' ;;
        zeros) head -c "$size" /dev/zero >"$bad" ;;
        random) random "$size" >"$bad" ;;
        'symbolic link') ln -s "$good" "$bad" ;;
        directory) mkdir "$bad" ;;
        fifo) mkfifo "$bad" ;;
    esac
    before=$([ -f "$bad" ] && sha256sum <"$bad")
    refuses 76 'bad: ' "$kind: push" shmq-push -d x bad
    refuses 76 'bad: ' "$kind: pop" shmq-pop -a bad
    refuses 76 'bad: ' "$kind: pop -p" shmq-pop -p bad
    refuses 76 'bad: ' "$kind: pop --wait-ring" shmq-pop --wait-ring bad
    refuses 76 'bad: ' "$kind: stat" shmq-stat --noheadings bad
    refuses 76 'bad: ' "$kind: unlink" shmq-unlink bad
    refuses 76 'bad: ' "$kind: create --exist-ok" shmq-create --exist-ok bad
    refuses 76 'bad: ' "$kind: create --reopen" shmq-create --reopen bad
    refuses 76 'bad: ' "$kind: create --replace" shmq-create --replace bad
    refuses 73 'bad: ' "$kind: create" shmq-create bad
    case $kind in
        'other version') check 'both versions are named' grep -qE 'version 2.*1' <(shmq-stat bad 2>&1) ;;
        truncated) check 'both sizes are named' grep -qE "$((size / 2)).*$size" <(shmq-stat bad 2>&1) ;;
    esac
    same "$kind: it is as it was" "$before" "$([ -f "$bad" ] && sha256sum <"$bad")"
    case $kind in directory) rmdir "$bad" ;; *) works "$kind: unlink -f removes it" shmq-unlink -f bad ;; esac
    check "$kind: it is gone" [ ! -e "$bad" ]
done
gives 'the good one is as it was' "$(seq 3)" shmq-pop -a good

# A ring that is truncated under those who use it: an error, not a SIGBUS.
for to in 0 4096 $((size - 4096)); do
    shmq-create --replace -N 64 --participants 4 cut
    shmq-pop cut >/dev/null 2>complaint & popper=$!
    comes_true 'a pop waits' waits_in cut READERS $popper
    truncate -s $to "$SHMQ_DIR/shmq.cut"
    if [ $to -le 4096 ]; then
        finished 76 "the ring is truncated to $to bytes: the pop ends with 76" $popper
        check 'saying so' grep -q '^shmq-pop: cut: ' complaint
    else
        kill -TERM $popper
        finished 143 "the ring is truncated to $to bytes: the pop does not crash" $popper
    fi
    shmq-unlink -f cut
done
