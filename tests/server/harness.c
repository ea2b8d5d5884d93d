/* harness.c - see harness.h. */
#include "harness.h"

#include <signal.h>

static struct config harness_config;

struct server *harness_start_with(const struct config *config)
{
    signal(SIGPIPE, SIG_IGN);
    char error[400] = "";
    struct server *server = server_start(config, NULL, error, sizeof error);
    cr_assert_not_null(server, "%s", error);
    cr_assert_eq(phusa_create_database(server->db, "d", NULL), PHUSA_OK);
    return server;
}

struct server *harness_start(void)
{
    config_defaults(&harness_config);
    static char dir[] = "/nowhere";
    harness_config.data_dir = dir;
    harness_config.http_bind.port = harness_config.tcp_bind.port = 0;
    return harness_start_with(&harness_config);
}

void harness_stop(struct server *server)
{
    cr_assert_eq(server_stop(server), PHUSA_OK);
}

int http_connect(const struct server *server)
{
    return wire_connect(server->http_bind.port);
}

int tcp_connect(const struct server *server)
{
    return wire_connect(server->tcp_bind.port);
}
