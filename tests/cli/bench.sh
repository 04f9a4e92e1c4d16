# shmq-bench: its shape, its sums, its exit codes. Never how fast anything is.
NEEDED=shmq-bench
. "$(dirname "$0")/lib.sh" || exit 1

# As short as can be; everything is there all the same.
brief() { local first=$1; shift; shmq-bench "$first" --runs 1 --duration 10ms "$@"; }
# Again where others kept the machine too busy to tell.
told() {
    local code=0 tries=0
    while :; do
        "$@" >told.out 2>told.err && code=0 || code=$?
        grep -q INCONCLUSIVE told.err && [ $((tries += 1)) -lt 50 ] || break
    done
    cat told.out; cat told.err >&2
    return $code
}
usage() { local what=$1; shift; refuses 64 "$what" "$* is a usage error" "$@"; }
nothing_left() { same "$1" '' "$(ls -A "$SHMQ_DIR")$(ls -d "${TMPDIR:-/tmp}"/shmq-bench.* 2>/dev/null)$(ls /dev/mqueue 2>/dev/null | grep shmq-bench)"; }

# ---- the command line
usage 'latency' shmq-bench bandwidth
usage 'extra operand' shmq-bench latency throughput
usage 'sizes from 8' shmq-bench -s 4
usage 'a number' shmq-bench -s 64,
usage 'mpmc' shmq-bench -T spcs
usage 'one producer' shmq-bench -T spsc,spmc --producers 2
usage 'one consumer' shmq-bench -T spsc,mpsc --consumers 2
usage '1 to 64' shmq-bench --producers 65
usage '1 to 64' shmq-bench --consumers 0
usage '' shmq-bench --batch 0
usage '' shmq-bench --slots -1
usage '1ms to 1h' shmq-bench --duration 0
usage '1 to 1000' shmq-bench --runs 0
usage 'CPUs out of' shmq-bench --cpus 4095
usage '' shmq-bench --cpus 1-0
usage 'whole number' shmq-bench --rate fast
usage 'adaptive' shmq-bench --waiting never
usage 'pipe, fifo, unix, mqueue' shmq-bench --against tcp
usage 'p99.9' shmq-bench --fail-if 'p98>1us'
usage 'condition' shmq-bench --fail-if p99
usage 'a time' shmq-bench --fail-if 'p99>20M/s'
usage 'messages a second' shmq-bench --fail-if 'throughput<20us'
usage 'a time' shmq-bench --fail-if 'p99>1us,p50>-1us'
usage 'of latency' shmq-bench throughput --fail-if 'p99>20us'
usage 'of throughput' shmq-bench latency --fail-if 'throughput<1'
usage '--against' shmq-bench --fail-if 'ratio<2'
usage 'percentage' shmq-bench --baseline old.json --max-regress -5
usage 'needs --baseline' shmq-bench --max-regress 5
usage 'No such file' shmq-bench --baseline missing.json
usage 'No such file' shmq-bench --plot missing.json
usage 'FILE' shmq-bench --plot
echo '{"format":1}' >other.json
refuses 65 'other.json' 'a baseline that is something else is bad data' shmq-bench --baseline other.json
echo '{' >half.json
refuses 65 'half.json' 'a baseline that is no JSON is bad data' shmq-bench --baseline half.json
refuses 74 'No such file' 'a place where nothing can be saved is found out first' shmq-bench --save missing/new.json
nothing_left 'usage errors make nothing'

# ---- all of it, once
works 'all kinds, all peers' shmq-bench --runs 3 --duration 10ms -s 8,100 --against pipe,fifo,unix,mqueue -J --save all.json
cp "$out" all.out
check 'the JSON on stdout is what --save keeps' cmp all.out all.json
check 'it is valid and says its format' jq -e '.format == 1 and .tool == "shmq-bench"' all.json
check 'it tells version and date' jq -e '(.version | test("^[0-9]+[.][0-9]+[.][0-9]+$")) and (.date | test("^20.*T.*Z$"))' all.json
check 'it tells the circumstances' jq -e '.context | (.cpu | length > 0) and .cores > 0 and (.cpus | length > 0) and has("governor") and (.kernel | startswith("Linux")) and (.load_average | length == 3) and has("cache_line_round_trip_ns")' all.json
check 'every case is there, or said to be left out' jq -e '(.results | length) + (.left_out | length) == 3 * 2 * 5' all.json
check 'each with at least as many samples as runs were asked for' jq -e 'all(.results[]; .samples | length >= 3)' all.json
check 'samples are kept or set aside with a reason' jq -e 'all(.results[].samples[]; .kept or .why == "drifted" or .why == "stalled")' all.json
check 'and those set aside are counted' jq -e 'all(.results[]; .unsettled or .set_aside == ([.samples[] | select(.kept | not)] | length))' all.json
check 'each sample says how many messages it is made of' jq -e 'all(.results[].samples[]; .messages > 0 and .seconds > 0)' all.json
check 'percentiles ascend' jq -e 'all(.results[] | select(.kind != "throughput") | .metrics; [.p50_ns, .p90_ns, .p99_ns, ."p99.9_ns", .max_ns] | map(.value) | . == sort)' all.json
check 'and are whole nanoseconds' jq -e 'all(.results[] | select(.kind != "throughput") | .metrics[].value; . == floor)' all.json
check 'values lie within their spread' jq -e 'all(.results[] | select(.kind == "throughput") | .metrics.throughput; .low <= .value and .value <= .high)' all.json
check 'the histogram counts the messages of the samples' jq -e 'all(.results[] | select(.kind != "throughput"); . as $r | ([.histogram[][2]] | add) == ([.samples[] | select(.kept or $r.unsettled) | .messages] | add))' all.json
check 'peers carry the ratio' jq -e 'all(.results[] | select(.channel != "shmq"); .shmq_is_times_better | has("value") and has("conclusive"))' all.json
check 'nothing failed' jq -e '.verdict != "failed" and .baseline == null and .conditions == []' all.json
nothing_left 'nothing stays behind'

works 'a table' shmq-bench --runs 1 --duration 10ms -s 64,1K -T spsc,mpmc --against pipe,unix
check 'of at most 80 columns' [ "$(wc -L <"$out")" -le 80 ]
check 'with throughput, round trip and one way' [ "$(grep -cE '^(THROUGHPUT|ROUND TRIP|ONE WAY)' "$out")" = 3 ]
same 'and a line for each case' 36 "$(grep -cE '^(64|1K) +(spsc|mpmc) +(shmq|pipe|unix) ' "$out")"
ends 0 '-v closes with a summary' brief throughput -s 64 -v
check 'of one line' [ "$(wc -l <"$err")" = 1 ]

works 'throughput alone' brief throughput -s 64 -J
check 'measures no latency' jq -e '[.results[].kind] == ["throughput"]' "$out"
works 'latency alone' brief latency -s 64 -J
check 'measures round trip and one way' jq -e '[.results[].kind] == ["round-trip", "one-way"]' "$out"

# ---- the ways to do it; every message is checked by its number
for type in spsc mpsc spmc mpmc; do
    sides=
    case $type in m*) sides='--producers 2' ;; esac
    case $type in *mc) sides="$sides --consumers 2" ;; esac
    works "$type, two processes where it allows them" brief all -s 100 -T $type $sides --against pipe,fifo,unix,mqueue -J
    check "$type has the processes it says" jq -e --arg type $type 'all(.results[]; .type == $type and .processes == .producers + .consumers)' "$out"
    works "$type in batches" brief all -s 100 -T $type $sides --batch 16 --against pipe,fifo,unix,mqueue
done
for waiting in block spin adaptive; do works "waiting: $waiting" brief all -s 64 --waiting $waiting; done
works 'a ring of one slot' brief all -s 64 --slots 1
works 'a ring of one slot, in batches' brief all -s 64 --slots 1 --batch 4
works 'sizes that are no multiple of anything' brief all -s 9,1001,65537 --batch 3 --against pipe,unix
works 'all processes on one core' brief all -s 64 --cpus "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" --against pipe
check 'which is told' grep -q 'fewer cores than processes' "$out"
works 'so many processes that no machine has the cores' brief throughput -s 64 --producers 32 --consumers 32 -J
check 'is told in JSON too' jq -e 'if .context.cores < 64 then (.results[0].oversubscribed and any(.notes[]; test("fewer cores"))) else true end' "$out"
works 'at a rate' shmq-bench all -s 64 --runs 1 --duration 50ms --rate 2000 --against pipe -J
check 'no more is sent than that' jq -e 'all(.results[] | select(.kind != "throughput") | .samples[]; .messages <= .seconds * 2000 * 1.1 + 1)' "$out"
ends 0 'at a rate that nobody keeps' shmq-bench latency -s 64K --runs 1 --duration 20ms --rate 100000000
check 'which is told' grep -q 'the rate was not kept' "$out"
works 'messages that a peer cannot carry' brief throughput -s 8K -T mpmc --producers 2 --against pipe -J
check 'leave it out and say why' jq -e '.left_out[0].channel == "pipe" and (.left_out[0].why | test("PIPE_BUF"))' "$out"

# ---- conditions
ends 1 'a condition that is true' told brief latency -s 64 --fail-if 'p50>0ns'
check 'is told' grep -q '^shmq-bench: FAILED: p50>0ns' "$err"
ends 0 'a condition that is false' told brief latency -s 64 --fail-if 'p50>1h'
check 'is no failure' [ ! -s "$err" ]
ends 1 'throughput in messages a second' told brief throughput -s 64 --fail-if 'throughput<900G/s'
works 'and the other way round' brief throughput -s 64 --fail-if 'throughput<1'
ends 1 'plain numbers too' told brief throughput -s 64 --fail-if 'throughput>=1'
ends 1 'one true among several behind commas' told brief all -s 64 --fail-if 'p50>1h,p99>1h,throughput>1/s'
ends 1 'one true among several options' told brief all -s 64 --fail-if 'max>0' --fail-if 'p99.9>1h'
works 'a ratio' told brief throughput -s 64 --against pipe --fail-if 'ratio<0'
ends 1 'that is beaten by none' told brief throughput -s 64 --against pipe --fail-if 'ratio<1000000'
ends 1 'with JSON the code is the same' brief latency -s 64 -J --fail-if 'p50>0'
check 'and the verdict inside' jq -e '.verdict == "failed" and (.conditions | length == 2) and all(.conditions[]; .verdict == "failed")' "$out"

# ---- a baseline
# Whatever this machine does meanwhile: the probe is not to be the judge here.
shmq-bench -s 64 --runs 3 --duration 20ms --save fresh.json -q >/dev/null
jq '.context.cache_line_round_trip_ns = 100000' fresh.json >base.json
twisted() { jq "$1" base.json >twisted.json; }
rates='(.metrics.throughput.value, .samples[].throughput)'
times='(.metrics[].value, (.samples[] | ."p50_ns", ."p90_ns", ."p99_ns", ."p99.9_ns", ."max_ns"))'
again() { shmq-bench -s 64 --runs 3 --duration 20ms "$@"; }
ends 0 'a baseline against itself, with all the room there is' again --baseline base.json --max-regress 1000000
check 'shows both' grep -q '^BASELINE base.json' "$out"
twisted "(.results[] | select(.kind == \"throughput\") | $rates) *= 1000"
ends 1 'a baseline that was a thousand times faster' again --baseline twisted.json --max-regress 50
check 'is a regression' grep -q 'REGRESSION' "$out"
check 'of throughput' grep -q '^shmq-bench: FAILED: throughput' "$err"
twisted "(.results[] | select(.kind != \"throughput\") | $times) |= . / 100000"
ends 1 'a baseline whose latencies were far lower, in JSON' again latency --baseline twisted.json -J
check 'is a regression too' jq -e '.verdict == "failed" and any(.baseline.comparisons[]; .verdict == "regression")' "$out"
twisted "(.results[] | select(.kind == \"throughput\") | $rates) /= 1000"
ends 0 'a baseline that was slower' again throughput --baseline twisted.json
check 'is none' grep -q ' ok$' "$out"
# Every second sample far below, the others far above, and all of them kept.
twisted '(.results[] | select(.kind == "throughput") | .samples) |= [to_entries[] | .key as $i | .value | .kept = true | .throughput *= (if $i % 2 == 0 then 0.001 else 1000 end)]' 
ends 0 'a baseline that does not know itself' again throughput --baseline twisted.json
check 'is inconclusive' grep -q 'INCONCLUSIVE' "$err"
check 'in the table as well' grep -q 'inconclusive$' "$out"
ends 0 'and said with JSON too' again throughput --baseline twisted.json -J
check 'inside it' jq -e '.verdict == "inconclusive"' "$out"
twisted ".context.cpu = \"Z80\" | (.results[] | select(.kind == \"throughput\") | $rates) *= 1000"
ends 0 'a baseline of another CPU' again throughput --baseline twisted.json
check 'is inconclusive whatever it says' grep -q 'another CPU' "$out"
refuses 65 'no case in common' 'a baseline of other cases' shmq-bench -s 72 --baseline base.json
cp base.json both.json
ends 0 'a baseline can be replaced by the run that is compared with it' again throughput --baseline both.json --max-regress 1000000 --save both.json
check 'and is the new one then' jq -e '.baseline.file == "both.json" and (.results | length == 1)' both.json
same 'saving leaves no other file' '' "$(ls -A | grep '^[.]shmq-bench')"

# ---- plots
works 'a plot of one file' shmq-bench --plot all.json
check 'has throughput by size' grep -q '^Throughput by size' "$out"
check 'and a histogram of each latency' [ "$(grep -c '^Latency' "$out")" = "$(jq '[.results[] | select(.kind != "throughput")] | length' all.json)" ]
check 'of at most 80 columns' [ "$(LC_ALL=C.UTF-8 wc -L <"$out")" -le 80 ]
works 'a plot of two' shmq-bench --plot all.json base.json
check 'tells them apart' grep -q 'B shmq spsc' "$out"

# ---- signals, deaths, a place without room
children() { cat "/proc/$1/task/$1/children"; }
busy() { [ "$(ls "$SHMQ_DIR" | wc -l)" -ge "$1" ] && [ "$(children "$bench" | wc -w)" -ge 2 ]; }
for signal in INT TERM; do
    # From a shell without job control a background process would ignore SIGINT.
    perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' shmq-bench latency -s 64 --runs 1 --duration 60s >"$out" 2>"$err" &
    bench=$!
    comes_true "it is at work (SIG$signal)" busy 1
    offspring=$(children "$bench")
    kill -$signal "$bench"
    finished $((128 + $(kill -l $signal))) "it dies of SIG$signal" "$bench"
    check 'without a word' [ ! -s "$out" -a ! -s "$err" ]
    for pid in $offspring; do check 'its processes are gone' [ ! -e "/proc/$pid" ]; done
    nothing_left "SIG$signal leaves nothing"
done
shmq-bench latency -s 64 --runs 1 --duration 60s >"$out" 2>"$err" &
bench=$!
comes_true 'it is at work again' busy 1
kill -KILL $(children "$bench" | cut -d' ' -f1)
finished 71 'a killed process ends it with 71' "$bench"
check 'which it says' grep -q 'killed by signal 9' "$err"
nothing_left 'a killed process leaves nothing'
shmq-bench latency -s 64 --runs 1 --duration 60s >"$out" 2>"$err" &
bench=$!
comes_true 'and again' busy 1
offspring=$(children "$bench")
kill -KILL "$bench"
wait "$bench" 2>/dev/null
all_gone() { local pid; for pid in $offspring; do [ -e "/proc/$pid" ] && return 1; done; return 0; }
comes_true 'killed itself, its processes go with it' all_gone
shmq-unlink -f --all 2>/dev/null || for ring in "$SHMQ_DIR"/shmq.*; do rm -f "$ring"; done

SHMQ_DIR=$work/nowhere refuses 71 'nowhere' 'a ring directory that is not there' shmq-bench throughput -s 64
ends 74 'a full stdout' bash -c 'shmq-bench throughput -s 64 --runs 1 --duration 10ms >/dev/full'
nothing_left 'at the end nothing is left'
