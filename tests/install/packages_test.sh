# The Debian packages: lintian has nothing to say that is not answered, each file is in the package where
# it belongs, and dpkg installs them into an empty root, where the commands work and programs build
# against the library, and removes them without a trace.
# Their build, without tests, is one of its own, since the prefix is compiled in; it is kept in the build
# tree for the next time (or elsewhere: SHMQ_PACKAGE_BUILD).
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/consumers.sh"
need cmake cpack pkg-config dpkg dpkg-deb dpkg-shlibdeps lintian mandoc ldd file nm chroot unshare fakeroot "$CXX" "$CC"

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

# Into an empty root, by dpkg with a database of its own there. What they depend on is stood in for by empty
# packages, of the versions that are here, so that dpkg checks all that it would; that for libc-bin runs
# ldconfig on its trigger, as the real one does.
PATH=$PATH:/usr/sbin:/sbin
root=$work/root
mkdir -p "$root"/{etc,rings,var/lib/dpkg/{info,updates,triggers}} "$work/stand-ins"
: >"$root/var/lib/dpkg/status"
for directory in bin sbin lib lib64; do
    [ ! -L /$directory ] || { mkdir -p "$root/usr/$directory" && ln -s usr/$directory "$root/$directory"; }
done
take() {  # FILE...: to the same place below the root
    local file
    for file; do mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file" || return; done
}
needed=$(ldd /bin/sh /sbin/ldconfig "$build"/tools/shmq-{create,push,pop,stat,unlink,bench} "$build/lib/libshmq.so" 2>/dev/null | grep -oE '(=>|^)\s*/[^ :]+ ' | grep -oE '/[^ ]+' | sort -u)
check 'the root has a shell, ldconfig and what the packages are linked with' take /bin/sh /sbin/ldconfig $needed
stand_in() {  # PACKAGE
    local control=$work/stand-ins/$1/DEBIAN version
    mkdir -p "$control" && version=$(dpkg-query -W -f '${Version}' "$1:$architecture") || return
    printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nDescription: stands in for the real one\n' \
        "$1" "$version" "$architecture" 'The shmq authors <maintainers@shmq.example>' >"$control/control"
    if [ "$1" = libc-bin ]; then
        echo 'interest-noawait ldconfig' >"$control/triggers"
        printf '#!/bin/sh\nset -e\nif [ "$1" = triggered ]; then ldconfig; echo "$2" >>"$DPKG_ROOT/triggered"; fi\n' >"$control/postinst"
        chmod 755 "$control/postinst"
    fi
    run dpkg-deb --root-owner-group -b "$work/stand-ins/$1" "$work/stand-ins/$1.deb"
}
for package in libc-bin $(for package in shmq libshmq0; do depends $package; done | tr ',' '\n' | awk '{ print $1 }' | sort -u); do
    check "$package has a stand-in" stand_in "$package"
done
# As root; else as root of a user namespace; else root is pretended, and scripts run outside.
as_root=() chrootless=()
if ! chroot "$root" /bin/sh -c : 2>/dev/null; then
    as_root=(unshare --user --map-root-user)
    if ! "${as_root[@]}" chroot "$root" /bin/sh -c : 2>/dev/null; then
        echo 'note: no chroot here, so fakeroot it is, and the commands run from the root, not in it'
        mkdir "$work/shims"
        printf '#!/bin/sh\nexec /sbin/ldconfig -C "${DPKG_ROOT:?}/etc/ld.so.cache" -f /dev/null -n -N 2>/dev/null "$DPKG_ROOT/usr/lib/%s" || :\n' "$multiarch" >"$work/shims/ldconfig"
        chmod 755 "$work/shims/ldconfig"
        as_root=(fakeroot env "PATH=$work/shims:$PATH") chrootless=(--force-script-chrootless)
    fi
fi
installer() { run "${as_root[@]}" dpkg --root="$root" --log="$work/dpkg.log" --path-include='*' --force-unsafe-io "${chrootless[@]}" "$@"; }
refused() { ! "$@" 2>/dev/null; }
states() { dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Status} ${Package} ${Version}\n' "$@"; }
there() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/cache/ldconfig -prune -o ! -name ld.so.cache -print | sort); }
on_host() { dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n' shmq libshmq0 libshmq-dev 2>/dev/null; }
host=$(on_host)
check 'what they need comes first' installer -i "$work"/stand-ins/*.deb
rm -f "$root/triggered"
there >"$work/before"
check 'dpkg does not configure the development files without the library' refused installer -i "$(deb libshmq-dev)"
same 'they wait for it' "unpacked libshmq-dev $version-1" "$(states libshmq-dev)"
check 'dpkg installs the packages' installer -i "${packages[@]}"
same 'which are installed' "$(printf 'installed %s\n' "libshmq-dev $version-1" "libshmq0 $version-1" "shmq $version-1")" "$(states shmq 'libshmq*')"
check 'dpkg finds nothing amiss' installer --audit
same 'nor says so' '' "$(cat "$work/log")"
check 'the files are those that were packed' installer --verify
same 'each' '' "$(cat "$work/log")"
same 'and all' "$(sort "$work"/{shmq,libshmq0,libshmq-dev}.files | sed 's|^|./|')" "$(there | grep -vxFf "$work/before" | while read -r file; do [ -d "$root/$file" ] && [ ! -L "$root/$file" ] || echo "$file"; done | grep -vx ./triggered)"
same 'the only scripts are those for ldconfig' "$(printf '%s\n' libshmq0.{postinst,postrm,shlibs,triggers})" "$(cd "$root/var/lib/dpkg/info" && ls {shmq,libshmq*}.* | grep -vE '\.(list|md5sums)$')"
check 'which ran' grep -qx ldconfig "$root/triggered"
if [ ${#chrootless[@]} = 0 ]; then check 'so that the linker knows the library' grep -q 'libshmq\.so\.0 ' <(ldconfig -C "$root/etc/ld.so.cache" -p); fi
check 'to install them again does no harm' installer -i "${packages[@]}"
same 'nothing of the build is named in what text is packed' '' "$(grep -rlI "$build" "$root/usr")"
check 'the service calls the command where it is' grep -q '^ExecStart=/usr/bin/shmq-unlink ' "$root/usr/share/doc/shmq/examples/shmq-sweep.service"
check 'the pages can be read' run mandoc "$root"/usr/share/man/man?/*
exported=$(nm -DC --defined-only "$root/usr/lib/$multiarch/libshmq.so.0" | sed -E 's/^[0-9a-f]* +. //; s/@@?SHMQ_0$//')
check 'the library exports what is in namespace shmq' grep -q '^shmq::create(' <<<"$exported"
check 'and the functions for C' grep -q '^shmq_' <<<"$exported"
same 'and nothing else' '' "$(grep -vE '^(SHMQ_0$|shmq_|shmq::|(typeinfo( name)?|vtable|guard variable|non-virtual thunk) (for|to) shmq::)' <<<"$exported")"
work_from "$root/usr" "$root/usr/lib/$multiarch"
if [ ${#chrootless[@]} = 0 ]; then
    take_part() { "${as_root[@]}" env -i SHMQ_DIR=/rings PATH=/usr/bin "$(command -v chroot)" "$root" "$@"; }
    same 'inside, with nothing else there, the commands work' "$(printf 'one\ntwo')" "$(take_part /bin/sh -c 'shmq-create in out && shmq-push -d one -d two in && shmq-pop -p in')"
    cp "$work/consumer/shared_user" "$root/rings/user"
    same 'and a program finds the shared library' 2 "$(take_part /rings/user in out)"
    same 'which they can talk to' "$(printf 'one\ntwo')" "$(take_part /bin/sh -c 'shmq-pop -a out && shmq-unlink in out')"
    rm "$root/rings/user"
fi

# And out of it again.
check 'the library stays while something needs it' refused installer --simulate -r libshmq0
rm -f "$root/triggered"
check 'dpkg removes the packages' installer -r shmq libshmq-dev libshmq0
check 'the linker is told' grep -qx ldconfig "$root/triggered"
rm -f "$root/triggered"
same 'no file stays' "$(cat "$work/before")" "$(there)"
if [ ${#chrootless[@]} = 0 ]; then check 'nor is the library known any more' refused grep -q libshmq <(ldconfig -C "$root/etc/ld.so.cache" -p); fi
check 'dpkg purges them' installer -P shmq libshmq-dev libshmq0
same 'and has forgotten them' '' "$(states shmq 'libshmq*' 2>/dev/null; ls "$root/var/lib/dpkg/info" | grep shmq)"
same 'all the while nothing happened to the packages of this machine' "$host" "$(on_host)"

# Directories may be absolute, as some distributions have them.
check 'absolute directories are taken' run cmake -S "$SHMQ_SOURCE" -B "$work/absolute" "${generator[@]}" -DCMAKE_CXX_COMPILER="$CXX" -DSHMQ_TOOLS=OFF -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_LIBDIR=/opt/lib -DCMAKE_INSTALL_INCLUDEDIR=/opt/include
absolute() { PKG_CONFIG_PATH=$work/absolute/lib pkg-config "$@" shmq | xargs; }
same 'and are in shmq.pc' '-I/opt/include -L/opt/lib -lshmq' "$(absolute --cflags --libs)"
