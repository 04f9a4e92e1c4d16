# The README's shell is true: each block of commands (```sh) between <!-- run --> and <!-- end --> is
# pasted, one after the other, into one shell, and prints what the block below it (```text) says. A line
# `...` there stands for any lines; `#` in a column for digits that differ each time.
. "$(dirname "$0")/common.sh"
need awk diff timeout

awk -v to="$work/step" '
    /^<!-- run -->$/ { run = 1 } /^<!-- end -->$/ { run = 0 }
    run && /^```sh$/ { ++n; file = sprintf("%s%02d.sh", to, n); printf "" > file; next }
    run && /^```text$/ { file = sprintf("%s%02d.want", to, n); printf "" > file; next }
    /^```$/ { file = "" }
    file { print > file }' "$SHMQ_SOURCE/README.md"
steps=("$work"/step*.sh)
check 'the README has blocks to run' [ "${#steps[@]}" -gt 5 ]

# As a person would: in a directory of their own, with the rings where SHMQ_DIR says.
mkdir "$work/home"
cat >"$work/run" <<'END'
cd "$1/home"
for step in "$1"/step*.sh; do
    . "$step" >"${step%.sh}.have" 2>&1
done
wait
END
check 'they can be run' timeout 120 bash "$work/run" "$work"

matches() {  # WANT HAVE
    awk '
        function pattern(line) {
            gsub(/[][\\.^$*+?(){}|]/, "\\\\&", line)
            gsub(/#+/, "[0-9]+", line)
            return "^" line "$"
        }
        NR == FNR { want[++wants] = $0; next }
        { have[++haves] = $0 }
        END {
            for (w = h = 1; w <= wants; ++w) {
                if (want[w] == "...") {
                    if (w == wants) exit 0
                    while (h <= haves && have[h] !~ pattern(want[w + 1])) ++h
                } else if (h > haves || have[h++] !~ pattern(want[w])) exit 1
            }
            exit h <= haves
        }' "$1" "$2"
}
for step in "${steps[@]}"; do
    want=${step%.sh}.want have=${step%.sh}.have
    [ -e "$want" ] || : >"$want"
    checks=$((checks + 1))
    matches "$want" "$have" || { fail "the README does not say what this prints:"; cat "$step" >&2; diff -u --label README --label found "$want" "$have" >&2; }
done
same 'the README leaves no ring behind' '' "$(ls "$SHMQ_DIR")"
