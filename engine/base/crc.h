/*
 * crc.h - CRC-32C (Castagnoli; RFC 3720 appendix B.4), by SSE 4.2 where the CPU has it.
 *
 * crc32c(0, "123456789", 9) is 0xe3069283. Chains: crc32c(crc32c(0, a), b) = crc32c(0, a||b).
 */
#ifndef PHUSA_BASE_CRC_H
#define PHUSA_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes);
/* The path without SSE 4.2, for tests: the same answer. */
uint32_t crc32c_scalar(uint32_t crc, const void *bytes, size_t size_bytes);

#endif
