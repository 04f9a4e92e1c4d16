# Framing: what goes in comes out, byte for byte, under every framing that can carry it.
. "$(dirname "$0")/lib.sh" || exit 1

works 'two rings' shmq-create -N 256K a b

# N random messages of up to MOST bytes behind their lengths, without the byte WITHOUT; now and then an empty one.
messages() {
    perl -e 'my ($n, $most, $without) = @ARGV; open my $r, "<", "/dev/urandom"; binmode STDOUT;
             for (1 .. $n) { my $length = $_ % 7 ? int rand($most + 1) : 0; read $r, my $text, $length;
                             if (length $without) { my $c = chr $without; $text =~ s/\Q$c\E/x/gs }
                             print pack("N", length $text), $text }' "$@"
}
# Through ring a, the framing, ring b, and out as it came.
through() {
    guard shmq-push -F u32 a <"$1" && guard shmq-pop -a -F "$2" a 2>complaint | guard shmq-push -F "$2" b && guard shmq-pop -a -F u32 b | cmp - "$1" && [ ! -s complaint ]
}
for most in 0 1 10 100 5000; do
    messages 700 $most '' >any
    messages 700 $most 10 >no_newline
    messages 700 $most 0 >no_nul
    check "u32 carries any 700 messages of up to $most bytes" through any u32
    check "json carries any 700 messages of up to $most bytes" through any json
    check "line carries 700 messages of up to $most bytes without a newline" through no_newline line
    check "nul carries 700 messages of up to $most bytes without a NUL" through no_nul nul
done
for size in 0 1 63 64 65 4096 1000000; do
    random $size >blob
    check "whole carries a message of $size bytes" bash -c 'shmq-push -w a <blob && shmq-pop -w a | shmq-push -w b && shmq-pop -w b | cmp - blob'
    check "chunk carries a stream of $size bytes" bash -c 'shmq-push -F chunk a <blob && shmq-pop -a -F chunk a | shmq-push -F chunk b && shmq-pop -a -F chunk b | cmp - blob'
done
for size in 1 7 64 1000 4096; do
    random $((size * 500)) >blob
    works "two rings of fixed messages of $size bytes" shmq-create --replace --fixed -s $size -N 512 fa fb
    check "fixed carries 500 of them" bash -c 'shmq-push -F fixed fa <blob && shmq-pop -a -F fixed fa | shmq-push -F fixed fb && shmq-pop -a -F fixed fb | cmp - blob'
    check "and chunk does" bash -c 'shmq-push -F chunk fa <blob && shmq-pop -a -F chunk fa | shmq-push -F chunk fb && shmq-pop -a -F chunk fb | cmp - blob'
    check "and u32, and json" bash -c 'shmq-push -F fixed fa <blob && shmq-pop -a -F u32 fa | shmq-push -F u32 fb && shmq-pop -a -J fb | shmq-push -J fa && shmq-pop -a -F fixed fa | cmp - blob'
done
random 20000000 >blob
check 'a stream larger than the ring goes through while it is read' bash -c 'shmq-create -N 1024 small; shmq-push -F chunk -e small <blob & shmq-pop -F chunk small | cmp - blob'

# The short names
works '-z is -F nul' bash -c "printf 'a\0b c\0\0d' | shmq-push -z a"
same 'an unterminated last one counts, an empty one too' 4 "$(field MSGS a)"
check 'pop -z ends each with a NUL' bash -c "shmq-pop -a -z a | cmp - <(printf 'a\0b c\0\0d\0')"
works '-w is -F whole' bash -c "printf 'a\nb\n' | shmq-push -w a"
same 'all of stdin is one message' 1 "$(field MSGS a)"
check 'which comes out as it is' bash -c "shmq-pop -w a | cmp - <(printf 'a\nb\n')"
works '-w takes one message' bash -c 'shmq-push -d one -d two a; shmq-pop -w a >one'
same 'without a delimiter' one "$(cat one)"
same 'and leaves the next' 1 "$(field MSGS a)"
gives 'which comes next' two shmq-pop -w a
works '-J is -F json' bash -c "echo '{\"data\":\"x\"}' | shmq-push -J a"
gives 'and back' x shmq-pop -a -F line a

# Lines
gives 'the last line, unterminated, is a message' $'a\nb' bash -c "printf 'a\nb' | shmq-push a; shmq-pop -a a"
works 'an empty line is an empty message' bash -c "printf '\n\nx\n\n' | shmq-push a"
same 'four of them' 4 "$(field MSGS a)"
check 'and come out as they were' bash -c "shmq-pop -a a | cmp - <(printf '\n\nx\n\n')"
check 'NUL bytes in a line are as any other' bash -c "printf 'a\0b\n\0\n' | shmq-push a; shmq-pop -a a | cmp - <(printf 'a\0b\n\0\n')"
check 'carriage returns and bytes that are no text too' bash -c "printf 'a\r\n\377\376\n' | shmq-push a; shmq-pop -a a | cmp - <(printf 'a\r\n\377\376\n')"
for framing in line nul u32 fixed chunk json; do
    works "empty input is no message under $framing" shmq-push -F $framing a
    same "none is in the ring" 0 "$(field MSGS a)"
done
works 'empty input is an empty message under whole' shmq-push -w a
same 'one is in the ring' 1 "$(field MSGS a)"
check 'of no bytes' bash -c 'shmq-pop -w a | cmp - /dev/null'

works 'a ring for long lines' shmq-create -N 512K long
for size in 1 10 100 1000 10000 100000 1000000 10000000; do
    { repeat x $size; echo; } >line
    check "a line of $size bytes" bash -c 'shmq-push long <line && shmq-pop -a long | cmp - line'
done
for size in 1 10 100 1000 10000 100000 1000000 10000000; do repeat y $size; echo; done >lines
check 'all of them, one behind the other' bash -c 'shmq-push long <lines && shmq-pop -a long | cmp - lines'
check 'through a ring that holds hardly more than one' bash -c 'shmq-create -N 160K tight; shmq-push -e tight <lines & shmq-pop tight | cmp - lines'
check 'as they come out of a pipe in odd pieces' bash -c 'perl -e "\$|=1; while (sysread STDIN, my \$b, 1 + int rand 40000) { print \$b }" <lines | shmq-push long && shmq-pop -a long | cmp - lines'

# What a framing cannot carry is said, once, and counted under -v.
for case in 'line 012' 'nul 000'; do
    framing=${case% *} byte=${case#* }
    for ((i = 0; i < 3; i++)); do printf "a\\${byte}b" | shmq-push -w a; done
    ends 0 "$framing prints a message with its delimiter inside" shmq-pop -a -F $framing a
    same 'says so, once' 1 "$(wc -l <"$err")"
    check 'on stderr' grep -q "^shmq-pop: a: .*$framing" "$err"
    for ((i = 0; i < 3; i++)); do printf "a\\${byte}b" | shmq-push -w a; done
    ends 0 "$framing under -v" shmq-pop -v -a -F $framing a
    check 'counts them' grep -q "3 that" "$err"
done

# JSON
envelopes() { printf '%s' "$1" | guard shmq-push -w a; guard shmq-pop -a -J a; }
same 'text is data' '{"data":"abc","len":3}' "$(envelopes abc | jq -cS 'del(.seq)')"
same 'quotes, backslashes and control characters too' $'a"\\\t\x01' "$(envelopes $'a"\\\t\x01' | jq -r .data)"
same 'UTF-8 is text' 'äö€😀' "$(envelopes 'äö€😀' | jq -r .data)"
same 'what is not UTF-8 is base64' '{"base64":"//4A","len":3}' "$(printf '\377\376\0' >bin; shmq-push -w a <bin; shmq-pop -a -J a | jq -cS 'del(.seq)')"
for bad in '\300\200' '\355\240\200' '\364\220\200\200' '\342\202' '\200' 'a\303'; do
    check "so is $bad" bash -c "printf '$bad' | shmq-push -w a; shmq-pop -a -J a | jq -e 'has(\"base64\") and (has(\"data\") | not)'"
done
same 'an empty message has len 0' '{"data":"","len":0}' "$(envelopes '' | jq -cS 'del(.seq)')"
works 'a few messages' bash -c 'seq 100 | shmq-push a'
ends 0 'pop -J prints one object a line' shmq-pop -a -J a
same 'as many as messages' 100 "$(wc -l <"$out")"
check 'each a document' jq -e . "$out"
check 'seq is unique and increasing' jq -es '[.[].seq] | . == (unique)' "$out"
check 'nothing is redelivered or lost' jq -es 'map(has("redelivered") or has("lost")) | any | not' "$out"
works 'a few fixed ones' bash -c 'shmq-create --replace --fixed -s 3 -N 64 fa; seq 100 150 | shmq-push fa'
ends 0 'pop -J of a fixed ring' shmq-pop -a -J fa
check 'counts seq without a gap' jq -es '[.[].seq] | . == [range(0; 51)]' "$out"
works 'push -J takes an envelope of pop -J with all its keys' bash -c "echo '{\"seq\":3,\"len\":1,\"data\":\"x\",\"redelivered\":true,\"time\":5}' | shmq-push -J a"
gives 'and pushes what it holds' x shmq-pop -a a
works 'keys in any order, blanks, an escaped letter' bash -c "echo ' { \"base64\" : \"AAEC\" , \"len\":3 } ' | shmq-push -J a"
check 'decode to the bytes' bash -c "shmq-pop -w a | cmp - <(printf '\0\1\2')"
works 'keys that begin with _ are ignored' bash -c "echo '{\"_note\":1,\"data\":\"x\"}' | shmq-push -J a"
gives 'and the message is pushed' x shmq-pop -a a
works 'push -J -d takes its JSON from there' shmq-push -J -d '{"data":"y"}' a
gives 'and pushes it' y shmq-pop -a a

# Bad frames: 65, with the message's number; those before it are in the ring.
bad() {  # PATTERN sentence FRAMING INPUT(printf)
    printf "$4" >input
    refuses 65 "$1" "$2" bash -c "shmq-push -F $3 a <input"
}
bad 2 'not JSON' json '{"data":"good"}\nrubbish\n'
gives 'the one before it is in the ring' good shmq-pop -a a
bad 1 'JSON cut short' json '{"data":"x"'
bad 1 'a JSON array' json '["x"]\n'
bad 1 'a JSON number' json '1\n'
bad 1 'no data' json '{"len":0}\n'
bad 1 'both data and base64' json '{"data":"x","base64":"eA=="}\n'
bad 1 'data that is a number' json '{"data":1}\n'
bad 1 'bad base64' json '{"base64":"x"}\n'
bad 1 'base64 with other characters' json '{"base64":"a b="}\n'
bad 1 'two documents on a line' json '{"data":"x"}{"data":"y"}\n'
bad 1 'an empty line' json '\n'
bad 1 'JSON that is not UTF-8' json '{"data":"\377"}\n'
bad 1 'JSON nested deeply' json "$(repeat '[' 100000)"
bad 1 'a length cut short' u32 '\0\0\0'
bad 2 'a message cut short' u32 '\0\0\0\1a\0\0\0\2b'
gives 'the one before it is in the ring' a shmq-pop -a a
bad 1 'a length beyond everything' u32 '\377\377\377\377abc'
shmq-create --replace --fixed -s 4 -N 16 fa
printf 12345 >input
refuses 65 2 'a record cut short' bash -c 'shmq-push -F fixed fa <input'
gives 'the one before it is in the ring' 1234 shmq-pop -a fa
same 'nothing is left over' 0 "$(field MSGS a)"
