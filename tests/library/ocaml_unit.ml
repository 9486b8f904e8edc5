(* SPDX-License-Identifier: MIT *)

(* Says what Probes says of this process, before and after it has switched probes, and what it
   refuses. *)

external pass : unit -> unit = "ocaml_unit_pass"

let say_states () =
  List.iter
    (fun (name, state) ->
      Printf.printf "%s %s\n%!" name
        (match state with Probes.Off -> "off" | On -> "on" | Mixed -> "mixed"))
    (Probes.states ())

let refuses pattern =
  match Probes.enable pattern with
  | count -> Printf.printf "%s: %d\n%!" pattern count
  | exception Failure why -> Printf.printf "refused: %s\n%!" why

let () =
  say_states ();
  pass ();
  Printf.printf "enable: %d\n%!" (Probes.enable "gc_*");
  say_states ();
  pass ();
  Printf.printf "disable: %d\n%!" (Probes.disable "~^gc_start$");
  pass ();
  refuses "none";
  refuses "~(";
  (* A child sees itself, and leaves its parent alone. *)
  (match Unix.fork () with
   | 0 ->
     ignore (Probes.disable "*");
     say_states ();
     exit 0
   | child -> ignore (Unix.waitpid [] child));
  say_states ();
  for _ = 1 to 100 do
    ignore (Probes.enable "gc_start,gc_stop");
    ignore (Probes.disable "gc_start,gc_stop");
    ignore (Sys.opaque_identity (Probes.states ()))
  done;
  Gc.compact ();
  say_states ()
