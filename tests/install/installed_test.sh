# `cmake --install` puts everything in its place; the commands work from there, and a project of somebody
# else's builds against it through find_package and through pkg-config.
. "$(dirname "$0")/common.sh"
need cmake pkg-config mandoc ldd "$CXX" "$CC"

prefix=$work/prefix
# Links that the build tree's tools need while it uses sanitizers go with it.
read -ra flags <<<"${CXX_FLAGS:-}"

check 'cmake --install works' cmake --install "$SHMQ_BUILD" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name 'libshmq.so')")
for file in bin/shmq-{create,push,pop,stat,unlink,bench} share/man/man1/shmq-{create,push,pop,stat,unlink,bench}.1 share/man/man5/shmq.5 share/man/man7/shmq.7 \
<<<<<<< HEAD
    share/man/man3/libshmq.3 include/shmq/shmq.hpp include/shmq/detail/{ring,layout}.hpp \
    share/bash-completion/completions/shmq-{create,push,pop,stat,unlink,bench} share/fish/vendor_completions.d/shmq-{create,push,pop,stat,unlink,bench}.fish share/doc/shmq/examples/{shmq-sweep.service,device/{device,client}}; do
=======
    share/man/man3/libshmq.3 include/shmq/shmq.{hpp,h} include/shmq/detail/{ring,layout}.hpp \
    share/bash-completion/completions/shmq-{create,push,pop,stat,unlink,bench} share/fish/vendor_completions.d/shmq-{create,push,pop,stat,unlink,bench}.fish share/doc/shmq/examples/shmq-sweep.service; do
>>>>>>> ccebdbd (library: shmq.h, the interface for C and for what calls C)
    check "$file is installed" [ -r "$prefix/$file" ]
done
check 'the completion for zsh is installed' [ -r "$(find "$prefix/share/zsh" -name _shmq)" ]
for file in libshmq.so libshmq.a pkgconfig/shmq.pc cmake/shmq/shmq{Config,ConfigVersion,Targets}.cmake; do check "$file is installed" [ -r "$libdir/$file" ]; done
same 'nothing of the build tree is named in what text is installed' '' "$(grep -rlI "$SHMQ_BUILD" "$prefix")"
check 'the installed pages can be read' mandoc "$prefix"/share/man/man?/*shmq* >/dev/null

# The service is one that systemd takes, and calls the command as it may be called.
unit=$prefix/share/doc/shmq/examples/shmq-sweep.service
read -ra call <<<"$(sed -n 's/^ExecStart=//p' "$unit")"
same 'the service runs shmq-unlink' shmq-unlink "${call[0]##*/}"
timeout 1 "$prefix/bin/shmq-unlink" "${call[@]:1}" 2>"$work/log"
same 'which takes those options and runs on' 124 $?
if command -v systemd-analyze >/dev/null; then
    mkdir "$work/units" && sed "s|^ExecStart=[^ ]*|ExecStart=$prefix/bin/shmq-unlink|" "$unit" >"$work/units/shmq-sweep.service"
    check 'systemd takes the service' systemd-analyze verify --man=no "$work/units/shmq-sweep.service"
fi

# Components: the tools alone, the library alone, the rest.
for component in tools lib dev; do
    cmake --install "$SHMQ_BUILD" --prefix "$work/$component" --component $component >/dev/null
    (cd "$work/$component" && find . ! -type d | sort) >"$work/$component.list"
done
same 'each file belongs to one component' "$(cd "$prefix" && find . ! -type d | sort)" "$(sort "$work"/{tools,lib,dev}.list)"
check 'the library is in its component' grep -q 'libshmq\.so\.' "$work/lib.list"
same 'and nothing else' '' "$(grep -v 'libshmq\.so\.' "$work/lib.list")"
same 'the tools need no header' '' "$(grep include "$work/tools.list")"

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

# Into a root of its own, as packages are made.
check 'DESTDIR is obeyed' env DESTDIR="$work/root" cmake --install "$SHMQ_BUILD" --prefix /usr >/dev/null
check 'DESTDIR holds the commands' [ -x "$work/root/usr/bin/shmq-pop" ]
