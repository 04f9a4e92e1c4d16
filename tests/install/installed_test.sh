# `cmake --install` puts everything in its place; the commands work from there, and a project of somebody
# else's builds against it through find_package and through pkg-config.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/consumers.sh"
need cmake pkg-config mandoc ldd systemd-analyze "$CXX" "$CC"

prefix=$work/prefix

check 'cmake --install works' cmake --install "$SHMQ_BUILD" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name 'libshmq.so')")
for file in bin/shmq-{create,push,pop,stat,unlink,bench} share/man/man1/shmq-{create,push,pop,stat,unlink,bench}.1 share/man/man5/shmq.5 share/man/man7/shmq.7 \
    share/man/man3/libshmq.3 include/shmq/shmq.{hpp,h} include/shmq/detail/{ring,layout}.hpp \
    share/bash-completion/completions/shmq-{create,push,pop,stat,unlink,bench} share/fish/vendor_completions.d/shmq-{create,push,pop,stat,unlink,bench}.fish share/doc/shmq/examples/{shmq-{sweep,producer,consumer}.service,device/{device,client}}; do
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

# Those of a producer and a consumer. What systemd would call, called here; no word of it needs systemd's own quoting.
units=$work/units examples=$prefix/share/doc/shmq/examples
mkdir "$units"
for name in sweep producer consumer; do
    sed -E "s|[^ =]*/(shmq-[a-z]+ )|$prefix/bin/\\1|; /^(ReadWritePaths|User)=/d" "$examples/shmq-$name.service" >"$units/shmq-$name.service"
    said=$(systemd-analyze verify --man=no "$units/shmq-$name.service" 2>&1)
    same "systemd takes the service $name" 0 $?
    same 'and has nothing to say about it' '' "$(grep -F "shmq-$name" <<<"$said")"  # it exits with 0 also where it ignores a line
done
called() { sed -n "s/^$2=//p" "$units/shmq-$1.service"; }  # UNIT KEY
for name in producer consumer producer; do check "the $name has the ring made, or finds it" bash -c "$(called $name ExecStartPre)"; done
bash -c "exec $(called producer ExecStart)" & producer=$!
timeout 240 shmq-stat --until nonempty load
same 'the producer produces, with nobody there to consume' 0 $?
kill $producer
bash -c "exec $(called consumer ExecStart)" >"$work/consumed" & consumer=$!
timeout 240 shmq-stat --until empty load
same 'the consumer, started later, consumes' 0 $?
{ kill -KILL $consumer; wait $consumer $producer; } 2>/dev/null
# As after Restart=: what came meanwhile is there.
check 'while nobody consumes a message waits' shmq-push -d 'after a kill' load
check 'the ring is found again' bash -c "$(called consumer ExecStartPre)"
bash -c "exec $(called consumer ExecStart)" >>"$work/consumed" & consumer=$!
timeout 240 shmq-stat --until empty load
same 'the consumer, restarted, consumes it' 0 $?
kill $consumer
wait $consumer 2>/dev/null
check 'no message is missing' grep -qx 'after a kill' "$work/consumed"
check 'what was produced' grep -qE '^[0-9.]+ [0-9.]+ [0-9.]+ ' "$work/consumed"
check 'the ring goes' shmq-unlink -f load

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
