# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# How long tests wait. A deadline is written as on an idle machine like ours, and lasts longer by as
# much as this machine is slower: by its processors (measured once in a run), and by how many
# processes want each of these (asked each time). So no test fails because of what others do.

# speed_percent: sets REPLY to how much slower than ours each processor is, in percent; 100 at least.
speed_percent() {
    local minutes seconds kept=${BATS_RUN_TMPDIR:-/tmp}/probefs-speed-$EUID
    local new=$kept.$BASHPID
    if [ ! -s "$kept" ]; then
        # The processor time of a fixed job, in a shell that no test looks into; ours takes 30 ms.
        bash -c 'for ((i = 0; i < 20000; i++)); do :; done; times' >"$new"
        mv "$new" "$kept"
    fi
    read -r minutes _ <"$kept"
    minutes=${minutes%s} seconds=${minutes#*m}
    REPLY=$(((${minutes%%m*} * 60000 + 10#${seconds/./}) * 100 / 30))
    REPLY=$((REPLY > 100 ? REPLY : 100))
}

# patience NUMBER: sets REPLY to NUMBER (of seconds, or of anything shorter), as many times longer as
# the machine is slower now.
patience() {
    local load running busy
    read -r load _ _ running _ </proc/loadavg
    load=$((10#${load/./})) running=$((${running%/*} * 100))
    busy=$(((load > running ? load : running) / $(nproc)))
    speed_percent
    REPLY=$(($1 * REPLY * (busy > 100 ? busy : 100) / 10000))
}

# patient NUMBER: says it.
patient() {
    local REPLY
    patience "$1"
    echo "$REPLY"
}

# wait_until COMMAND [SECONDS]: tries COMMAND (a shell text) until it succeeds.
wait_until() {
    local REPLY start=$SECONDS
    until eval "$1"; do
        sleep 0.02
        # Asked again when it is over, as the machine may have become busy meanwhile.
        if ((SECONDS - start > ${2:-10})) && patience "${2:-10}" && ((SECONDS - start > REPLY)); then
            eval "$1" && return
            echo "waited $((SECONDS - start)) s in vain for: $1"
            return 1
        fi
    done
}
