/* SPDX-License-Identifier: MIT */
/*
 * What a service does for each operation: see the table in operations.c. Each fills in the reply
 * of the call, and returns 0 or a negative errno value.
 */
#ifndef PROBEFS_ANSWERS_H
#define PROBEFS_ANSWERS_H

#include "service/children.h"
#include "service/counting.h"
#include "service/keeper.h"
#include "service/kept-texts.h"
#include "service/scanner.h"
#include "service/stops.h"
#include "service/feeds.h"
#include "service/targets.h"

struct service {
    struct probe_engine *engine;
    struct service_targets targets;
    struct scanner *scanner;
    struct kept_texts texts;
    struct stops stops; /* made for other workers */
    struct feeds *feeds;
    struct counting counting;
    struct keeper keeper;
    struct sets sets;
    struct child_queue children; /* after all that it uses */
};

/* find.c */
int answer_find(struct service *service, struct call *call);
int answer_scan(struct service *service, struct call *call);

/* files.c */
int answer_open(struct service *service, struct call *call);
int answer_read(struct service *service, struct call *call);
int answer_write(struct service *service, struct call *call);
int answer_close(struct service *service, struct call *call);

/* lend.c */
int answer_lend(struct service *service, struct call *call);
int answer_lend_file(struct service *service, struct call *call);
int answer_stop(struct service *service, struct call *call);
int answer_write_code(struct service *service, struct call *call);
int answer_resume(struct service *service, struct call *call);

/* feeds.c */
int answer_stream(struct service *service, struct call *call);

/* keeper.c */
int answer_hold_take(struct service *service, struct call *call);
int answer_hold_keep(struct service *service, struct call *call);
int answer_hold_give(struct service *service, struct call *call);
int answer_hold_forget(struct service *service, struct call *call);

#endif
