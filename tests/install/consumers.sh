# Sourced by the tests of installed trees: the commands work from there, and projects of somebody else's
# build against it, in C++ and in C, through find_package and through pkg-config.
work_from() {  # PREFIX LIBDIR
    local prefix=$1 libdir=$2
    local -a flags pc_flags
    read -ra flags <<<"${CXX_FLAGS:-}"  # what a build tree with sanitizers needs
    # The installed commands, and no other.
    PATH=$prefix/bin:${PATH#"$SHMQ_BIN:"}
    same 'the installed command is meant' "$prefix/bin/shmq-push" "$(command -v shmq-push)"
    check create shmq-create -T spsc in
    check create shmq-create out
    check push shmq-push -d one -d two in

    check 'the consumer configures' cmake -S "$SHMQ_SOURCE/tests/install/consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$CXX" \
        -DCMAKE_CXX_FLAGS="${CXX_FLAGS:-}" -DCMAKE_BUILD_TYPE=Release >"$work/log" 2>&1 || cat "$work/log" >&2
    check 'the consumer builds' cmake --build "$work/consumer" >"$work/log" 2>&1 || cat "$work/log" >&2
    same 'through find_package, with the shared library' 2 "$("$work/consumer/shared_user" in out)"
    check push shmq-push -d three in
    same 'with the static library' 3 "$("$work/consumer/static_user" in out)"
    check 'the shared one really is' grep -q "libshmq.so.* => $libdir" <(ldd "$work/consumer/shared_user")

    # shmq.pc names the prefix of the configuration; here it stands elsewhere.
    pc() { PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" shmq; }
    check 'pkg-config finds it' pc --exists
    same 'and its version' "$(sed -nE 's/^project\(shmq VERSION ([0-9.]*).*/\1/p' "$SHMQ_SOURCE/CMakeLists.txt")" "$(pc --modversion)"
    read -ra pc_flags <<<"$(pc --cflags --libs)"
    check 'the consumer builds through pkg-config' "$CXX" -std=c++20 "${flags[@]}" "$SHMQ_SOURCE/tests/install/consumer/user.cpp" -o "$work/pc_user" "${pc_flags[@]}" "-Wl,-rpath,$libdir"
    check push shmq-push -d four in
    same 'and runs' 4 "$("$work/pc_user" in out)"
    # A C program knows nothing of C++.
    check 'a C program configures' cmake -S "$SHMQ_SOURCE/tests/install/c_consumer" -B "$work/c_consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_C_FLAGS="${CXX_FLAGS:-}" >"$work/log" 2>&1 || cat "$work/log" >&2
    check 'it builds' cmake --build "$work/c_consumer" >"$work/log" 2>&1 || cat "$work/log" >&2
    check push shmq-push -d five in
    check 'it runs' "$work/c_consumer/c_user" in out
    check 'a C program builds through pkg-config' "$CC" "${flags[@]}" "$SHMQ_SOURCE/tests/install/c_consumer/user.c" -o "$work/pc_c_user" "${pc_flags[@]}" "-Wl,-rpath,$libdir"
    check push shmq-push -d six in
    check 'and runs' "$work/pc_c_user" in out
    same 'all of it came through' "$(printf 'one\ntwo\nthree\nfour\nfive\nsix')" "$(shmq-pop -a out)"
    check unlink shmq-unlink in out
}
