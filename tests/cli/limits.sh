# How long a message may be: what fits exactly, one byte more, and what is said then.
. "$(dirname "$0")/lib.sh" || exit 1

for geometry in '-N 4 -s 64' '-N 5 -s 64' '-N 100 -s 40' '-N 1 -s 64' '-N 16 -s 32' '-N 3 -s 4096' '-N 64K -s 64' '-N 2 -s 1M'; do
    # shellcheck disable=SC2086
    works "a ring $geometry" shmq-create --replace $geometry q
    most=$(shmq-stat -J q | jq '.rings[0].max_message')
    random "$most" >exact
    random $((most + 1)) >more
    works 'a message of exactly the ring goes in' shmq-push -n -w q <exact
    same 'and fills it' "$(field SLOTS q)" "$(field USED q)"
    exits 1 'nothing more fits' shmq-push -n -d '' q
    check 'it comes out as it was' bash -c 'shmq-pop -w q | cmp - exact'
    works 'and once more, at another place' bash -c 'shmq-push -d x q && shmq-pop -a q >/dev/null && shmq-push -n -w q <exact'
    check 'it comes out as it was' bash -c 'shmq-pop -w q | cmp - exact'
    for framing in whole u32 line json; do
        case $framing in
            whole) cp more input ;;
            u32) perl -e 'binmode STDOUT; print pack("N", $ARGV[0])' $((most + 1)) | cat - more >input ;;
            line) repeat x $((most + 1)) >input ;;
            json) { printf '{"data":"'; repeat x $((most + 1)); printf '"}\n'; } >input ;;
        esac
        refuses 65 " 1 has $((most + 1))" "one byte more under $framing is refused" shmq-push -F $framing q <input
        check 'with both sizes' grep -q "$most" "$err"
        same 'and nothing of it is in the ring' 0 "$(field MSGS q)"
    done
    works 'chunk cuts it as it likes' bash -c 'shmq-push -F chunk -e q <more & shmq-pop -F chunk q | cmp - more'
done

works 'a ring of 256 bytes' shmq-create --replace -N 4 -s 64 q
{ echo one; repeat x 1000; echo; echo three; } >lines
refuses 65 ' 2 has 1000' 'the number of the one that is too long is told' shmq-push q <lines
gives 'the ones before it are in the ring' one shmq-pop -a q
refuses 65 ' 1 has 1000' 'in -d too' shmq-push -d "$(repeat x 1000)" -d y q
same 'nothing behind it is pushed' 0 "$(field MSGS q)"

# --skip-oversize
ends 0 '--skip-oversize goes on' shmq-push --skip-oversize q <lines
check 'and says so' grep -q '^shmq-push: q: .* 2 has 1000' "$err"
gives 'the others are in the ring' $'one\nthree' shmq-pop -a q
{ echo one; repeat x 3000000; echo; repeat y 400000; echo; echo four; } >lines
for from in 'cat lines |' 'perl -e "\$|=1; print while sysread STDIN, \$_, 1000" <lines |'; do
    ends 0 "--skip-oversize past megabytes ($from)" bash -c "$from shmq-push -v --skip-oversize q"
    check 'counts them' grep -q 'skipped 2' "$err"
    gives 'the others are in the ring' $'one\nfour' shmq-pop -a q
done
ends 0 '--skip-oversize with an unterminated one at the end' bash -c "{ echo a; repeat() { head -c 5000 /dev/zero | tr '\0' x; }; repeat; } | shmq-push --skip-oversize q"
gives 'keeps the one before' a shmq-pop -a q
perl -e 'binmode STDOUT; print map { pack("N", length) . $_ } "a", "x" x 1000000, "b"' >frames
ends 0 '--skip-oversize under u32' shmq-push --skip-oversize -F u32 q <frames
gives 'keeps the others' $'a\nb' shmq-pop -a q
ends 0 '--skip-oversize under -w' shmq-push --skip-oversize -w q <frames
same 'keeps nothing' 0 "$(field MSGS q)"
ends 0 '--skip-oversize with -d' shmq-push --skip-oversize -d a -d "$(repeat x 1000)" -d b q
gives 'keeps the others' $'a\nb' shmq-pop -a q
ends 0 '-q --skip-oversize' shmq-push -q --skip-oversize -d a -d "$(repeat x 1000)" q
same 'is silent' '' "$(cat "$err")"
shmq-pop -a q >/dev/null
works 'a fixed ring' shmq-create --fixed -s 3 -N 8 f
ends 0 '--skip-oversize leaves out what is not of its size' shmq-push --skip-oversize -d abc -d abcd -d ab -d def f
gives 'and keeps the rest' $'abc\ndef' shmq-pop -a f
