/* routes.c - which handler answers which path. One table, so that rights have one place to come. */
#include "handlers.h"

static const struct route *const routes[] = {
    &write_route, &query_route,   &ping_route,  &health_route, &write_v2_route,
    &page_route,  &metrics_route, &flush_route, &seal_route,   &query_v2_route,
};

const struct route *route_find(struct phusa_text path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (text_is(path, routes[i]->path)) return routes[i];
    return NULL;
}
