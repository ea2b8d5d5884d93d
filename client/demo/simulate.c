/*
 * simulate.c - the demo's data: nothing in it was ever measured or published.
 *
 *     simulate rivers    CSV on standard output: 20 gauges, every hour of 2024 and 2025
 *     simulate figures   line protocol (seconds): monthly figures of the same two years
 *
 * A level is the sum of what moves a tidal river: its mean, the flood season, four tidal
 * constituents and a surge that drifts and returns. Upstream the flood is high and the tide low,
 * downstream the other way round, which is all that `upstream` says. The same bytes on every
 * run: the random numbers have a fixed seed.
 *
 * Times are those of the river's clock, UTC+7 all year, as a gauge's log has them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_FIRST     2024
#define HOUR_COUNT     ((366 + 365) * 24)
#define START_S        INT64_C(1704067200) /* 2024-01-01 00:00, read as local clock time */
#define UTC_OFFSET_S   (7 * 3600)
#define SEED           UINT64_C(20240101)
#define SURGE_KEPT     0.97  /* of the surge, from one hour to the next: it lasts a day or so */
#define SURGE_STEP_M   0.015 /* standard deviation of what comes anew */
#define FLOOD_PEAK_DAY 285.0 /* mid-October */
#define FLOOD_WIDTH_D  38.0

struct station {
    const char *name, *river;
    double upstream; /* 0 at the sea .. 1 at the border */
    double alarm_m;  /* first alarm level, above datum */
};

static const struct station stations[] = {
    {"Tan Chau", "Tien", 1.00, 3.50},      {"Chau Doc", "Hau", 0.97, 3.00},
    {"Vam Nao", "Vam Nao", 0.85, 2.80},    {"Cho Moi", "Tien", 0.80, 2.60},
    {"Long Xuyen", "Hau", 0.70, 2.30},     {"Cao Lanh", "Tien", 0.65, 2.25},
    {"Thot Not", "Hau", 0.58, 2.15},       {"Sa Dec", "Tien", 0.52, 2.05},
    {"O Mon", "Hau", 0.46, 1.95},          {"My Thuan", "Tien", 0.42, 1.90},
    {"Can Tho", "Hau", 0.38, 1.85},        {"Cai Rang", "Can Tho", 0.36, 1.80},
    {"Vinh Long", "Co Chien", 0.33, 1.80}, {"Phung Hiep", "Cai Con", 0.30, 1.70},
    {"Vi Thanh", "Xa No", 0.26, 1.50},     {"Cho Lach", "Tien", 0.20, 1.75},
    {"Tra Vinh", "Co Chien", 0.12, 1.75},  {"Dai Ngai", "Hau", 0.10, 1.80},
    {"My Thanh", "My Thanh", 0.03, 1.85},  {"Tran De", "Hau", 0.00, 1.90},
};
#define STATION_COUNT (sizeof stations / sizeof stations[0])

struct constituent {
    double period_h, amplitude_m; /* amplitude at the sea */
};

static const struct constituent constituents[] = {
    {12.4206012, 0.62}, /* M2, the moon twice a day */
    {12.0000000, 0.24}, /* S2, the sun twice a day */
    {23.9344696, 0.31}, /* K1 */
    {25.8193417, 0.22}, /* O1 */
};
#define CONSTITUENT_COUNT (sizeof constituents / sizeof constituents[0])

struct figure {
    const char *name, *unit;
    double mean, season, growth_a_year, noise; /* the last three as parts of the mean */
};

static const struct figure figures[] = {
    {"rice_harvested", "t", 115000, 0.70, 0.01, 0.05},
    {"fish_and_shrimp", "t", 21500, 0.12, 0.04, 0.03},
    {"freight_by_water", "t", 640000, 0.08, 0.03, 0.04},
};
#define FIGURE_COUNT (sizeof figures / sizeof figures[0])

static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Mean 0, standard deviation 1, near enough to normal: twelve uniform numbers. */
static double random_normal(uint64_t *state)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_bits(state) >> 11) * 0x1p-53;
    return sum;
}

static double flood(double day_of_year)
{
    const double distance = (day_of_year - FLOOD_PEAK_DAY) / FLOOD_WIDTH_D;
    return exp(-distance * distance / 2);
}

static double tide(double hour, double upstream)
{
    double sum = 0;
    for (size_t i = 0; i < CONSTITUENT_COUNT; i++) {
        /* The tide runs up the river in about 8 hours, and loses four fifths of its height. */
        const double phase = (hour - 8 * upstream) / constituents[i].period_h;
        sum += constituents[i].amplitude_m * cos(2 * M_PI * phase);
    }
    return sum * (1 - 0.8 * upstream);
}

static int simulate_rivers(void)
{
    uint64_t state = SEED;
    double surge_m[STATION_COUNT] = {0};
    puts("time,station,river,level_m,alarm_m");
    for (int64_t hour = 0; hour < HOUR_COUNT; hour++) {
        const time_t clock_s = (time_t)(START_S + hour * 3600);
        struct tm local;
        gmtime_r(&clock_s, &local);
        const double day = local.tm_yday + local.tm_hour / 24.0;
        /* The second year's flood is the higher one. */
        const double flood_m = flood(day) * (local.tm_year + 1900 == YEAR_FIRST ? 2.5 : 3.1);
        for (size_t i = 0; i < STATION_COUNT; i++) {
            const struct station *const station = &stations[i];
            surge_m[i] = SURGE_KEPT * surge_m[i] + SURGE_STEP_M * random_normal(&state);
            const double level_m = 0.25 + 0.55 * station->upstream +
                                   flood_m * (0.12 + 0.88 * station->upstream) * 0.8 +
                                   tide((double)hour, station->upstream) + surge_m[i];
            printf("%04d-%02d-%02d %02d:00,%s,%s,%.2f,%.2f\n", local.tm_year + 1900,
                   local.tm_mon + 1, local.tm_mday, local.tm_hour, station->name, station->river,
                   level_m, station->alarm_m);
        }
    }
    return ferror(stdout) || fflush(stdout) != 0;
}

/* A figure's time is the beginning of its month, on the local clock. */
static int simulate_figures(void)
{
    uint64_t state = SEED + 1;
    puts("# simulated, never published");
    for (int month = 0; month < 24; month++) {
        struct tm local = {.tm_year = YEAR_FIRST - 1900 + month / 12, .tm_mon = month % 12};
        local.tm_mday = 1;
        const int64_t start_s = (int64_t)timegm(&local) - UTC_OFFSET_S;
        for (size_t i = 0; i < FIGURE_COUNT; i++) {
            const struct figure *const figure = &figures[i];
            const double season = figure->season * sin(2 * M_PI * (month - 1.5) / 6);
            const double factor = (1 + season) * (1 + figure->growth_a_year * month / 12) *
                                  (1 + figure->noise * random_normal(&state));
            printf("figure,name=%s,unit=%s,freq=month,source=simulated value=%.1f %" PRId64 "\n",
                   figure->name, figure->unit, figure->mean * factor, start_s);
        }
    }
    return ferror(stdout) || fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "rivers") == 0) return simulate_rivers();
    if (argc == 2 && strcmp(argv[1], "figures") == 0) return simulate_figures();
    fputs("usage: simulate rivers|figures\n", stderr);
    return 2;
}
