# The commands in the rings that golden/ keeps: what others left half done there they take over, and go on.
# Then in rings made anew in the same way, so that golden/README.md stays true.
kept=$(cd "$(dirname "$0")/golden" && pwd) || exit 1
. "$(dirname "$0")/../cli/lib.sh" || exit 1
: "${SHMQ_HOSTILE:?must name the program that writes the golden segments}"

left() {  # NAME TEXT: what stat says of it
    gives "$1: stat" "$2" shmq-stat -r --noheadings -o TYPE,STATE,USED,SLOTS,MSGS,LOST,PUSHED,POPPED,REDELIVERED,ABANDONED,RECORD "$1"
}
dead() {  # NAME LINES: and of those who died there
    gives "$1: the dead" "$2" shmq-stat -P -r --noheadings -o ROLE,STATE,HOLDS,MESSAGES "$1"
}
json() {  # FIRST LAST [PLACES] [MORE]: the messages "number FIRST" to "number LAST", so many places further on
    local i text
    for ((i = $1; i <= $2; ++i)); do
        text="number $i"
        printf '{"seq":%d,"len":%d,"data":"%s"%s}\n' $((i + ${3:-0})) ${#text} "$text" "${4:-}"
    done
}
untouched() { check "$1: is not touched by looking" cmp "$SHMQ_DIR/shmq.$1" "$images/v1-$1.ring"; }
goes_on() {  # more than once round
    local i found=''
    for ((i = 0; i < 100; i += 4)); do
        found+=$(seq $i $((i + 3)) | shmq-push -n "$1" 2>&1 && shmq-pop -a "$1" 2>&1)$'\n'
    done
    same "$1: goes on" "$(seq 0 99)"$'\n' "$found"
}

images_are_read() {
    for name in broadcast overwrite dead-producer dead-consumer times record; do
        cp "$images/v1-$name.ring" "$SHMQ_DIR/shmq.$name" || failed "there is a ring $name"
    done

    left broadcast 'mpmc+broadcast open 10 16 10 0 74 85 0 0 -'
    dead broadcast $'consumer dead - 4\nconsumer dead - 9'
    gives 'broadcast: peek' "$(json 64 73)" shmq-pop -p -J broadcast
    gives 'broadcast: the newest' "$(json 73 73)" shmq-pop -p -J --from newest broadcast
    untouched broadcast
    gives 'broadcast: a reader begins with what the slow one had not read' "$(json 64 66)" shmq-pop -c 3 -J broadcast
    gives 'broadcast: the next one with what that left' "$(json 67 73)" shmq-pop -a -J broadcast
    cp "$images/v1-broadcast.ring" "$SHMQ_DIR/shmq.broadcast"
    works 'broadcast: the dead hold no push back' bash -c 'seq 7 | shmq-push -n broadcast'
    gives 'broadcast: which is behind what they had not read' "$(printf 'number %s\n' 72 73; seq 7)" bash -c 'shmq-pop -a broadcast | tail -9'
    goes_on broadcast

    left overwrite 'mpmc+overwrite open 8 8 8 60 100 3 0 0 -'
    gives 'overwrite: peek' "$(json 92 99)" shmq-pop -p -J overwrite
    untouched overwrite
    gives 'overwrite: the loss is counted on from where the last reader was' "$(json 92 92 0 ',"lost":29'; json 93 99)" shmq-pop -a -J overwrite
    gives 'overwrite: and summed up' 89 shmq-stat -r --noheadings -o LOST overwrite
    goes_on overwrite

    left dead-producer 'mpmc open 10 16 6 0 7 1 0 0 -'
    dead dead-producer $'producer dead 4+3 1\nproducer dead 10+1 0'
    gives 'dead-producer: peek' "$(json 1 3; json 4 6 3)" shmq-pop -p -J dead-producer
    untouched dead-producer
    gives 'dead-producer: what was not committed is stepped over' "$(json 1 3; json 4 6 3)" shmq-pop -a -J dead-producer
    gives 'dead-producer: given up, and its room free' '0 0 7 4' shmq-stat -r --noheadings -o USED,MSGS,POPPED,ABANDONED dead-producer
    goes_on dead-producer

    left dead-consumer 'mpmc open 6 16 5 0 7 2 0 0 -'
    dead dead-consumer 'consumer dead 1+2 1'
    gives 'dead-consumer: peek' "$(json 1 2; json 4 6)" shmq-pop -p -J dead-consumer
    untouched dead-consumer
    gives 'dead-consumer: what it held comes again, marked' "$(json 1 2 0 ',"redelivered":true'; json 4 6)" shmq-pop -a -J dead-consumer
    gives 'dead-consumer: counted, and its room free' '0 0 7 2' shmq-stat -r --noheadings -o USED,MSGS,POPPED,REDELIVERED dead-consumer
    goes_on dead-consumer

    left times 'mpmc open 3 16 3 0 5 2 0 0 -'
    gives 'times: delay' "$delay" shmq-stat -r --noheadings -o DELAY times
    untouched times
    gives 'times: each has its own' "$(for i in 2 3 4; do json $i $i 0 ",\"time\":$(sed -n $((i - 1))p <<<"$times")"; done)" shmq-pop -a -J times
    goes_on times

    left record 'mpmc open 3 8 3 0 3 0 0 0 id:i32,price:f64,symbol:char[8]'
    local records='{"id":1,"price":3.25,"symbol":"ABC"}
{"id":-2,"price":0.1,"symbol":"EIGHTCHR"}
{"id":2147483647,"price":1e+300,"symbol":""}'
    gives 'record: peek' "$records" shmq-pop -p -J record
    untouched record
    gives 'record: fields' "$records" shmq-pop -a -J record
    works 'record: fields' shmq-push -J -d '{"id":7,"symbol":"Z","price":-2.5}' record
    gives 'record: are where they were' '00000007 00000000 00000000 c0040000 0000005a 00000000' \
        bash -c 'shmq-pop -a -F fixed record | od -An -v -tx4 --endian=little | xargs'
    gives 'record: empty' '0 0 4' shmq-stat -r --noheadings -o USED,MSGS,POPPED record
}

images=$kept delay=46949 times=$'1795314699579929211\n1795314699579929301\n1795314699579929381'
images_are_read

mkdir made
works 'they can be made again' env SHMQ_GOLDEN_TO="$work/made" "$SHMQ_HOSTILE" --no-skip -m -tc='write the golden segments' -o="$work/said" || exit 1
images=$work/made
delay=$(cp made/v1-times.ring "$SHMQ_DIR/shmq.times" && shmq-stat -r --noheadings -o DELAY times)
times=$(shmq-pop -p -J times | sed 's/.*"time":\([0-9]*\)}$/\1/')  # jq rounds
images_are_read
