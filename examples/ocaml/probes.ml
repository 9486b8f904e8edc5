(* SPDX-License-Identifier: MIT *)

type state = Off | On | Mixed

(* In the order of [enum probe_state]: constant constructors are numbers in C. *)
external all_states : unit -> (string * state) array = "probes_states"
external switch : bool -> string -> int = "probes_switch"

let states () = Array.to_list (all_states ())
let enable pattern = switch true pattern
let disable pattern = switch false pattern
