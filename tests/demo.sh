#!/bin/sh
# Real data through rings, shown and checked. Installs and builds what it needs, leaves nothing behind
# but build/. Exit 0 only if all of it was right.
. "$(dirname "$0")/setup.sh"

# shellcheck disable=SC2086  # a list
install_packages $build_packages
build OFF shmq-create shmq-push shmq-pop shmq-stat shmq-unlink

export LC_ALL=C
PATH=$root/build/tools:$PATH
unset SHMQ_RING
SHMQ_DIR=$(mktemp -d /dev/shm/shmq-demo.XXXXXX)
export SHMQ_DIR
work=$(mktemp -d)
cd "$work" || exit
pusher=
clean_up() {
    trap - EXIT
    [ -z "$pusher" ] || kill "$pusher" 2>/dev/null || :
    cd /
    rm -rf "$SHMQ_DIR" "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

failed() { echo "demo: WRONG: $*" >&2; exit 1; }
finished() {  # what: the process that pushes has to end well
    wait "$pusher" || failed "the process that pushed $1 ended with $?"
    pusher=
}
same() {  # what, pushed file, popped file
    before=$(sha256sum <"$2") after=$(sha256sum <"$3")
    echo "   pushed  ${before%% *}"
    echo "   popped  ${after%% *}"
    [ "$before" = "$after" ] || failed "$1 did not come out as they went in"
}

echo
say "1. This machine's packages, as JSON lines, through the ring 'packages' into jq"
# shellcheck disable=SC2016  # dpkg-query's own variables
dpkg-query -W -f '${binary:Package}\t${Version}\t${Installed-Size}\n' |
    jq -Rc 'split("\t") | {package: .[0], version: .[1], kib: (.[2] | tonumber? // 0)}' >packages.json
[ -s packages.json ] || failed 'dpkg-query knows no packages'
shmq-create packages
shmq-push -e packages <packages.json &
pusher=$!
shmq-pop packages >popped.json || failed "shmq-pop packages ended with $?"
finished packages
echo "   $(wc -l <popped.json) packages; the ten largest, in MiB:"
jq -rs 'sort_by([-.kib, .package])[:10][] | "\(.kib) \(.package)"' popped.json >answer || failed 'jq did not understand what was popped'
awk '{ printf "   %8.1f  %s\n", $1 / 1024, $2 }' answer
# shellcheck disable=SC2016
dpkg-query -W -f '${Installed-Size} ${binary:Package}\n' | awk 'NF == 1 { print 0, $1; next } { print }' | sort -k1,1nr -k2,2 | head -n 10 | cmp -s - answer ||
    failed 'dpkg-query itself names other packages'
same 'the packages' packages.json popped.json
[ "$(shmq-stat -J packages | jq -r '.rings[0] | "\(.state) \(.messages) \(.pushed)"')" = "ended 0 $(wc -l <packages.json | tr -d ' ')" ] ||
    failed "shmq-stat counts otherwise: $(shmq-stat packages)"

echo
say "2. Every file name under /usr, each ended by a NUL, through the ring 'files'"
# A ring with room for fewer names than there are: the pushing side waits for the popping one.
shmq-create -N 4096 files
find /usr -print0 2>/dev/null | tee names.pushed | shmq-push -z -e files &
pusher=$!
# Nobody pops yet. Until the ring is as full as it gets, or all is pushed:
until [ "$(shmq-stat -r --noheadings -o USE% files)" -ge 99 ] || ! kill -0 $pusher 2>/dev/null; do sleep 0.05; done
echo '   In between, nobody pops yet:'
shmq-stat | sed 's/^/   /'
echo '   Now somebody does:'
shmq-pop -z files >names.popped || failed "shmq-pop files ended with $?"
finished 'file names'
count=$(tr -dc '\0' <names.popped | wc -c)
echo "   $count file names"
[ "$count" -gt 0 ] || failed 'there are no files under /usr'
same 'the file names' names.pushed names.popped
shmq-stat | sed 's/^/   /'

echo
say '3. Cleaning up'
shmq-unlink packages files
[ -z "$(ls -A "$SHMQ_DIR")" ] || failed "shmq-unlink left $(ls -A "$SHMQ_DIR")"
echo '   shmq-unlink left nothing in /dev/shm.'
echo
say 'All of it was right.'
