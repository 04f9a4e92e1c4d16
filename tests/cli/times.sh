# Rings that keep the time of each push: how old is what is there, how long did it wait.
. "$(dirname "$0")/lib.sh" || exit 1

figures() { shmq-stat -r --noheadings -o AGE,DELAY "$1"; }
# Every ring that messages can wait in, of any length and of one.
for ring in 'line' 'one -T spsc' 'records --record n:u32' 'fixed --fixed -s 4'; do
    set -- $ring
    name=$1
    shift
    works "a ring with times: $*" shmq-create --timestamps -N 64 "$@" "$name"
    gives 'nothing there, nothing popped' '- -' figures "$name"
    before=$(date +%s%N)
    works 'two messages' shmq-push -d 1234 -d 5678 "$name"
    after=$(date +%s%N)
    looked=$(date +%s%N)
    ends 0 'a look' figures "$name"
    read -r age delay <"$out"
    check 'the older one has been there since its push' [ "$age" -ge $((looked - after)) -a "$age" -le $(($(date +%s%N) - before)) ]
    same 'nothing was popped yet' - "$delay"
    ends 0 'another look' figures "$name"
    check 'it is older now' [ "$(cut -d' ' -f1 "$out")" -gt "$age" ]
    works 'one pop' shmq-pop -c 1 -w "$name"
    ends 0 'a look' figures "$name"
    read -r age delay <"$out"
    check 'tells how long the message was there' [ "$delay" -gt 0 -a "$delay" -le $(($(date +%s%N) - before)) ]
    check 'and that the other still is' [ "$age" -gt 0 ]
    ends 0 'for people' shmq-stat --noheadings -o AGE,DELAY "$name"
    check 'with units' grep -qE '^ *[0-9.]+(ns|us|ms|s|m|h) +[0-9.]+(ns|us|ms|s|m|h)$' "$out"
    ends 0 'in JSON' shmq-stat -J "$name"
    check 'in nanoseconds' jq -e '.rings[0] | (.age_ns, .delay_ns) | type == "number" and . > 0 and . == floor' "$out"
    works 'the other pop' shmq-pop -a -w "$name"
    ends 0 'nothing there' figures "$name"
    check 'the delay remains, though its consumer has left' grep -qE '^- [0-9]+$' "$out"
    ends 0 'in JSON' shmq-stat -J -o AGE,DELAY "$name"
    check 'no age is null' jq -e '.rings[0].age_ns == null and .rings[0].delay_ns > 0' "$out"
done

# The delay is that of the last pop, whoever did it.
works 'a message' shmq-push -d a line
works 'which waits' sleep 0.2
works 'is popped' shmq-pop -c 1 line
ends 0 'a look' field DELAY line
check 'shows that it waited' [ "$(cat "$out")" -ge 200000000 ]

works 'a ring without times' shmq-create plain
works 'with a message popped and one there' bash -c 'shmq-push -d a -d b plain; shmq-pop -c 1 plain'
gives 'has neither' '- -' figures plain
ends 0 'in JSON' shmq-stat -J plain
check 'they are null' jq -e '.rings[0] | .age_ns == null and .delay_ns == null' "$out"
