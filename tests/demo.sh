#!/bin/sh
# The main job on real input, shown: this machine's own package database as JSON lines, and every file
# name under /usr, each pushed by one process and popped by another. Exit 0 only if all of it was right.
. "$(dirname -- "$0")/setup.sh"

# shellcheck disable=SC2086  # a list of words
install_packages $build_packages jq
build_project -DBUILD_TESTING=OFF

PATH=$build/tools:$PATH
SHMQ_DIR=$(mktemp -d /dev/shm/shmq-demo.XXXXXX)
export PATH SHMQ_DIR
trap 'rm -rf "$SHMQ_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

packages() {
    dpkg-query -W -f='${db:Status-Status}\t${Package}\t${Version}\t${Installed-Size}\n' |
        jq -cR 'split("\t") | select(.[0] == "installed") | {package: .[1], version: .[2], kib: (.[3] | tonumber? // 0)}'
}

say "the package database, a JSON line each: shmq-push packages | shmq-pop packages | jq"
shmq-create packages
packages > "$SHMQ_DIR/expected"
shmq-push --end packages < "$SHMQ_DIR/expected" &
push=$!
shmq-stat
shmq-pop packages > "$SHMQ_DIR/popped"
wait "$push" || fail "shmq-push packages: exit $?"
cmp "$SHMQ_DIR/expected" "$SHMQ_DIR/popped" || fail "what came out is not what went in"
echo "the ten largest of $(wc -l < "$SHMQ_DIR/popped") packages:"
jq -rs 'sort_by(-.kib)[:10][] | "\(.kib / 1024 | floor) MiB\t\(.package) \(.version)"' "$SHMQ_DIR/popped"
[ "$(jq -s length "$SHMQ_DIR/popped")" -eq "$(jq -s length "$SHMQ_DIR/expected")" ] || fail "packages are missing"

say "every file name under /usr, NUL between them: find -print0 | shmq-push -z names; shmq-pop -z names"
shmq-create --slots 4096 names
find /usr -print0 > "$SHMQ_DIR/expected"
shmq-pop -e -z names > "$SHMQ_DIR/popped" &
pop=$!
shmq-push -z names < "$SHMQ_DIR/expected" || fail "shmq-push names: exit $?"
wait "$pop" || fail "shmq-pop names: exit $?"
in=$(sha256sum < "$SHMQ_DIR/expected")
out=$(sha256sum < "$SHMQ_DIR/popped")
echo "names: $(tr -dc '\0' < "$SHMQ_DIR/popped" | wc -c)"
echo "pushed: $in"
echo "popped: $out"
[ "$in" = "$out" ] || fail "the checksums differ"

say "what the rings have moved"
shmq-stat -o NAME,TYPE,STATE,USED,SLOTS,MSGS,PUSHED,POPPED,LOST
[ "$(shmq-stat -J packages | jq '.rings[0] | .pushed == .popped and .messages == 0')" = true ] || fail "messages are left"

say "clean-up"
shmq-unlink packages names
[ -z "$(shmq-stat --noheadings)" ] || fail "rings are left"
echo "all right"
