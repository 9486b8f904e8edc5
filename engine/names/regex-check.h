/* SPDX-License-Identifier: MIT */
/* Refuses regular expressions that would be expensive to compile or to match. */
#ifndef ENGINE_REGEX_CHECK_H
#define ENGINE_REGEX_CHECK_H

/* Returns NULL if PATTERN may be compiled, or what is wrong with it, as the end of a sentence. */
const char *regex_problem(const char *pattern);

#endif
