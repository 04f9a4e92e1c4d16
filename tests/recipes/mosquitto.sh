# Ring to MQTT topic and back, as shmq(7) has it, with a broker that goes away and comes back.
NEEDED='mosquitto mosquitto_pub mosquitto_sub'
. "$(dirname "$0")/outage.sh" || exit 1
. "$(dirname "$0")/../cli/lib.sh" || exit 1

port=$((20000 + $$ % 20000))
mkdir store
cat >broker.conf <<END
listener $port 127.0.0.1
allow_anonymous true
persistence true
persistence_location $work/store/
user root
END
start_server() {
    mosquitto -c broker.conf >>broker.log 2>&1 &
    broker=$!
    comes_true 'the broker answers' mosquitto_pub -p "$port" -t hello -m x
}
stop_server() {
    kill "$broker"
    wait "$broker"
}

works 'a ring to the topic and one from it' shmq-create out in
start_server
mosquitto_sub -p "$port" -q 1 -c -i to-ring -t jobs | shmq-push in &
comes_true 'somebody listens' grep -q 'to-ring' broker.log
works 'messages' sh -c 'seq 20 | shmq-push out'
works 'go to the broker' shmq-pop -a --each "mosquitto_pub -p $port -q 1 -t jobs -s" out
comes_true 'and arrive in the other ring' sh -c '[ "$(shmq-stat -r --noheadings -o MSGS in)" = 20 ]'
gives 'whole and in order' "$(seq 20)" shmq-pop -a in

outage "mosquitto_pub -p $port -q 1 -t jobs -s"
comes_true 'all of them arrive' sh -c '[ "$(shmq-pop -p in | sort -n | uniq | wc -l)" = 20 ]'
same 'those that were sent' "$(seq 21 40)" "$(shmq-pop -a in | uniq)"
