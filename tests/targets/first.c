/* SPDX-License-Identifier: MIT */
/*
 * A program whose first instruction is a probe's site, without any library: its exit status is 42
 * where the probe was on, else 0. (The site is the entry point itself, so that nothing of the
 * program runs before.)
 */
#include "ocaml-probes.h"

__asm__(PROBE_SEMAPHORE_SLOT(first, PROBE_SLOT_OFF) ".pushsection .text\n"
                                                    "first_wrapper:\n"
                                                    "\tmovl $42, first_status(%rip)\n"
                                                    "\tret\n"
                                                    "\t.globl _start\n"
                                                    "_start:\n"
                                                    "990:\n"
                                                    "\tnop\n"
                                                    "\t.byte " PROBE_BYTE_OFF "\n"
                                                    "\t.4byte first_wrapper - . - 4\n"
                                                    "\tmovl first_status(%rip), %edi\n"
                                                    "\tmovl $231, %eax\n"
                                                    "\tsyscall\n"
                                                    ".popsection\n"
                                                    ".pushsection .data\n"
                                                    "first_status:\n"
                                                    "\t.4byte 0\n"
                                                    ".popsection\n" PROBE_NOTE("990b", first, ""));
