# shmq-stat: what it shows, and how.
. "$(dirname "$0")/lib.sh" || exit 1

gives 'no ring at all: the headings' 'NAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST' shmq-stat
same 'no file was made' '' "$(ls -A "$SHMQ_DIR")"
ends 0 'no ring at all, in JSON' shmq-stat -J
check 'is an empty list' jq -e '.format == 1 and .rings == []' "$out"
refuses 66 'nowhere: no such ring' 'no such ring' shmq-stat nowhere

works 'three rings' bash -c 'shmq-create -N 100 a; shmq-create -T spsc --fixed -s 8 -N 64 b; shmq-create c; seq 10 | shmq-push a; shmq-push -e c; shmq-pop -c 4 a >/dev/null'
works 'shmq-stat shows them' shmq-stat
same 'under the default headings' 'NAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST' "$(head -1 "$out" | tr -s ' ')"
same 'in order' 'a b c' "$(awk 'NR > 1 { print $1 }' "$out" | xargs)"
same 'as they are' 'a mpmc open 6 100 6 6 0 0 0' "$(awk '$1 == "a"' "$out" | tr -s ' ')"
check 'aligned' [ "$(awk '{ print length }' "$out" | sort -u | wc -l)" = 1 ]
works 'one by name' shmq-stat b
same 'is one line' 2 "$(wc -l <"$out")"
works 'several by name' shmq-stat c a
same 'come in the order of the names' 'c a' "$(awk 'NR > 1 { print $1 }' "$out" | xargs)"
ends 66 'one that is not there among them' shmq-stat a nowhere c
same 'does not keep the others' 'a c' "$(awk 'NR > 1 { print $1 }' "$out" | xargs)"
check 'is said' grep -q '^shmq-stat: nowhere: no such ring' "$err"
ends 66 'in JSON too' shmq-stat -J a nowhere
check 'stdout is JSON alone' jq -e '[.rings[].name] == ["a"]' "$out"

works '--noheadings' shmq-stat --noheadings a
same 'has none' 'a mpmc open 6 100 6 6 0 0 0' "$(tr -s ' ' <"$out")"
gives '-r puts one space between' 'a mpmc open 6 100 6 6 0 0 0' shmq-stat -r --noheadings a
gives '-r with headings' $'NAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST\nc mpmc ended 0 65536 0 0 0 0 0' shmq-stat -r c
gives '-o chooses' $'MSGS NAME\n6 a' shmq-stat -r -o MSGS,NAME a
gives 'in lower case too' $'MSGS\n6' shmq-stat -r -o msgs a
gives '-o + adds' 'a mpmc open 6 100 6 6 0 0 0 10 4' shmq-stat -r --noheadings -o +PUSHED,POPPED a
gives 'every column' 'a mpmc open 6 100 6 6 0 0 0 10 4 0 0' shmq-stat -r --noheadings -o NAME,TYPE,STATE,USED,SLOTS,USE%,MSGS,READERS,WRITERS,LOST,PUSHED,POPPED,REDELIVERED,ABANDONED a
gives 'MODE and OWNER' "0600 $(id -un)" shmq-stat -r --noheadings -o MODE,OWNER a
size=$(stat -c %s "$SHMQ_DIR/shmq.a")
gives 'SIZE in bytes with -b' "$size" shmq-stat -b --noheadings -o SIZE a
gives 'and with -r' "$size" shmq-stat -r --noheadings -o SIZE a
works 'SIZE for people without' shmq-stat --noheadings -o SIZE a
check 'has a unit' grep -qE '^ *[0-9.]+[KM]$' "$out"

works '-J' shmq-stat -J
check 'says its format' jq -e '.format == 1' "$out"
check 'is one document' jq -es 'length == 1' "$out"
check 'names the rings' jq -e '[.rings[].name] == ["a", "b", "c"]' "$out"
check 'has integers' jq -e '.rings[0] | (.used, .slots, .messages, .readers, .writers, .lost, .pushed, .popped, .redelivered, .abandoned, .slot_size, .max_message) | type == "number" and . == floor' "$out"
check 'tells the figures' jq -e '.rings[0] | .used == 6 and .slots == 100 and .messages == 6 and .pushed == 10 and .popped == 4' "$out"
check 'and what the rings are' jq -e '.rings | .[0].type == "mpmc" and .[1].type == "spsc" and .[1].fixed and .[1].slot_size == 8 and .[2].state == "ended"' "$out"
works '-J -o' shmq-stat -J -o NAME,MSGS a
check 'has those keys alone' jq -e '.rings == [{"name": "a", "messages": 6}]' "$out"

# Who is attached
mkfifo input
shmq-push a <input & pusher=$!
exec 3<>input
comes_true 'a producer counts as a writer' field_is WRITERS a 1
gives 'not as a reader' 0 field READERS a
shmq-pop c >/dev/null
shmq-create d
shmq-pop d & one=$!
shmq-pop d & two=$!
comes_true 'two consumers are two readers' field_is READERS d 2
kill -STOP $one
gives 'a stopped one is one' 2 field READERS d
kill -KILL $one $two
finished 137 'killed' $one
finished 137 'both' $two
gives 'the dead are none' 0 field READERS d
kill -KILL $pusher
finished 137 'the producer is killed' $pusher
exec 3>&-
gives 'and none' 0 field WRITERS a

# Looking never disturbs
before=$(sha256sum "$SHMQ_DIR"/shmq.* | sha256sum)
times=$(stat -c '%y %z' "$SHMQ_DIR"/shmq.*)
works 'shmq-stat' shmq-stat
works 'shmq-stat -J' shmq-stat -J
works 'a look at the messages' shmq-pop -p a
same 'nothing in the rings has changed' "$before" "$(sha256sum "$SHMQ_DIR"/shmq.* | sha256sum)"
same 'nor have the files' "$times" "$(stat -c '%y %z' "$SHMQ_DIR"/shmq.*)"

# Other things in the directory
echo text >"$SHMQ_DIR/other"
echo text >"$SHMQ_DIR/shmq.-bad name"
works 'files that are not named as rings are passed over' shmq-stat
echo text >"$SHMQ_DIR/shmq.text"
ends 0 'what is named as a ring and is none' shmq-stat
check 'is said' grep -q '^shmq-stat: text: not a ring' "$err"
check 'and the rings are shown' grep -q '^a ' "$out"
refuses 76 'text: not a ring' 'by name it is an error' shmq-stat text
SHMQ_DIR=$SHMQ_DIR/none ends 71 'a directory that is not there' shmq-stat
