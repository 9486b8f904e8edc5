/* SPDX-License-Identifier: MIT */
/* Included before every file but process/ptrace.c: no other may name ptrace(). */
#include <sys/ptrace.h>
#pragma GCC poison ptrace
