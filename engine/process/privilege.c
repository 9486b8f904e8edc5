/* SPDX-License-Identifier: MIT */
#include "process/privilege.h"

/* Sets or clears CAPABILITY in the effective set; false if it was so, or is not permitted. */
static bool set_effective(cap_value_t capability, cap_flag_value_t value)
{
    cap_t set = cap_get_proc();
    cap_flag_value_t permitted = CAP_CLEAR;
    cap_flag_value_t effective = CAP_CLEAR;
    bool done = set && cap_get_flag(set, capability, CAP_PERMITTED, &permitted) == 0 &&
                cap_get_flag(set, capability, CAP_EFFECTIVE, &effective) == 0 &&
                permitted == CAP_SET && effective != value &&
                cap_set_flag(set, CAP_EFFECTIVE, 1, &capability, value) == 0 &&
                cap_set_proc(set) == 0;
    if (set)
        cap_free(set);
    return done;
}

bool privilege_raise(cap_value_t capability)
{
    return set_effective(capability, CAP_SET);
}

void privilege_lower(cap_value_t capability, bool raised)
{
    if (raised)
        set_effective(capability, CAP_CLEAR);
}

bool privilege_is_in_effect(cap_value_t capability)
{
    cap_t set = cap_get_proc();
    cap_flag_value_t effective = CAP_CLEAR;
    bool has = set && cap_get_flag(set, capability, CAP_EFFECTIVE, &effective) == 0 &&
               effective == CAP_SET;
    if (set)
        cap_free(set);
    return has;
}
