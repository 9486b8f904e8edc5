/* SPDX-License-Identifier: MIT */
/*
 * Following a program that becomes another, until one has a probe that is meant:
 *
 *     probe-run -f -e 'python:gc__*' ./script      #!/usr/bin/env python3
 *     exec(script) = env, no such probe -> exec(python3) = python3, switched and let go
 *
 * The process stays traced meanwhile, all its threads included, as any of them may call exec. Its
 * children are not, with one exception: programs that change the user (sudo, su) run the other as
 * their child, so the children of a setuid or setgid program are followed as well.
 *
 * If it ends before any program matched, that is told, and only then does its parent hear of its
 * end.
 */
#ifndef ENGINE_FOLLOW_H
#define ENGINE_FOLLOW_H

#include "start/helper.h"

/* Follows the process of LAUNCH, which stopped right after its first exec. */
void follow_run(struct launch *launch);

#endif
