(* SPDX-License-Identifier: MIT *)

external is_enabled : unit -> bool = "request_is_enabled" [@@noalloc]
external fire : (int[@untagged]) -> unit = "request_fire_value" "request_fire" [@@noalloc]
