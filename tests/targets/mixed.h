/* SPDX-License-Identifier: MIT */
#ifndef MIXED_H
#define MIXED_H

void mixed_run_ocaml_a(void);
void mixed_run_ocaml_b(void);
void mixed_run_plus2_a(void);
void mixed_run_plus2_b(void);
void mixed_run_dot_1(void);
void mixed_run_1(void);
void mixed_run_2(void);

#endif
