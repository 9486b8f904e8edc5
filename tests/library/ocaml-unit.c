/* SPDX-License-Identifier: MIT */
/*
 * Linked into an OCaml program (ocaml.bats): probes as OCaml's own compilers make them, where the
 * compiler at hand makes none. Each call of ocaml_unit_pass() passes both.
 */
#include "ocaml-probes.h"

#include <caml/mlvalues.h>
#include <stdio.h>

PROBE_DEFINE(gc_start);
PROBE_DEFINE(gc_stop);

value ocaml_unit_pass(value unit);

void probe_hit(const char *name)
{
    printf("%s\n", name);
    fflush(stdout);
}

value ocaml_unit_pass(value unit)
{
    PROBE_SITE(gc_start);
    PROBE_SITE(gc_stop);
    return unit;
}
