#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Ruby and Python: programs that collect garbage, call functions, and fork.

load ../lib/field

# A program that works, and forks children that do so for some seconds.
write_ruby() {
    cat >"$work/program" <<'END'
class Work
  def step(n) = n < 2 ? 1 : step(n - 1) + step(n - 2)
end
def work
  Work.new.step(10)
  Array.new(1000) { |i| i.to_s * 3 }
  raise "x" rescue nil
  GC.start
end
puts "pid #{$$}"
$stdout.flush
loop do
  child = fork { 20.times { work; sleep 0.25 }; exit! }
  Process.detach(child)
  work
  puts "round"
  $stdout.flush
  sleep 0.5
end
END
}

write_python() {
    cat >"$work/program" <<'END'
import gc, os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def step(n):
    return 1 if n < 2 else step(n - 1) + step(n - 2)
def work():
    step(10)
    [str(i) * 3 for i in range(1000)]
    gc.collect()
print("pid", os.getpid(), flush=True)
while True:
    if os.fork() == 0:
        for _ in range(20):
            work()
            time.sleep(0.25)
        os._exit(0)
    work()
    print("round", flush=True)
    time.sleep(0.5)
END
}

# keeps_its_promises PROBE INTERPRETER
keeps_its_promises() {
    needs "$2"
    start_command a "$2" "$work/program"
    head=$pid
    wait_until 'grep -q "^round" "$out"' 60
    [ -d "$mnt/$head/$1" ]
    same_as_peers "$head"
    switch_all 10 "$head"
    for _ in 1 2 3; do
        hold_for 1 "$head" "$1" 2
    done
    says '^round'
    nobody_is_on "$head"
}

@test "Ruby: its probes, all on and off, holds across forks" {
    write_ruby
    keeps_its_promises ruby:gc__mark__begin ruby
}

@test "Python: its probes, all on and off, holds across forks" {
    write_python
    keeps_its_promises python:gc__start /usr/bin/python3
}
