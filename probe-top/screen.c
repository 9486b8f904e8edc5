/* SPDX-License-Identifier: MIT */
/*
 * The screen: a summary, the names of the columns, a line for each probe, and one for what there is
 * to say. A line that is too long runs into the next one, which is drawn after it.
 */
#include "counting.h"
#include "top.h"

#include "shared/clock.h"

#include <curses.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

enum { HEAD_LINES = 2 };

struct screen {
    struct top *top;
    struct counting counting;
    size_t selected, first; /* rows: that one, and the first to be shown */
    pid_t pid;              /* of the probe that is selected, with its name */
    char probe[NAME_MAX + 1];
    bool shows_help, ends;
};

static const char keys[] = "space: switch  c: count  s: sort  h: help  q: quit";

static const char help[] =
    "space, enter   switch the probe on or off\n"
    "c              count how often it fires; again: end that\n"
    "< > s          sort by the column to the left, or to the right\n"
    "up, down       select; also k and j, page up and down, home and end\n"
    "q              quit: what was counted here ends, what was switched stays\n"
    "\n"
    "STATE: 1 on, 0 off, X in between, - can only be watched.\n"
    "RATE (firings a second) and TOTAL: of probes that are counted. Each firing\n"
    "costs time then, and SystemTap's probes are on meanwhile.\n";

/* ---- signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t asked_to_stop;

static void ask_to_stop(int signal)
{
    (void)signal;
    asked_to_stop = 1;
}

/* Without SA_RESTART, so that a read of the tree that waits ends, too. */
static void catch_signals(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    const struct sigaction action = {.sa_handler = ask_to_stop};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &action, NULL);
    /* A guard may have been killed. */
    signal(SIGPIPE, SIG_IGN);
}

/*
 * Waits for a key, a signal or the time of the next look. Signals are blocked until it waits: none
 * is missed. A terminal that has gone also asks to stop.
 */
static void wait_for_key(int64_t nanoseconds)
{
    struct pollfd poll = {.fd = STDIN_FILENO, .events = POLLIN};
    const struct timespec timeout = clock_add((struct timespec){0, 0}, nanoseconds);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    if (!asked_to_stop && nanoseconds > 0 && ppoll(&poll, 1, &timeout, &before) > 0 &&
        !(poll.revents & POLLIN))
        asked_to_stop = 1;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void draw_line(int line, attr_t attributes, const char *text)
{
    attr_set(attributes, 0, NULL);
    mvaddstr(line, 0, text);
    attr_set(A_NORMAL, 0, NULL);
    clrtobot();
}

static void draw_rows(const struct screen *screen, size_t room)
{
    const struct rows *rows = &screen->top->rows;
    char line[LINE_SIZE];
    for (size_t i = 0; i < room && screen->first + i < rows->count; i++) {
        const struct row *row = &rows->list[screen->first + i];
        attr_t attributes = row->state == '1' ? A_BOLD : A_NORMAL;
        if (screen->first + i == screen->selected)
            attributes |= A_REVERSE;
        row_print(row, true, line);
        draw_line(HEAD_LINES + (int)i, attributes, line);
    }
}

static void draw(struct screen *screen)
{
    static const char *const titles[] = {"PID", "PROGRAM", "STATE", "RATE", "TOTAL", "PROBE"};
    const struct top *top = screen->top;
    char line[LINE_SIZE];
    /* A sentence may be longer than a line. */
    int foot = (int)(strlen(top->sentence) / (size_t)COLS) + 1;
    size_t room = LINES > HEAD_LINES + foot ? (size_t)(LINES - HEAD_LINES - foot) : 1;
    if (screen->selected < screen->first)
        screen->first = screen->selected;
    if (screen->selected >= screen->first + room)
        screen->first = screen->selected - room + 1;
    snprintf(line, sizeof(line), "%s, by %s", top->summary, titles[top->column]);
    draw_line(0, A_NORMAL, line);
    row_print(NULL, true, line);
    draw_line(1, A_UNDERLINE, line);
    if (screen->shows_help)
        draw_line(HEAD_LINES, A_NORMAL, help);
    else
        draw_rows(screen, room);
    draw_line(LINES > foot ? LINES - foot : 0, A_NORMAL, *top->sentence ? top->sentence : keys);
    refresh();
}

/* ---- what is selected ---------------------------------------------------------------------- */

/* Selects the row at INDEX, or the last one. */
static void select_row(struct screen *screen, size_t index)
{
    const struct rows *rows = &screen->top->rows;
    if (rows->count == 0) {
        screen->selected = 0;
        return;
    }
    screen->selected = index < rows->count ? index : rows->count - 1;
    screen->pid = rows->list[screen->selected].pid;
    snprintf(screen->probe, sizeof(screen->probe), "%s", rows->list[screen->selected].name);
}

/* Rows move, and the probe stays selected: a key is for the one that the user sees. */
static void follow_selection(struct screen *screen)
{
    size_t index = rows_find(&screen->top->rows, screen->pid, screen->probe);
    select_row(screen, index < screen->top->rows.count ? index : screen->selected);
}

/* Does KEY move the selection? */
static bool press_to_move(struct screen *screen, int key)
{
    size_t page = LINES > HEAD_LINES + 2 ? (size_t)(LINES - HEAD_LINES - 1) : 1;
    size_t at = screen->selected;
    if (key == KEY_UP || key == 'k')
        select_row(screen, at > 0 ? at - 1 : 0);
    else if (key == KEY_DOWN || key == 'j')
        select_row(screen, at + 1);
    else if (key == KEY_PPAGE)
        select_row(screen, at > page ? at - page : 0);
    else if (key == KEY_NPAGE)
        select_row(screen, at + page);
    else if (key == KEY_HOME)
        select_row(screen, 0);
    else if (key == KEY_END)
        select_row(screen, SIZE_MAX);
    else
        return false;
    return true;
}

/* ---- what keys do -------------------------------------------------------------------------- */

/* A signal, of a new size for one, only puts it off. */
static void look(struct screen *screen)
{
    if (top_look(screen->top) == -EINTR)
        *screen->top->sentence = '\0';
    follow_selection(screen);
}

static int switch_probe(const struct screen *screen, const struct row *row)
{
    return tree_write(screen->top->tree, row->pid, row->name, "enabled",
                      row->state == '1' ? "0\n" : "1\n");
}

static int count_probe(struct screen *screen, const struct row *row)
{
    if (!row->is_counted)
        return counting_begin(&screen->counting, row);
    if (counting_is_ours(&screen->counting, row))
        return counting_end(&screen->counting, row);
    snprintf(screen->top->sentence, SENTENCE_SIZE, "somebody else counts %s", row->name);
    return 0;
}

static void press_to_change(struct screen *screen, int key)
{
    struct top *top = screen->top;
    if (top->rows.count == 0)
        return;
    const struct row *row = &top->rows.list[screen->selected];
    pid_t pid = row->pid;
    int status = key == 'c' ? count_probe(screen, row) : switch_probe(screen, row);
    look(screen);
    if (status < 0)
        tree_explain(top->tree, pid, -status, top->sentence);
}

static void sort_by(struct screen *screen, int column)
{
    screen->top->column = (enum column)(column % COLUMN_COUNT);
    rows_sort(&screen->top->rows, 0, screen->top->column);
    follow_selection(screen);
}

static void press(struct screen *screen, int key)
{
    struct top *top = screen->top;
    if (key == KEY_RESIZE)
        return;
    *top->sentence = '\0';
    if (screen->shows_help)
        screen->shows_help = false;
    else if (key == 'q')
        screen->ends = true;
    else if (key == 'h' || key == '?')
        screen->shows_help = true;
    else if (key == '<')
        sort_by(screen, (int)top->column + COLUMN_COUNT - 1);
    else if (key == '>' || key == 's')
        sort_by(screen, (int)top->column + 1);
    else if (key == ' ' || key == '\n' || key == KEY_ENTER || key == 'c')
        press_to_change(screen, key);
    else
        press_to_move(screen, key);
}

/* ---- the terminal -------------------------------------------------------------------------- */

static int fail(const char *sentence)
{
    fprintf(stderr, "probe-top: %s: use --batch\n", sentence);
    return 1;
}

static void loop(struct screen *screen)
{
    struct timespec next = clock_now();
    while (!screen->ends && !asked_to_stop) {
        if (clock_is_past(&next)) {
            look(screen);
            next = clock_after(screen->top->delay);
        }
        draw(screen);
        wait_for_key(clock_left(&next));
        for (int key = getch(); key != ERR && !screen->ends; key = getch())
            press(screen, key);
    }
}

/* initscr() would exit where it does not know the terminal, and scroll lines on a dumb one. */
static bool can_show_screen(void)
{
    int found = 0;
    if (setupterm(NULL, STDOUT_FILENO, &found) == ERR)
        return false;
    bool can_move = cursor_address != NULL;
    del_curterm(cur_term);
    return can_move;
}

int screen_run(struct top *top)
{
    struct screen screen = {.top = top, .counting = {.tree = top->tree}};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return fail("standard input and output are no terminal");
    if (!can_show_screen())
        return fail("a terminal of this type (TERM) shows no screen");
    catch_signals();
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    loop(&screen);
    endwin();
    counting_done(&screen.counting);
    return 0;
}
