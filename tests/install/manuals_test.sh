# The manual pages are clean mdoc, and each page and each command knows the other.
. "$(dirname "$0")/common.sh"
need mandoc
for page in "$SHMQ_SOURCE"/man/*.[1-9]; do
    same "${page##*/} is clean" '' "$(mandoc -Tlint -Wwarning "$page" 2>&1)"
    check "${page##*/} has no line wider than a terminal" awk 'length > 80 { print; bad = 1 } END { exit bad }' <(mandoc -Tascii "$page" | plain)
    # References to our own pages must not be dead.
    for target in $(grep -oE '^\.Xr (lib)?shmq[a-z-]* [0-9]' "$page" | awk '{ print $2 "." $3 }' | sort -u); do
        check "${page##*/} refers to $target" [ -f "$SHMQ_SOURCE/man/$target" ]
    done
done
for command in "${commands[@]}"; do
    check "shmq-$command has a man page" [ -f "$SHMQ_SOURCE/man/shmq-$command.1" ]
    check "shmq-$command --help names it" grep -q "shmq-$command(1)" <("shmq-$command" --help)
    check "shmq(7) refers to shmq-$command(1)" grep -q "^\.Xr shmq-$command 1" "$SHMQ_SOURCE/man/shmq.7"
done
