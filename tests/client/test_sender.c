/*
 * Guards the order of batches over several connections: acknowledged in the order of submission,
 * equal points never in flight together, and a failure that stops all.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/sender.h"
#include "fakeserver.h"

#define NO_CONTENT "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

struct seen {
    uint64_t sequences[64];
    size_t count;
    uint64_t refused;
    uint64_t refused_line;
};

static void acknowledged(void *context, const struct batch *batch)
{
    struct seen *seen = context;
    seen->sequences[seen->count++] = batch->sequence;
    seen->refused += batch->refused_count;
    if (batch->refusal_count > 0)
        seen->refused_line = batch_source_line(batch, batch->refusals[0].line);
}

static struct sender *opened(const char *url, unsigned connections, struct seen *seen)
{
    struct phusa_client_error error;
    struct sender *sender;
    const struct sender_options options = {
        .client = {.url = url, .retry_ms_max = -1, .timeout_ms = 5000},
        .target = {.database = "d"},
        .connections = connections,
        .acknowledged = acknowledged,
        .context = seen};
    cr_assert(sender_open(&sender, &options, &error), "%s", error.text);
    return sender;
}

static bool submit(struct sender *sender, const char *text, int64_t time_ns, uint64_t key)
{
    struct batch *batch = sender_take(sender);
    if (batch == NULL) return false;
    cr_assert(textbuf_append(&batch->body, text, strlen(text)));
    cr_assert(batch_add_key(batch, key, time_ns));
    return sender_submit(sender, batch);
}

Test(sender, acknowledges_in_order_of_submission)
{
    struct fakeserver server;
    struct fakeserver_step steps[20];
    for (int i = 0; i < 20; i++)
        steps[i] = (struct fakeserver_step){.answer = NO_CONTENT, .close = true};
    fakeserver_start(&server, steps, 20);
    struct seen seen = {0};
    struct sender *sender = opened(server.url, 3, &seen);
    for (int i = 0; i < 20; i++)
        cr_assert(submit(sender, "m f=1\n", i, (uint64_t)i));
    cr_assert(sender_drain(sender));
    cr_assert_eq(seen.count, 20);
    for (size_t i = 0; i < 20; i++)
        cr_assert_eq(seen.sequences[i], i);
    sender_close(sender);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

Test(sender, equal_points_wait_for_each_other)
{
    struct fakeserver server;
    const struct fakeserver_step steps[] = {
        {.answer = NO_CONTENT, .silence_ms = 100, .close = true},
        {.answer = NO_CONTENT, .close = true},
        {.answer = NO_CONTENT, .close = true}};
    fakeserver_start(&server, steps, 3);
    struct seen seen = {0};
    struct sender *sender = opened(server.url, 3, &seen);
    cr_assert(submit(sender, "m f=1\n", 5, 77));
    cr_assert(submit(sender, "m f=2\n", 5, 78)); /* the same time, another series: no wait */
    cr_assert_eq(seen.count, 0);
    cr_assert(submit(sender, "m f=3\n", 5, 77)); /* returns once the first is acknowledged */
    cr_assert_geq(seen.count, 1);
    cr_assert(sender_drain(sender));
    sender_close(sender);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

Test(sender, a_failure_stops_all_and_keeps_its_reason)
{
    struct fakeserver server;
    const struct fakeserver_step steps[] = {
        {.answer = NO_CONTENT, .close = true},
        {.answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", .close = true}};
    fakeserver_start(&server, steps, 2);
    struct seen seen = {0};
    struct sender *sender = opened(server.url, 1, &seen);
    int submitted = 0;
    while (submitted < 50 && submit(sender, "m f=1\n", submitted, (uint64_t)submitted))
        submitted++;
    cr_assert_lt(submitted, 50);
    cr_assert_not(sender_drain(sender));
    struct phusa_client_error error;
    cr_assert_eq(sender_failure(sender, &error), PHUSA_CLIENT_EREFUSED);
    cr_assert_not_null(strstr(error.text, "401"), "%s", error.text);
    cr_assert_eq(seen.count, 1);
    sender_close(sender);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}

Test(sender, refused_lines_lead_back_to_their_source)
{
    struct fakeserver server;
    const char *answer = "{\"error\":\"partial write\",\"refused\":[{\"line\":3,\"column\":1,"
                         "\"reason\":\"r\",\"excerpt\":\"e\"}],\"refused_count\":1}";
    char whole[512];
    (void)snprintf(whole, sizeof whole, "HTTP/1.1 400 Bad\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(answer), answer);
    const struct fakeserver_step steps[] = {{.answer = whole, .close = true}};
    fakeserver_start(&server, steps, 1);
    struct seen seen = {0};
    struct sender *sender = opened(server.url, 1, &seen);
    struct batch *batch = sender_take(sender);
    cr_assert(textbuf_append(&batch->body, "a\nb\nc\n", 6));
    cr_assert(batch_add_line(batch, 10) && batch_add_line(batch, 12) && batch_add_line(batch, 15));
    cr_assert(sender_submit(sender, batch));
    cr_assert(sender_drain(sender));
    cr_assert_eq(seen.refused, 1);
    cr_assert_eq(seen.refused_line, 15);
    sender_close(sender);
    fakeserver_stop(&server);
    fakeserver_free(&server);
}
