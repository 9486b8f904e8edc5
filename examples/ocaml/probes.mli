(* SPDX-License-Identifier: MIT *)

(** The tracing probes of this process, which it sees and switches by itself. *)

type state = Off | On | Mixed

(** All probes, sorted by name. *)
val states : unit -> (string * state) list

(** [enable pattern] switches on all probes that [pattern] means, in one update, and returns how
    many these are. A pattern is a name, a glob ([gc_*]), a regular expression ([~^gc_]) or a pair
    ([gc_start,gc_stop]), as in the file [control] of probefs(5).

    All functions raise [Failure] with a sentence that says what is wrong. *)
val enable : string -> int

val disable : string -> int
