# stdin or stdout that fail: 74, and no message is lost.
. "$(dirname "$0")/lib.sh" || exit 1

fails() {  # sentence, shell command: exit 74, one line of complaint
    ends 74 "$1" bash -c "$2"
    check '  and it is said' grep -qE "^shmq-[a-z]+: .*${3:-std}" "$err"
}
works 'a ring with messages' bash -c 'shmq-create q; seq 5 | shmq-push q'
for framing in line nul u32 json chunk whole; do
    fails "a full disk ends pop -F $framing" "shmq-pop -F $framing q >/dev/full"
    same 'the messages are still in the ring' 5 "$(field MSGS q)"
done
fails 'a full disk ends pop -c 1' 'shmq-pop -c 1 q >/dev/full'
fails 'a full disk ends pop -a' 'shmq-pop -a q >/dev/full'
fails 'a full disk ends pop -p' 'shmq-pop -p q >/dev/full'
fails 'a closed stdout ends pop' 'shmq-pop -a q >&-'
same 'the messages are still in the ring' 5 "$(field MSGS q)"
ends 0 'the next pop gets them' shmq-pop -J -a q
same 'all of them' "$(seq 5)" "$(jq -r .data "$out")"
check 'flagged as redelivered' jq -es 'map(.redelivered) | any' "$out"
fails 'a waiting pop, too' "shmq-pop q >/dev/full & while ! [ \$(shmq-stat -r --noheadings -o READERS q) = 1 ]; do sleep 0.01; done; shmq-push -d x q; wait \$!"
gives 'the message is still in the ring' x shmq-pop -a q

# A file that takes some of it (a limit of its size): what it took is committed, the rest is not.
works 'a ring with 20000 lines' bash -c 'seq 20000 | shmq-push q'
ends 74 'a file that takes 8 KiB' bash -c "trap '' XFSZ; ulimit -f 8; exec shmq-pop -a q >some"
guard shmq-pop -a q >rest
whole=$(($(head -1 rest) - 1))
check 'nothing is lost' cmp <(cat <(head -n $whole some) rest) <(seq 20000)
check 'and no whole line comes twice' [ "$(head -c 8192 some | tr -cd '\n' | wc -c)" = "$whole" ]

fails 'stat to a full disk' 'shmq-stat q >/dev/full'
fails 'stat -J to a full disk' 'shmq-stat -J q >/dev/full'
fails 'unlink --dry-run to a full disk' 'shmq-unlink --dry-run q >/dev/full'
for tool in create push pop stat unlink; do fails "shmq-$tool --help to a full disk" "shmq-$tool --help >/dev/full"; done

fails 'a closed stdin ends push' 'shmq-push q <&-' stdin
fails 'a directory as stdin' 'shmq-push q </' stdin
same 'nothing was pushed' 0 "$(field MSGS q)"
fails 'a directory as stdin of -w' 'shmq-push -w q </' stdin
fails 'and of a stream' 'shmq-push -F chunk q </' stdin
same 'nothing was pushed' 0 "$(field MSGS q)"
check 'a closed stdout does not let a ring be written over' bash -c 'shmq-push -d x q >&- && shmq-pop -p q | cmp - <(echo x)'
check 'nor does a closed stderr' bash -c 'shmq-pop -t 0 -c 9 q >/dev/null 2>&-; [ $? = 124 ] && shmq-stat q >/dev/null'
