# The Debian packages: lintian has nothing to say that is not answered, each file is in the package where
# it belongs, and unpacked into an empty root the commands work and programs build against the library.
# Their build, without tests, is one of its own, since the prefix is compiled in; it is kept in the build
# tree for the next time (or elsewhere: SHMQ_PACKAGE_BUILD).
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/consumers.sh"
need cmake cpack pkg-config dpkg-deb dpkg-shlibdeps lintian mandoc ldd file nm clang++ "$CXX" "$CC"

build=${SHMQ_PACKAGE_BUILD:-$SHMQ_BUILD/packages}
generator=()
[ -e "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator=(-G Ninja)
run() { "$@" >"$work/log" 2>&1 || { tail -n 50 "$work/log" >&2; return 1; }; }
cd "$SHMQ_SOURCE" || exit 1
check 'the preset configures' run cmake --preset package -B "$build" "${generator[@]}" -DSHMQ_WERROR=ON -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_COMPILER_LAUNCHER="${LAUNCHER:-}"
check 'it needs no package of the tests' [ -z "$(sed -nE '/^doctest_DIR/p' "$build/CMakeCache.txt")" ]
check 'and builds' run cmake --build "$build" --parallel 2
pack() (umask 077 && run cpack --config "$build/CPackConfig.cmake" -B "$work/packages")
check 'cpack makes the packages, whatever the umask' pack
cd "$work" || exit 1

version=$(sed -nE 's/^project\(shmq VERSION ([0-9.]*).*/\1/p' "$SHMQ_SOURCE/CMakeLists.txt")
architecture=$(dpkg --print-architecture)
deb() { echo "$work/packages/$1_$version-1_$architecture.deb"; }
same 'three packages' "$(printf '%s\n' "$(deb libshmq-dev)" "$(deb libshmq0)" "$(deb shmq)")" "$(find "$work/packages" -maxdepth 1 -name '*.deb' | sort)"
packages=("$(deb shmq)" "$(deb libshmq0)" "$(deb libshmq-dev)")
allow_root=()
[ "$(id -u)" != 0 ] || allow_root=(--allow-root)
check 'lintian finds nothing' run lintian "${allow_root[@]}" --tag-display-limit 0 --fail-on error,warning "${packages[@]}"
check 'nor would the archive reject them' run lintian "${allow_root[@]}" -F "${packages[@]}"

# What they depend on.
depends() { dpkg-deb -f "$(deb "$1")" Depends; }
same 'the development files want their own library, exactly' "libshmq0 (= $version-1)" "$(depends libshmq-dev)"
check 'the library wants the C++ library' grep -q 'libstdc++6' <(depends libshmq0)
check 'the commands want the C library' grep -q 'libc6' <(depends shmq)
check 'and not ours, which is linked in' [ -z "$(depends shmq | grep libshmq)" ]
same 'programs built with the library will want it' "libshmq 0 libshmq0 (>= $version-1)" "$(dpkg-deb -I "$(deb libshmq0)" shlibs)"

# Each file in its package.
files_of() { dpkg-deb --fsys-tarfile "$(deb "$1")" | tar t | grep -v '/$' | sed 's|^\./||' | sort; }
for package in shmq libshmq0 libshmq-dev; do
    files_of $package >"$work/$package.files"
    for file in copyright changelog.gz changelog.Debian.gz; do check "$package has its $file" grep -qx "usr/share/doc/$package/$file" "$work/$package.files"; done
    same "the pages of $package are compressed" '' "$(grep 'share/man/' "$work/$package.files" | grep -v '\.gz$')"
    same "$package belongs to root" root/root "$(dpkg-deb -c "$(deb $package)" | awk '{ print $2 }' | sort -u)"
done
same 'no file is in two packages' '' "$(sort "$work"/*.files | uniq -d)"
multiarch=$(dpkg-architecture -q DEB_HOST_MULTIARCH)
for file in bin/shmq-{create,push,pop,stat,unlink,bench} share/man/man1/shmq-{create,push,pop,stat,unlink,bench}.1.gz share/man/man5/shmq.5.gz share/man/man7/shmq.7.gz \
    share/bash-completion/completions/shmq-pop share/zsh/vendor-completions/_shmq share/fish/vendor_completions.d/shmq-pop.fish share/doc/shmq/examples/{shmq-{sweep,producer,consumer}.service,device/device}; do
    check "shmq has $file" grep -qx "usr/$file" "$work/shmq.files"
done
for file in "lib/$multiarch"/libshmq.so.{0,"$version"}; do check "libshmq0 has $file" grep -qx "usr/$file" "$work/libshmq0.files"; done
for file in include/shmq/shmq.{hpp,h} "lib/$multiarch"/{libshmq.so,libshmq.a,pkgconfig/shmq.pc,cmake/shmq/shmqConfig.cmake} share/man/man3/libshmq.3.gz; do
    check "libshmq-dev has $file" grep -qx "usr/$file" "$work/libshmq-dev.files"
done

# From a root of their own.
root=$work/root
for package in "${packages[@]}"; do check 'unpacked' dpkg-deb -x "$package" "$root"; done
same 'nothing of the build is named in what text is packed' '' "$(grep -rlI "$build" "$root")"
check 'the service calls the command where it is' grep -q '^ExecStart=/usr/bin/shmq-unlink ' "$root/usr/share/doc/shmq/examples/shmq-sweep.service"
check 'the pages can be read' run mandoc "$root"/usr/share/man/man?/*
exported=$(nm -DC --defined-only "$root/usr/lib/$multiarch/libshmq.so.0" | sed -E 's/^[0-9a-f]* +. //; s/@@?SHMQ_0$//')
check 'the library exports what is in namespace shmq' grep -q '^shmq::create(' <<<"$exported"
check 'and the functions for C' grep -q '^shmq_' <<<"$exported"
same 'and nothing else' '' "$(grep -vE '^(SHMQ_0$|shmq_|shmq::|(typeinfo( name)?|vtable|guard variable|non-virtual thunk) (for|to) shmq::)' <<<"$exported")"
work_from "$root/usr" "$root/usr/lib/$multiarch"

# Directories may be absolute, as some distributions have them.
check 'absolute directories are taken' run cmake -S "$SHMQ_SOURCE" -B "$work/absolute" "${generator[@]}" -DCMAKE_CXX_COMPILER="$CXX" -DSHMQ_TOOLS=OFF -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_LIBDIR=/opt/lib -DCMAKE_INSTALL_INCLUDEDIR=/opt/include
absolute() { PKG_CONFIG_PATH=$work/absolute/lib pkg-config "$@" shmq | xargs; }
same 'and are in shmq.pc' '-I/opt/include -L/opt/lib -lshmq' "$(absolute --cflags --libs)"

# The other compiler finds nothing to say either.
for source in "$SHMQ_SOURCE"/lib/src/*.cpp; do
    cx16=
    [ "$(uname -m)" != x86_64 ] || cx16=-mcx16
    check "clang is content with ${source##*/}" run clang++ -std=c++20 -O1 $cx16 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -I"$SHMQ_SOURCE/lib/include" "$source"
done
