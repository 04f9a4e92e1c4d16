# Ring to Redis list and back, as shmq(7) has it, with a server that goes away and comes back.
NEEDED='redis-server redis-cli'
. "$(dirname "$0")/outage.sh" || exit 1
. "$(dirname "$0")/../cli/lib.sh" || exit 1

port=$((40000 + $$ % 20000))
cli="redis-cli -e -p $port"
start_server() {
    redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --appendonly yes --save '' >>server.log 2>&1 &
    server=$!
    comes_true 'the server answers' $cli PING
}
stop_server() {
    kill "$server"
    wait "$server"
}
move_back() {  # one round of the loop of shmq(7)
    $cli LMOVE busy jobs RIGHT LEFT >/dev/null || return
    job=$($cli BLMOVE jobs busy LEFT RIGHT 1) || return
    [ -z "$job" ] || shmq-push -d "$job" in && $cli LPOP busy >/dev/null
}

works 'a ring to the list and one from it' shmq-create out in
start_server
works 'messages' sh -c 'seq 20 | shmq-push out'
works 'go to the server' shmq-pop -a --each "$cli -x RPUSH jobs >/dev/null" out
gives 'which has them' 20 $cli LLEN jobs
while [ "$($cli LLEN jobs)" != 0 ]; do move_back; done
gives 'and come back whole and in order' "$(seq 20)" shmq-pop -a in

outage "$cli -x RPUSH jobs >/dev/null 2>&1"
works 'one is moved aside by somebody who is killed then' $cli LMOVE jobs busy LEFT RIGHT
while [ "$($cli LLEN jobs)$($cli LLEN busy)" != 00 ]; do move_back; done
same 'all of them arrive' "$(seq 21 40)" "$(shmq-pop -a in | sort -n | uniq)"
stop_server
