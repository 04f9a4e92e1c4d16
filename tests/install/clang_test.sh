# The other compiler has nothing to say either, about the library and about the commands.
. "$(dirname "$0")/common.sh"
need clang++ xargs
cx16=
[ "$(uname -m)" != x86_64 ] || cx16=-mcx16
# The last argument is the source; what clang says is kept, and a failure does not keep the others from being looked at.
flags=(-std=c++20 -O1 $cx16 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only "-DSHMQ_VERSION=\"0\"" -I"$SHMQ_SOURCE/lib/include" -I"$SHMQ_SOURCE/tools")
sources=("$SHMQ_SOURCE"/lib/src/*.cpp "$SHMQ_SOURCE"/tools/*.cpp "$SHMQ_SOURCE"/tools/*/*.cpp)
check 'there are sources' [ "${#sources[@]}" -gt 40 ]
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P 2 clang++ "${flags[@]}" >"$work/log" 2>&1
same 'clang is content with all of them' 0 $?
same 'and says nothing' '' "$(cat "$work/log")"
