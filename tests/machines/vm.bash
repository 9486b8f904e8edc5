# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A guest under qemu: no network, no terminal, and jobs as files (run-jobs). Works without KVM, some
# 10 to 20 times slower.

# What a boot may take, in seconds; a slow and busy machine needs more.
vm_boot_limit=${PROBEFS_BOOT_LIMIT:-400}

vm_is_up() {
    kill -0 "$vm_pid" 2>/dev/null
}

# vm_start DIR ARCH IMAGE KERNEL INITRD APPEND: boots. IMAGE is not changed. DIR/share is /share in
# the guest. Sets: vm_dir, vm_pid.
vm_start() {
    local arch=$2 image=$3 kernel=$4 initrd=$5 append=$6 qemu console=ttyS0
    vm_dir=$1
    rm -rf "$vm_dir"
    mkdir -p "$vm_dir/share"
    case $arch in
    arm64)
        # This one knows pages of any size.
        qemu=(qemu-system-aarch64 -M virt -cpu "max,pauth-impdef=on" -accel "tcg,thread=multi")
        console=ttyAMA0 ;;
    *)
        # Not wherever there is a /dev/kvm: some virtual machines have one that boots nothing.
        if [ "${PROBEFS_ACCEL:-tcg}" = kvm ]; then
            qemu=(qemu-system-x86_64 -M q35 -accel kvm -cpu host)
        else
            qemu=(qemu-system-x86_64 -M q35 -accel "tcg,thread=multi" -cpu max)
        fi ;;
    esac
    "${qemu[@]}" -smp 2 -m "${PROBEFS_GUEST_MEMORY:-2048}" -nodefaults -no-reboot -display none \
        -serial "file:$vm_dir/console" -kernel "$kernel" -initrd "$initrd" \
        -append "root=/dev/vda rw console=$console panic=-1 quiet $append" \
        -drive "file=$image,format=raw,if=none,id=root,snapshot=on,cache=unsafe" \
        -device virtio-blk-pci,drive=root -device virtio-rng-pci \
        -virtfs "local,path=$vm_dir/share,mount_tag=share,security_model=none,multidevs=remap" \
        >"$vm_dir/qemu.log" 2>&1 </dev/null 3>&- &
    vm_pid=$!
}

# vm_wait_for FILE SECONDS: until the guest has made it.
vm_wait_for() {
    local start=$SECONDS
    until [ -e "$vm_dir/share/$1" ]; do
        vm_is_up || return 125
        ((SECONDS - start < $2)) || return 124
        sleep 0.2
    done
}

# vm_boot ...: as vm_start, until jobs are run; shows kernel and seconds. Otherwise the console.
vm_boot() {
    vm_start "$@"
    vm_wait_for ready "$vm_boot_limit" && return
    echo "the guest did not boot. The end of its console:"
    tail -n 40 "$vm_dir/console" | cat -v
    cat "$vm_dir/qemu.log"
    return 1
}

# vm_job SECONDS <SCRIPT: runs it in the guest, shows its output; its status, 124 if it took too
# long, or 125 if the guest has ended, with the console.
vm_job() {
    local limit=$1 n=1 share=$vm_dir/share status=0
    while [ -e "$share/$n.sh" ]; do n=$((n + 1)); done
    cat >"$share/$n.new"
    mv "$share/$n.new" "$share/$n.sh"
    vm_wait_for "$n.rc" "$limit" || status=$?
    cat "$share/$n.out" 2>/dev/null
    if [ $status != 0 ]; then
        echo "the guest $([ $status = 124 ] && echo "took longer than $limit s" || echo ended). Its console:"
        tail -n 40 "$vm_dir/console" | cat -v
        return $status
    fi
    return "$(cat "$share/$n.rc")"
}

vm_stop() {
    local i
    touch "$vm_dir/share/end"
    for ((i = 0; i < 150; i++)); do
        vm_is_up || break
        sleep 0.2
    done
    ! vm_is_up || kill -KILL "$vm_pid"
    wait "$vm_pid" 2>/dev/null || true
}
