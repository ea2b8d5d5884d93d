/*
 * Guards: an index answers as plain lists of series and tags do: selection by filters of any shape
 * up to depth 4, values and tags of selected series, keys both ways; before and after checkpoints
 * and reopenings; with keys that all, some or hardly any series have.
 */
#include "index_harness.h"

#include "random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEYS         8
#define MEASUREMENTS 3
#define SERIES_MAX   4000

static struct random source;
static uint64_t draw(uint64_t below)
{
    return random_u64(&source) % below;
}

/* How many values key k has, and of how many series one has it. */
static const uint32_t values_of[KEYS] = {2, 10, 100, 300, 70000, 3, 1000, 50};
static const uint32_t one_in[KEYS] = {1, 1, 2, 1, 1, 40, 300, 5};

struct model_series {
    uint32_t measurement, ordinal;
    uint32_t values[KEYS]; /* + 1; 0: absent */
    char line[200];
};
static struct model_series *model;
static uint32_t model_count;
static uint32_t ordinals[MEASUREMENTS + 1];

static const char *value_text(uint32_t key, uint32_t value)
{
    static char texts[16][24];
    static unsigned next;
    char *text = texts[next++ % 16];
    snprintf(text, sizeof texts[0], value == 0 ? "" : "%c%u", 'a' + (int)key, value - 1);
    return text;
}

static uint32_t number_of(struct phusa_text text)
{
    uint32_t value = 0;
    for (size_t i = 1; i < text.size_bytes; i++)
        value = value * 10 + (uint32_t)(text.bytes[i] - '0');
    return value + 1;
}

static bool line_known(const char *line)
{
    for (uint32_t i = 0; i < model_count; i++)
        if (strcmp(model[i].line, line) == 0) return true;
    return false;
}

static void define_series(struct index *index)
{
    struct model_series *s = &model[model_count];
    s->measurement = 1 + (uint32_t)draw(MEASUREMENTS);
    int size = snprintf(s->line, sizeof s->line, "m%u", s->measurement);
    for (uint32_t k = 0; k < KEYS; k++) {
        s->values[k] = draw(one_in[k]) == 0 ? 1 + (uint32_t)draw(values_of[k]) : 0;
        if (s->values[k] != 0)
            size += snprintf(s->line + size, sizeof s->line - (size_t)size, ",k%u=%s", k,
                             value_text(k, s->values[k]));
    }
    if (line_known(s->line)) return;
    s->ordinal = ordinals[s->measurement]++;
    model_count++;
    cr_assert_eq(index_add_series(index, SERIES_ID(s->measurement, s->ordinal), key_of(s->line)),
                 PHUSA_OK);
}

static void replay_all(struct index *index)
{
    for (uint32_t i = 0; i < model_count; i++)
        cr_assert_eq(index_add_series(index, SERIES_ID(model[i].measurement, model[i].ordinal),
                                      key_of(model[i].line)),
                     PHUSA_OK);
}

/* ---- filters ---- */

/* Texts of which the last digit is this one, or all empty ones too. */
struct ending {
    char digit;
    bool empty;
};
static bool match_ending(void *context, struct phusa_text value, bool *failed)
{
    (void)failed;
    const struct ending *e = context;
    return value.size_bytes == 0 ? e->empty : value.bytes[value.size_bytes - 1] == e->digit;
}

#define NODES_MAX 64
static struct tag_filter nodes[NODES_MAX];
static struct ending endings[NODES_MAX];
static char texts[NODES_MAX][2][24];
static uint32_t node_count;

static struct tag_filter *draw_filter(uint32_t depth)
{
    const uint32_t n = node_count++;
    struct tag_filter *f = &nodes[n];
    const uint64_t kind = draw(depth == 0 ? 12 : 24);
    snprintf(texts[n][0], 24, "k%u", (unsigned)draw(KEYS + 1)); /* perhaps a key that nobody has */
    const uint32_t k = (uint32_t)(texts[n][0][1] - '0') % KEYS;
    snprintf(texts[n][1], 24, "%s",
             value_text(k, draw(5) == 0 ? 0 : 1 + (uint32_t)draw(values_of[k] + 2)));
    endings[n] = (struct ending){(char)('0' + draw(10)), draw(2)};
    *f = (struct tag_filter){.key = text_of(texts[n][0]),
                             .value = text_of(texts[n][1]),
                             .match = match_ending,
                             .context = &endings[n]};
    f->kind = kind < 6 ? TAG_EQUAL : kind < 10 ? TAG_MATCH : kind < 11 ? TAG_TRUE : TAG_FALSE;
    if (kind < 12) return f;
    f->kind = kind < 16 ? TAG_AND : kind < 20 ? TAG_OR : TAG_NOT;
    f->left = draw_filter(depth - 1);
    if (f->kind != TAG_NOT) f->right = draw_filter(depth - 1);
    return f;
}

static bool holds(const struct tag_filter *f, const struct model_series *s)
{
    bool failed = false;
    const uint32_t k = (uint32_t)(f->key.bytes[1] - '0');
    const struct phusa_text value = text_of(k < KEYS ? value_text(k, s->values[k]) : "");
    switch (f->kind) {
    case TAG_AND:
        return holds(f->left, s) && holds(f->right, s);
    case TAG_OR:
        return holds(f->left, s) || holds(f->right, s);
    case TAG_NOT:
        return !holds(f->left, s);
    case TAG_EQUAL:
        return text_equal(f->value, value);
    case TAG_MATCH:
        return f->match(f->context, value, &failed);
    case TAG_TRUE:
        return true;
    default:
        return false;
    }
}

/* ---- questions ---- */

static uint64_t expected[SERIES_MAX];
static const struct model_series *expected_series[SERIES_MAX];

static size_t select_naively(uint32_t measurement, const struct tag_filter *filter)
{
    size_t count = 0;
    for (uint32_t i = 0; i < model_count; i++) {
        if (model[i].measurement != measurement || !holds(filter, &model[i])) continue;
        expected_series[count] = &model[i];
        expected[count++] = SERIES_ID(measurement, model[i].ordinal);
    }
    return count;
}

static void ask_tags(struct index *index, const uint64_t *series, size_t count, struct arena *arena)
{
    struct phusa_text keys[3], *tags;
    uint32_t numbers[3];
    char names[3][4];
    for (int k = 0; k < 3; k++) {
        numbers[k] = (uint32_t)draw(KEYS);
        snprintf(names[k], sizeof names[k], "k%u", numbers[k]);
        keys[k] = text_of(names[k]);
    }
    cr_assert_eq(index_series_tags(index, series, count, keys, 3, arena, &tags), PHUSA_OK);
    for (size_t s = 0; s < count; s++)
        for (size_t k = 0; k < 3; k++)
            cr_assert(text_equal(
                tags[3 * s + k],
                text_of(value_text(numbers[k], expected_series[s]->values[numbers[k]]))));

    struct phusa_text *values;
    size_t value_count;
    cr_assert_eq(index_tag_values(index, SERIES_MEASUREMENT(series[0]), keys[0], series, count,
                                  arena, &values, &value_count),
                 PHUSA_OK);
    bool *seen = calloc(values_of[numbers[0]] + 1, 1);
    size_t distinct = 0;
    for (size_t s = 0; s < count; s++) {
        const uint32_t value = expected_series[s]->values[numbers[0]];
        distinct += value != 0 && !seen[value];
        seen[value] = true;
    }
    cr_assert_eq(value_count, distinct);
    for (size_t v = 0; v < value_count; v++) {
        if (v > 0) cr_assert_lt(text_compare(values[v - 1], values[v]), 0);
        cr_assert(seen[number_of(values[v])]);
    }
    free(seen);
}

static void ask(struct index *index)
{
    struct arena arena;
    arena_init(&arena, 16 << 20);
    node_count = 0;
    const struct tag_filter *filter = draw_filter((uint32_t)draw(5));
    const uint32_t measurement = 1 + (uint32_t)draw(MEASUREMENTS);
    const size_t count = select_naively(measurement, filter);
    uint64_t *series;
    size_t found;
    cr_assert_eq(index_select(index, measurement, filter, &arena, &series, &found), PHUSA_OK);
    cr_assert_eq(found, count);
    for (size_t s = 0; s < count; s++)
        cr_assert_eq(series[s], expected[s]);
    if (count > 0) {
        ask_tags(index, series, count, &arena);
        const struct model_series *one = expected_series[draw(count)];
        struct phusa_text key;
        uint64_t id;
        cr_assert_eq(index_series_key(index, SERIES_ID(measurement, one->ordinal), &arena, &key),
                     PHUSA_OK);
        cr_assert(text_equal(key, key_of(one->line)));
        cr_assert(index_find_series(index, hash_bytes(key.bytes, key.size_bytes), &id));
        cr_assert_eq(id, SERIES_ID(measurement, one->ordinal));
    }
    arena_deinit(&arena);
}

Test(index_model, answers_as_plain_lists_do)
{
    source = random_seeded();
    model = calloc(SERIES_MAX, sizeof *model);
    for (int run = 0; run < 6; run++) {
        struct scene s;
        scene_open(&s);
        model_count = 0;
        memset(ordinals, 0, sizeof ordinals);
        const char *names[] = {"m1", "m2", "m3"};
        for (uint32_t m = 0; m < MEASUREMENTS; m++)
            cr_assert_eq(index_add_measurement(s.index, m + 1, text_of(names[m])), PHUSA_OK);
        const uint32_t target = run == 0 ? SERIES_MAX - 1 : 1 + (uint32_t)draw(500);
        for (uint32_t i = 0; i < target; i++) {
            define_series(s.index);
            if (draw(200) == 0) cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
            if (draw(20) == 0) ask(s.index);
            if (draw(500) > 0) continue;
            scene_reopen(&s); /* loses what was not checkpointed; the log brings it again */
            for (uint32_t m = 0; m < MEASUREMENTS; m++)
                cr_assert_eq(index_add_measurement(s.index, m + 1, text_of(names[m])), PHUSA_OK);
            replay_all(s.index);
        }
        expect_sound(s.index);
        cr_assert_eq(index_checkpoint(s.index), PHUSA_OK);
        scene_reopen(&s);
        expect_sound(s.index);
        for (int k = 0; k < 100; k++)
            ask(s.index);
        scene_close(&s);
    }
    free(model);
}

static bool fail_match(void *context, struct phusa_text value, bool *failed)
{
    (void)context;
    *failed = value.size_bytes == 2;
    return true;
}

Test(index_model, a_match_that_fails_fails_the_selection)
{
    struct scene s;
    scene_open(&s);
    cr_assert_eq(index_add_measurement(s.index, 1, text_of("m")), PHUSA_OK);
    add_series(s.index, 1, "m,k=v");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct tag_filter filter = {.kind = TAG_MATCH, .key = text_of("k"), .match = fail_match};
    uint64_t *series;
    size_t count;
    cr_assert_eq(index_select(s.index, 1, &filter, &arena, &series, &count), PHUSA_OK);
    add_series(s.index, 1, "m,k=vv");
    cr_assert_eq(index_select(s.index, 1, &filter, &arena, &series, &count), PHUSA_ELIMIT);
    arena_deinit(&arena);
    scene_close(&s);
}
