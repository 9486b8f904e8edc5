(* SPDX-License-Identifier: MIT *)

(** The probe [server:request]. With a compiler that knows [%probe], write
    [[%probe "request" (report number)]] instead, and leave this module out. *)

(** Is it on? *)
val is_enabled : unit -> bool

(** Fires it: tracers see [number] as its argument. *)
val fire : int -> unit
