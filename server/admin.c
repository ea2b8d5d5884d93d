/* admin.c - POST /api/v1/admin/flush and /seal: errands for a worker, answered when they are done.
 */
#include "handlers.h"
#include "workers.h"

#include <stdlib.h>

struct errand {
    struct work work;
    struct mail mail;
    struct loop *loop;
    struct exchange *exchange; /* the loop's; NULL: the client has gone, the errand goes on */
    phusa_status (*call)(struct phusa *db, struct phusa_error *error);
    /* The worker's until the mail. */
    phusa_status status;
    struct phusa_error error;
};

static void errand_run(struct work *work)
{
    struct errand *errand = (struct errand *)work;
    errand->status = errand->call(errand->loop->server->db, &errand->error);
    loop_post(errand->loop, &errand->mail);
}

static void errand_done(struct mail *mail)
{
    struct errand *errand = (struct errand *)((char *)mail - offsetof(struct errand, mail));
    struct exchange *exchange = errand->exchange;
    struct loop *loop = errand->loop;
    if (exchange != NULL) {
        exchange->state = NULL;
        if (errand->status == PHUSA_OK)
            exchange_answer(exchange, 204, NULL, "", 0);
        else
            exchange_error(exchange, errand->status == PHUSA_ENOSPC ? 507 : 500, "%s",
                           errand->error.text);
    }
    free(errand);
    loop_errand_end(loop);
}

static void errand_begin(struct exchange *exchange,
                         phusa_status (*call)(struct phusa *db, struct phusa_error *error))
{
    struct errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        exchange_error(exchange, 503, "no memory; try again later");
        return;
    }
    errand->work.run = errand_run;
    errand->mail.run = errand_done;
    errand->loop = exchange->conn->loop;
    errand->exchange = exchange;
    errand->call = call;
    if (!workers_submit(exchange->server->housekeeper, &errand->work)) {
        free(errand);
        exchange_error(exchange, 503, "too many requests are waiting; try again later");
        return;
    }
    exchange->state = errand;
    loop_errand_begin(errand->loop);
}

static void errand_gone(struct exchange *exchange)
{
    struct errand *errand = exchange->state;
    if (errand != NULL) errand->exchange = NULL;
}

static void flush_end(struct exchange *exchange)
{
    errand_begin(exchange, phusa_flush);
}

static void seal_end(struct exchange *exchange)
{
    errand_begin(exchange, phusa_seal);
}

const struct route flush_route = {
    .path = "/api/v1/admin/flush",
    .verbs = 1u << VERB_POST,
    .allow = "POST",
    .end = flush_end,
    .gone = errand_gone,
};

const struct route seal_route = {
    .path = "/api/v1/admin/seal",
    .verbs = 1u << VERB_POST,
    .allow = "POST",
    .end = seal_end,
    .gone = errand_gone,
};
