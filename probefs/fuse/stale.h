/* SPDX-License-Identifier: MIT */
/*
 * Who was answered ESTALE. To that the kernel looks the path up once more and asks again, but does
 * so once only: a second ESTALE would be the caller's to see. So that is ENOENT, as for any path
 * whose process has gone.
 */
#ifndef PROBEFS_STALE_H
#define PROBEFS_STALE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * TID is to be answered ESTALE about process PID. May it be, or is it the second time? (What it was
 * answered about another process was another request, which ended in another way.)
 */
bool stale_may_answer(pid_t tid, pid_t pid);
/*
 * A request of TID begins, and has been answered. How long it takes does not count: a caller is
 * remembered for as long as the kernel may take from one answer to its next request.
 */
void stale_begin(pid_t tid);
void stale_end(pid_t tid);

/* TID was answered: what comes next is another request. */
void stale_forget(pid_t tid);

#endif
