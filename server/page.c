/* page.c - GET /: says where the pages will be. */
#include "handlers.h"

static const char page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"vi\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>phusa</title>\n"
    "</head>\n"
    "<body>\n"
    "<h1>Phù sa</h1>\n"
    "<p>Kho dữ liệu chuỗi thời gian đang chạy. Các trang biểu đồ và báo cáo sẽ ở đây.</p>\n"
    "<p lang=\"en\">The time-series store is running. The pages with charts and reports will be "
    "here.</p>\n"
    "<p lang=\"en\"><code>/ping</code> <code>/health</code> <code>/metrics</code> "
    "<code>/write</code> <code>/query</code></p>\n"
    "</body>\n"
    "</html>\n";

static void page_end(struct exchange *exchange)
{
    exchange_answer_with(exchange, 200, "text/html; charset=utf-8",
                         "Content-Security-Policy: default-src 'none'; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'\r\n"
                         "X-Content-Type-Options: nosniff\r\n"
                         "Referrer-Policy: no-referrer\r\n",
                         page, sizeof page - 1);
}

const struct route page_route = {
    .path = "/",
    .verbs = 1u << VERB_GET | 1u << VERB_HEAD,
    .allow = "GET, HEAD",
    .end = page_end,
};
