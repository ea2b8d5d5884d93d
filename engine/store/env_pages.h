/*
 * env_pages.h - what we know of the pages of an LMDB 0.9 file, read without LMDB.
 *
 * LMDB trusts every byte it maps: a flipped bit in a page is a crash, or a wrong answer.
 * So that neither happens, files are read here first, with bounds.
 *
 * Errors  PHUSA_ECORRUPT with the page and what is wrong with it.
 */
#ifndef PHUSA_STORE_ENV_PAGES_H
#define PHUSA_STORE_ENV_PAGES_H

#include "base/bytes.h"

/* The two meta pages: of this version, of successive transactions, and pointing into the
 * file. Cheap. *txn_id (may be NULL): of the newer. */
PHUSA_MUST_USE phusa_status pages_check_meta(const char *path, uint64_t *txn_id,
                                             struct phusa_error *error);

/* CRC-32C over all pages of a finished file in their order, of overflow runs only the
 * 16-byte header: what they hold is checked when it is read. */
PHUSA_MUST_USE phusa_status pages_crc(const char *path, uint32_t *crc, uint64_t *size_bytes,
                                      struct phusa_error *error);

#endif
