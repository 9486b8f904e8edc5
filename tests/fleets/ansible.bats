#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The role in packaging/ansible, run by ansible-playbook on two hosts: this machine, over ssh, in a
# mount namespace where probefs is installed; each host has a mountpoint and an fstab of its own.

load ../lib/session
load ../lib/installed
load ../lib/ssh

setup() {
    session_begin
    namespace_begin
    ssh_begin nsenter --mount --target "$namespace"
    # A connection that is kept would hold the output of `run` open.
    export ANSIBLE_SSH_ARGS="-o ControlMaster=no" ANSIBLE_PIPELINING=1
    export HOME=$work ANSIBLE_HOME=$work/.ansible ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8
    export ANSIBLE_ROLES_PATH=$tests/../packaging/ansible
    inventory
    # A package that is there, as no repository has probefs.
    cat >"$work/role.yml" <<'END'
- hosts: all
  gather_facts: true
  vars: {probefs_package: mount}
  roles: [probefs]
END
    # The module is for all processes of a program: so it is one of this test's own.
    cp "$targets/demo-ocaml_1" "$work/bin/fleet-demo"
    start_command root "$work/bin/fleet-demo" -q
    wait_until "grep -q '^pid' '$out'"
}

teardown() {
    namespace_end
    session_end
}

inventory() {
    cat >"$work/hosts" <<END
[all:vars]
ansible_ssh_common_args=-F $work/ssh/config
ansible_python_interpreter=/usr/bin/python3
ansible_remote_tmp=$work/remote
[all]
web1 probefs_mountpoint=$work/web1/probes probefs_fstab=$work/fstab1
web2 probefs_mountpoint=$work/web2/probes probefs_fstab=$work/fstab2
END
}

# plays PLAYBOOK [ARGUMENT]...: each host says so much. Sets: output, and recap (HOST CHANGED FAILED...).
plays() {
    run ansible-playbook -i "$work/hosts" "${@:2}" "$work/$1.yml" 3>&-
    recap=$(sed -n 's/^\(web[12]\) .* changed=\([0-9]*\) .* failed=\([0-9]*\).*/\1 \2 \3/p' <<<"$output" | sort)
}

# changed_on_both NUMBER
changed_on_both() {
    assert_equal "$recap" "web1 $1 0"$'\n'"web2 $1 0" "what changed: $output"
}

# switching STATE: a playbook that has the role, and the probes gc_* in that state.
switching() {
    cat >"$work/switch.yml" <<END
- hosts: all
  vars: {probefs_package: mount}
  roles: [probefs]
  post_tasks:
    - probe:
        program: fleet-demo
        probes: ['gc_*']
        state: $1
        mountpoint: "{{ probefs_mountpoint }}"
END
}

@test "the role mounts the tree, once; its module switches probes, and says what it changes" {
    switching enabled
    # Check mode makes no mount.
    plays role --check
    assert_match "$recap" "web1 * 0"$'\n'"web2 * 0"
    inside findmnt -rn -o TARGET,FSTYPE > "$work/mounts"
    [ -s "$work/mounts" ]
    run ! grep "^$work/.* fuse\.probefs$" "$work/mounts"
    plays role
    changed_on_both 3
    assert_equal "$(inside findmnt -rn -t fuse.probefs -o TARGET | grep "^$work/" | sort)" \
        "$work/web1/probes"$'\n'"$work/web2/probes"
    assert_equal "$(cat "$work/fstab2")" "probefs $work/web2/probes probefs nofail 0 0"

    # From here on the role changes nothing. Both hosts have the same process.
    plays switch --check
    changed_on_both 1
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    plays switch --limit web1
    assert_equal "$recap" "web1 1 0"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    assert_equal "$(memory_of "$pid" idle)" "0 off"
    plays switch
    changed_on_both 0
    switching disabled
    plays switch --limit web2
    assert_equal "$recap" "web2 1 0"
    assert_equal "$(memory_of "$pid" gc_stop)" "0 off"
}

@test "the role installs from a package's file, too" {
    mkdir -p "$work/package/DEBIAN"
    printf '%s\n' 'Package: probefs' 'Version: 99' 'Architecture: all' 'Maintainer: nobody <nobody@example.org>' \
        'Description: a package of this test' >"$work/package/DEBIAN/control"
    dpkg-deb --build "$work/package" "$work/probefs.deb"
    # The hosts share this machine's packages: see only that it would be installed.
    plays role --check --limit web1 -e "probefs_package=$work/probefs.deb"
    assert_match "$recap" "web1 * 0" "what failed: $output"
    assert_equal "$(grep -A 1 'from a file\]' <<<"$output" | tail -n 1)" "changed: [web1]" "$output"
    plays role --check --limit web1 -e "probefs_package=$work/none.deb"
    assert_equal "$recap" "web1 0 1"
}

@test "what the module cannot do is a failure that says why, and changes nothing" {
    inside mkdir -p "$work/web1/probes"
    inside mount -t probefs probefs "$work/web1/probes"
    # A byte that is no probe's, in a process that does not come by.
    kill -STOP "$pid"
    peek "$pid" poke "$(switch_byte_of "$pid" gc_stop)" cc
    cat >"$work/fail.yml" <<END
- hosts: web1
  gather_facts: false
  roles: [{role: probefs, when: false}]
  module_defaults: {probe: {mountpoint: "{{ probefs_mountpoint }}"}}
  post_tasks:
    - {probe: {program: fleet-demo, probes: [gc_start, none]}, ignore_errors: true}
    - {probe: {program: fleet-demo, probes: [gc_start, gc_stop]}, ignore_errors: true}
    - {probe: {program: nobody, probes: ['*']}, ignore_errors: true}
    - {probe: {program: nobody, probes: ['*'], missing_ok: true}}
    - {probe: {program: fleet-demo, probes: [idle], mountpoint: /nowhere}}
END
    plays fail
    assert_equal "$recap" "web1 0 1"
    assert_match "$output" "*process $pid has no probe that matches: none*"
    assert_match "$output" "*cannot switch probes of process $pid: Exec format error. *ENOEXEC*"
    assert_match "$output" "*no process with probes runs nobody*"
    assert_match "$output" "*there is no tree of probefs at /nowhere*"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}
