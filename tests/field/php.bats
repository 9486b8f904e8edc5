#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# PHP: php-fpm and Apache's module, whose workers are other users' and come and go.

load ../lib/field

setup() {
    session_begin
    start_server
    user=$(user_name a)
    mkdir "$work/www" "$work/apache"
    cat >"$work/www/index.php" <<'END'
<?php
function f($n) { return $n < 2 ? 1 : f($n - 1) + f($n - 2); }
try { f(12); throw new Exception("x"); } catch (Exception $e) { echo "answer 42\n"; }
END
    chmod -R a+rX "$work/www"
    # PHP asks for it once, at its start: without it, most probes never fire.
    export USE_ZEND_DTRACE=1
}

start_fpm() {
    local fpm
    fpm=$(ls /usr/sbin/php-fpm* | tail -n 1)
    needs "$fpm" cgi-fcgi
    cat >"$work/fpm.conf" <<END
[global]
error_log = $work/out/fpm
daemonize = no
[www]
user = $user
group = $user
listen = $work/fpm.sock
pm = static
pm.max_children = 4
pm.max_requests = 20
clear_env = no
END
    start_command root "$fpm" -F -y "$work/fpm.conf"
    head=$pid
    wait_until "[ -S '$work/fpm.sock' ] && [ \$(pgrep -c -P $head) = 4 ]" 60
    cat >"$work/request" <<'END'
answer=$(SCRIPT_FILENAME=$1/www/index.php SCRIPT_NAME=/index.php REQUEST_METHOD=GET \
    cgi-fcgi -bind -connect "$1/fpm.sock")
case $answer in *"answer 42"*) ;; *) echo "$answer"; exit 1 ;; esac
END
}

start_apache() {
    local module
    module=$(ls /usr/lib/apache2/modules/libphp*.so | tail -n 1)
    needs apache2 "$module"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$work/apache.conf" <<END
ServerRoot $work/apache
ServerName localhost
PidFile $work/apache/pid
ErrorLog $work/out/apache-errors
Listen 127.0.0.1:$port
User $user
Group $user
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule php_module $module
StartServers 4
MinSpareServers 4
MaxConnectionsPerChild 20
DocumentRoot $work/www
<FilesMatch "\.php$">
    SetHandler application/x-httpd-php
</FilesMatch>
END
    # It ends its whole process group.
    start_command root setsid apache2 -f "$work/apache.conf" -D FOREGROUND
    head=$pid
    cat >"$work/request" <<END
exec 7<>/dev/tcp/127.0.0.1/$port || exit 1
printf 'GET /index.php HTTP/1.0\\r\\n\\r\\n' >&7
grep -q 'answer 42' <&7
END
    wait_until "bash '$work/request' '$work' 2>'$work/failed' && [ \$(pgrep -c -P $head) -ge 4 ]" 60
}

# Children that serve some requests and end, and others that are forked for them.
keeps_its_promises() {
    local children
    mapfile -t children < <(pgrep -P "$head")
    same_as_peers "$head" "${children[0]}"
    start_load bash "$work/request" "$work"
    switch_all 10 "$head"
    for _ in 1 2 3; do
        hold_for 1 "$head" php:function__entry
    done
    end_load
    [ "${#children[@]}" -gt 0 ]
    pgrep -P "$head" >"$work/children" # it has others now
    assert_equal "$(grep -cxF "${children[0]}" "$work/children" || true)" 0 "children of the beginning"
    nobody_is_on "$head"
}

@test "php-fpm: its probes, all on and off under load, holds across forks" {
    start_fpm
    keeps_its_promises
}

@test "Apache with PHP: its probes, all on and off under load, holds across forks" {
    start_apache
    keeps_its_promises
}
