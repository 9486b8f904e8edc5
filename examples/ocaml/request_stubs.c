/* SPDX-License-Identifier: MIT */
/* The probe server:request, for compilers of OCaml that have no probes of their own. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <caml/mlvalues.h>

/* Volatile, as others change it while the program runs. Tools expect it in this section. */
volatile unsigned short server_request_semaphore
    __attribute__((section(".probes"), visibility("hidden")));

value request_is_enabled(value unit)
{
    (void)unit;
    return Val_bool(server_request_semaphore > 0);
}

value request_fire(intnat number)
{
    DTRACE_PROBE1(server, request, number);
    return Val_unit;
}

value request_fire_value(value number)
{
    return request_fire(Long_val(number));
}
