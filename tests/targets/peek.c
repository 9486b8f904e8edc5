// SPDX-License-Identifier: MIT
/*
 * Looks at the probes of a process by its own means, so that tests need not believe the engine.
 *
 *     peek PID                       a line for every note that is shown:
 *                                    PROVIDER NAME SEMAPHORE COUNT SITE WORD [OBJECT]
 *     peek PID kinds [NAME [OBJECT]] in one line: COUNT WORD of these notes, each kind once, sorted
 *     peek PID bytes ADDRESS LENGTH  memory, in hex
 *     peek PID words ADDRESS LENGTH  memory, a word a byte
 *     peek PID poke ADDRESS BYTES    writes BYTES, in hex or as a word, through /proc/PID/mem
 *
 * SEMAPHORE is where the counter is (with the + 2 of its format) and SITE where the nop is, in hex,
 * at run time; `-` where there is none. WORD is on, off, nop or trap (see opcodes.h), or the byte
 * in hex, for the byte at SITE + 1 of a patched site, or else for that at SITE. Bytes in names that
 * would break a line are written as %XX.
 *
 * A file that contradicts the format is looked at as far as it can be understood.
 */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opcodes.h"

enum { PAGE = 4096, MAPPINGS_MAX = 65536 };

/* One line of /proc/PID/maps, and the file of it once somebody has asked. */
struct mapping {
    uint64_t start, end, offset;
    bool executable;
    char *device_inode;
    char *path;
    const unsigned char *data;
    size_t size;
    bool opened;
};

/* The process that is looked at: through any of its threads, as the main thread may be gone. */
static char folder[64];
static int process, memory = -1;
static struct mapping *mappings;
static size_t mapping_count;

static const struct {
    const char *word;
    unsigned char byte;
} words[] = {{"on", OPCODE_ON}, {"off", OPCODE_OFF}, {"nop", OPCODE_NOP}, {"trap", OPCODE_TRAP}};

enum { WORD_COUNT = sizeof(words) / sizeof(words[0]) };

static bool mapping_read_line(char *line, struct mapping *mapping)
{
    char permissions[8], device[32], inode[32];
    int at = 0;
    *mapping = (struct mapping){0};
    if (sscanf(line, "%lx-%lx %7s %lx %31s %31s %n", &mapping->start, &mapping->end, permissions,
               &mapping->offset, device, inode, &at) < 6)
        return false;
    line[strcspn(line, "\n")] = '\0';
    mapping->executable = permissions[2] == 'x';
    if (strcmp(inode, "0") != 0 && asprintf(&mapping->device_inode, "%s %s", device, inode) < 0)
        err(1, "asprintf");
    mapping->path = strdup(line + at);
    return true;
}

static bool mappings_read(const char *of)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/maps", of);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    mappings = calloc(MAPPINGS_MAX, sizeof(*mappings));
    while (mapping_count < MAPPINGS_MAX && getline(&line, &size, file) > 0)
        mapping_count += mapping_read_line(line, &mappings[mapping_count]);
    free(line);
    fclose(file);
    snprintf(path, sizeof(path), "%s/mem", of);
    if (mapping_count > 0)
        memory = open(path, O_RDWR | O_CLOEXEC);
    return memory >= 0;
}

static void process_open(const char *pid)
{
    struct dirent *entry;
    char tasks[64];
    process = atoi(pid);
    snprintf(folder, sizeof(folder), "/proc/%d", process);
    if (mappings_read(folder))
        return;
    snprintf(tasks, sizeof(tasks), "/proc/%d/task", process);
    for (DIR *threads = opendir(tasks); threads && (entry = readdir(threads));) {
        mapping_count = 0;
        snprintf(folder, sizeof(folder), "/proc/%d/task/%.20s", process, entry->d_name);
        if (entry->d_name[0] != '.' && mappings_read(folder))
            return;
    }
    err(1, "cannot look into process %d", process);
}

static void memory_read(uint64_t address, void *buffer, size_t length)
{
    ssize_t got = pread(memory, buffer, length, (off_t)address);
    if (got != (ssize_t)length)
        err(1, "process %d: cannot read %zu bytes at %lx", process, length, address);
}

/* The very file that is mapped, even where its path is gone (needs some privilege). */
static void mapping_open_file(struct mapping *mapping)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", process, mapping->start,
             mapping->end);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        snprintf(path, sizeof(path), "%s/root%s", folder, mapping->path);
        file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    mapping->opened = true;
    if (file < 0)
        return;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data != MAP_FAILED) {
            mapping->data = data;
            mapping->size = (size_t)status.st_size;
        }
    }
    close(file);
}

/* The file of a mapping, from the first mapping of the same file. */
static const struct mapping *file_of(const struct mapping *mapping)
{
    for (struct mapping *each = mappings; each <= mapping; each++)
        if (each->device_inode && strcmp(each->device_inode, mapping->device_inode) == 0) {
            if (!each->opened)
                mapping_open_file(each);
            return each;
        }
    return NULL;
}

/* LENGTH bytes of a file, or NULL where it is not that long. */
static const void *bytes_at(const struct mapping *file, uint64_t offset, uint64_t length)
{
    bool there = offset <= file->size && length <= file->size - offset;
    return there ? file->data + offset : NULL;
}

static const Elf64_Ehdr *header_of(const struct mapping *file)
{
    const Elf64_Ehdr *header = bytes_at(file, 0, sizeof(*header));
    bool elf = header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
               header->e_ident[EI_CLASS] == ELFCLASS64;
    return elf ? header : NULL;
}

/* The NUMBER-th of the segments to load that have these flags. */
static const Elf64_Phdr *load_of(const struct mapping *file, unsigned int flags, size_t number)
{
    const Elf64_Ehdr *header = header_of(file);
    for (size_t i = 0; header && i < header->e_phnum; i++) {
        const Elf64_Phdr *each =
            bytes_at(file, header->e_phoff + i * header->e_phentsize, sizeof(*each));
        if (each && each->p_type == PT_LOAD && (each->p_flags & flags) == flags && number-- == 0)
            return each;
    }
    return NULL;
}

static const Elf64_Shdr *section_number(const struct mapping *file, size_t number)
{
    const Elf64_Ehdr *header = header_of(file);
    if (number >= header->e_shnum)
        return NULL;
    return bytes_at(file, header->e_shoff + number * header->e_shentsize, sizeof(Elf64_Shdr));
}

static const char *string_at(const struct mapping *file, const Elf64_Shdr *strings, size_t at)
{
    const char *text = strings ? bytes_at(file, strings->sh_offset, strings->sh_size) : NULL;
    bool there = text && at < strings->sh_size && memchr(text + at, '\0', strings->sh_size - at);
    return there ? text + at : NULL;
}

/* The next section of that name from number *AT on, which moves behind it. */
static const Elf64_Shdr *section_named(const struct mapping *file, const char *name, size_t *at)
{
    const Elf64_Shdr *names = section_number(file, header_of(file)->e_shstrndx);
    for (; *at < header_of(file)->e_shnum; (*at)++) {
        const Elf64_Shdr *each = section_number(file, *at);
        const char *found = each ? string_at(file, names, each->sh_name) : NULL;
        if (found && strcmp(found, name) == 0) {
            (*at)++;
            return each;
        }
    }
    return NULL;
}

/* Mapped only as data, an object has no executable mapping where its code belongs. */
static bool is_loaded(const struct mapping *file, uint64_t bias)
{
    const Elf64_Phdr *code;
    if (header_of(file)->e_type == ET_EXEC && bias != 0)
        return false;
    for (size_t i = 0; (code = load_of(file, PF_X, i)); i++) {
        size_t at = 0;
        uint64_t address = bias + code->p_vaddr;
        while (at < mapping_count && !(mappings[at].executable && address >= mappings[at].start &&
                                       address < mappings[at].end))
            at++;
        if (at == mapping_count)
            return false;
    }
    return true;
}

/* One place that a file is loaded at. */
struct instance {
    const struct mapping *file;
    uint64_t bias;
    const char *path;
};

struct note {
    uint64_t site, base, semaphore;
    const char *provider, *name;
};

static bool is_patched(const struct note *note)
{
    static const char *const providers[] = {"ocaml", "ocaml.1", "ocaml_1", "ocaml_2"};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(note->provider, providers[i]) == 0)
            return true;
    return false;
}

/* Is a symbol of the table at that address (of link time), by that name? */
static bool has_symbol(const struct mapping *file, uint64_t address, const char *name)
{
    const Elf64_Shdr *table = NULL;
    for (size_t i = 0; i < header_of(file)->e_shnum; i++) {
        table = section_number(file, i);
        if (table && table->sh_type == SHT_SYMTAB)
            break;
        table = NULL;
    }
    const Elf64_Shdr *strings = table ? section_number(file, table->sh_link) : NULL;
    const Elf64_Sym *symbols = table ? bytes_at(file, table->sh_offset, table->sh_size) : NULL;
    for (size_t i = 0; symbols && i < table->sh_size / sizeof(*symbols); i++) {
        const char *found =
            symbols[i].st_value == address ? string_at(file, strings, symbols[i].st_name) : NULL;
        if (found && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

static unsigned int counter_offset(const struct mapping *file, const struct note *note)
{
    char name[4096];
    if (!is_patched(note))
        return 0;
    if (strcmp(note->provider, "ocaml") != 0)
        return 2;
    snprintf(name, sizeof(name), "caml_probes_semaphore_%s", note->name);
    return has_symbol(file, note->semaphore, name) ? 2 : 0;
}

/* TEXT in a line. The caller frees it. */
static char *escaped(const char *text)
{
    char *result = malloc(3 * strlen(text) + 1), *end = result;
    if (!result)
        err(1, "malloc");
    for (*end = '\0'; *text; text++)
        end += sprintf(end, *text > 0x20 && *text < 0x7f && *text != '%' ? "%c" : "%%%02X",
                       (unsigned char)*text);
    return result;
}

static void print_escaped(const char *text, char end)
{
    char *line = escaped(text);
    printf("%s%c", line, end);
    free(line);
}

static const char *word_of(unsigned char byte)
{
    static char hex[3];
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (words[i].byte == byte)
            return words[i].word;
    snprintf(hex, sizeof(hex), "%02x", byte);
    return hex;
}

/* What memory shows of a note; `-` where it has no semaphore, or no site. */
struct sight {
    uint64_t counter, site;
    char count[8], word[8];
};

static void note_look(const struct instance *instance, const struct note *note, struct sight *sight)
{
    size_t at = 0;
    const Elf64_Shdr *base = section_named(instance->file, ".stapsdt.base", &at);
    uint64_t shift = base && base->sh_addr && note->base ? base->sh_addr - note->base : 0;
    shift += instance->bias;
    *sight = (struct sight){0, 0, "-", "-"};
    if (note->semaphore) {
        uint16_t count;
        /* Compared with the symbol table as it is in the note: both are of link time. */
        sight->counter = note->semaphore + shift + counter_offset(instance->file, note);
        memory_read(sight->counter, &count, sizeof(count));
        snprintf(sight->count, sizeof(sight->count), "%u", count);
    }
    if (note->site) {
        unsigned char byte;
        sight->site = note->site + shift;
        memory_read(sight->site + is_patched(note), &byte, 1);
        snprintf(sight->word, sizeof(sight->word), "%s", word_of(byte));
    }
}

static void print_address(uint64_t address)
{
    printf(address ? "%lx " : "- ", address);
}

static void note_print(const struct instance *instance, const struct note *note)
{
    struct sight sight;
    note_look(instance, note, &sight);
    print_escaped(note->provider, ' ');
    print_escaped(note->name, ' ');
    print_address(sight.counter);
    printf("%s ", sight.count);
    print_address(sight.site);
    printf("%s ", sight.word);
    print_escaped(instance->path, '\n');
}

/* Instead of a line for every note: the kinds of those of a name, in an object; NULL is any. */
static bool in_kinds;
static const char *kinds_name, *kinds_object;
static char **kinds;
static size_t kind_count;

static bool is_wanted(const struct instance *instance, const struct note *note)
{
    char *name = escaped(note->name), *path = escaped(instance->path);
    bool wanted = (!kinds_name || strcmp(name, kinds_name) == 0) &&
                  (!kinds_object || strstr(path, kinds_object));
    free(name);
    free(path);
    return wanted;
}

static void kind_add(const struct instance *instance, const struct note *note)
{
    struct sight sight;
    if (!is_wanted(instance, note))
        return;
    note_look(instance, note, &sight);
    kinds = reallocarray(kinds, kind_count + 1, sizeof(*kinds));
    if (!kinds || asprintf(&kinds[kind_count++], "%s %s", sight.count, sight.word) < 0)
        err(1, "kinds");
}

static int compare_kinds(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void kinds_print(void)
{
    if (kind_count > 0)
        qsort(kinds, kind_count, sizeof(*kinds), compare_kinds);
    for (size_t i = 0; i < kind_count; i++)
        if (i == 0 || strcmp(kinds[i], kinds[i - 1]) != 0)
            printf(i == 0 ? "%s" : ",%s", kinds[i]);
    putchar('\n');
}

/* The next of the three strings behind a note's addresses; NULL where it does not end. */
static const char *next_string(const char **at, const char *end)
{
    const char *text = *at;
    const char *stop = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;
    *at = stop ? stop + 1 : end;
    return stop ? text : NULL;
}

static void note_read(const struct instance *instance, const char *description, size_t size)
{
    uint64_t addresses[3];
    const char *at = description + sizeof(addresses), *end = description + size;
    if (size <= sizeof(addresses))
        return;
    memcpy(addresses, description, sizeof(addresses));
    struct note note = {addresses[0], addresses[1], addresses[2], NULL, NULL};
    note.provider = next_string(&at, end);
    note.name = next_string(&at, end);
    if (note.provider && note.name && (is_patched(&note) || note.semaphore))
        (in_kinds ? kind_add : note_print)(instance, &note);
}

static void notes_read(const struct instance *instance, const char *data, size_t size)
{
    Elf64_Nhdr header;
    while (size >= sizeof(header)) {
        memcpy(&header, data, sizeof(header));
        uint64_t name = sizeof(header), description = name + ((header.n_namesz + 3ULL) & ~3ULL);
        uint64_t end = description + ((header.n_descsz + 3ULL) & ~3ULL);
        if (description + header.n_descsz > size)
            return;
        if (header.n_namesz == 8 && memcmp(data + name, "stapsdt", 8) == 0 && header.n_type == 3)
            note_read(instance, data + description, header.n_descsz);
        if (end > size)
            return;
        data += end;
        size -= end;
    }
}

static void instance_print(const struct instance *instance)
{
    const Elf64_Shdr *section;
    for (size_t at = 0; (section = section_named(instance->file, ".note.stapsdt", &at));) {
        const void *data = bytes_at(instance->file, section->sh_offset, section->sh_size);
        if (data)
            notes_read(instance, data, section->sh_size);
    }
}

static void probes_print(void)
{
    for (struct mapping *each = mappings; each < mappings + mapping_count; each++) {
        struct instance instance = {each->device_inode ? file_of(each) : NULL, 0, each->path};
        const Elf64_Phdr *first = instance.file ? load_of(instance.file, 0, 0) : NULL;
        if (!first || each->offset != first->p_offset / PAGE * PAGE)
            continue;
        instance.bias = each->start - first->p_vaddr / PAGE * PAGE;
        if (is_loaded(instance.file, instance.bias))
            instance_print(&instance);
    }
}

static void memory_print(uint64_t address, size_t length, bool as_words)
{
    unsigned char *buffer = malloc(length);
    memory_read(address, buffer, length);
    for (size_t i = 0; i < length; i++)
        if (as_words)
            printf(i ? " %s" : "%s", word_of(buffer[i]));
        else
            printf("%02x", buffer[i]);
    putchar('\n');
    free(buffer);
}

/* Byte by byte, as in real switching: a longer write could be seen half done. */
static void memory_poke(uint64_t address, const char *text)
{
    unsigned int byte;
    char hex[3] = "";
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(words[i].word, text) == 0) {
            snprintf(hex, sizeof(hex), "%02x", words[i].byte);
            text = hex;
        }
    for (; sscanf(text, "%2x", &byte) == 1 && isxdigit(text[1]); text += 2, address++) {
        unsigned char value = (unsigned char)byte;
        if (pwrite(memory, &value, 1, (off_t)address) != 1)
            err(1, "process %d: cannot write at %lx", process, address);
    }
    if (*text)
        errx(1, "not bytes in hex: '%s'", text);
}

int main(int argc, char **argv)
{
    const char *action = argc > 2 ? argv[2] : "";
    in_kinds = strcmp(action, "kinds") == 0;
    if (argc != 2 && argc != 5 && !in_kinds)
        errx(2, "usage: peek PID [kinds [NAME [OBJECT]] | bytes|words|poke ADDRESS LENGTH|BYTES]");
    process_open(argv[1]);
    if (in_kinds) {
        kinds_name = argc > 3 ? argv[3] : NULL;
        kinds_object = argc > 4 ? argv[4] : NULL;
        probes_print();
        kinds_print();
    } else if (argc == 2)
        probes_print();
    else if (strcmp(action, "poke") == 0)
        memory_poke(strtoul(argv[3], NULL, 16), argv[4]);
    else
        memory_print(strtoul(argv[3], NULL, 16), strtoul(argv[4], NULL, 10),
                     strcmp(action, "words") == 0);
    return 0;
}
