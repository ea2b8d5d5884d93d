/* config.c - see config.h. */
#include "config.h"
#include "bounds.h"

#include <cyaml/cyaml.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- addresses ---- */

/* HOST:PORT, [HOST]:PORT or "off". */
static bool parse_address(const char *text, struct address *out)
{
    struct address address = {0};
    if (strcmp(text, "off") == 0) {
        address.off = true;
        *out = address;
        return true;
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0') return false;
    const char *host = text, *host_end = colon;
    if (*host == '[') {
        host++;
        host_end--;
        if (host_end < host || *host_end != ']') return false;
    }
    const size_t host_bytes = (size_t)(host_end - host);
    if (host_bytes == 0 || host_bytes >= sizeof address.host) return false;
    memcpy(address.host, host, host_bytes);
    char *end;
    const unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535 || colon[1] == '-' || colon[1] == '+') return false;
    address.port = (unsigned)port;
    *out = address;
    return true;
}

bool address_is_loopback(const struct address *address)
{
    return address->off || strncmp(address->host, "127.", 4) == 0 ||
           strcmp(address->host, "::1") == 0 || strcmp(address->host, "localhost") == 0;
}

/* ---- the settings, as text and as YAML ---- */

/* As they stand in the file; pointers, so that what is absent is known. */
struct file {
    char *data_dir, *http_bind, *tcp_bind, *log_file, *log_level;
    uint64_t *connections_max, *loop_threads, *query_threads, *head_bytes_max, *query_bytes_max,
        *query_seconds_max, *open_files_max;
};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_STRING_PTR("data-dir", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                           data_dir, 1, 4096),
    CYAML_FIELD_STRING_PTR("http-bind", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                           http_bind, 1, 80),
    CYAML_FIELD_STRING_PTR("tcp-bind", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                           tcp_bind, 1, 80),
    CYAML_FIELD_STRING_PTR("log-file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                           log_file, 1, 4096),
    CYAML_FIELD_STRING_PTR("log-level", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                           log_level, 1, 16),
    CYAML_FIELD_UINT_PTR("connections-max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         connections_max),
    CYAML_FIELD_UINT_PTR("loop-threads", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         loop_threads),
    CYAML_FIELD_UINT_PTR("query-threads", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         query_threads),
    CYAML_FIELD_UINT_PTR("head-bytes-max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         head_bytes_max),
    CYAML_FIELD_UINT_PTR("query-bytes-max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         query_bytes_max),
    CYAML_FIELD_UINT_PTR("query-seconds-max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         query_seconds_max),
    CYAML_FIELD_UINT_PTR("open-files-max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                         open_files_max),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, file_fields),
};

/* libcyaml tells where an error lies only in its log. */
struct notes {
    char text[400];
};

static void note(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct notes *notes = context;
    const size_t size = strlen(notes->text);
    vsnprintf(notes->text + size, sizeof notes->text - size, format, arguments);
    for (char *p = notes->text; *p != '\0'; p++)
        if (*p == '\n') *p = ' ';
}

struct source {
    const char *where; /* "command line" or a file */
    bool is_file;
    char *error;
    size_t error_bytes;
};

/* The line of a file on which a key stands, as ":3", for messages about its value. */
static void put_line(const struct source *source, const char *name, char out[16])
{
    out[0] = '\0';
    FILE *file = source->is_file ? fopen(source->where, "r") : NULL;
    if (file == NULL) return;
    char line[4200];
    const size_t size = strlen(name);
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        const char *start = line + strspn(line, " \t\"'");
        if (strncmp(start, name, size) != 0 || strchr(":\"' ", start[size]) == NULL) continue;
        snprintf(out, 16, ":%u", number);
        break;
    }
    fclose(file);
}

static bool complain(const struct source *source, const char *name, const char *value,
                     const char *wanted)
{
    char line[16];
    put_line(source, name, line);
    snprintf(source->error, source->error_bytes, "%s%s: %s: '%s' is not %s", source->where, line,
             name, value, wanted);
    return false;
}

static bool set_text(char **out, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL) return false;
    free(*out);
    *out = copy;
    return true;
}

static bool set_number(const struct source *source, const char *name, uint64_t value, uint64_t min,
                       uint64_t max, uint64_t *out)
{
    if (value < min || value > max) {
        char line[16];
        put_line(source, name, line);
        snprintf(source->error, source->error_bytes, "%s%s: %s: %llu is not between %llu and %llu",
                 source->where, line, name, (unsigned long long)value, (unsigned long long)min,
                 (unsigned long long)max);
        return false;
    }
    *out = value;
    return true;
}

/* One table for both sources. */
enum number {
    NUMBER_CONNECTIONS,
    NUMBER_LOOPS,
    NUMBER_QUERIES,
    NUMBER_HEAD,
    NUMBER_QUERY_BYTES,
    NUMBER_QUERY_SECONDS,
    NUMBER_OPEN_FILES,
    NUMBER_COUNT
};
static const struct {
    const char *name;
    uint64_t min, max;
} numbers[NUMBER_COUNT] = {
    [NUMBER_CONNECTIONS] = {"connections-max", 1, 100000},
    [NUMBER_LOOPS] = {"loop-threads", 1, LOOP_COUNT_MAX},
    [NUMBER_QUERIES] = {"query-threads", 1, WORKER_COUNT_MAX},
    [NUMBER_HEAD] = {"head-bytes-max", 0, UINT64_C(1) << 40},
    [NUMBER_QUERY_BYTES] = {"query-bytes-max", 0, UINT64_C(1) << 40},
    [NUMBER_QUERY_SECONDS] = {"query-seconds-max", 1, 86400},
    [NUMBER_OPEN_FILES] = {"open-files-max", 8, 10000},
};

static bool apply_number(struct config *config, const struct source *source, enum number which,
                         uint64_t value)
{
    uint64_t taken;
    if (!set_number(source, numbers[which].name, value, numbers[which].min, numbers[which].max,
                    &taken))
        return false;
    switch (which) {
    case NUMBER_CONNECTIONS:
        config->connections_max = (unsigned)taken;
        break;
    case NUMBER_LOOPS:
        config->loop_threads = (unsigned)taken;
        break;
    case NUMBER_QUERIES:
        config->query_threads = (unsigned)taken;
        break;
    case NUMBER_HEAD:
        config->head_bytes_max = taken;
        break;
    case NUMBER_QUERY_BYTES:
        config->query_bytes_max = taken;
        break;
    case NUMBER_QUERY_SECONDS:
        config->query_seconds_max = (unsigned)taken;
        break;
    default:
        config->open_files_max = (unsigned)taken;
        break;
    }
    return true;
}

static bool apply_text(struct config *config, const struct source *source, const char *name,
                       const char *value)
{
    if (strcmp(name, "data-dir") == 0) return set_text(&config->data_dir, value);
    if (strcmp(name, "log-file") == 0) return set_text(&config->log_file, value);
    if (strcmp(name, "http-bind") == 0)
        return parse_address(value, &config->http_bind) ||
               complain(source, name, value, "HOST:PORT or \"off\"");
    if (strcmp(name, "tcp-bind") == 0)
        return parse_address(value, &config->tcp_bind) ||
               complain(source, name, value, "HOST:PORT or \"off\"");
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(value, levels[i]) != 0) continue;
        config->log_level = (enum phusa_log_level)i;
        return true;
    }
    return complain(source, name, value, "error, warn, info or debug");
}

static bool apply_file(struct config *config, const struct source *source, const struct file *file)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"data-dir", file->data_dir},
                 {"http-bind", file->http_bind},
                 {"tcp-bind", file->tcp_bind},
                 {"log-file", file->log_file},
                 {"log-level", file->log_level}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value != NULL && !apply_text(config, source, texts[i].name, texts[i].value))
            return false;
    const uint64_t *const values[NUMBER_COUNT] = {
        [NUMBER_CONNECTIONS] = file->connections_max,
        [NUMBER_LOOPS] = file->loop_threads,
        [NUMBER_QUERIES] = file->query_threads,
        [NUMBER_HEAD] = file->head_bytes_max,
        [NUMBER_QUERY_BYTES] = file->query_bytes_max,
        [NUMBER_QUERY_SECONDS] = file->query_seconds_max,
        [NUMBER_OPEN_FILES] = file->open_files_max,
    };
    for (int i = 0; i < NUMBER_COUNT; i++)
        if (values[i] != NULL && !apply_number(config, source, (enum number)i, *values[i]))
            return false;
    return true;
}

/* libcyaml gives the place of the mapping around a key that it does not know; we look for its own.
 */
static bool complain_key(const struct source *source, const char *notes)
{
    char key[100] = "", line[16] = "";
    const char *found = strstr(notes, "key: ");
    if (found != NULL && sscanf(found + 5, "%99s", key) == 1) put_line(source, key, line);
    snprintf(source->error, source->error_bytes, "%s%s: '%s' is not a setting", source->where, line,
             key);
    return false;
}

static bool read_file(struct config *config, const char *path, char *error, size_t error_bytes)
{
    struct notes notes = {""};
    const cyaml_config_t reader = {
        .log_fn = note,
        .log_ctx = &notes,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_DEFAULT,
    };
    struct file *file = NULL;
    const cyaml_err_t outcome =
        cyaml_load_file(path, &reader, &file_schema, (cyaml_data_t **)&file, NULL);
    const struct source source = {path, true, error, error_bytes};
    if (outcome == CYAML_ERR_INVALID_KEY) return complain_key(&source, notes.text);
    if (outcome != CYAML_OK) {
        snprintf(error, error_bytes, "%s: %s%s%s", path, cyaml_strerror(outcome),
                 notes.text[0] == '\0' ? "" : ": ", notes.text);
        return false;
    }
    const bool good = apply_file(config, &source, file);
    cyaml_free(&reader, &file_schema, file, 0);
    return good;
}

/* ---- the command line ---- */

enum option_code { OPTION_CONFIG = 256, OPTION_HELP, OPTION_VERSION, OPTION_TEXT, OPTION_NUMBER };
static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"data-dir", required_argument, NULL, OPTION_TEXT},
    {"http-bind", required_argument, NULL, OPTION_TEXT},
    {"tcp-bind", required_argument, NULL, OPTION_TEXT},
    {"log-file", required_argument, NULL, OPTION_TEXT},
    {"log-level", required_argument, NULL, OPTION_TEXT},
    {"connections-max", required_argument, NULL, OPTION_NUMBER + NUMBER_CONNECTIONS},
    {"loop-threads", required_argument, NULL, OPTION_NUMBER + NUMBER_LOOPS},
    {"query-threads", required_argument, NULL, OPTION_NUMBER + NUMBER_QUERIES},
    {"head-bytes-max", required_argument, NULL, OPTION_NUMBER + NUMBER_HEAD},
    {"query-bytes-max", required_argument, NULL, OPTION_NUMBER + NUMBER_QUERY_BYTES},
    {"query-seconds-max", required_argument, NULL, OPTION_NUMBER + NUMBER_QUERY_SECONDS},
    {"open-files-max", required_argument, NULL, OPTION_NUMBER + NUMBER_OPEN_FILES},
    {0},
};

static enum config_outcome apply_option(struct config *config, const struct source *source,
                                        int code, int index)
{
    const char *name = code == '?' || code == ':' ? "" : options[index].name;
    switch (code) {
    case OPTION_HELP:
    case 'h':
        return CONFIG_HELP;
    case OPTION_VERSION:
        return CONFIG_VERSION;
    case OPTION_CONFIG:
        return CONFIG_RUN; /* read before */
    case OPTION_TEXT:
        return apply_text(config, source, name, optarg) ? CONFIG_RUN : CONFIG_BAD;
    case '?':
    case ':':
        snprintf(source->error, source->error_bytes,
                 "%s: an option that is not known, or that lacks its value; see phusad --help",
                 source->where);
        return CONFIG_BAD;
    default:
        break;
    }
    char *end;
    const uint64_t value = strtoull(optarg, &end, 10);
    if (*optarg < '0' || *optarg > '9' || *end != '\0') {
        complain(source, name, optarg, "a number");
        return CONFIG_BAD;
    }
    return apply_number(config, source, (enum number)(code - OPTION_NUMBER), value) ? CONFIG_RUN
                                                                                    : CONFIG_BAD;
}

/* One pass over the arguments: for the name of the file first, for all else afterwards. */
static enum config_outcome walk(struct config *config, int argc, char **argv, const char **file,
                                char *error, size_t error_bytes)
{
    const struct source source = {"command line", false, error, error_bytes};
    opterr = 0;
    optind = 1;
    int code, index = 0;
    while ((code = getopt_long(argc, argv, "+h", options, &index)) != -1) {
        if (file != NULL) {
            if (code == OPTION_CONFIG) *file = optarg;
            continue;
        }
        const enum config_outcome outcome = apply_option(config, &source, code, index);
        if (outcome != CONFIG_RUN) return outcome;
    }
    if (optind < argc) {
        snprintf(error, error_bytes, "command line: '%s' is too much; see phusad --help",
                 argv[optind]);
        return CONFIG_BAD;
    }
    return CONFIG_RUN;
}

void config_defaults(struct config *config)
{
    *config = (struct config){
        .http_bind = {"127.0.0.1", 8086, false},
        .tcp_bind = {"127.0.0.1", 9009, false},
        .log_level = PHUSA_LOG_INFO,
        .connections_max = CONNECTIONS_MAX_DEFAULT,
        .loop_threads = 1,
        .query_threads = WORKER_COUNT_DEFAULT,
        .query_seconds_max = 30,
        .open_files_max = 256,
        .deadlines = {HEAD_NS_DEFAULT, BODY_IDLE_NS_DEFAULT, KEEP_ALIVE_NS_DEFAULT,
                      WRITE_STALL_NS_DEFAULT, BUSY_NS_DEFAULT},
    };
}

enum config_outcome config_read(struct config *config, int argc, char **argv, char *error,
                                size_t error_bytes)
{
    config_defaults(config);
    const char *file = NULL;
    walk(config, argc, argv, &file, error, error_bytes);
    if (file != NULL && !read_file(config, file, error, error_bytes)) return CONFIG_BAD;
    const enum config_outcome outcome = walk(config, argc, argv, NULL, error, error_bytes);
    if (outcome == CONFIG_RUN && config->data_dir == NULL) {
        snprintf(error, error_bytes, "--data-dir DIR is missing; see phusad --help");
        return CONFIG_BAD;
    }
    return outcome;
}

void config_deinit(struct config *config)
{
    free(config->data_dir);
    free(config->log_file);
    config->data_dir = config->log_file = NULL;
}

const char *config_help(void)
{
    return "phusad - a time-series store that speaks InfluxDB 1.x\n"
           "\n"
           "    phusad --data-dir DIR [options]       serve\n"
           "    phusad check|dump|stat DIR            look at a directory that nobody has open\n"
           "\n"
           "  --data-dir DIR          where the data is; created when missing\n"
           "  --http-bind HOST:PORT   HTTP (127.0.0.1:8086); port 0: any; \"off\": none\n"
           "  --tcp-bind HOST:PORT    line protocol on a bare socket (127.0.0.1:9009)\n"
           "  --config FILE           the same settings as YAML, without the dashes:\n"
           "                          data-dir: /var/lib/phusa\n"
           "                          The command line wins.\n"
           "  --log-file FILE         instead of stderr; SIGHUP opens it anew\n"
           "  --log-level LEVEL       error, warn, info (default), debug\n"
           "  --connections-max N     both doors together (4096)\n"
           "  --loop-threads N        threads that read sockets and parse (1)\n"
           "  --query-threads N       queries at once (2)\n"
           "  --head-bytes-max N      memory for recent points (a quarter, at most 256 MiB)\n"
           "  --query-bytes-max N     memory of one query (256 MiB)\n"
           "  --query-seconds-max N   time of one query (30)\n"
           "  --open-files-max N      data files held open (256)\n"
           "  --version, --help\n";
}
