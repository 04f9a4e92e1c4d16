# What the documents say in code is true: examples compile without a warning and do what they say, the
# tables of shmq(5) are the offsets of layout.hpp, and libshmq(3) names all that shmq.hpp offers.
. "$(dirname "$0")/common.sh"
need mandoc "$CXX" "$CC"
read -ra flags <<<"${CXX_FLAGS:-}"
compile() { "$CXX" -std=c++20 -Wall -Wextra -Wshadow -Wconversion -Werror "${flags[@]}" -I"$SHMQ_SOURCE/lib/include" "$@"; }
# C: with nothing but what that standard has; linked by the C++ compiler, since the library is the static one.
compile_c() {  # SOURCE PROGRAM
    local standard
    for standard in c99 c11; do "$CC" -std=$standard -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror "${flags[@]}" -I"$SHMQ_SOURCE/lib/include" -c "$1" -o "$2.o" || return; done
    "$CXX" "${flags[@]}" "$2.o" -o "$2" "$SHMQ_LIBRARY"
}

# ---- examples: whole programs, each in a block of its own ----------------------------------------
# README.md: ```cpp ... ```, ```c ... ```. libshmq.3: .Bd -literal ... .Ed with an #include in it, of shmq.h where it is C.
awk -v to="$work/readme" '/^```cpp$/ { ++n; on = 1; next } /^```$/ { on = 0 } on { print > (to n ".cpp") }' "$SHMQ_SOURCE/README.md"
awk -v to="$work/readme" '/^```c$/ { ++n; on = 1; next } /^```$/ { on = 0 } on { print > (to n ".c") }' "$SHMQ_SOURCE/README.md"
awk -v to="$work/manual" '
    /^\.Ed$/ { if (text ~ /#include/) { ++n; gsub(/\\en/, "\\n", text); printf "%s", text > (to n (text ~ /shmq\.h>/ ? ".c" : ".cpp")) } on = 0; text = "" }
    on { text = text $0 "\n" }
    /^\.Bd -literal/ { on = 1 }' "$SHMQ_SOURCE/man/libshmq.3"
check 'README.md has an example' [ -e "$work/readme1.cpp" ]
check 'and one in C' [ -e "$work/readme1.c" ]
check 'libshmq(3) has three' [ -e "$work/manual3.cpp" ]
check 'and one in C' [ -e "$work/manual4.c" ]
for program in "$work"/*.cpp; do
    check "${program##*/} compiles" compile "$program" -o "${program%.cpp}" "$SHMQ_LIBRARY"
    check "${program##*/} works" "${program%.cpp}" >"$program.out"
done
for program in "$work"/*.c; do
    check "${program##*/} compiles" compile_c "$program" "$program.run"
    check "${program##*/} works" "$program.run" >"$program.out"
done
same 'the example of README.md prints what it pushed' "$(seq 3)" "$(cat "$work/readme1.cpp.out")"
same 'that in C too' "$(printf 'alpha\nbeta')" "$(cat "$work/readme1.c.out")"
same 'that in C prints the same as the first' "$(cat "$work/manual1.cpp.out")" "$(cat "$work/manual4.c.out")"
same 'the first example of libshmq(3) prints what it pushed' "$(printf 'one\ntwo\nthree')" "$(cat "$work/manual1.cpp.out")"
same 'the examples leave nothing behind' '' "$(ls "$SHMQ_DIR")"

# ---- figures of the models ----------------------------------------------------------------------
models() { "$SHMQ_SOURCE/tests/model/run" -l | grep -cE "$1"; }
for what in "$(models '^(ring|wake|broadcast|overwrite)[|]') configurations" "$(models '^mutants[|]') mutants" "$(models '^long[|]') larger ones"; do
    check "README.md has $what" grep -qE "^\| .ctest -R model. .*\b$what" "$SHMQ_SOURCE/README.md"
done
same 'what each gave is in tests/model/README.md' "$("$SHMQ_SOURCE/tests/model/run" -l | cut -d'|' -f2 | sort)" \
    "$(sed -nE '/^## Configurations/,$ s/^\| ([a-z0-9-]+) \| .* \| [0-9,]+ \| .*/\1/p' "$SHMQ_SOURCE/tests/model/README.md" | sort)"

# ---- shmq(5) ------------------------------------------------------------------------------------
{
    echo '#include <shmq/detail/layout.hpp>'
    echo 'using namespace shmq::detail;'
    # OFFSET SIZE NAME; the two of `events` is its offset alone.
    awk '/^\.\\" table / { table = $3; next } /^\.Ed/ { table = "" }
         table && $1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ && $3 ~ /^[a-z_]+$/ {
             printf "static_assert(offsetof(%s, %s) == %d && sizeof(%s::%s) %s %d);\n", table, $3, $1, table, $3, table == "Lines" ? ">=" : "==", $2; ++n }
         table && $1 ~ /^[0-9]+$/ && $2 ~ /^[a-z]/ { printf "static_assert(offsetof(%s, %s) == %d);\n", table, $2, $1 }' "$SHMQ_SOURCE/man/shmq.5"
    echo 'static_assert(sizeof(Header) == 256 && header_bytes == 512 && sizeof(Lines) == 1024 && sizeof(Entry) == 256 && format_version == 1);'
    echo 'static_assert(lock_removal == 1ull << 62 && lock_one_producer == lock_removal + 1 && lock_one_consumer == lock_removal + 2 && lock_entries == lock_removal + 65536 && lock_keeper == lock_removal + 65535);'
    echo 'static_assert(word_ready == 1 && word_abandoned == 2 && word_done == 3 && end_bit == 1ull << 63);'
    echo 'static_assert(wait_sleeping == 1 && wait_watching == 2 && wait_attention == 4 && wait_count == 8);'
    echo 'static_assert(feature_fixed == 1 && feature_broadcast == 2 && feature_overwrite == 4 && feature_timestamps == 8 && feature_one_producer == 16 && feature_one_consumer == 32);'
} >"$work/layout.cc"
check 'shmq(5) has tables' [ "$(grep -c offsetof "$work/layout.cc")" -gt 60 ]
check 'the tables of shmq(5) are the layout' compile -Wno-invalid-offsetof -fsyntax-only "$work/layout.cc"
# And the other way round: no field of layout.hpp is missing from them.
for field in $(sed -nE '/^struct.*(Header|Events|Lines|Entry|MessageHeader) \{/,/^\};/p' "$SHMQ_SOURCE/lib/include/shmq/detail/layout.hpp" | sed -E 's,//.*,,' |
    grep ';' | sed -E 's/^ *[a-z0-9_:]+(<[a-z0-9]+>)? +//I; s/[];]//g; s/\[[0-9]+//g; s/,/ /g' | tr ' ' '\n' | grep -E '^[a-z_]+$' | grep -v '^reserved'); do
    check "shmq(5) has the field $field" grep -qE "^ *[0-9]+ +([0-9]+ +)?$field( |\$)" "$SHMQ_SOURCE/man/shmq.5"
done

# ---- libshmq(3) ---------------------------------------------------------------------------------
header=$SHMQ_SOURCE/lib/include/shmq/shmq.hpp ring=$SHMQ_SOURCE/lib/include/shmq/detail/ring.hpp
names() { sed -n "/^$1/,/^};/p" "$2" | sed -E '1d; s,//.*,,' | tr -c 'a-z_\n' ' '; }
for name in $(names 'enum class Outcome' "$ring") $(names 'enum class Errc' "$header"); do
    check "libshmq(3) explains $name" grep -qE "^\.It Li .*\b$name\b" "$SHMQ_SOURCE/man/libshmq.3"
done
for name in $(sed -n '/^struct Options/,/^};/p; /^struct AttachOptions/,/^};/p' "$header" | sed -nE 's,//.*,,; s/^ .* ([a-z_]+) = .*/\1/p') \
    $(sed -n '/^class /,/^};/p' "$header" | sed '/^private:/,/^};/d; /^protected:/,/^private:/d' | grep -vE '~|operator|what\(' | sed -nE '/^private:|^protected:/d; s/^    [^(]* ([a-z_]+)\(.*/\1/p' | sort -u) create remove stat list sweep directory path_of install_sigbus_handler; do
    check "libshmq(3) names $name" grep -qwF "$name" "$SHMQ_SOURCE/man/libshmq.3"
done
# All of shmq.h: functions, constants, fields of the structs that callers fill.
header=$SHMQ_SOURCE/lib/include/shmq/shmq.h
names=$(sed 's,/\*.*,,' "$header" | grep -oE '\bshmq_[a-z_]+ *\(|\bSHMQ_[A-Z_]+\b' | tr -d ' (' | grep -v SHMQ_SHMQ_H | sort -u)
check 'shmq.h has names' [ "$(wc -w <<<"$names")" -gt 60 ]
for name in $names; do check "libshmq(3) names $name" grep -qwF "$name" "$SHMQ_SOURCE/man/libshmq.3"; done
