# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Real kernels, booted in qemu: tests/machines/README.md.
#
# Functions that end in _get set variables that their callers have declared.
# shellcheck disable=SC2031,SC2034 # so none of these is lost, or unused

# shellcheck source=tests/machines/vm.bash
source tests/machines/vm.bash
# shellcheck source=tests/lib/packages.bash
source tests/lib/packages.bash

packages_for_machines=(
    qemu-system-x86 qemu-system-arm mmdebstrap kmod cpio zstd xz-utils e2fsprogs gcc-aarch64-linux-gnu
    dpkg-dev debhelper
)

# Roots, images and kernels are kept here, and made anew where they are not.
machine_cache=${PROBEFS_MACHINES:-/var/cache/probefs-machines}

# To compile a kernel, which only machines that are named make this system do.
kernel_build_packages=(bc bison flex make)

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
ubuntu_keyring=$machine_cache/ubuntu-keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg

# What a guest has beside the essential packages. A sysroot has the libraries' headers, too.
guest_packages=(
    bats python3 procps psmisc iproute2 kmod passwd login fuse3 libcap2-bin busybox-static gdb strace
    libfuse3-3 libelf1 libcap2 libbpf1 libmd0 libcmocka0
)
guest_packages_amd64=(systemd systemd-sysv udev apparmor)
guest_packages_arm64=(
    libc6-dev libfuse3-dev libelf-dev libcap-dev libbpf-dev libmd-dev libcmocka-dev uthash-dev
    systemtap-sdt-dev
)

# NAME ARCHITECTURE KERNEL INIT, jobs, and what the kernel's command line has more. KERNEL is one of
# kernel_archive's; jobs are functions machine_JOB, and that of Yama, whose scope only grows, is last.
machines='
debian-12         amd64 6.1   guest-init smoke,units,huge,yama
debian-13         amd64 6.12  systemd    smoke,units,huge,apparmor,packages,yama
debian-13-ptrace  amd64 6.12  guest-init smoke,forced,yama proc_mem.force_override=ptrace
debian-13-never   amd64 6.12  guest-init smoke,forced,yama proc_mem.force_override=never
debian-11         amd64 5.10  guest-init smoke,units,yama
ubuntu-24.04      amd64 6.8   guest-init smoke,units,yama
debian-12-arm64   arm64 6.1   guest-init smoke,units,yama
debian-13-arm64   arm64 6.12-16k guest-init smoke,units,yama
debian-13-arm64-64k arm64 6.12-64k guest-init smoke,units,yama
'

# archive_uri LABEL VARIABLE: where this system takes packages of Debian or Ubuntu from; or what
# the variable says, which an archive needs that apt does not use here.
archive_uri() {
    local uri=${!2:-}
    # shellcheck disable=SC2016 # apt knows what these mean
    [ "$uri" ] || uri=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        awk -v label="$1" '$1 == label && !found++ { print $2 }')
    [ "$uri" ] || { echo "machines: apt knows no archive of $1 here: set $2 to its URI" >&2; return 1; }
    echo "$uri"
}

# kernel_config KERNEL ARCH: the file with the configuration of a kernel that no archive has, and that
# is compiled here; nothing for all others.
kernel_config() {
    local file=tests/machines/$2-${1#*-}.config
    [ ! -e "$file" ] || echo "$file"
}

# kernel_archive KERNEL ARCH: sets line, keyring, package.
kernel_archive() {
    local uri label=Debian variable=PROBEFS_DEBIAN suite
    keyring=$debian_keyring package=linux-image-$2
    case $1 in
    5.10) suite=bullseye ;;
    6.1) suite=bookworm ;;
    6.12) suite=trixie ;;
    6.12-16k) suite=trixie package+=-16k ;; # with pages of that size
    6.12-64k) suite=trixie package=linux-source-6.12 ;;
    6.8)
        label=Ubuntu variable=PROBEFS_UBUNTU suite=noble
        keyring=$ubuntu_keyring package=linux-image-generic
        ;;
    *) echo "machines: no archive has kernel $1" >&2; return 1 ;;
    esac
    uri=$(archive_uri $label $variable) || return
    line="$uri $suite main"
}

# ubuntu_keyring_get: Debian's newest release has Ubuntu's keys.
ubuntu_keyring_get() {
    local uri
    uri=$(archive_uri Debian PROBEFS_DEBIAN) || return
    once "$machine_cache/ubuntu-keyring/.done" tests/machines/archive.bash \
        "$machine_cache/ubuntu-keyring" "$uri trixie main" "$debian_keyring" amd64 \
        ubuntu-keyring ubuntu-keyring
}

# once FILE COMMAND...: runs it unless it has once succeeded.
once() {
    local file=$1
    shift
    [ -e "$file" ] || { "$@" && : >"$file"; }
}

# kernel_folder KERNEL ARCH
kernel_folder() {
    echo "$machine_cache/kernel-$1-$2"
}

# kernel_get KERNEL ARCH: sets kernel (its folder) and version.
kernel_get() {
    local line keyring package config get
    kernel_archive "$1" "$2" || return
    kernel=$(kernel_folder "$1" "$2") config=$(kernel_config "$1" "$2")
    get=(tests/machines/archive.bash "$kernel" "$line" "$keyring" "$2" "$package"
        'linux-\(image\|modules\)-[^ ]*[0-9][^ ]*')
    if [ "$config" ] && [ ! -e "$kernel/.done" ]; then
        install_packages "${kernel_build_packages[@]}"
        get=(tests/machines/kernel-from-source.bash "$kernel" "$line" "$keyring" "$2" "$package" "$config")
    fi
    [ "$keyring" != "$ubuntu_keyring" ] || ubuntu_keyring_get || return
    once "$kernel/.done" "${get[@]}" || return
    version=$(basename "$kernel"/lib/modules/*)
}

# initrd_get: of ROOT's busybox, for KERNEL.
initrd_get() {
    once "$kernel/initrd.done" tests/machines/initrd.bash "$root" "$kernel" "$version" "$kernel/initrd"
}

make_image() {
    rm -f "$2"
    truncate -s 4G "$2"
    mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$1" -L root "$2"
}

# image_get ARCH: sets root (a folder) and image, of the release that this system has: what is built
# here runs there.
image_get() {
    local -n more=guest_packages_$1
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    root=$machine_cache/root-$release-$1
    image=$root.img
    once "$root/.done" nice tests/machines/root.bash "$release" "$1" "$root" \
        "${guest_packages[@]}" "${more[@]}" || return
    once "$image.done" make_image "$root" "$image"
}

# cross_file ROOT: for meson, to build for arm64 against the libraries in ROOT.
cross_file() {
    cat <<EOF
[binaries]
c = '${CROSS_CC:-aarch64-linux-gnu-gcc}'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
objcopy = 'aarch64-linux-gnu-objcopy'
pkgconfig = 'pkg-config'
[built-in options]
c_args = ['--sysroot=$1'${CROSS_ARGS:-}]
c_link_args = ['--sysroot=$1'${CROSS_ARGS:-}]
[properties]
sys_root = '$1'
pkg_config_libdir = ['$1/usr/lib/aarch64-linux-gnu/pkgconfig', '$1/usr/share/pkgconfig']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
EOF
}

# machine_build ARCH: sets build. All tests have built already what they give to a machine.
machine_build() {
    build=${machine_tree:-build}
    if [ "$1" = arm64 ]; then
        build="build-arm64"
        cross_file "$root" >"$machine_cache/cross-arm64"
        make_build "$build" --cross-file "$machine_cache/cross-arm64"
    elif [ "$build" = build ]; then
        make_build "$build"
    fi
}

# What the guest needs of the checkout, at the same path.
pack_tree() {
    meson introspect --tests "$build" | python3 tests/machines/units.py >"$build/units"
    {
        git ls-files --cached --others --exclude-standard tests scripts 2>/dev/null ||
            find tests scripts -type f
        echo "$build/units"
        find "$build/tests" "$build/probefs" "$build/probe-run" "$build/mount-helper" "$build/engine" \
            -type f ! -name '*.o' ! -name '*.a' ! -path '*.p/*'
    } | tar -cf "$1" --transform "s,^,$PWD/," --no-recursion -T - 2>/dev/null
}

# ---- jobs: each a script for the guest on the standard output --------------------------------

# What is the same in all of them. A server waits as many times longer as the guest is slower.
machine_prologue() {
    cat <<EOF
cd $PWD
export PROBEFS_GUEST=1 PROBEFS_BUILD=$PWD/$build
source tests/lib/patience.bash
speed_percent
export PROBEFS_PATIENCE=\$((REPLY / 20 < 5 ? 5 : REPLY / 20 > 60 ? 60 : REPLY / 20)) SPEED=\$REPLY
EOF
}

machine_units() {
    echo "source tests/machines/units.bash $build/units"
}

machine_smoke() {
    echo "bats --tap tests/machines/smoke.bats"
}

machine_yama() {
    echo "bats --tap tests/yama.bats"
}

machine_huge() {
    echo "bats --tap tests/huge.bats"
}

# Version 0.1.0 is made of the same programs, unless there is a folder with its own packages. Guests
# lack what the library's headers depend on.
machine_packages() {
    local packages=$machine_cache/packages
    rm -rf "$packages"
    mkdir "$packages" "$vm_dir/share/packages" "$vm_dir/share/previous"
    {
        packages_build . "$packages"
        if [ "${PROBEFS_PREVIOUS:-}" ]; then
            cp "$PROBEFS_PREVIOUS"/*.deb "$vm_dir/share/previous"
        else
            packages_make_previous "$vm_dir/share/previous"
        fi
        packages_all | xargs cp -t "$vm_dir/share/packages"
        rm "$vm_dir"/share/{packages,previous}/libprobe-engine-dev_*.deb
    } >&2
    echo "bats --tap tests/machines/packages.bats"
}

machine_apparmor() {
    echo "bats --tap tests/machines/apparmor.bats"
}

# What the kernel itself refuses.
machine_forced() {
    echo "bats --tap -f 'not dumpable|switched all the same|ordinary user|stays stopped' tests/forced.bats"
}

# ---- running ------------------------------------------------------------------------------------

# guest_job NAME JOB: counts each test of it.
guest_job() {
    local name=$1 job=$2 status=0 log=$machine_cache/run-$1/$2.out
    { machine_prologue; "machine_$job"; } | vm_job "${PROBEFS_JOB_LIMIT:-1500}" >"$log" 2>&1 || status=$?
    cat "$log"
    record_suite "$(grep '^ok ' "$log" | grep -vc '# skip')" "$(grep -c '^not ok ' "$log")" \
        "$(grep -c '^ok .*# skip' "$log")" $status "$job on $name"
}

# machine_get ARCH KERNEL: sets kernel, version, root, image, build.
machine_get() {
    mkdir -p "$machine_cache"
    kernel_get "$2" "$1" && image_get "$1" && machine_build "$1" && initrd_get
}

# machine_run NAME ARCH KERNEL INIT JOBS [APPEND]
machine_run() {
    local name=$1 arch=$2 kernel_name=$3 init=$4 jobs=$5 append=${6:-}
    local kernel version root image build job vm_dir vm_pid started=$SECONDS
    echo "=== $name: Linux $kernel_name on $arch ${append:+($append)}"
    if ! machine_get "$arch" "$kernel_name"; then
        record fail 1 "$name cannot be made"
        return
    fi
    # A system that was never configured asks for that on its console, and waits.
    [ "$init" != systemd ] || init="/sbin/init systemd.firstboot=off"
    [ "$init" != guest-init ] || init=/usr/sbin/guest-init
    echo "--- made in $((SECONDS - started)) s"
    if vm_start_tree "$machine_cache/run-$name" "$arch" "$image" "$(echo "$kernel"/boot/vmlinu[zx]-"$version")" \
        "$kernel/initrd" "guest.init=$init $append"; then
        for job in ${jobs//,/ }; do
            echo "--- $job on $name"
            guest_job "$name" "$job"
        done
    else
        record fail 1 "$name does not boot"
    fi
    vm_stop
    echo "--- $name: $((SECONDS - started)) s"
}

# As vm_boot; and the tree is unpacked there.
vm_start_tree() {
    vm_boot "$@" || return
    cat "$vm_dir/share/ready"
    pack_tree "$vm_dir/share/tree.tar"
    vm_job 600 <<EOF
mkdir -p $PWD && tar -xf /share/tree.tar -C /
EOF
}

machine_rows() {
    sed '/^$/d' <<<"$machines"
}

# machine_row NAME[:JOB,...]: with these jobs in place of its own.
machine_row() {
    local name=${1%%:*}
    machine_rows | awk -v name="$name" -v jobs="${1:${#name}+1}" '
        $1 == name { found = 1; if (jobs != "") $5 = jobs; print }
        END { exit !found }'
}

# All machines but those whose kernel would have to be compiled first.
machines_at_hand() {
    local name arch kernel_name _
    machine_rows | while read -r name arch kernel_name _; do
        [ "$(kernel_config "$kernel_name" "$arch")" ] &&
            [ ! -e "$(kernel_folder "$kernel_name" "$arch")/.done" ] || echo "$name"
    done
}

# each_machine NAMES COMMAND...: with the row of each of these. Fails if it does for one.
each_machine() {
    local name names=$1 status=0
    shift
    for name in $names; do
        # shellcheck disable=SC2046 # a row has words
        "$@" $(machine_row "$name") || status=1
    done
    return $status
}

# make_machine ROW: its kernel, root, image and build.
make_machine() {
    local kernel version root image build
    machine_get "$2" "$3"
}

# machine_run_beside ROW: as many at once as there are processors: no guest's tests keep more than one
# busy.
machine_run_beside() {
    while (($(jobs -rp | wc -l) >= $(nproc))); do
        wait -n || true
    done
    echo "=== $1 starts"
    beside machine_run "$@"
}

# run_machines [NAME[:JOB,...]]...: all that are at hand, or those. Several share a kernel, a root or a
# build: so all are made before. What cannot be made, its run will say.
run_machines() {
    local results name wanted=${*:-$(machines_at_hand)}
    results=$(mktemp)
    for name in $wanted; do
        machine_row "$name" >/dev/null ||
            { echo "machines: there is no $name:"; machine_rows; return 2; }
    done
    each_machine "$wanted" make_machine || true
    each_machine "$wanted" machine_run_beside
    join
    report
}

# ---- as a part of all tests ---------------------------------------------------------------------

# An older kernel, and the other processor, as far as the system's own archive has their kernels.
machines_of_tests() {
    if grep -qx 'ID=ubuntu' /etc/os-release; then
        echo ubuntu-24.04:smoke
    else
        echo debian-12:smoke debian-12-arm64:smoke
    fi
}

# Can be done before, beside other things.
make_machines() {
    local machine_tree=build-test
    each_machine "$(machines_of_tests)" make_machine
}

boot_machines() {
    local machine_tree=build-test
    each_machine "$(machines_of_tests)" machine_run_beside
    join
}
