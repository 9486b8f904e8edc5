# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A terminal for programs that draw on a screen: tmux, with a server of the test's own.

terminal_do() {
    TMUX='' tmux -S "$work/terminal-$terminals" -f /dev/null -u "$@"
}

# terminal_begin COLUMNS LINES COMMAND: a shell's text, in a terminal of that size. What it ends
# with is said on the screen: `ended STATUS`.
terminal_begin() {
    terminals=$((${terminals:-0} + 1))
    LC_ALL=C.UTF-8 terminal_do new-session -d -x "$1" -y "$2" \
        "$3; echo ended \$?; exec sleep 1000" 3>&-
}

terminal_end() {
    [ ! "${terminals:-}" ] || terminal_do kill-server 2>/dev/null || true
}

# press KEY...: as tmux names them (Space, Down, C-c); other words are typed.
press() {
    terminal_do send-keys "$@"
}

screen() {
    terminal_do capture-pane -p
}

# shows PATTERN: waits until a line of the screen matches the extended regular expression.
shows() {
    wait_until "screen | grep -Eq -- '$1'" "${2:-10}" || { screen; return 1; }
}

# shows_no PATTERN: waits until none does.
shows_no() {
    wait_until "! screen | grep -Eq -- '$1'" || { screen; return 1; }
}

# terminal_is VARIABLE VALUE: of tmux's formats.
terminal_is() {
    assert_equal "$(terminal_do display-message -p "#{$1}")" "$2" "$1"
}
