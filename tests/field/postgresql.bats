#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# PostgreSQL: a postmaster that forks for each connection. (See scripts/field.bash.)

load ../lib/field

setup() {
    session_begin
    start_server
    programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    needs "$programs/postgres"
    data=$work/data
    mkdir -m 700 "$data"
    chown "$(user_name a)" "$data"
    run_as a "$programs/initdb" -D "$data" -A trust -U probefs --no-sync >"$work/out/initdb"
    as a
    as_client=("${as[@]}" "$programs/pgbench" -n -S -h "$data" -U probefs)
    start_command a "$programs/postgres" -D "$data" -k "$data" -c listen_addresses= \
        -c max_connections=50 -c fsync=off
    postmaster=$pid
    wait_until "run_as a $programs/pg_isready -q -h '$data' -U probefs" 60
    run_as a "$programs/pgbench" -q -i -h "$data" -U probefs postgres >"$work/out/pgbench" 2>&1
}

teardown() {
    local status=0
    exec 9>&-
    end_by_signal "${postmaster:-}" INT || status=1
    session_end || status=1
    return $status
}

# bench OPTION...
bench() {
    start_load "${as_client[@]}" -c 4 "$@" postgres
}

@test "postmaster: the probes of readelf and gdb" {
    same_as_peers "$postmaster" "$(pgrep -P "$postmaster" | head -n 1)"
}

@test "all on and off while clients query" {
    bench -t 200
    mapfile -t helpers < <(pgrep -P "$postmaster" | head -n 4)
    switch_all 10 "$postmaster" "${helpers[@]}"
    end_load
    nobody_is_on "$postmaster"
}

# Clients that are served for longer than the hold lasts, by children that it has.
while_held() {
    "${as_client[@]}" -c 4 -T 600 postgres >"$work/out/stay" 2>&1 3>&- 9>&- &
    stay=$!
    adopt "$stay"
}

@test "a second's hold on the postmaster while clients connect leaves nobody on" {
    bench -C -t 50
    for _ in 1 2 3; do
        hold_for 1 "$postmaster" postgresql:query__start 3
        kill "$stay"
        wait "$stay" || true
    done
    end_load
    nobody_is_on "$postmaster"
}

@test "slow queries, as the user's guide finds them" {
    sed -n "/spans.awk <<'END'/,/^> END/ { /spans.awk/d; /^> END/d; s/^> //p }" "$tests/../doc/GUIDE.md" \
        >"$work/spans.awk"
    coproc client { "${as[@]}" "$programs/psql" -q -A -t -h "$data" -U probefs postgres 2>&1; }
    echo 'select pg_backend_pid();' >&"${client[1]}"
    read -r -t "$(patient 10)" backend <&"${client[0]}"
    exec 9<>"$mnt/$backend/trace"
    echo 'postgresql:query__start,postgresql:query__done' >&9
    awk -f "$work/spans.awk" < <(timeout "$(patient 20)" sed 4q <&9) >"$work/spans" 3>&- &
    reader=$!
    wait_until '[ "$(cat "$mnt/$backend/postgresql:query__start/enabled")" = 1 ]'
    echo 'select pg_sleep(1.2); select 1;' >&"${client[1]}"
    wait "$reader"
    exec 9>&-
    eval "exec ${client[1]}>&-"
    assert_equal "$(<"$work/spans")" "$backend slow
$backend fast"
}
