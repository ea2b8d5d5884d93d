/*
 * Guards the address of a server: what is understood, and that the rest is refused with a
 * sentence that does not repeat a password.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../../client/lib/serverurl.h"

static void expect(const char *text, const char *host, const char *port, const char *prefix,
                   const char *user, const char *password)
{
    struct serverurl url;
    struct phusa_client_error error;
    cr_assert_eq(serverurl_parse(&url, text, &error), PHUSA_CLIENT_OK, "%s: %s", text, error.text);
    cr_assert_str_eq(url.host, host);
    cr_assert_str_eq(url.port, port);
    cr_assert_str_eq(url.prefix, prefix);
    cr_assert_str_eq(url.user, user);
    cr_assert_str_eq(url.password, password);
}

Test(serverurl, understands_the_usual_spellings)
{
    expect("http://127.0.0.1:8086", "127.0.0.1", "8086", "", "", "");
    expect("http://gauge.example", "gauge.example", "8086", "", "", "");
    expect("gauge.example:9000/", "gauge.example", "9000", "", "", "");
    expect("HTTP://[::1]:80/a/b/", "::1", "80", "/a/b", "", "");
    expect("http://[fe80::2]", "fe80::2", "8086", "", "", "");
    expect("http://u:p%40s%3As@h:1", "h", "1", "", "u", "p@s:s");
    expect("http://u:a@b@h", "h", "8086", "", "u", "a@b");
    expect("u@h", "h", "8086", "", "u", "");
}

Test(serverurl, refuses_the_rest)
{
    static const char *const bad[] = {
        "",
        "http://",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "ftp://h",
        "https://h",
        "http://[::1",
        "http://[]:1",
        "http://h:8086x",
        "http://:1",
        "http://a b",
        "http://h?q",
        "http://u%zz@h",
        "http://u%00@h",
        "http://h\r\nX: y",
        "http://h#x",
    };
    struct serverurl url = {.host = "untouched"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct phusa_client_error error = {0};
        cr_assert_eq(serverurl_parse(&url, bad[i], &error), PHUSA_CLIENT_EINVAL, "%s", bad[i]);
        cr_assert_neq(error.text[0], 0);
    }
    cr_assert_str_eq(url.host, "untouched");
}

Test(serverurl, never_repeats_a_password)
{
    struct serverurl url;
    struct phusa_client_error error;
    cr_assert_eq(serverurl_parse(&url, "http://u:secret@h:x", &error), PHUSA_CLIENT_EINVAL);
    cr_assert_null(strstr(error.text, "secret"), "%s", error.text);
    cr_assert_eq(serverurl_parse(&url, "https://u:secret@h", &error), PHUSA_CLIENT_EINVAL);
    cr_assert_null(strstr(error.text, "secret"), "%s", error.text);
}
