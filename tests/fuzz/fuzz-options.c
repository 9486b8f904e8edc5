/* SPDX-License-Identifier: MIT */
/* The command line, an argument a line. */
#include "fuzz.h"

#include "options.h"

#include <errno.h>

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = string_of(data, size);
    char *words[WORDS_MAX + 1] = {"probefs"};
    int count = 1;
    char *rest = NULL;
    for (char *word = strtok_r(text, "\n", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, "\n", &rest))
        words[count++] = word;

    struct fuse_args args = FUSE_ARGS_INIT(count, words);
    struct options options;
    int status = options_parse(&args, &options);
    require(status == 0 || status == -EINVAL);
    if (status == 0 && !options.help && !options.version)
        require(options.mountpoint && options.mountpoint[0] == '/');
    require(options.has_group || options.group == 0);
    options_done(&options);
    fuse_opt_free_args(&args);
    free(text);
    return 0;
}
