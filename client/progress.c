/*
 * progress.c - the bar.
 */
#include "progress.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAW_EVERY_NS 100000000u
#define BAR_CELLS     24

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, uint64_t first_bytes, uint64_t total_bytes,
                    const char *unit)
{
    assert(progress != NULL);
    *progress = (struct progress){.shown = isatty(STDERR_FILENO) != 0,
                                  .total_bytes = total_bytes,
                                  .first_bytes = first_bytes,
                                  .start_ns = now_ns(),
                                  .unit = unit};
}

double progress_seconds(const struct progress *progress)
{
    return (double)(now_ns() - progress->start_ns) / 1e9;
}

static void print_rate(double per_second, const char *unit)
{
    if (per_second >= 1e6)
        fprintf(stderr, "  %.1f M %s/s", per_second / 1e6, unit);
    else if (per_second >= 1e3)
        fprintf(stderr, "  %.0f k %s/s", per_second / 1e3, unit);
    else
        fprintf(stderr, "  %.0f %s/s", per_second, unit);
}

static void print_time(double seconds, const char *what)
{
    const uint64_t whole = seconds > 359999 ? 359999 : (uint64_t)(seconds + 0.5);
    if (whole >= 3600)
        fprintf(stderr, "  %llu:%02llu:%02llu %s", (unsigned long long)(whole / 3600),
                (unsigned long long)(whole / 60 % 60), (unsigned long long)(whole % 60), what);
    else
        fprintf(stderr, "  %llu:%02llu %s", (unsigned long long)(whole / 60),
                (unsigned long long)(whole % 60), what);
}

void progress_update(struct progress *progress, uint64_t done_bytes, uint64_t unit_count)
{
    assert(progress != NULL);
    if (!progress->shown) return;
    const uint64_t at_ns = now_ns();
    if (at_ns - progress->last_ns < DRAW_EVERY_NS) return;
    progress->last_ns = at_ns;
    progress->drawn = true;

    const double seconds = progress_seconds(progress);
    fputc('\r', stderr);
    if (progress->total_bytes > 0) {
        double share = (double)done_bytes / (double)progress->total_bytes;
        if (share > 1) share = 1;
        char bar[BAR_CELLS + 1];
        memset(bar, ' ', BAR_CELLS);
        const int filled = (int)(share * BAR_CELLS);
        memset(bar, '#', (size_t)filled);
        if (filled < BAR_CELLS) bar[filled] = '>';
        bar[BAR_CELLS] = 0;
        fprintf(stderr, "[%s] %3d %%", bar, (int)(share * 100));
    } else {
        fprintf(stderr, "%.1f MB", (double)done_bytes / 1e6);
    }
    if (seconds > 0.2) print_rate((double)unit_count / seconds, progress->unit);
    const uint64_t here_bytes = done_bytes - progress->first_bytes;
    if (progress->total_bytes == 0) {
        print_time(seconds, "so far");
    } else if (here_bytes > 0 && seconds > 0.5) {
        const uint64_t left_bytes =
            progress->total_bytes > done_bytes ? progress->total_bytes - done_bytes : 0;
        print_time(seconds * (double)left_bytes / (double)here_bytes, "left");
    }
    fputs("\033[K", stderr);
    (void)fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    assert(progress != NULL);
    if (!progress->drawn) return;
    fputs("\r\033[K", stderr);
    progress->drawn = false;
    progress->last_ns = 0; /* and back at the next update */
}
