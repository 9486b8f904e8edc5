/* SPDX-License-Identifier: MIT */
/* The README at the top of the mount. */
#ifndef PROBEFS_README_H
#define PROBEFS_README_H

#define README_TEXT                                                                                \
    "probefs: the static tracing probes of running processes, as files\n"                          \
    "\n"                                                                                           \
    "  ls                              the processes that have probes\n"                           \
    "  ls PID                          the probes of one process\n"                                \
    "  find PID -name enabled          every switch of one process\n"                              \
    "  cat PID/PROBE/enabled           0: off, 1: on, X: counters or sites disagree\n"             \
    "  echo 1 > PID/PROBE/enabled      switch a probe on, in the live process\n"                   \
    "  echo 0 > PID/PROBE/enabled      switch it off, whoever switched it on\n"                    \
    "  echo 0 > PID/enabled            switch all probes of a process off, as one update\n"        \
    "  grep -l 1 */*/enabled           everything that is on\n"                                    \
    "  readlink PID/exe                the program\n"                                              \
    "\n"                                                                                           \
    "Names. A probe of OCaml is shown by its name, any other with a semaphore as PROVIDER:NAME.\n" \
    "Bytes that would mislead the shell are written as %XX.\n"                                     \
    "\n"                                                                                           \
    "Who. You may look into your own processes, as the kernel lets you trace them; root (with\n"   \
    "CAP_SYS_PTRACE) into all. ls shows those that you may look into.\n"                           \
    "\n"                                                                                           \
    "Errors. ENOENT: no such process or probe. ESRCH: it ended or replaced its program.\n"         \
    "EINVAL: not a value. EACCES, EPERM: the kernel would not let you trace it. EBUSY: a tracer\n" \
    "holds it. ENOEXEC: the bytes at a site are not a probe's. ETIMEDOUT: no answer in time.\n"    \
    "\n"                                                                                           \
    "See probefs(8).\n"

enum { README_SIZE = sizeof(README_TEXT) - 1 };

#endif
