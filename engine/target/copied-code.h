/* SPDX-License-Identifier: MIT */
/*
 * Code that is in an object's place, and not mapped from its file: programs copy their text to huge
 * pages, which may be anonymous, of hugetlbfs, or of a memfd.
 */
#ifndef ENGINE_COPIED_CODE_H
#define ENGINE_COPIED_CODE_H

#include "target/loaded.h"

/* Does MAPPING hold executable code that is of another file than LOADED's, or of none? */
bool copied_code_is_in(const struct loaded *loaded, const struct mapping *mapping);

struct copied_code {
    bool any;
    bool shared;    /* some is mapped shared: writing there would change what others see */
    bool foreign;   /* the sites in some mapping are not those of the object */
    bool own;       /* others are in code that is mapped from its file */
    bool unchecked; /* memory cannot be read: whether it is foreign is not known */
};

/*
 * Looks for such code in the segments of LOADED, compares its sites, and notes the files that it is
 * of in LOADED. (Code of more than COPIES_MAX files counts as foreign.) Errors: ENOMEM.
 */
int copied_code_find(const struct probe_engine *engine, const struct probe_image *image,
                     const struct maps *maps, struct loaded *loaded, struct copied_code *found);

/* Is MAPPING of a file that was found to hold copies of LOADED's code? */
bool copied_code_has(const struct loaded *loaded, const struct mapping *mapping);

#endif
