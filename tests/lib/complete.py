# SPDX-License-Identifier: MIT
"""complete.py bash|zsh DIRECTORY LINE

What LINE becomes in an interactive shell, on a terminal, when all of its completions are inserted.
DIRECTORY has the completions: bash-completion's or zsh's. A ^ in LINE is where the cursor is, if it
is not the end. zsh keeps there what it has found of its own completions, as it does for users: to look
through all of them takes it longer than what is tested.
"""
import os
import pty
import select
import sys
import tempfile
import time

BASH = """
PS1=ready
for file in {directory}/*; do . "$file"; done
dump() {{ printf '%s' "$READLINE_LINE" > {result}.new; mv {result}.new {result}; }}
bind 'set bracketed-paste false'
bind '"\\C-xa": insert-completions'
bind -x '"\\C-xd": dump'
"""

ZSH = """
PS1=ready
fpath=({directory} $fpath)
autoload -Uz compinit && compinit -u -d {directory}/.dump
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' old-matches false
zstyle ':completion:all-matches:*' insert yes
dump() {{ print -rn -- "$BUFFER" > {result}.new; mv {result}.new {result} }}
zle -N dump
bindkey -e
bindkey '^Xa' all-matches '^Xd' dump
"""


def read_until(terminal, text, deadline):
    seen = b""
    while text not in seen:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            sys.exit(f"the shell does not answer; it said {seen!r}")
        seen += os.read(terminal, 4096)


def wait_for(path, terminal, deadline):
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit("nothing was completed")
        # The shell must not wait for someone to read what it shows.
        if select.select([terminal], [], [], 0.02)[0]:
            os.read(terminal, 4096)


def main(shell, directory, line):
    with tempfile.TemporaryDirectory() as work:
        result = f"{work}/result"
        setup = (BASH if shell == "bash" else ZSH).format(directory=directory, result=result)
        start = f"{work}/{'bashrc' if shell == 'bash' else '.zshrc'}"
        with open(start, "w", encoding="utf-8") as file:
            file.write(setup)
        command = {"bash": ["bash", "--noprofile", "--rcfile", start, "-i"], "zsh": ["zsh", "-d", "-i"]}
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(ZDOTDIR=work, TERM="dumb", HISTFILE="")
            os.execvp(shell, command[shell])
        deadline = time.monotonic() + 30
        read_until(terminal, b"ready", deadline)
        before, _, after = line.partition("^")
        keys = before + after + "\x02" * len(after) + "\x18a\x18d"
        os.write(terminal, keys.encode())
        wait_for(result, terminal, deadline)
        with open(result, encoding="utf-8") as file:
            print(file.read())
        os.close(terminal)
        os.waitpid(pid, 0)


main(*sys.argv[1:])
