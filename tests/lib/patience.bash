# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# How long tests wait. A deadline is written as on an idle machine like ours, and lasts longer by as
# much as this machine is slower: by its processors (counted and measured once in a run), and by how
# many processes want each of these (asked each time). So no test fails because of what others do.
#
# Tests wait thousands of times, so a wait starts no process of its own.

# What is kept of a run, for all of its tests.
of_run=${BATS_RUN_TMPDIR:-/tmp}/probefs-$EUID

# speed_percent: sets processors to how many there are, and REPLY to how much slower than ours each
# is, in percent; 100 at least.
speed_percent() {
    local minutes seconds kept=$of_run-speed
    local new=$kept.$BASHPID
    if [ ! -s "$kept" ]; then
        # The processor time of a fixed job, in a shell that no test looks into; ours takes 30 ms.
        bash -c 'nproc; for ((i = 0; i < 20000; i++)); do :; done; times' >"$new"
        mv "$new" "$kept"
    fi
    { read -r processors && read -r minutes _; } <"$kept"
    minutes=${minutes%s} seconds=${minutes#*m}
    REPLY=$(((${minutes%%m*} * 60000 + 10#${seconds/./}) * 100 / 30))
    REPLY=$((REPLY > 100 ? REPLY : 100))
}

# patience NUMBER: sets REPLY to NUMBER (of seconds, or of anything shorter), as many times longer as
# the machine is slower now.
patience() {
    local processors load running busy
    read -r load _ _ running _ </proc/loadavg
    load=$((10#${load/./})) running=$((${running%/*} * 100))
    speed_percent
    busy=$(((load > running ? load : running) / processors))
    REPLY=$(($1 * REPLY * (busy > 100 ? busy : 100) / 10000))
}

# patient NUMBER: says it.
patient() {
    local REPLY
    patience "$1"
    echo "$REPLY"
}

# rest SECONDS: as sleep does, at a pipe that nobody writes to.
rest() {
    local never=$of_run-never
    [ -p "$never" ] || mkfifo "$never" 2>/dev/null || [ -p "$never" ] || return
    read -rt "$1" _ <>"$never" || true
}

# wait_until COMMAND [SECONDS]: tries COMMAND (a shell text) until it succeeds, and less often by and by.
wait_until() {
    local REPLY start=$SECONDS pause=20
    until eval "$1"; do
        printf -v REPLY 0.%03d "$pause"
        rest "$REPLY"
        pause=$((pause < 100 ? pause * 5 / 4 : pause))
        # Asked again when it is over, as the machine may have become busy meanwhile.
        if ((SECONDS - start > ${2:-10})) && patience "${2:-10}" && ((SECONDS - start > REPLY)); then
            eval "$1" && return
            echo "waited $((SECONDS - start)) s in vain for: $1"
            return 1
        fi
    done
}
