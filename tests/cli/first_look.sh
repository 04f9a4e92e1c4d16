# What somebody meets who has never seen the commands: help, typing errors, other orders, small
# terminals, pipes, other languages.
NEEDED='localedef locale'
. "$(dirname "$0")/lib.sh" || exit 1
# A language that writes a comma for the point and sorts otherwise, made here: few machines have it.
export LOCPATH=$work/locales
mkdir "$LOCPATH"
check 'there is a German locale' localedef --no-archive -i de_DE -f UTF-8 "$LOCPATH/de_DE.UTF-8"
same 'with a comma' , "$(LC_ALL=de_DE.UTF-8 locale decimal_point)"

tools='shmq-create shmq-push shmq-pop shmq-stat shmq-unlink shmq-bench'
plain() { ! grep -q $'\033' "$1"; }

for tool in $tools; do
    works "$tool --help" "$tool" --help
    check 'fits a terminal of 80 columns' awk 'length > 80 { print; bad = 1 } END { exit bad }' "$out"
    check 'and has no colours' plain "$out"
    cp "$out" help
    for setting in LC_ALL=C.UTF-8 LC_ALL=de_DE.UTF-8 LANG=xx_YY NO_COLOR=1 TERM=dumb COLUMNS=40; do
        works "$tool --help with $setting" env "$setting" "$tool" --help
        check 'says the same' cmp help "$out"
    done
    gives "$tool --help may be read by halves" "Usage: $tool" bash -c "$tool --help | head -1 | cut -d' ' -f1-2"
    check 'nobody complains then' [ ! -s "$err" ]
done

# Options, almost
refuses 64 'unknown option --timout (did you mean --timeout?)' 'a letter is missing' shmq-pop --timout 1 q
refuses 64 'unknown option --cuont (did you mean --count?)' 'two are exchanged' shmq-pop --cuont 1 q
refuses 64 'unknown option --Count (did you mean --count?)' 'one is large' shmq-pop --Count 1 q
refuses 64 'unknown option --slot (did you mean --slots?)' 'the beginning of one' shmq-create --slot 4 q
refuses 64 "--count: found 'ount', expected a whole number (did you mean --count?)" 'a long one with one dash' shmq-pop -count 3 q
refuses 64 'unknown option --JSON (did you mean --json?)' 'all are large' shmq-stat --JSON
refuses 64 'unknown option --size (did you mean --slot-size?)' 'the end of one' shmq-create --size 64 q
refuses 64 'unknown option -from (did you mean --from?)' 'a long one with one dash' shmq-pop -from newest q
refuses 64 'unknown option -peek (did you mean --peek?)' 'some letters of which are options' shmq-pop -peek q
refuses 64 'unknown option -j (did you mean -J?)' 'a small letter' shmq-pop -j q
refuses 64 'unknown option -x' 'no such letter' shmq-pop -x q
check 'is not guessed' bash -c '! grep -q "did you mean" "$1"' - "$err"
refuses 64 'unknown option --colour' 'nothing like it' shmq-stat --colour
check 'is not guessed' bash -c '! grep -q "did you mean" "$1"' - "$err"
check 'each time help is offered' grep -q "Try 'shmq-stat --help'" "$err"

# Values, almost
refuses 64 "--type: found 'mpcm', expected one of spsc, mpsc, spmc, mpmc (did you mean mpmc?)" 'a type' shmq-create -T mpcm q
refuses 64 '(did you mean spsc?)' 'in large letters' shmq-create --type=SPSC q
refuses 64 '(did you mean overwrite?)' 'a policy' shmq-create --overflow overwite q
refuses 64 '(did you mean line?)' 'a framing' shmq-push -F lines q
refuses 64 '(did you mean empty?)' 'a state' shmq-stat --until emtpy q
refuses 64 'RECORD, PUSH/S, POP/S, IN/S, OUT/S (did you mean MSGS?)' 'a column' shmq-stat -o NAME,MSG q

# Names, almost
works 'three rings' shmq-create jobs results x
works 'and a duplex one' shmq-create -D chat
for tool in 'shmq-push -d 1' 'shmq-pop -n' shmq-stat shmq-unlink 'shmq-stat --until empty' 'shmq-unlink --stale'; do
    refuses 66 'jbos: no such ring (did you mean jobs?)' "$tool: two letters exchanged" $tool jbos
done
refuses 66 'Jobs: no such ring (did you mean jobs?)' 'one is large' shmq-pop -n Jobs
refuses 66 'result: no such ring (did you mean results?)' 'one is missing' shmq-pop -n result
refuses 66 'caht/a: no such ring (did you mean chat/a?)' 'a side of a duplex ring' shmq-pop -n caht/a
refuses 66 'y: no such ring (create it with shmq-create y)' 'of one letter none is near' shmq-pop -n y
refuses 66 'somewhere: no such ring (create it with shmq-create somewhere)' 'this is another word' shmq-pop -n somewhere
refuses 66 'JOBS: no such ring (did you mean jobs?)' 'all are large' shmq-pop -n JOBS
refuses 66 'shmq.jobs: no such ring (did you mean jobs?)' 'the name of the file' shmq-pop -n shmq.jobs
refuses 64 "(did you mean jobs?)" 'the file' shmq-pop -n "$SHMQ_DIR/shmq.jobs"
SHMQ_DIR=$work/nowhere refuses 66 'jobs: no such ring' 'no directory, no suggestion' shmq-pop -n jobs

# Other orders, other places
works 'options behind the name' shmq-push jobs -d one -d two
gives 'and on both sides' one shmq-pop -n jobs -c 1
refuses 64 "extra operand 'hello': found 2, expected one NAME (messages come from stdin, or -d TEXT)" 'a message as an operand' shmq-push jobs hello
gives 'values with = and without space' two shmq-pop -c1 --timeout=1 jobs

# A reader that has seen enough, settings that mean nothing to us
works 'many messages' bash -c 'seq 60000 | shmq-push results'
gives 'a pipe that is closed early' 1 bash -c 'shmq-pop results | head -1'
check 'is no error to tell' [ ! -s "$err" ]
for setting in LC_ALL=C.UTF-8 LC_ALL=de_DE.UTF-8 NO_COLOR=1 TERM=dumb; do
    works "stat with $setting" env "$setting" shmq-stat -J x
    check 'prints JSON' jq -e '.rings[0].slots == 65536' "$out"
    works "and without -J" env "$setting" shmq-stat x
    check 'no colours' plain "$out"
done
german() { LC_ALL=de_DE.UTF-8 guard "$@"; }
gives 'a number has a point, not a comma' '' german shmq-pop -a -t 0.5 x
refuses 64 "--timeout: found '0,5'" 'and no comma' german shmq-pop -a -t 0,5 x
works 'rings in no order of the alphabet' shmq-create Zebra apple
works 'statistics' shmq-stat
cp "$out" english
works 'German ones' german shmq-stat
check 'are sorted alike' cmp english "$out"
works 'a ring with numbers' shmq-create --record 'px:f64,n:i64' -N 70000 numbers
works 'is written to' german shmq-push -J -d '{"px":1234567.5,"n":-1000000}' numbers
gives 'and read' '{"px":1234567.5,"n":-1000000}' german shmq-pop -J -a numbers
gives 'sizes have a point' "$(shmq-stat --noheadings -o SIZE numbers)" german shmq-stat --noheadings -o SIZE numbers
check 'indeed' grep -q '[0-9]\.[0-9]M' "$out"
works 'other letters' german shmq-push -d 'Größe' x
gives 'stay what they are' '{"seq":0,"len":7,"data":"Größe"}' german shmq-pop -J -a x
works 'the bench' german shmq-bench throughput -q -J -s 64 -T spsc --runs 1 --duration 10ms
check 'prints JSON' jq -e '.runs == 1' "$out"
