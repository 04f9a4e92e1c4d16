# Sourced by every test here, on top of the helpers of tests/cli: faults from the system, put in with
# strace. A command is run as often as it makes system calls, and each time another one fails.
#
#   calls COMMAND...            the system calls of COMMAND behind its start: a line each, NAME and its
#                               how manieth of that name it is
#   injected WHAT COMMAND...    runs COMMAND with that system call failing; as `run` does
#
# What a loader does before main() is none of ours: a command's own calls begin where it looks at its
# standard descriptors, fcntl(0, F_GETFD). Nor are the C library's private futexes, for which it aborts.
NEEDED="strace setpriv prlimit mount ${NEEDED:-}"
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh" || exit 1
strace -o /dev/null true || { echo "FAILED: strace cannot trace here (is ptrace permitted?)"; exit 1; }

calls() {
    guard strace -qq -o "$work/.calls" "$@" >/dev/null 2>&1
    awk -F'(' '/^execve\(/ { ours = 0; count = 0 }
               /^[a-z0-9_]+\(/ { ++n[$1] }
               /^fcntl\(0, F_GETFD/ { ours = 1 }
               /^[a-z0-9_]+\(/ && ours && $1 != "exit_group" && !/^futex\([^,]*, [A-Z_]*PRIVATE/ { lines[count++] = $1 " " n[$1] }
               END { for (i = 0; i < count; ++i) print lines[i] }' "$work/.calls"
}

injected() {
    local what=$1
    shift
    run strace -qq -o /dev/null -e "trace=${what%%:*}" -e "inject=$what" "$@"
}

# Everything that a failing system call may make a command say: one line, with its name.
one_line() { [ "$(wc -l <"$err")" = 1 ] && [[ $(<"$err") == shmq-*": "?* ]]; }

participants() { shmq-stat -J "$1" | jq '.rings[0] | .readers + .writers'; }

# A ring that works: what it has comes out, and a message goes through.
sound() {
    [ "$(shmq-push -d sound "$1" 2>&1; echo $?)" = 0 ] && [ "$(shmq-pop -a "$1" 2>&1 | tail -1)" = sound ]
}
