/* SPDX-License-Identifier: MIT */
/*
 * The text of README, at the top of the tree. It has a line of README_WAY_SIZE bytes in it, with
 * its newline, that says how probes are watched here: so its size is known.
 */
#ifndef PROBEFS_README_H
#define PROBEFS_README_H

#define README_HEAD                                                                                \
    "probefs: the static tracing probes of running processes, as files\n"                          \
    "\n"                                                                                           \
    "  ls                                processes that have probes\n"                             \
    "  ls PID                            probes of one process\n"                                  \
    "  find PID -name enabled            every switch of one process\n"                            \
    "  grep -l 1 */*/enabled             everything that is on\n"                                  \
    "  readlink PID/exe                  the program\n"                                            \
    "  cat PID/info                      one line per probe: STATE COUNT SITES NAME\n"             \
    "  ls self/                          your own process\n"                                       \
    "\n"                                                                                           \
    "One probe\n"                                                                                  \
    "  cat PID/PROBE/enabled             0: off, 1: on, X: counters or sites disagree\n"           \
    "  echo 1 > PID/PROBE/enabled        switch it on, in the live process\n"                      \
    "  echo 0 > PID/PROBE/enabled        switch it off, whoever switched it on\n"                  \
    "  echo +1 > PID/PROBE/semaphore     add a reference, leaving those of others alone\n"         \
    "  echo -1 > PID/PROBE/semaphore     remove it again\n"                                        \
    "  exec 9> PID/PROBE/hold            a reference that ends when you close the file\n"          \
    "  cat PID/PROBE/sites               one line per site: ADDRESS STATE OBJECT+OFFSET "          \
    "ARGUMENTS\n"                                                                                  \
    "  cat PID/PROBE/trace               watch it fire: TIME TID PROBE ARGUMENTS, until you stop " \
    "it\n"                                                                                         \
    "  echo 1 > PID/PROBE/hits           count from 0 on; cat reads the count, echo 0 > ends it\n" \
    "  cat PID/trace                     all probes; first write names to it to choose some\n"     \
    "\n"                                                                                           \
    "Many probes, in one update\n"                                                                 \
    "  echo 0 > PID/enabled              all probes of a process\n"                                \
    "  echo '1 gc_*' > PID/control       VALUE NAME...; VALUE is 0, 1, +1, -1 or =N; NAME is a "   \
    "name,\n"                                                                                      \
    "                                    a glob, ~REGEX or a pair START,STOP\n"                    \
    "  cat PID/control > saved           and later: cat saved > PID/control\n"                     \
    "  cat PID/error_log                 why the last changes failed, newest last\n"               \
    "\n"

#define README_TAIL                                                                                \
    "\n"                                                                                           \
    "Names. An OCaml probe is shown by its name, any other that has a semaphore as "               \
    "PROVIDER:NAME.\n"                                                                             \
    "Those without one can only be watched: -o all shows them, with state -. Bytes that would "    \
    "mislead the\n"                                                                                \
    "shell are written as %XX.\n"                                                                  \
    "\n"                                                                                           \
    "Permissions. You may look into your own processes, as far as the kernel lets you trace "      \
    "them. Root\n"                                                                                 \
    "(with CAP_SYS_PTRACE) and the group of -o gid= may look into all. ls shows only what you "    \
    "may see.\n"                                                                                   \
    "\n"                                                                                           \
    "Errors. ENOENT: no such process or probe. ESRCH: the process ended or replaced its program. " \
    "EINVAL,\n"                                                                                    \
    "ERANGE, EOVERFLOW: not a value, or out of range. EACCES, EPERM: the kernel would not let "    \
    "you trace\n"                                                                                  \
    "it. EBUSY: a tracer holds it. ENOEXEC: the bytes at a site are not a probe's. EFBIG: code "   \
    "on pages\n"                                                                                   \
    "of 1 GiB. ETIMEDOUT: no answer in time. EAGAIN, EMFILE, ENOMEM: you have reached a limit.\n"  \
    "\n"                                                                                           \
    "See probefs(5) and probefs(8).\n"

enum {
    README_WAY_SIZE = 64,
    README_SIZE = sizeof(README_HEAD) - 1 + README_WAY_SIZE + sizeof(README_TAIL) - 1,
};

#endif
