# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Debian's packages of a checkout, and those of the version before.

# packages_build CHECKOUT DIR: into DIR, from a copy of the checkout there.
packages_build() {
    mkdir "$2/probefs"
    tar -C "$1" --exclude './build*' --exclude ./.git -cf - . | tar -C "$2/probefs" -xf -
    # A symbol that the symbols file does not list is an error here.
    (cd "$2/probefs" &&
        DEB_BUILD_OPTIONS=nocheck DPKG_GENSYMBOLS_CHECK_LEVEL=4 DEB_CFLAGS_APPEND=-Werror \
            dpkg-buildpackage -us -uc -b >"$2/log" 2>&1) || { cat "$2/log"; return 1; }
}

# package NAME: the file, in the folder $packages.
package() {
    echo "$packages/$1"_*_amd64.deb
}

# The files of all, without those of debug information.
packages_all() {
    package probefs
    package libprobe-engine1
    package libprobe-engine-dev
}

# packages_make_previous DIR: into DIR, version 0.1.0 as it was packaged, with the programs of
# $packages: the library had another soname, and a package of that name.
packages_make_previous() {
    local each old tree
    for each in probefs libprobe-engine1 libprobe-engine-dev; do
        old=${each/engine1/engine0} tree=$1/0.1.0-$each
        dpkg-deb -R "$(package "$each")" "$tree"
        sed -i 's/^Version: .*/Version: 0.1.0/; s/^Package: .*/Package: '"$old"'/
            s/libprobe-engine1 (= [^)]*)/libprobe-engine0 (= 0.1.0)/' "$tree/DEBIAN/control"
        if [ "$old" != "$each" ]; then
            mv "$tree/usr/share/doc/$each" "$tree/usr/share/doc/$old"
            (cd "$tree"/usr/lib/*/ && mv libprobe-engine.so.1.0.0 libprobe-engine.so.0.1.0 &&
                rm libprobe-engine.so.1 && ln -s libprobe-engine.so.0.1.0 libprobe-engine.so.0)
            rm "$tree"/DEBIAN/{md5sums,shlibs,symbols}
        fi
        dpkg-deb -b --root-owner-group -Znone "$tree" "$1/${old}_0.1.0.deb"
        rm -r "$tree"
    done
}
