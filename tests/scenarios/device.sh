# A virtual device and its clients, as installed among the examples: samples in a ring that holds the
# latest one, commands and answers over a duplex ring, and nothing left at the end.
examples=$(realpath "$(dirname "$0")/../../tools/examples/device") || exit 1
NEEDED='awk sh'
. "$(dirname "$0")/../cli/lib.sh" || exit 1
# As from a terminal; a script ignores SIGINT in what runs in its background.
start=(env --default-signal=INT sh "$examples/device")
client() { sh "$examples/client" "$@"; }

latest() { shmq-pop -p --from newest -c 1 dev.now; }
there() { shmq-stat dev dev.now >/dev/null; }
has_samples() { [ "$(field PUSHED dev.now)" -ge "$1" ]; }
rings() { ls "$SHMQ_DIR" | xargs; }
# A sample of that kind comes at last, and until then only whole ones of 10 bits.
comes() {
    local sample
    sample=$(latest) || return 1
    [[ $sample =~ ^[0-9]{1,4}$ ]] && [ "$sample" -le 1023 ] || echo "$sample" >>odd
    [[ $sample =~ $1 ]]
}

"${start[@]}" dev >said 2>&1 & device=$!
comes_true 'a device makes its rings' there
gives 'it takes a wave and a period' ok client dev config square 1
comes_true 'a square is up' comes '^1023$'
comes_true 'and down' comes '^0$'
gives 'a triangle' ok client dev config triangle .5
comes_true 'goes between' comes '^[1-9][0-9]{1,2}$'
gives 'and a sine' ok client dev config sine 2.5
comes_true 'as well' comes '^[1-9][0-9]{1,2}$'
check 'every sample had 10 bits' [ ! -e odd ]
same 'the ring holds one of them' 1 "$(field MSGS dev.now)"

# Who samples it once a second disturbs nobody.
sh "$examples/client" dev >samples 2>&1 & sampler=$!
comes_true 'a client samples it' [ -s samples ]
pushed=$(field PUSHED dev.now)
comes_true 'meanwhile it goes on' has_samples $((pushed + 3))

gives 'it stops' ok client dev stop
pushed=$(field PUSHED dev.now)
sleep 0.3
for words in 'dance' 'config' 'config saw 1' 'config sine 0' 'config sine -1' 'config sine 1e9' 'config sine 1 2' 'start now'; do
    ends 1 "refuses: $words" client dev $words
    check 'and says why' grep -q '^error: ' "$out"
done
same 'stopped it pushes nothing' "$pushed" "$(field PUSHED dev.now)"
gives 'it goes on' ok client dev start
comes_true 'with samples' has_samples $((pushed + 2))

ends 73 'there is one device of a name' "${start[@]}" dev
check 'and another one does not disturb it' there

gives 'it ends when told' ok client dev exit
finished 0 'well' $device
same 'without a word' '' "$(cat said)"
same 'and leaves nothing' '' "$(rings)"
finished 0 'its client ends too' $sampler
check 'and has shown samples only' awk '!/^[0-9]+$/ { exit 1 }' samples
ends 66 'without a device there is nothing to sample' client dev
ends 66 'or command' client dev stop

for signal in TERM INT HUP; do
    "${start[@]}" >said 2>&1 & device=$!
    comes_true 'a device works' has_samples 1
    kill -$signal $device
    finished $((128 + $(kill -l $signal))) "SIG$signal ends it" $device
    same 'it leaves nothing' '' "$(rings)"
done
