# Every option of --help is in the man page and in all three completions, and the other way round. So are
# the exit codes of man page and --help, and the columns, framings and other values.
. "$(dirname "$0")/common.sh"
. "$SHMQ_SOURCE/tests/install/shells.sh"
need mandoc

in_help() { "shmq-$1" --help | sed -n '/^Options:/,/^$/p' | sed -nE 's/^  ( {4}|(-[A-Za-z0-9])(, )?)(--[a-z-]+)?.*/\2\n\4/p' | grep . | sort -u; }
# From the items of the lists, where an option is explained.
in_manual() { grep '^\.It Fl' "$SHMQ_SOURCE/man/shmq-$1.1" | grep -oE '\bFl [^ ,]+' | sed -E 's/^Fl /-/' | sort -u; }
# Anything that looks like an option, wherever it stands, but in what is said of other commands and of
# command lines.
in_synopsis() {
    mandoc -Tascii "$SHMQ_SOURCE/man/shmq-$1.1" | plain | sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | grep -oE -- '(^|[[ |])--?[A-Za-z][a-z-]*' |
        sed -E 's/^[[ |]//' | sed -E '/^-[A-Za-z]{2,}$/{s/^-//;s/./-&\n/g}' | grep . | sort -u
}
codes_in_help() { "shmq-$1" --help | sed -n '/^Exit status:/,/^$/p' | grep -oE '^ +[0-9]+' | tr -d ' '; }
codes_in_manual() { sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\).*/\1/p' "$SHMQ_SOURCE/man/shmq-$1.1"; }

for command in "${commands[@]}"; do
    help=$(in_help "$command")
    check "shmq-$command --help lists options" [ "$(wc -l <<<"$help")" -ge 10 ]
    same "the man page of shmq-$command explains the options of --help" "$help" "$(in_manual "$command")"
    same "every option in the synopsis of shmq-$command is explained" '' "$(comm -13 <(echo "$help") <(in_synopsis "$command"))"
    for letter in $(grep -E '^-[A-Za-z]$' <<<"$help"); do
        check "the synopsis of shmq-$command has $letter" grep -qxe "$letter" <(in_synopsis "$command")
    done
    same "the man page of shmq-$command explains the exit codes of --help" "$(codes_in_help "$command")" "$(codes_in_manual "$command")"
    same "bash offers the options of shmq-$command" "$help" "$(offered_by bash "shmq-$command -")"
    same "fish offers the options of shmq-$command" "$help" "$(offered_by fish "shmq-$command -")"
    same "zsh offers the options of shmq-$command" "$help" "$(offered_by zsh "shmq-$command -" | sed 's/=$//')"
done

# Values. What the commands know, from their own mouths.
framings=$(shmq-push -F nonsense x 2>&1 | sed -nE 's/.*expected one of //p' | tr -d ' ' | tr , '\n' | sort)
columns=$(shmq-stat -o nonsense 2>&1 | sed -nE 's/.*columns out of //p' | tr -d ' ' | tr , '\n' | sort)
members=$(shmq-stat -P -o nonsense 2>&1 | sed -nE 's/.*columns out of //p' | tr -d ' ' | tr , '\n' | sort)
check 'push knows framings' [ "$(wc -l <<<"$framings")" -ge 7 ]
check 'stat knows columns' [ "$(wc -l <<<"$columns")" -ge 17 ]
known() { shmq-create "$1" nonsense x 2>&1 | sed -nE 's/.*expected //p' | grep -oE '\b[a-z]+\b' | grep -vxE 'one|of|or' | sort; }
states=$(shmq-stat --until nonsense x 2>&1 | sed -nE 's/.*expected one of //p' | tr -d ' ' | tr , '\n' | sort)
check 'stat knows states' [ "$(wc -l <<<"$states")" -ge 6 ]
types=$(known --type) waitings=$(known --waiting) policies=$(known --overflow)
peers=$(shmq-bench --against nonsense 2>&1 | sed -nE 's/.*expected //p' | grep -oE '\b[a-z]+\b' | grep -vxE 'one|of|or' | sort)
same 'types' "$(printf 'mpmc\nmpsc\nspmc\nspsc')" "$types"
for shell in bash zsh fish; do
    same "$shell offers the framings of push" "$framings" "$(offered_by $shell 'shmq-push -F ')"
    same "$shell offers the framings of pop" "$framings" "$(offered_by $shell 'shmq-pop --framing ')"
    same "$shell offers the columns" "$columns" "$(offered_by $shell 'shmq-stat -o ')"
    same "$shell offers the columns of participants" "$members" "$(offered_by $shell 'shmq-stat -P -o ')"
    same "$shell offers the states" "$states" "$(offered_by $shell 'shmq-stat --until ')"
    same "$shell offers the types" "$types" "$(offered_by $shell 'shmq-create -T ')"
    same "$shell offers the types to bench" "$types" "$(offered_by $shell 'shmq-bench -T ')"
    same "$shell offers the peers" "$peers" "$(offered_by $shell 'shmq-bench --against ')"
    same "$shell offers what to measure" "$(printf 'all\nlatency\nthroughput')" "$(offered_by $shell 'shmq-bench ')"
    same "$shell offers the policies" "$policies" "$(offered_by $shell 'shmq-create --overflow ')"
    for command in create push pop bench; do same "$shell offers the ways to wait to $command" "$waitings" "$(offered_by $shell "shmq-$command --waiting ")"; done
done
for word in $framings; do
    for command in push pop; do check "shmq-$command(1) explains framing $word" grep -q "^\.It Cm $word\$" "$SHMQ_SOURCE/man/shmq-$command.1"; done
done
same 'shmq-stat(1) explains the columns' "$columns" "$(sed -nE 's/^\.It Cm ([A-Z%\/]+)$/\1/p' "$SHMQ_SOURCE/man/shmq-stat.1" | sort)"
same 'and those of participants' "$members" "$(sed -nE 's/^\.It Li ([A-Z]+)$/\1/p' "$SHMQ_SOURCE/man/shmq-stat.1" | sort)"
