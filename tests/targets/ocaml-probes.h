/* SPDX-License-Identifier: MIT */
/*
 * Probes of the kind OCaml compilers make, for C programs.
 *
 *     PROBE_DEFINE(gc_start);                      once in a unit, at top level
 *     void probe_hit(const char *name) { ... }     once in a program or library
 *
 *     PROBE_SITE(gc_start);                        a place in code
 *     if (PROBE_ENABLED(gc_start)) ...             a question: is it on?
 *
 * One of these macros says in which layout, of those that the compilers have used:
 *
 *     macro               provider  semaphore's symbol          counter at
 *     LAYOUT_OCAML        ocaml     camlUNIT__semaphore_NAME    +0, each unit its own
 *     LAYOUT_OCAML_PLUS2  ocaml     caml_probes_semaphore_NAME  +2
 *     LAYOUT_OCAML_DOT_1  ocaml.1   caml_probes_semaphore_NAME  +2
 *     LAYOUT_OCAML_1      ocaml_1   caml_probes_semaphore_NAME  +2
 *     LAYOUT_OCAML_2      ocaml_2   caml_probes_semaphore_NAME  +2
 *
 * What a site is depends on the processor: sites-x86_64.h, sites-aarch64.h.
 *
 * Surprises:
 * - On x86-64, a site is a call that the compiler knows nothing of. The wrapper saves what C code
 *   may keep in registers, and functions with sites are compiled with -mno-red-zone, as the call
 *   pushes its return address where a leaf function would keep its variables.
 * - Compilers may even keep a static variable in a register over a call to a function with a site,
 *   although the site says that it changes memory (gcc 12 does): what the handler shares with
 *   the code around a site is volatile, or its address is known to other units.
 * - `cmp eax, imm32` and `call rel32` have the same length and the same last four bytes: the
 *   operand of the comparison is the distance to the wrapper.
 * - Semaphores with a symbol of their own name are weak and hidden, so that the units of one
 *   object share one; the copies that lose stay in .probes as dead slots.
 */
#ifndef OCAML_PROBES_H
#define OCAML_PROBES_H

#include "opcodes.h"

#if defined(__aarch64__)
/* There, compilers have always made this layout. */
#undef LAYOUT_OCAML
#define PROBE_PROVIDER "ocaml_2"
#elif defined(LAYOUT_OCAML)
#define PROBE_PROVIDER "ocaml"
#elif defined(LAYOUT_OCAML_PLUS2)
#define PROBE_PROVIDER "ocaml"
#elif defined(LAYOUT_OCAML_DOT_1)
#define PROBE_PROVIDER "ocaml.1"
#elif defined(LAYOUT_OCAML_1)
#define PROBE_PROVIDER "ocaml_1"
#elif defined(LAYOUT_OCAML_2)
#define PROBE_PROVIDER "ocaml_2"
#else
#error "define one of the LAYOUT_ macros"
#endif

// clang-format off
#ifdef LAYOUT_OCAML
#ifndef PROBE_UNIT
#define PROBE_UNIT "Demo"
#endif
#define PROBE_SEMAPHORE(name)   "caml" PROBE_UNIT "__semaphore_" #name
#define PROBE_COUNTER(name)     PROBE_SEMAPHORE(name)
#define PROBE_BINDING           ".globl "
#define PROBE_SLOT_OFF          "0, 0"
#define PROBE_SLOT_ON           "1, 0"
#else
#define PROBE_SEMAPHORE(name)   "caml_probes_semaphore_" #name
#define PROBE_COUNTER(name)     PROBE_SEMAPHORE(name) "+2"
#define PROBE_BINDING           ".weak "
#define PROBE_SLOT_OFF          "0, 0"
#define PROBE_SLOT_ON           "0, 1"
#endif

/* Called by every site that is on. Each object has its own: hence hidden. */
__attribute__((visibility("hidden"))) void probe_hit(const char *name);

/*
 * The byte that a note's `base` is compared with, in case a tool has moved the program since it
 * was linked. Units built with PROBE_NO_BASE say 0 instead: there is nothing to compare.
 */
#ifdef PROBE_NO_BASE
#define PROBE_BASE "0"
#else
#define PROBE_BASE "_.stapsdt.base"
__asm__(
    ".pushsection .stapsdt.base, \"aG\", @progbits, .stapsdt.base, comdat\n"
    "\t.weak _.stapsdt.base\n"
    "\t.hidden _.stapsdt.base\n"
    "_.stapsdt.base:\n"
    "\t.space 1\n"
    "\t.size _.stapsdt.base, 1\n"
    ".popsection\n");
#endif

/* The semaphore: two 16-bit counters. */
#define PROBE_SEMAPHORE_SLOT(name, slot)                                                    \
    ".pushsection .probes, \"aw\", @progbits\n"                                             \
    "\t.balign 2\n"                                                                         \
    "\t" PROBE_BINDING PROBE_SEMAPHORE(name) "\n"                                           \
    "\t.hidden " PROBE_SEMAPHORE(name) "\n"                                                 \
    "\t.type " PROBE_SEMAPHORE(name) ", @object\n"                                          \
    "\t.size " PROBE_SEMAPHORE(name) ", 4\n"                                                \
    PROBE_SEMAPHORE(name) ":\n"                                                             \
    "\t.2byte " slot "\n"                                                                   \
    ".popsection\n"

/* The semaphore and the wrapper of a probe that is off, or on, when the program starts. */
#define PROBE_DEFINE(name)                                                                  \
    __asm__(PROBE_SEMAPHORE_SLOT(name, PROBE_SLOT_OFF) PROBE_WRAPPER(name))
#define PROBE_DEFINE_ON(name)                                                               \
    __asm__(PROBE_SEMAPHORE_SLOT(name, PROBE_SLOT_ON) PROBE_WRAPPER(name))

/* One note: three addresses, then provider, name and arguments. */
#define PROBE_NOTE(site, name, arguments)                                                   \
    ".pushsection .note.stapsdt, \"\", @note\n"                                             \
    "\t.balign 4\n"                                                                         \
    "\t.4byte 8, 992f - 991f, 3\n"                                                          \
    "\t.asciz \"stapsdt\"\n"                                                                \
    "991:\n"                                                                                \
    "\t.8byte " site "\n"                                                                   \
    "\t.8byte " PROBE_BASE "\n"                                                             \
    "\t.8byte " PROBE_SEMAPHORE(name) "\n"                                                  \
    "\t.asciz \"" PROBE_PROVIDER "\"\n"                                                     \
    "\t.asciz \"" #name "\"\n"                                                              \
    "\t.asciz \"" arguments "\"\n"                                                          \
    "992:\n"                                                                                \
    "\t.balign 4\n"                                                                         \
    ".popsection\n"

/* A note with a site of 0: the probe has a semaphore and no place in code (only ocaml_2). */
#define PROBE_NO_SITE(name)         __asm__ volatile(PROBE_NOTE("0", name, "") : : : "memory")

// clang-format on

#if defined(__x86_64__)
#include "sites-x86_64.h"
#elif defined(__aarch64__)
#include "sites-aarch64.h"
#else
#error "no file has this processor's sites"
#endif

#endif
