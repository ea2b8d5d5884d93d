/*
 * ping.c - `phusa ping`: is the server there, which version is it, how far away?
 */
#include "tool.h"

#include <stdio.h>

void ping_help(void)
{
    puts("Usage: phusa ping [--url URL]\n"
         "\n"
         "One line with the server's version and the time of a round trip. Exit code 1 with a\n"
         "sentence on standard error when there is no answer.\n"
         "\n"
         "Options:");
    options_print_help(tool_global_options);
}

int ping_main(int argc, char **argv)
{
    struct option_list operands = {0};
    struct phusa_client *client = NULL;
    int code;
    if (!tool_parse(NULL, argc, argv, 2, &operands, ping_help, &code)) goto out;
    code = TOOL_REFUSED;
    if (operands.count > 0) {
        fprintf(stderr, "phusa: ping takes no \"%s\"\n", operands.items[0]);
        goto out;
    }

    struct phusa_client_options options = tool_client_options();
    if (options.retry_ms_max == 0) options.retry_ms_max = -1; /* a ping is asked about now */
    struct phusa_client_error error;
    struct phusa_client_ping ping;
    if (phusa_client_open(&client, &options, &error) != PHUSA_CLIENT_OK ||
        phusa_client_ping(client, &ping, &error) != PHUSA_CLIENT_OK) {
        fprintf(stderr, "phusa: %s\n", error.text);
        goto out;
    }
    printf("%s is up: version %s, round trip %.2f ms\n",
           options.url != NULL ? options.url : "http://127.0.0.1:8086",
           ping.version[0] != 0 ? ping.version : "unknown", (double)ping.round_trip_ns / 1e6);
    code = TOOL_DONE;
out:
    phusa_client_close(client);
    option_list_deinit(&operands);
    return code;
}
