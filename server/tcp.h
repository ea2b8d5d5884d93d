/*
 * tcp.h - the raw door: line protocol on a socket, with a handshake in comment lines.
 *
 *     # db NAME          the database of what follows (required); # rp NAME its policy
 *     # precision s      n, u, ms, s, m, h: the unit of timestamps that follow
 *     # ack              answer "ack N" when the lines up to N are durable (or were refused)
 *     # auth TOKEN       accepted; means nothing while there is no authentication
 *     # batch CLIENT SEQ refused for now
 *
 * The server writes "error LINE COLUMN reason" for each refused line, asked or not. Lines are
 * counted from 1 over the connection, comments and blank lines included. A failure that concerns
 * more than its line ends the connection: nothing after the last ack may be taken for stored.
 *
 * Other comments are comments. Several names for one thing may contain blanks: a name is the rest
 * of its line.
 */
#ifndef PHUSAD_TCP_H
#define PHUSAD_TCP_H

#include "conn.h"

extern const struct door tcp_door;
extern const struct door tcp_full_door; /* for connections beyond the bound */

#endif
