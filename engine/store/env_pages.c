/*
 * env_pages.c - see env_pages.h; the walk that env_check() promises is here too.
 *
 *   page    +0 number u64 · +8 pad u16 · +10 flags u16 · then
 *           branch, leaf  +12 lower u16 · +14 upper u16 · +16 node offsets u16[(lower - 16) / 2]
 *           overflow      +12 pages u32 · +16 the value
 *           meta          +16 magic u32 · version u32 · address u64 · map size u64
 *                         +40 free list's tree · +88 main tree · +136 last page u64 · txn id u64
 *   tree    +0 page size (free list) or 0 u32 · +4 flags u16 · depth u16 · +8 branch pages u64
 *           +16 leaf pages · +24 overflow pages · +32 entries · +40 root page, ~0: empty
 *   node    +0 low u16 · +2 high u16 · +4 flags u16 · +6 key size u16 · +8 key · data
 *           branch: child page = low | high << 16 | flags << 32
 *           leaf: data size = low | high << 16; with flag 1 the data is an overflow page's number
 *
 * Pages 0 and 1 are metas, written in turn: transaction n goes to page n % 2. The free list
 * is a tree as well: key txn id u64, value u64 count and that many page numbers, descending.
 */
#include "store/env_pages.h"

#include "base/crc.h"
#include "base/mem.h"
#include "base/status.h"
#include "store/env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_HEADER_BYTES = 16,
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,
    NODE_HEADER_BYTES = 8,
    NODE_BIG = 0x01,
    META_MAGIC_AT = 16,
    META_FREE_TREE_AT = 40,
    META_MAIN_TREE_AT = 88,
    META_LAST_PAGE_AT = 136,
    META_TXN_AT = 144,
    META_BYTES = 152,
    TREE_BYTES = 48,
    FLAG_INTEGER_KEYS = 0x08, /* of the free list's tree, along with ... */
    FLAG_NO_SUBDIR = 0x4000,  /* ... this one, which every file of ours has */
    DEPTH_MAX = 32,           /* LMDB's cursor stack */
};
#define META_MAGIC   0xbeefc0deu
#define META_VERSION 1u
#define NO_PAGE      UINT64_MAX

struct tree {
    uint16_t depth;
    uint64_t entries;
    uint64_t root;
};
struct pages {
    const char *path;
    struct phusa_error *error;
    int fd;
    uint64_t size_bytes;
    uint32_t page_bytes;
    uint64_t page_count; /* whole pages in the file */
    /* the newer meta */
    uint64_t txn_id, last_page;
    struct tree free_list, main;
};

static phusa_status damaged(const struct pages *p, uint64_t page, const char *what)
{
    return error_set(p->error, PHUSA_ECORRUPT, "%s: page %llu is damaged: %s", p->path,
                     (unsigned long long)page, what);
}

static phusa_status read_at(const struct pages *p, uint64_t offset, void *bytes, size_t size_bytes)
{
    uint8_t *next = bytes;
    while (size_bytes > 0) {
        const ssize_t got = pread(p->fd, next, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return error_set(p->error, status_from_errno(errno), "%s: %s", p->path,
                             strerror(errno));
        if (got == 0) return error_set(p->error, PHUSA_ECORRUPT, "%s: is cut short", p->path);
        next += got;
        offset += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return PHUSA_OK;
}

/* ---- meta pages ---- */

static phusa_status read_tree(const struct pages *p, uint64_t page, const uint8_t *at,
                              struct tree *out)
{
    const struct tree tree = {
        .depth = load_u16(at + 6), .entries = load_u64(at + 32), .root = load_u64(at + 40)};
    if (tree.depth > DEPTH_MAX) return damaged(p, page, "a tree is too deep");
    if ((tree.root == NO_PAGE) != (tree.entries == 0) || (tree.depth == 0) != (tree.entries == 0))
        return damaged(p, page, "an empty tree has entries");
    if (tree.root != NO_PAGE && (tree.root < 2 || tree.root >= p->page_count))
        return damaged(p, page, "a root lies outside the file");
    *out = tree;
    return PHUSA_OK;
}

static phusa_status read_meta(struct pages *p, uint64_t page)
{
    uint8_t meta[META_BYTES];
    const phusa_status status = read_at(p, page * p->page_bytes, meta, sizeof meta);
    if (status != PHUSA_OK) return status;
    if ((load_u16(meta + 10) & PAGE_META) == 0 || load_u32(meta + META_MAGIC_AT) != META_MAGIC)
        return damaged(p, page, "no meta page");
    if (load_u32(meta + META_MAGIC_AT + 4) != META_VERSION)
        return damaged(p, page, "unknown LMDB version");
    const uint8_t *free_list = meta + META_FREE_TREE_AT;
    const uint8_t *main = meta + META_MAIN_TREE_AT;
    const uint32_t page_bytes = load_u32(free_list);
    if (page_bytes < 512 || page_bytes > 65536 || (page_bytes & (page_bytes - 1)) != 0)
        return damaged(p, page, "bad page size");
    if (page == 1 && page_bytes != p->page_bytes) return damaged(p, page, "another page size");
    if (load_u16(free_list + 4) != (FLAG_INTEGER_KEYS | FLAG_NO_SUBDIR) || load_u32(main) != 0 ||
        load_u16(main + 4) != 0)
        return damaged(p, page, "unknown flags");
    const uint64_t txn_id = load_u64(meta + META_TXN_AT);
    if (txn_id % 2 != page && txn_id != 0) return damaged(p, page, "not its transaction");
    p->page_bytes = page_bytes;
    p->page_count = p->size_bytes / page_bytes;
    if (page == 1) {
        const uint64_t apart = txn_id > p->txn_id ? txn_id - p->txn_id : p->txn_id - txn_id;
        if (apart != 1 && (apart != 0 || txn_id != 0))
            return damaged(p, page, "transactions do not follow each other");
        if (txn_id < p->txn_id) return PHUSA_OK;
    }
    p->txn_id = txn_id;
    p->last_page = load_u64(meta + META_LAST_PAGE_AT);
    if (p->last_page < 1 || p->last_page >= UINT64_C(1) << 40)
        return damaged(p, page, "bad last page");
    return PHUSA_OK;
}

/* The trees of the newer meta only: the older's pages may be in use again. */
static phusa_status read_trees(struct pages *p)
{
    uint8_t meta[META_BYTES];
    const uint64_t page = p->txn_id % 2;
    phusa_status status = read_at(p, page * p->page_bytes, meta, sizeof meta);
    if (status != PHUSA_OK) return status;
    status = read_tree(p, page, meta + META_FREE_TREE_AT, &p->free_list);
    if (status != PHUSA_OK) return status;
    return read_tree(p, page, meta + META_MAIN_TREE_AT, &p->main);
}

static phusa_status pages_open(struct pages *p, const char *path, struct phusa_error *error)
{
    *p = (struct pages){.path = path, .error = error, .page_bytes = 0};
    p->fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    if (p->fd < 0 || fstat(p->fd, &file) != 0) {
        const int reason = errno;
        if (p->fd >= 0) close(p->fd);
        p->fd = -1;
        return error_set(error, status_from_errno(reason), "%s: %s", path, strerror(reason));
    }
    p->size_bytes = (uint64_t)file.st_size;
    phusa_status status = PHUSA_OK;
    if (p->size_bytes == 0) status = error_set(error, PHUSA_ENOTFOUND, "%s: is empty", path);
    for (uint64_t page = 0; page < 2 && status == PHUSA_OK; page++)
        status = read_meta(p, page);
    if (status == PHUSA_OK) status = read_trees(p);
    if (status != PHUSA_OK) {
        close(p->fd);
        p->fd = -1;
    }
    return status;
}

phusa_status pages_check_meta(const char *path, uint64_t *txn_id, struct phusa_error *error)
{
    struct pages p;
    const phusa_status status = pages_open(&p, path, error);
    if (status != PHUSA_OK) return status == PHUSA_ENOTFOUND ? PHUSA_ECORRUPT : status;
    close(p.fd);
    if (txn_id != NULL) *txn_id = p.txn_id;
    return PHUSA_OK;
}

/* ---- the checksum of a finished file ---- */

static phusa_status crc_walk(const struct pages *p, uint8_t *page, uint32_t *out)
{
    uint32_t crc = 0;
    uint64_t n = 0;
    while (n < p->page_count) {
        const phusa_status status = read_at(p, n * p->page_bytes, page, p->page_bytes);
        if (status != PHUSA_OK) return status;
        /* Pages of zeros were never used; they count as well. */
        if ((load_u16(page + 10) & PAGE_OVERFLOW) == 0) {
            crc = crc32c(crc, page, p->page_bytes);
            n++;
            continue;
        }
        const uint32_t run = load_u32(page + 12);
        if (run == 0 || run > p->page_count - n) return damaged(p, n, "a bad overflow run");
        crc = crc32c(crc, page, PAGE_HEADER_BYTES);
        n += run;
    }
    *out = crc;
    return PHUSA_OK;
}

phusa_status pages_crc(const char *path, uint32_t *crc, uint64_t *size_bytes,
                       struct phusa_error *error)
{
    struct pages p;
    phusa_status status = pages_open(&p, path, error);
    if (status != PHUSA_OK) return status;
    uint8_t *page = mem_alloc(p.page_bytes);
    if (page == NULL) {
        status = error_set(error, PHUSA_ENOMEM, "no memory to check %s", path);
        goto out;
    }
    /* Most pages are jumped over: read ahead would fetch them all. */
    (void)posix_fadvise(p.fd, 0, 0, POSIX_FADV_RANDOM);
    status = crc_walk(&p, page, crc);
    if (status == PHUSA_OK) *size_bytes = p.size_bytes;
out:
    mem_free(page);
    close(p.fd);
    return status;
}

/* ---- the walk over everything ---- */

/* One tree in key order. The previous leaf's key and the last separator bound what comes. */
struct walk {
    const struct pages *pages;
    uint64_t *used; /* bitmap of page numbers, up to last_page */
    uint8_t *stack; /* a page per level */
    const struct tree *tree;
    bool is_free_list;
    uint64_t entries;
    uint8_t key[ENV_KEY_BYTES_MAX];
    size_t key_bytes;
    bool key_is_leaf; /* the next must be greater, not equal */
    bool has_key;
};

static phusa_status use_pages(struct walk *w, uint64_t from, uint64_t first, uint64_t count)
{
    const struct pages *p = w->pages;
    if (first < 2 || first > p->last_page || count > p->last_page - first + 1)
        return damaged(p, from, "it points outside the file");
    for (uint64_t n = first; n < first + count; n++) {
        if (bit_get(w->used, n)) return damaged(p, n, "it is used twice");
        bit_set(w->used, n);
    }
    return PHUSA_OK;
}

static phusa_status next_key(struct walk *w, uint64_t page, const uint8_t *key, size_t key_bytes,
                             bool is_leaf)
{
    if (key_bytes == 0 || key_bytes > ENV_KEY_BYTES_MAX)
        return damaged(w->pages, page, "a key's size");
    if (w->is_free_list && key_bytes != sizeof(uint64_t))
        return damaged(w->pages, page, "a free list's key");
    if (w->has_key) {
        int order;
        if (w->is_free_list) {
            const uint64_t a = load_u64(w->key);
            const uint64_t b = load_u64(key);
            order = (a > b) - (a < b);
        } else {
            order = text_compare((struct phusa_text){(const char *)w->key, w->key_bytes},
                                 (struct phusa_text){(const char *)key, key_bytes});
        }
        /* A separator may equal the leaf's key that follows it, nothing else. */
        if (order > 0 || (order == 0 && (w->key_is_leaf || !is_leaf)))
            return damaged(w->pages, page, "keys out of order");
    }
    memcpy(w->key, key, key_bytes);
    w->key_bytes = key_bytes;
    w->key_is_leaf = is_leaf;
    w->has_key = true;
    return PHUSA_OK;
}

/* Pages that a transaction freed: no tree may use them. */
static phusa_status free_pages(struct walk *w, uint64_t page, const uint8_t *data,
                               uint64_t size_bytes)
{
    if (size_bytes < 8 || size_bytes % 8 != 0 || load_u64(data) > size_bytes / 8 - 1)
        return damaged(w->pages, page, "a free list's size");
    const uint64_t count = load_u64(data);
    for (uint64_t i = 1; i <= count; i++) {
        const uint64_t number = load_u64(data + 8 * i);
        if (i > 1 && number >= load_u64(data + 8 * (i - 1)))
            return damaged(w->pages, page, "a free list's order");
        const phusa_status status = use_pages(w, page, number, 1);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status overflow_run(struct walk *w, uint64_t page, uint64_t number,
                                 uint64_t data_bytes)
{
    const struct pages *p = w->pages;
    const uint64_t needed = (PAGE_HEADER_BYTES - 1 + data_bytes) / p->page_bytes + 1;
    uint8_t header[PAGE_HEADER_BYTES];
    if (number >= p->page_count) return damaged(p, page, "it points outside the file");
    phusa_status status = read_at(p, number * p->page_bytes, header, sizeof header);
    if (status != PHUSA_OK) return status;
    /* A value that shrank within its transaction keeps the longer run. */
    const uint64_t run = load_u32(header + 12);
    if (load_u64(header) != number || load_u16(header + 10) != PAGE_OVERFLOW || run < needed)
        return damaged(p, number, "no overflow page");
    status = use_pages(w, page, number, run);
    if (status != PHUSA_OK) return status;
    if (number + run > p->page_count) return damaged(p, number, "its run leaves the file");
    if (!w->is_free_list) return PHUSA_OK;
    uint8_t *list = mem_alloc(data_bytes == 0 ? 1 : data_bytes);
    if (list == NULL) return error_set(p->error, PHUSA_ENOMEM, "no memory to check %s", p->path);
    status = read_at(p, number * p->page_bytes + PAGE_HEADER_BYTES, list, data_bytes);
    if (status == PHUSA_OK) status = free_pages(w, number, list, data_bytes);
    mem_free(list);
    return status;
}

static phusa_status leaf_node(struct walk *w, uint64_t page, const uint8_t *node, size_t left_bytes)
{
    const struct pages *p = w->pages;
    const uint64_t data_bytes = load_u16(node) | (uint64_t)load_u16(node + 2) << 16;
    const uint16_t flags = load_u16(node + 4);
    const size_t key_bytes = load_u16(node + 6);
    if (flags != 0 && flags != NODE_BIG) return damaged(p, page, "a node's flags");
    const uint64_t inside = flags == NODE_BIG ? 8 : data_bytes;
    if (key_bytes > left_bytes - NODE_HEADER_BYTES ||
        inside > left_bytes - NODE_HEADER_BYTES - key_bytes)
        return damaged(p, page, "a node leaves the page");
    phusa_status status = next_key(w, page, node + NODE_HEADER_BYTES, key_bytes, true);
    if (status != PHUSA_OK) return status;
    if (w->is_free_list && load_u64(w->key) > p->txn_id)
        return damaged(p, page, "a free list from the future");
    w->entries++;
    const uint8_t *data = node + NODE_HEADER_BYTES + key_bytes;
    if (flags == NODE_BIG) return overflow_run(w, page, load_u64(data), data_bytes);
    return w->is_free_list ? free_pages(w, page, data, data_bytes) : PHUSA_OK;
}

static phusa_status walk_page(struct walk *w, uint64_t from, uint64_t number, unsigned level);

static phusa_status branch_node(struct walk *w, uint64_t page, const uint8_t *node,
                                size_t left_bytes, bool is_first, unsigned level)
{
    const uint64_t child =
        load_u16(node) | (uint64_t)load_u16(node + 2) << 16 | (uint64_t)load_u16(node + 4) << 32;
    const size_t key_bytes = load_u16(node + 6);
    if (key_bytes > left_bytes - NODE_HEADER_BYTES)
        return damaged(w->pages, page, "a node leaves the page");
    /* The first child's separator is never looked at. */
    if (!is_first) {
        const phusa_status status = next_key(w, page, node + NODE_HEADER_BYTES, key_bytes, false);
        if (status != PHUSA_OK) return status;
    }
    return walk_page(w, page, child, level + 1);
}

static phusa_status walk_page(struct walk *w, uint64_t from, uint64_t number, unsigned level)
{
    const struct pages *p = w->pages;
    phusa_status status = use_pages(w, from, number, 1);
    if (status != PHUSA_OK) return status;
    if (number >= p->page_count) return damaged(p, number, "it lies outside the file");
    uint8_t *page = w->stack + (size_t)level * p->page_bytes;
    status = read_at(p, number * p->page_bytes, page, p->page_bytes);
    if (status != PHUSA_OK) return status;

    const bool is_leaf = level + 1u == w->tree->depth;
    const uint16_t lower = load_u16(page + 12);
    const uint16_t upper = load_u16(page + 14);
    if (load_u64(page) != number || load_u16(page + 10) != (is_leaf ? PAGE_LEAF : PAGE_BRANCH))
        return damaged(p, number, "not the page that should be here");
    if (lower < PAGE_HEADER_BYTES || lower % 2 != 0 || lower > upper || upper > p->page_bytes)
        return damaged(p, number, "its bounds");
    const unsigned count = (lower - (unsigned)PAGE_HEADER_BYTES) / 2;
    if (count < (is_leaf ? 1u : 2u)) return damaged(p, number, "too few nodes");
    for (unsigned i = 0; i < count; i++) {
        const uint32_t at = load_u16(page + PAGE_HEADER_BYTES + 2 * (size_t)i);
        if (at < upper || at % 2 != 0 || at + NODE_HEADER_BYTES > p->page_bytes)
            return damaged(p, number, "a node's place");
        const uint8_t *node = page + at;
        const size_t left_bytes = p->page_bytes - at;
        status = is_leaf ? leaf_node(w, number, node, left_bytes)
                         : branch_node(w, number, node, left_bytes, i == 0, level);
        if (status != PHUSA_OK) return status;
    }
    return PHUSA_OK;
}

static phusa_status walk_tree(struct walk *w, const struct tree *tree, bool is_free_list)
{
    if (tree->root == NO_PAGE) return PHUSA_OK;
    w->tree = tree;
    w->is_free_list = is_free_list;
    w->entries = 0;
    w->has_key = false;
    const uint64_t meta_page = w->pages->txn_id % 2;
    const phusa_status status = walk_page(w, meta_page, tree->root, 0);
    if (status != PHUSA_OK) return status;
    if (w->entries != tree->entries) return damaged(w->pages, meta_page, "a tree's entries");
    return PHUSA_OK;
}

phusa_status env_check(const char *path, uint64_t *txn_id, struct phusa_error *error)
{
    assert(path != NULL);

    struct pages p;
    phusa_status status = pages_open(&p, path, error);
    if (status != PHUSA_OK) return status;
    struct walk w = {.pages = &p};
    /* A last page far beyond the file is damage too, and must not become a huge bitmap. A
     * transaction may leave free pages unwritten at the end, but never this many. */
    if (p.last_page > 2 * p.page_count + 65536) {
        status = damaged(&p, p.txn_id % 2, "its last page lies far outside the file");
        goto out;
    }
    w.used = mem_zalloc((p.last_page / 64 + 1) * sizeof *w.used);
    const size_t depth = p.main.depth > p.free_list.depth ? p.main.depth : p.free_list.depth;
    w.stack = mem_alloc((depth + 1) * p.page_bytes);
    if (w.used == NULL || w.stack == NULL) {
        status = error_set(error, PHUSA_ENOMEM, "no memory to check %s", path);
        goto out;
    }
    status = walk_tree(&w, &p.main, false);
    if (status == PHUSA_OK) status = walk_tree(&w, &p.free_list, true);
    if (status == PHUSA_OK && txn_id != NULL) *txn_id = p.txn_id;
out:
    mem_free(w.used);
    mem_free(w.stack);
    close(p.fd);
    return status;
}
