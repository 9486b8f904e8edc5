/* SPDX-License-Identifier: MIT */
/* Writes the steps of a plan. */
#ifndef ENGINE_PLAN_APPLY_H
#define ENGINE_PLAN_APPLY_H

#include "process/memory.h"
#include "update/plan.h"

/*
 * Writes step by step. If one fails, applies the inverse of those done to what is there by then.
 * Errors: those of writing.
 */
int plan_apply(const struct probe_engine *engine, const struct memory_writer *writer,
               const struct plan *plan, struct probe_error *error);

#endif
