# Broadcast rings: every consumer gets every message. Overwrite rings: a producer never waits.
. "$(dirname "$0")/lib.sh" || exit 1

works 'a broadcast ring' shmq-create --broadcast -N 8 -s 64 news
gives 'its type says so' 'mpmc+broadcast' shmq-stat -r --noheadings -o TYPE news
shmq-pop -c 7 news >"$work/a" 2>&1 &
first=$!
shmq-pop -c 7 news >"$work/b" 2>&1 &
second=$!
comes_true 'two consumers are attached' sh -c '[ "$(shmq-stat -r --noheadings -o READERS news)" = 2 ]'
works 'messages for both' sh -c 'seq 7 | shmq-push news'
wait $first $second
same 'the first one got everything' "$(seq 7)" "$(cat "$work/a")"
same 'and so did the second' "$(seq 7)" "$(cat "$work/b")"
gives 'nothing is left' '' shmq-pop -a news

works 'the ring fills without a consumer' sh -c 'seq 8 | shmq-push -n news'
exits 1 'and is full' shmq-push -n -d 9 news
gives 'a late one begins with the oldest' "$(seq 8)" shmq-pop -a news
works 'three more' sh -c 'seq 3 | shmq-push news'
gives 'or with the newest' 3 shmq-pop -a --from newest news
works 'and again three' sh -c 'seq 4 6 | shmq-push news'
gives 'peeking shows all' "$(seq 4 6)" shmq-pop -p news
gives 'or the newest alone' 6 shmq-pop -p --from newest -c 1 news
refuses 64 '*oldest, newest*' 'where to begin is one of two' shmq-pop --from middle news
works 'an ordinary ring' shmq-create plain
refuses 64 '*newest*broadcast*' 'the consumers of an ordinary ring share a place' shmq-pop --from newest -n plain

# The slowest live consumer holds back, a dead one does not.
works 'a small one' shmq-create --broadcast -N 4 --fixed -s 4 small
shmq-pop -F fixed small >/dev/null &
slow=$!
comes_true 'a consumer is attached' sh -c '[ "$(shmq-stat -r --noheadings -o READERS small)" = 1 ]'
kill -STOP $slow
shmq-pop -F fixed small >"$work/quick" &
quick=$!
comes_true 'and a second one' sh -c '[ "$(shmq-stat -r --noheadings -o READERS small)" = 2 ]'
works 'four messages' sh -c 'printf 1111222233334444 | shmq-push -F fixed small'
comes_true 'which the quick one has read' sh -c "[ \"\$(cat $work/quick)\" = 1111222233334444 ]"
exits 1 'a stopped consumer holds the fifth back' shmq-push -F fixed -n -d 5555 small
kill -KILL $slow
wait $slow 2>/dev/null
works 'a killed one does not' shmq-push -F fixed -d 5555 small
comes_true 'and the quick one gets it' sh -c "[ \"\$(cat $work/quick)\" = 11112222333344445555 ]"
kill $quick
wait $quick 2>/dev/null

works 'the end of a broadcast stream' shmq-push -e -d last news
gives 'is told to each' last shmq-pop --from newest news

# ---- overwrite ----

works 'a variable' shmq-create --broadcast --overflow overwrite -N 1 -s 64 temperature
gives 'which has no value yet' '' shmq-pop -a temperature
works 'a thousand values, and nobody waits' sh -c 'seq 1000 | shmq-push -n temperature'
gives 'the latest is there' 1000 shmq-pop -p --from newest -c 1 temperature
gives 'again and again' 1000 shmq-pop -p --from newest -c 1 temperature
gives 'also for a consumer' 1000 shmq-pop -a temperature

works 'a ring of four that overwrites' shmq-create --overflow overwrite -N 4 -s 64 last
works 'ten messages' sh -c 'seq 10 | shmq-push -n last'
gives 'one consumer gets the last four, and is told of six' '{"data":"7","lost":6}
{"data":"8","lost":null}
{"data":"9","lost":null}
{"data":"10","lost":null}' sh -c 'shmq-pop -aJ last | jq -c "{data,lost}"'
gives 'stat counts them' '6 10 4' shmq-stat -r --noheadings -o LOST,PUSHED,POPPED last
works 'and more' sh -c 'seq 11 30 | shmq-push -n last'
ends 0 'pop -v tells' shmq-pop -av last
check 'how many went' grep -q '4 messages, .*16 lost' "$err"
gives 'they add up' '22 30 8' shmq-stat -r --noheadings -o LOST,PUSHED,POPPED last
works 'message longer than a slot' sh -c 'head -c 150 /dev/zero | tr "\0" x | shmq-push -w last'
gives 'it is whole' 150 sh -c 'shmq-pop -aw last | wc -c'
refuses 65 '*at most*' 'one that can never fit' sh -c 'head -c 1000 /dev/zero | tr "\0" x | shmq-push last'
works 'the end' shmq-push -e last
refuses 69 '*ended*' 'is the end' shmq-push -d x last
gives 'and told' '' shmq-pop last
gives 'both are in JSON' '[true,"overwrite"]' sh -c 'shmq-stat -J temperature | jq -c ".rings[0] | [.broadcast, .overflow]"'
refuses 76 '*broadcast*' '--exist-ok wants the same' shmq-create --exist-ok -N 8 -s 64 news
refuses 64 '*block, overwrite*' 'a policy that is none' shmq-create --overflow drop x
