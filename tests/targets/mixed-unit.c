/* SPDX-License-Identifier: MIT */
/*
 * One unit of the program `mixed`, built several times in different layouts. MIXED_RUN is the
 * name of its only function, MIXED_NAME that of its second probe.
 */
#include "mixed.h"
#include "ocaml-probes.h"

/* The probe macros take their argument by its spelling: this one expands it first. */
#define EXPAND(macro, name) macro(name)

/* In each `ocaml` unit: counters of their own (+0), and one that they share (+2). */
#if defined(LAYOUT_OCAML) || defined(LAYOUT_OCAML_PLUS2)
PROBE_DEFINE(tick);
#endif

EXPAND(PROBE_DEFINE, MIXED_NAME);

/*
 * On from the start in one unit and off in the other. The linker keeps the semaphore of the
 * first: off, while a site is on. Such a probe starts at X.
 */
#if defined(MIXED_SKEW_FIRST)
PROBE_DEFINE(skew);
#elif defined(MIXED_SKEW_SECOND)
PROBE_DEFINE_ON(skew);
#endif

void MIXED_RUN(void)
{
#if defined(LAYOUT_OCAML) || defined(LAYOUT_OCAML_PLUS2)
    PROBE_SITE(tick);
#endif
    EXPAND(PROBE_SITE, MIXED_NAME);
#if defined(MIXED_SKEW_FIRST)
    PROBE_SITE(skew);
#elif defined(MIXED_SKEW_SECOND)
    PROBE_SITE_ON(skew);
#endif
}
