#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Code on huge pages.

load lib/session

setup() {
    session_begin
    start_server
}

teardown() {
    if [ "${smaps:-}" ]; then
        umount "$smaps" || true
    fi
    session_end
    if [ "${pages_before:-}" ]; then
        echo "$pages_before" > "$pool/nr_hugepages"
    fi
}

# reserve_page SIZE_IN_KB: one page more. One session at a time, as it is the machine's.
reserve_page() {
    exec 7> /run/lock/probefs-test-huge
    flock 7
    pool=/sys/kernel/mm/hugepages/hugepages-$1kB
    pages_before=$(cat "$pool/nr_hugepages")
    echo $((pages_before + 1)) > "$pool/nr_hugepages"
    [ "$(cat "$pool/nr_hugepages")" -gt "$pages_before" ]
}

# smaps_field NAME: of the mapping that the code is in.
smaps_field() {
    awk -v field="$1:" '/^[0-9a-f]+-80000000 /{ found = 1 } found && $1 == field { print $2; exit }' \
        "/proc/$pid/smaps"
}

code() {
    peek "$pid" words 7fe00000 200000 | tr ' ' '\n'
    peek "$pid" words 7fffffe0 32 | tr ' ' '\n'
}

# is_switched: on and off, and of all bytes at both ends of the code only the two sites' change.
is_switched() {
    assert_equal "$(probes_of "$pid")" spread
    assert_equal "$(wc -l < "$mnt/$pid/spread/sites")" 2
    code > "$work/before"
    echo 1 > "$mnt/$pid/spread/enabled"
    says '^spread'
    assert_equal "$(peek "$pid" | awk '{ print $4, $5, $6 }' | paste -sd,)" \
        "1 7fe00000 on,1 7fffffe7 on"
    code > "$work/after"
    assert_equal "$(paste "$work/before" "$work/after" | awk '$1 != $2' | sort | uniq -c |
        tr -s ' ')" " 2 off	on"
    echo 0 > "$mnt/$pid/spread/enabled"
    code | diff "$work/before" -
}

# forced_write: what the kernel says of writing, by hand, the byte that is there to code that its
# process may only read: "written", or the errno's name.
forced_write() {
    python3 -I -S -c '
import errno, os, sys
mem = os.open(f"/proc/{sys.argv[1]}/mem", os.O_RDWR)
try:
    os.pwrite(mem, os.pread(mem, 1, 0x7fe00000), 0x7fe00000)
    print("written")
except OSError as error:
    print(errno.errorcode[error.errno])' "$pid"
}

# is_refused: EIO with the reason, and nothing has changed.
is_refused() {
    code > "$work/before"
    assert_errno EIO write "$mnt/$pid/spread/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
        "*process $pid has its code at 0x*on reserved pages of 2048 KiB (hugetlbfs), and this kernel*"
    code | diff "$work/before" -
    assert_equal "$(memory_of "$pid" spread)" "0 off"
}

# is_switched_or_refused: by either engine, as this kernel does it.
is_switched_or_refused() {
    local outcome answer
    answer=$(forced_write)
    echo "# Linux $(uname -r), a forced write to code on reserved pages: $answer" >&3
    case $answer in
    written) outcome=is_switched ;;
    EIO) outcome=is_refused ;;
    *) return 1 ;;
    esac
    $outcome
    stop_server "$server" "$mnt"
    start_server -o engine=ptrace
    $outcome
}

@test "anonymous memory that the kernel made huge" {
    start huge -i 20 thp
    assert_equal "$(smaps_field AnonHugePages)" 2048
    is_switched
}

@test "a reserved page of 2 MiB" {
    reserve_page 2048
    start huge -i 20 tlb
    assert_equal "$(smaps_field KernelPageSize)" 2048
    is_switched_or_refused
}

@test "a private mapping of a memfd that the code was copied to, by either engine" {
    start huge -i 20 memfd
    is_switched
    stop_server "$server" "$mnt"
    start_server -o engine=ptrace
    is_switched
}

@test "a private mapping of a file of reserved pages that the code was copied to" {
    reserve_page 2048
    echo $((pages_before + 2)) > "$pool/nr_hugepages" # the kernel copies the page that is written
    [ "$(cat "$pool/nr_hugepages")" -ge $((pages_before + 2)) ] || skip "no memory for huge pages"
    start huge -i 20 tlbfd
    assert_equal "$(smaps_field KernelPageSize)" 2048
    is_switched_or_refused
}

@test "a mapping of other code in the place of the code, or a shared one: nothing is shown, and why" {
    start huge -i 20 other
    [ ! -e "$mnt/$pid/spread" ]
    assert_match "$(cat "$mnt/$pid/error_log")" "*other code is in the place of its own*"
    start huge -i 20 shared
    [ ! -e "$mnt/$pid/spread" ]
    assert_match "$(cat "$mnt/$pid/error_log")" "*its code is in a shared mapping*"
}

@test "a mapping that pages of 1 GiB would fit, but that has small ones" {
    start huge -i 20 giga
    assert_equal "$(smaps_field KernelPageSize)" 4
    is_switched
}

# show_smaps TEXT_FILE: what the kernel says of the process's pages from here on.
show_smaps() {
    smaps=/proc/$pid/smaps
    mount --bind "$1" "$smaps"
}

gigatext_refused() {
    assert_errno EFBIG write "$mnt/$pid/spread/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$pid/error_log")" "*pages of 1 GiB*allow_gigatext*"
    assert_errno EFBIG write "$mnt/$pid/spread/semaphore" +1
    assert_errno EFBIG write "$mnt/$pid/control" '1 *\n'
    assert_equal "$(memory_of "$pid" spread)" "0 off"
    assert_equal "$(state_of "$pid" spread)" 0
}

# refused_unless_allowed: by either engine.
refused_unless_allowed() {
    assert_equal "$(smaps_field KernelPageSize)" 1048576
    gigatext_refused
    stop_server "$server" "$mnt"
    start_server -o engine=ptrace
    gigatext_refused
    stop_server "$server" "$mnt"
    start_server -o allow_gigatext
    is_switched
}

@test "pages of 1 GiB: EFBIG, unless allow_gigatext" {
    # Few machines have such a page to spare. What is asked of the kernel is how large the pages
    # are, so this is what it is made to say.
    start huge -i 20 giga
    sed '/^40000000-80000000 /,/^VmFlags/ s/^KernelPageSize: .*/KernelPageSize:  1048576 kB/' \
        "/proc/$pid/smaps" > "$work/smaps"
    show_smaps "$work/smaps"
    refused_unless_allowed
    # A real one, for those who have.
    if [ "${PROBEFS_GIGA:-}" ]; then
        reserve_page 1048576
        start_command root "$(target huge)" -i 20 giga-tlb
        wait_until 'grep -q ^pid "$out"' 120
        stop_server "$server" "$mnt"
        start_server
        refused_unless_allowed
    fi
}

@test "where it cannot be known how large the pages are, they may be of 1 GiB" {
    start huge -i 20 giga
    : > "$work/smaps"
    show_smaps "$work/smaps"
    gigatext_refused
}
