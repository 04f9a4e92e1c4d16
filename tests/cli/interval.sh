# shmq-stat -i: again and again, as lines, as JSON, and on a terminal as a view that obeys keys.
NEEDED='tmux mkfifo pgrep iconv'
. "$(dirname "$0")/lib.sh" || exit 1
clean_up() { tmux -S "$work/tmux" kill-server 2>/dev/null; }

refuses 64 'needs a value' '-i without a time' shmq-stat -i
refuses 64 'more than no time' '-i 0' shmq-stat -i 0
refuses 64 'needs --interval' '-c without -i' shmq-stat -c 1
refuses 64 'at least 1' '-c 0' shmq-stat -i 1 -c 0
refuses 64 'exclude each other' '-i with --limits' shmq-stat -i 1 --limits
refuses 66 'no such ring' 'a ring that is not there' shmq-stat -i 1 nowhere

# ---- lines --------------------------------------------------------------------------------------
works 'two rings' shmq-create a b
works 'twice' shmq-stat -i 10ms -c 2
same 'is two tables, with rates' 2 "$(grep -c '^NAME STATE USE% MSGS READERS WRITERS LOST PUSH/S POP/S IN/S OUT/S' <(tr -s ' ' <"$out"))"
same 'of two rings each' 4 "$(grep -c '^[ab] ' "$out")"
works 'raw' shmq-stat -r -i 10ms -c 3 a
same 'has one line of headings' 1 "$(grep -c NAME "$out")"
same 'and three of figures' 3 "$(grep -c '^a open' "$out")"
same 'no rate at first, then one' "- 0 0" "$(awk 'NR > 1 { print $8 }' "$out" | xargs)"
works 'JSON' shmq-stat -J -i 10ms -c 3 a
same 'is one document a line' 3 "$(wc -l <"$out")"
check 'each of them whole' jq -es 'length == 3 and all(.[]; .format == 1 and .rings[0].name == "a")' "$out"
check 'rates from the second on' jq -es '(.[0].rings[0] | has("pushed_per_s") | not) and .[1].rings[0].pushed_per_s == 0' "$out"
works 'participants' shmq-stat -P -J -i 10ms -c 2
check 'too' jq -es 'map(.participants) == [[], []]' "$out"

shmq-stat -J -i 20ms >samples 2>complaint & watcher=$!
any() { tail -n 50 samples | head -n -1 | jq -es "any(.[]; $1)" >/dev/null; }
comes_true 'a ring is there' any '.rings | length == 2'
shmq-create c
comes_true 'one that comes is shown' any '.rings | map(.name) == ["a", "b", "c"]'
seq 1000 | shmq-push c
comes_true 'what is pushed gives a rate' any '.rings[2].pushed_per_s > 0 and .rings[2].pushed_bytes_per_s > 0'
shmq-pop -a c >/dev/null
comes_true 'what is popped too' any '.rings[2].popped_per_s > 0'
shmq-unlink c
comes_true 'one that goes is not shown any more' any '.rings | map(.name) == ["a", "b"]'
kill -TERM $watcher
finished 143 'it dies of SIGTERM' $watcher
same 'without a word' '' "$(cat complaint)"
check 'when its reader goes it ends' bash -c 'set -o pipefail; shmq-stat -J -i 10s | head -n 1 >/dev/null; test $? = 141'

# ---- the view -----------------------------------------------------------------------------------
# In a terminal of its own. A shell stays behind it, so that what is left of the screen can be seen.
tm() { tmux -u -S "$work/tmux" -f /dev/null "$@"; }
screen() { tm capture-pane -p -t view; }
shows() { screen | grep -qE -- "$1"; }
hides() { ! screen | grep -qE -- "$1"; }
keys() { tm send-keys -t view "$@"; }
type_line() { keys "$1" Enter; }
tm new-session -d -s view -x 80 -y 12 "env PS1='prompt> ' SHMQ_DIR=$SHMQ_DIR PATH=$PATH bash --norc --noprofile -i"
comes_true 'a shell at a terminal' shows '^prompt>'
type_line 'shmq-stat -i 50ms'
comes_true 'the view shows the rings' shows '^> a +open'
check 'each of them' shows '^  b +open'
check 'with headings' shows 'NAME +STATE +USE% +MSGS'
check 'and the keys' shows '^q quit'
check 'nothing is wider than the screen' [ "$(screen | awk '{ if (length > m) m = length } END { print (m <= 80) }')" = 1 ]
seq 3 | shmq-push b
comes_true 'it is redrawn' shows '^  b +open +1 +3'
shmq-create aa
comes_true 'a new ring comes' shows '^  aa +open'
keys s
comes_true 's sorts by the next column' shows 'by STATE'
keys s s
comes_true 'and the next' shows 'by MSGS'
comes_true 'numbers downwards' shows '^> b '
keys '?'
comes_true '? explains the keys' shows 'quit'
comes_true 'all of them' shows 'participants, and back'
keys '?'
comes_true 'and goes again' hides 'and back'
keys Down
comes_true 'down chooses the next' shows '^> a '
keys d
comes_true 'd asks' shows '^remove a\? \(y/n\)'
keys n
comes_true 'n is no' shows '^no'
check 'and the ring is there' [ -e "$SHMQ_DIR/shmq.a" ]
keys d
comes_true 'd asks again' shows '^remove a\? \(y/n\)'
keys y
comes_true 'y is yes' shows '^a: removed'
comes_true 'and the ring is gone' [ ! -e "$SHMQ_DIR/shmq.a" ]
keys S
comes_true 'S finds nothing stale among new rings' shows '^no stale rings'
shmq-pop -c 9 b >/dev/null & popper=$!
comes_true 'somebody waits' waits_in b READERS $popper
keys P
comes_true 'P shows the participants' shows "b +$popper +$(id -un) +shmq-pop +consumer +sleeping"
keys d
comes_true 'd asks for its ring' shows '^remove b\?'
keys y
comes_true 'one in use stays' shows '^b: .*in use'
keys P
comes_true 'P goes back' shows 'PUSH/S'
tm resize-window -t view -x 40 -y 6
comes_true 'a small window is enough' shows '^q quit'
comes_true 'for some rings' shows '^> '
tm resize-window -t view -x 80 -y 12
keys C-z
comes_true '^Z stops it and gives the screen back' shows 'Stopped'
check 'with what was there before' shows '^prompt>'
type_line 'fg; echo "then $?"'
comes_true 'fg brings it back' shows '^q quit'
keys q
comes_true 'q ends it' shows '^then 0'
check 'the screen is as it was' hides '^q quit'
type_line 'stty -a | grep -o " icanon .*\| echo " | head -1'
comes_true 'the terminal too' shows 'icanon'
for signal in INT TERM; do
    type_line 'clear; shmq-stat -i 50ms'
    comes_true 'another view' shows '^q quit'
    if [ $signal = INT ]; then keys C-c; else kill -TERM "$(pgrep -x shmq-stat -P "$(tm list-panes -t view -F '#{pane_pid}')")"; fi
    comes_true "SIG$signal ends it" hides '^q quit'
    type_line "echo \"$signal \$?\""
    comes_true 'by the signal' shows "^$signal $((128 + $(kill -l $signal)))"
done
type_line 'clear; stty -a | grep -o "[-]*icanon"'
comes_true 'and so is the terminal' shows '^icanon'
type_line 'clear; shmq-stat -i 10ms -c 3; echo "counted $?"'
comes_true '-c ends it' shows '^counted 0'
type_line 'clear; TERM=dumb shmq-stat -i 10ms -c 2; echo "dumb $?"'
comes_true 'a terminal that can do nothing gets lines' shows '^dumb 0'
check 'which stay' shows '^NAME +STATE'
kill $popper
finished 143 'the pop ends' $popper
long=x$(printf 'é%.0s' $(seq 60))
mkdir "$work/$long"
type_line "clear; cd $work; SHMQ_DIR=./$long shmq-stat -i 50ms"
comes_true 'a line that is too long is cut' shows '^\./x(é){38}$'
tm pipe-pane -t view "cat >$work/drawn"
first_lines() { sed '$d' "$work/drawn" | grep -a 'q quit.*/x' >"$work/first"; }  # behind the last one of the frame before
comes_true 'again and again' first_lines
tm pipe-pane -t view
check 'with no half of a letter at its end' iconv -f UTF-8 -t UTF-8 -o /dev/null "$work/first"
keys q
comes_true 'the view ends' hides '^q quit'
type_line 'exit'
