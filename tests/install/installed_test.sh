# `cmake --install` puts everything in its place; the commands work from there, and a project of somebody
# else's builds against it through find_package and through pkg-config.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/consumers.sh"
need cmake pkg-config mandoc ldd "$CXX" "$CC"

prefix=$work/prefix

check 'cmake --install works' cmake --install "$SHMQ_BUILD" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name 'libshmq.so')")
for file in bin/shmq-{create,push,pop,stat,unlink,bench} share/man/man1/shmq-{create,push,pop,stat,unlink,bench}.1 share/man/man5/shmq.5 share/man/man7/shmq.7 \
    share/man/man3/libshmq.3 include/shmq/shmq.{hpp,h} include/shmq/detail/{ring,layout}.hpp \
    share/bash-completion/completions/shmq-{create,push,pop,stat,unlink,bench} share/fish/vendor_completions.d/shmq-{create,push,pop,stat,unlink,bench}.fish share/doc/shmq/examples/{shmq-sweep.service,device/{device,client}}; do
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

work_from "$prefix" "$libdir"

# Into a root of its own, as packages are made.
check 'DESTDIR is obeyed' env DESTDIR="$work/root" cmake --install "$SHMQ_BUILD" --prefix /usr >/dev/null
check 'DESTDIR holds the commands' [ -x "$work/root/usr/bin/shmq-pop" ]
