/*
 * handlers.h - the routes of the HTTP door, by subject: write.c, query.c, health.c, admin.c,
 * page.c.
 */
#ifndef PHUSAD_HANDLERS_H
#define PHUSAD_HANDLERS_H

#include "serve.h"

/* The route of a path, or NULL. */
const struct route *route_find(struct phusa_text path);

extern const struct route write_route;    /* POST /write */
extern const struct route write_v2_route; /* POST /api/v2/write */
extern const struct route query_route;    /* GET, POST /query */
extern const struct route query_v2_route; /* POST /api/v2/query: Flux, which is not spoken */
extern const struct route ping_route;     /* GET, HEAD /ping */
extern const struct route health_route;   /* GET, HEAD /health */
extern const struct route metrics_route;  /* GET /metrics */
extern const struct route flush_route;    /* POST /api/v1/admin/flush */
extern const struct route seal_route;     /* POST /api/v1/admin/seal */
extern const struct route page_route;     /* GET, HEAD / */

#endif
