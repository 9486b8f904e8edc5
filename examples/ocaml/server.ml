(* SPDX-License-Identifier: MIT *)

(* server [MOUNT]: serves a request every 50 ms, and reports each while the probe server:request is
   on. SIGUSR1 switches all of its probes on, SIGUSR2 off: through the library, or, with MOUNT,
   through the files of a tree that is mounted there. *)

let report number = Printf.printf "request %d\n%!" number

let serve number =
  if Request.is_enabled () then begin
    report number;
    Request.fire number
  end

let through_library on = ignore ((if on then Probes.enable else Probes.disable) "*")

(* `self` is the process that reads the link. Closing the file may fail too, and says so. *)
let through_files mount on =
  let control = open_out (Filename.concat mount "self/control") in
  output_string control (if on then "1 *\n" else "0 *\n");
  close_out control

let () =
  let switch =
    match Sys.argv with
    | [| _; mount |] -> through_files mount
    | _ -> through_library
  in
  let switch_on signal on =
    Sys.set_signal signal
      (Sys.Signal_handle
         (fun _ -> try switch on with Failure why | Sys_error why -> prerr_endline why))
  in
  switch_on Sys.sigusr1 true;
  switch_on Sys.sigusr2 false;
  Printf.printf "pid %d\n" (Unix.getpid ());
  List.iter
    (fun (name, state) ->
      Printf.printf "%s is %s\n%!" name
        (match state with Probes.Off -> "off" | On -> "on" | Mixed -> "mixed"))
    (Probes.states ());
  let rec loop number =
    serve number;
    (try Unix.sleepf 0.05 with Unix.Unix_error (EINTR, _, _) -> ());
    loop (number + 1)
  in
  loop 0
