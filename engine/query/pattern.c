/* pattern.c - see pattern.h. The only file that includes pcre2.h. */
#include "query/pattern.h"

#include "base/limits.h"
#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <assert.h>

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

phusa_status pattern_compile(struct phusa_text text, struct pattern **out,
                             struct phusa_error *error)
{
    assert(out != NULL);
    struct pattern *pattern = mem_zalloc(sizeof *pattern);
    if (pattern == NULL) return error_set(error, PHUSA_ENOMEM, "out of memory");
    int code = 0;
    PCRE2_SIZE place = 0;
    phusa_status status = PHUSA_ENOMEM;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text.bytes, text.size_bytes,
                      PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY, &code, &place, NULL);
    if (pattern->code == NULL) {
        PCRE2_UCHAR words[200];
        pcre2_get_error_message(code, words, sizeof words);
        status =
            error_set(error, PHUSA_ESYNTAX, "error parsing regexp: %s at character %zu of /%.*s/",
                      (const char *)words, (size_t)place + 1, (int)text.size_bytes, text.bytes);
        goto out;
    }
    pattern->match = pcre2_match_data_create(1, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (pattern->match == NULL || pattern->context == NULL) {
        error_set(error, PHUSA_ENOMEM, "out of memory");
        goto out;
    }
    pcre2_set_match_limit(pattern->context, REGEX_MATCH_LIMIT);
    pcre2_set_depth_limit(pattern->context, REGEX_MATCH_LIMIT);
    pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* slower without it, nothing else */
    *out = pattern;
    return PHUSA_OK;
out:
    pattern_free(pattern);
    return status;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL) return;
    pcre2_match_context_free(pattern->context);
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    mem_free(pattern);
}

bool pattern_match(struct pattern *pattern, struct phusa_text text, bool *failed)
{
    const int count = pcre2_match(pattern->code, (PCRE2_SPTR)text.bytes, text.size_bytes, 0, 0,
                                  pattern->match, pattern->context);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH) *failed = true;
    return count >= 0;
}
