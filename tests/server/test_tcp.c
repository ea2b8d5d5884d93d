/*
 * test_tcp.c - the raw door: its handshake, acknowledgements, refusals, and clients that misbehave.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_line(int fd, const char *wanted)
{
    const char *line = hear_line(fd);
    cr_assert_not_null(line, "closed instead of \"%s\"", wanted);
    cr_assert_str_eq(line, wanted);
}

/* Wait until so many points are stored. */
static void expect_points(size_t count)
{
    for (int i = 0; i < 500 && fake_points() < count; i++)
        usleep(10 * 1000);
    cr_assert_eq(fake_points(), count);
}

Test(tcp, lines_are_stored_without_being_asked_for)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db d\nm v=1 1\nm v=2 2\n");
    expect_points(2); /* while the connection stays open: 2 ms end a batch */
    close(fd);
    harness_stop(server);
}

Test(tcp, acks_name_the_last_durable_line)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\nm v=2\n");
    expect_line(fd, "ack 4");
    say(fd, "\nm v=3\n# a comment\n");
    expect_line(fd, "ack 7");
    cr_assert_eq(fake_points(), 3);
    close(fd);
    harness_stop(server);
}

Test(tcp, an_ack_waits_for_the_disk)
{
    struct server *server = harness_start();
    fake_delay_ms(200);
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\n");
    usleep(100 * 1000);
    char byte;
    cr_assert_lt(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    expect_line(fd, "ack 3");
    cr_assert_eq(fake_points(), 1);
    close(fd);
    harness_stop(server);
}

Test(tcp, bad_lines_are_reported_with_their_place)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db d\nm v=1\nbad\nm v=2 x\nm v=3\n");
    expect_line(fd, "error 3 4 missing fields");
    expect_line(fd, "error 4 7 bad timestamp");
    say(fd, "# ack\nbad\n");
    expect_line(fd, "error 7 4 missing fields");
    expect_line(fd, "ack 7"); /* dealt with, if not stored */
    expect_points(2);
    close(fd);
    harness_stop(server);
}

Test(tcp, without_a_database_lines_are_refused_once)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "m v=1\nm v=2\nm v=3\n# db d\nm v=4\n# ack\nm v=5\n");
    expect_line(fd, "error 1 0 no database: begin with a line \"# db NAME\"; lines are refused "
                    "until then");
    expect_line(fd, "ack 7");
    cr_assert_eq(fake_points(), 2);
    close(fd);
    harness_stop(server);
}

Test(tcp, an_unknown_database_is_named_and_another_may_follow)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db zz\nm v=1\nm v=2\n# db d\n# ack\nm v=3\n");
    expect_line(fd, "error 1 0 database not found");
    expect_line(fd, "ack 6");
    cr_assert_eq(fake_points(), 1);
    say(fd, "# rp no\nm v=1\n# rp autogen\nm v=4\n");
    expect_line(fd, "error 7 0 retention policy not found");
    expect_line(fd, "ack 10");
    cr_assert_eq(fake_points(), 2);
    close(fd);
    harness_stop(server);
}

Test(tcp, a_change_of_database_divides_the_lines)
{
    struct server *server = harness_start();
    cr_assert_eq(phusa_create_database(server->db, "e", NULL), PHUSA_OK);
    const int fd = tcp_connect(server);
    say(fd, "# ack\n# db d\nm v=1\nm v=2\n# db e\nm v=3\nbad\n# precision s\nm v=4 1\n");
    expect_line(fd, "ack 5");
    expect_line(fd, "error 7 4 missing fields");
    expect_line(fd, "ack 9");
    struct reply reply = {0};
    ask(server, &reply, "GET /query?db=e&q=SELECT+*+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_not_null(strstr(reply.body, "[[\"m v=3\"],[\"m v=4\"]]"), "%s", reply.body);
    reply_free(&reply);
    close(fd);
    harness_stop(server);
}

Test(tcp, other_comments_are_answered_or_ignored)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# auth secret\n#comment\n# databases are nice\n# batch c 1\n# precision y\n# db\n"
            "# db d\r\n# ack\r\nm v=1\r\n");
    expect_line(fd, "error 4 0 # batch is not supported yet");
    expect_line(fd, "error 5 0 precision must be n, u, ms, s, m or h");
    expect_line(fd, "error 6 0 a name of 1 to 255 bytes is missing");
    expect_line(fd, "ack 9");
    close(fd);
    harness_stop(server);
}

Test(tcp, the_end_of_input_ends_the_last_line)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\nm v=2");
    shutdown(fd, SHUT_WR);
    expect_line(fd, "ack 4");
    cr_assert_null(hear_line(fd));
    cr_assert_eq(fake_points(), 2);
    close(fd);
    harness_stop(server);
}

Test(tcp, many_lines_in_any_pieces_are_all_stored)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\n");
    const size_t lines = 100000;
    char *text = malloc(lines * 24), *next = text;
    for (size_t i = 0; i < lines; i++)
        next += sprintf(next, "m,t=a v=%zu %zu\n", i, i);
    size_t piece = 1;
    for (const char *at = text; at < next; at += piece) {
        piece = piece * 7 % 65521 + 1;
        if (piece > (size_t)(next - at)) piece = (size_t)(next - at);
        say_bytes(fd, at, piece);
    }
    unsigned long long acked = 0;
    while (acked < lines + 2)
        cr_assert_eq(sscanf(hear_line(fd), "ack %llu", &acked), 1);
    cr_assert_eq(acked, lines + 2);
    cr_assert_eq(fake_points(), lines);
    free(text);
    close(fd);
    harness_stop(server);
}

Test(tcp, a_full_queue_is_a_slower_read)
{
    struct server *server = harness_start();
    fake_busy(100);
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\n");
    expect_line(fd, "ack 3");
    cr_assert_eq(fake_points(), 1);
    close(fd);
    harness_stop(server);
}

Test(tcp, a_failure_ends_the_connection_without_an_ack)
{
    struct server *server = harness_start();
    fake_fail(PHUSA_ENOSPC);
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\n");
    expect_line(fd, "error 3 0 lines after 0 were not stored: made up by a test");
    cr_assert_null(hear_line(fd));
    close(fd);
    harness_stop(server);
}

Test(tcp, a_deaf_client_is_cut)
{
    struct server *server = harness_start();
    const int fd = tcp_connect(server);
    const int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "# db d\n");
    static char bad[40000];
    for (size_t i = 0; i + 4 <= sizeof bad; i += 4)
        memcpy(bad + i, "bad\n", 4);
    bool cut = false;
    for (int i = 0; i < 2000 && !cut; i++)
        cut = !try_say(fd, bad, sizeof bad);
    cr_assert(cut);
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"), 204);
    close(fd);
    harness_stop(server);
}

Test(tcp, stopping_stores_what_came_in_whole)
{
    struct server *server = harness_start();
    fake_delay_ms(100);
    const int fd = tcp_connect(server);
    say(fd, "# db d\n# ack\nm v=1\nm v=2");
    usleep(50 * 1000);
    harness_stop(server);
    expect_line(fd, "ack 3");
    cr_assert_null(hear_line(fd));
    cr_assert_eq(fake_points(), 1); /* the line that was not ended is not guessed at */
    close(fd);
}

Test(tcp, a_client_that_dies_costs_nothing)
{
    struct server *server = harness_start();
    fake_delay_ms(50);
    for (int i = 0; i < 50; i++) {
        const int fd = tcp_connect(server);
        say(fd, "# db d\n# ack\nm v=1\nm v=");
        const struct linger hard = {1, 0};
        if (i % 2 == 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        if (i % 3 == 0) usleep(10 * 1000);
        close(fd);
    }
    struct reply reply = {0};
    cr_assert_eq(ask(server, &reply, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"), 204);
    harness_stop(server);
}
