# What is written on the command line: missing, too much, wrong, right. For each command.
NEEDED=script
. "$(dirname "$0")/lib.sh" || exit 1

usage() { local what=$1; shift; refuses 64 "$what" "${*} is a usage error" "$@"; }

# A missing argument, an extra one, a bad value, then the real thing.
usage 'missing NAME' shmq-create
usage '' shmq-create --no-such-option q
usage '' shmq-create -N many q
works 'shmq-create q makes a ring' shmq-create q

usage 'NAME' shmq-push
usage 'extra' shmq-push q another
usage '' shmq-push -c many q
works 'shmq-push -d x q pushes' shmq-push -d x q

usage 'NAME' shmq-pop
usage 'extra' shmq-pop q another
usage '' shmq-pop -t soon q
gives 'shmq-pop -a q pops it' x shmq-pop -a q

usage '' shmq-stat -o NO_SUCH_COLUMN q
usage '' shmq-stat --bytes=yes q
usage 'exclude' shmq-stat -J -r q
works 'shmq-stat q shows it' shmq-stat q

usage 'missing NAME' shmq-unlink
usage '--all' shmq-unlink --all q
usage '' shmq-unlink --force=yes q
works 'shmq-unlink q removes it' shmq-unlink q

for tool in shmq-create shmq-push shmq-pop shmq-stat shmq-unlink; do
    ends 0 "$tool --help ends with 0" "$tool" --help
    check "$tool --help writes nothing on stderr" [ ! -s "$err" ]
    check "$tool --help says how to use it" grep -q "^Usage: $tool " "$out"
    check "$tool --help has two examples or more" [ "$(grep -c "^  .*$tool" "$out")" -ge 2 ]
    check "$tool --help tells the exit codes" grep -q '^ *64 ' "$out"
    check "$tool --help names the man page" grep -q "$tool(1)" "$out"
    cp "$out" help
    works "$tool -h ends with 0" "$tool" -h
    check "$tool -h prints the same as --help" cmp help "$out"
    ends 0 "$tool --version ends with 0" "$tool" --version
    check "$tool --version prints name and number" grep -qE "^$tool [0-9]+\.[0-9]+\.[0-9]+$" "$out"
    cp "$out" version
    works "$tool -V ends with 0" "$tool" -V
    check "$tool -V prints the same as --version" cmp version "$out"
    works "$tool --help wins over what is wrong behind it" "$tool" --help a/b c d
    ends 74 "$tool --help with a full stdout ends with 74" bash -c "$tool --help >/dev/full"
    usage 'unknown option' "$tool" --no-such-option q
    usage 'unknown option' "$tool" -Z q
    usage 'takes no value' "$tool" --quiet=1 q
    # Found out before anything is opened: there is no ring of that name.
    for name in '' / a/c /a/c ../a ..   . .a -a "$(repeat n 201)" 'a b' 'a~b' $'a\nb' 'ä' '-'; do
        # To shmq-create, -- means that a command follows.
        [ $tool = shmq-create ] && [ "$name" = -a ] && continue
        set -- -- "$name"
        [ $tool = shmq-create ] && shift
        refuses 64 'name' "$tool refuses the name '$(printf %s "$name" | cut -c1-20 | tr '\n' '?')'" "$tool" "$@"
    done
    same "$tool has made nothing of bad names" '' "$(ls -A "$SHMQ_DIR")"
done

works 'a name of 200 characters is fine' shmq-create "$(repeat n 200)"
works 'and can be removed' shmq-unlink "$(repeat n 200)"
works 'a leading / is dropped' shmq-create /slash
same 'so that the file is shmq.NAME' shmq.slash "$(ls "$SHMQ_DIR")"
works 'push drops it' shmq-push -d 1 /slash
gives 'stat drops it' slash shmq-stat --noheadings -r -o name /slash
gives 'pop drops it' 1 shmq-pop -a /slash
works 'unlink drops it' shmq-unlink /slash
works 'letters, digits, dots, underlines and hyphens make a name' shmq-create 9.a_B-c
works 'and it is removed' shmq-unlink 9.a_B-c

# SHMQ_RING
works 'a ring for $SHMQ_RING' shmq-create env
SHMQ_RING=env works 'push takes the name from SHMQ_RING' shmq-push -d one
SHMQ_RING=env gives 'pop takes the name from SHMQ_RING' one shmq-pop -a
SHMQ_RING=nowhere works 'an operand wins over SHMQ_RING' shmq-push -d two env
SHMQ_RING=nowhere gives 'in pop too' two shmq-pop -a env
SHMQ_RING='' refuses 64 NAME 'an empty SHMQ_RING is none' shmq-push -d one
SHMQ_RING=a/c refuses 64 name 'a bad SHMQ_RING is a usage error' shmq-push -d one

# Numbers
for number in -1 010 00 '' ' 1' '1 ' 1x 0x10 18446744073709551616 99999999999999999999999 1.5 1e3 +1; do
    usage '' shmq-create -N "$number" number
    usage '' shmq-create -s "$number" number
    usage '' shmq-create --max-message "$number" number
    usage '' shmq-create --participants "$number" number
    usage '' shmq-push -c "$number" env
    usage '' shmq-pop -c "$number" env
done
usage '' shmq-create -N=-1 number
usage '' shmq-create --slots=-1 number
for size in 16E 1KK 1B 1Ki 20000P 1KBB K; do usage '' shmq-create -N "$size" number; done
usage '' shmq-create -N 0 number
usage '' shmq-create -s 0 number
usage '' shmq-create --participants 0 number
for duration in -1 010 '' 1x 1day nan inf infinity 1e400 1e 99999999999999999999h 0x10 1,5 '1 s' s; do
    usage '' shmq-push -t "$duration" env
    usage '' shmq-pop -t "$duration" env
done
for duration in 0 0.001 .001 1ms 1us 0.0001s 0.00001m 0.000001h 0s; do
    ends 124 "-t $duration is a time" shmq-pop -t "$duration" env
done
for mode in 8 1000 0x1 -1 rw '' 77777 07777; do usage '' shmq-create -m "$mode" number; done
usage '' shmq-create -T sometimes number
usage '' shmq-create -T '' number
usage '' shmq-create --waiting sometimes number
usage '' shmq-push --waiting sometimes -d x env
usage '' shmq-pop --waiting sometimes env
usage '' shmq-push -F sometimes env
usage '' shmq-pop -F sometimes env
usage '' shmq-push -F '' env
usage '' shmq-create --overflow sometimes number
usage 'group' shmq-create -g no-such-group-here number
same 'none of the wrong numbers has made a ring' shmq.env "$(ls "$SHMQ_DIR")"

# What does not go together.
usage '' shmq-create --exist-ok --replace number
usage '' shmq-create --exist-ok --reopen number
usage '' shmq-create --reopen --replace number
usage '' shmq-create -f number
usage '' shmq-push -n -t 1 env
usage '' shmq-push -z -w env
usage '' shmq-push -F line -z env
usage '' shmq-push -J -w env
usage '' shmq-pop -n -t 1 env
usage '' shmq-pop -z -w env
usage '' shmq-pop -F line -z env
usage '' shmq-pop -c 1 -a env
usage '' shmq-pop -p -e env
# An option that wants a value and is the last.
for option in -N -s --slots -T -m -g --participants; do usage 'needs a value' shmq-create "$option"; done
for option in -d -c -t -F --waiting; do usage 'needs a value' shmq-push env "$option"; done

# How options may be written.
works 'long options take = or the next argument' shmq-create --slots=8 --slot-size 64 forms
gives 'and mean the same' '8' field SLOTS forms
works 'short ones their value at once, a flag in front' shmq-push -ndhello forms
gives 'short flags and a value may be written together' hello shmq-pop -nc1 forms
works 'options may follow the operand' shmq-push forms -d later
gives 'in pop too' later shmq-pop forms -a
works 'the value of -d may begin with a hyphen' shmq-push -d -n forms
gives 'and is taken as it is' -n shmq-pop -a forms
works 'the value of -d may be empty' shmq-push -d '' forms
gives 'an empty message is a message' 1 field MSGS forms
works 'also as --data=' shmq-push --data= forms
gives 'and with = inside' $'\n\na=b' bash -c "shmq-push --data=a=b forms; shmq-pop -a forms"
works '-- ends the options' shmq-push -d x -- forms
gives 'in pop too' x shmq-pop -a -- forms
usage '' shmq-push -d x forms --no-such-option

# -q and -v
works 'without -v a push says nothing' shmq-push -d a -d b forms
ends 0 '-v says one thing at the end of push' shmq-push -v -d c forms
same 'on one line' 1 "$(wc -l <"$err")"
check 'naming the command and the ring' grep -q '^shmq-push: forms: .*1 message' "$err"
ends 0 '-v says one thing at the end of pop' shmq-pop -v -a forms
same 'on one line' 1 "$(wc -l <"$err")"
check 'with the number of messages' grep -q '^shmq-pop: forms: .*3 messages' "$err"
same 'its output is as without' $'a\nb\nc' "$(cat "$out")"
ends 124 'a time-out speaks' shmq-pop -t 0 forms
check 'on stderr' grep -q '^shmq-pop: forms: ' "$err"
ends 66 '-q keeps errors' shmq-pop -q -a nowhere
check 'on stderr' grep -q '^shmq-pop: nowhere: no such ring' "$err"
for tool in create stat unlink; do
    case $tool in create) set -- --exist-ok -N 8 forms ;; *) set -- forms ;; esac
    ends 0 "shmq-$tool -v ends with 0" "shmq-$tool" -v "$@"
    same "shmq-$tool -v says one thing" 1 "$(wc -l <"$err")"
done

# The hint for people, and only for them.
works 'a ring to type into' shmq-create typed
check 'a terminal as stdin gets a hint' bash -c "printf '\004' | script -qec 'shmq-push typed' /dev/null | grep -q Ctrl-D"
check 'but not under -q' bash -c "! printf '\004' | script -qec 'shmq-push -q typed' /dev/null | grep -q Ctrl-D"
works 'a file as stdin gets none' shmq-push typed
