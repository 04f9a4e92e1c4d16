# outage COMMAND: what is pushed while a server is away waits in the ring `out` until --each COMMAND can
# deliver it. The recipe says how to start_server and stop_server.
outage() {
    stop_server
    works 'messages while the server is away' sh -c 'seq 21 40 | shmq-push -e out'
    ends 1 'cannot be delivered' shmq-pop -q --each "$1" out
    gives 'and wait in the ring' 20 shmq-stat -r --noheadings -o MSGS out
    sh -c "until shmq-pop -q --each '$1' out 2>/dev/null; do sleep 0.2; done" &
    forwarder=$!
    start_server
    wait $forwarder
    same 'until it is back, and the loop ends with the stream' 0 $?
    gives 'nothing is left' 0 shmq-stat -r --noheadings -o MSGS out
}
