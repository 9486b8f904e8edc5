/* SPDX-License-Identifier: MIT */
/* May a regular expression that somebody wrote be compiled at a reasonable cost? */
#ifndef ENGINE_REGEX_CHECK_H
#define ENGINE_REGEX_CHECK_H

/* Returns NULL, or what is wrong with PATTERN, as the end of a sentence. */
const char *regex_problem(const char *pattern);

#endif
