/*
 * harness.h - a server of our own for a test, in its process: on the fake engine, with ports chosen
 * by the kernel.
 *
 * Failures of the harness itself are Criterion assertions.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "fake_phusa.h"
#include "server.h"
#include "wire.h"

/* Database "d" is there. */
struct server *harness_start(void);
struct server *harness_start_with(const struct config *config);
void harness_stop(struct server *server);

/* A socket to the HTTP or raw door. */
int http_connect(const struct server *server);
int tcp_connect(const struct server *server);
/* One request on a connection of its own. Returns the status. */
#define ask(server, reply, ...) wire_ask((server)->http_bind.port, reply, __VA_ARGS__)

#endif
