/* SPDX-License-Identifier: MIT */
/* A plan's steps, as writes. */
#ifndef ENGINE_PLAN_APPLY_H
#define ENGINE_PLAN_APPLY_H

#include "process/memory.h"
#include "update/plan.h"

/*
 * Writes step by step. If one fails, the inverse of those done is applied to what is there then.
 * Errors: those of writing.
 */
int plan_apply(const struct probe_engine *engine, const struct memory_writer *writer,
               const struct plan *plan, struct probe_error *error);

#endif
