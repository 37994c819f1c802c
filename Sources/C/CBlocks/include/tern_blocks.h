// SPDX-License-Identifier: Apache-2.0
// Stored weights to float32: 16-bit floats, and ggml's block formats.
//
// Sources may lie at any address and must hold whole blocks; targets have room for every value.
// Each value is one product and at most one sum, each rounded: the same bits on every machine.
#ifndef TERN_BLOCKS_H
#define TERN_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "checkpoints are little-endian, and so must be the machine"
#endif

/// `count` IEEE halves.
void tern_expand_f16(size_t count, const void *source, float *target);
/// `count` bfloat16 values.
void tern_expand_bf16(size_t count, const void *source, float *target);

/// Blocks of 32 values in 18 bytes: half d, 16 x two nibbles. (q - 8) d.
void tern_expand_q4_0(size_t blocks, const void *source, float *target);
/// Blocks of 32 values in 20 bytes: half d and m, 16 x two nibbles. q d + m.
void tern_expand_q4_1(size_t blocks, const void *source, float *target);
/// Blocks of 32 values in 34 bytes: half d, 32 signed bytes. q d.
void tern_expand_q8_0(size_t blocks, const void *source, float *target);
/// Blocks of 256 values in 144 bytes, with a 6-bit scale and minimum for each 32 of them.
void tern_expand_q4_k(size_t blocks, const void *source, float *target);
/// Blocks of 256 values in 210 bytes: 6-bit values with a signed scale for each 16 of them.
void tern_expand_q6_k(size_t blocks, const void *source, float *target);

/// What the values of NF4 blocks are multiplied with, themselves in eight bits: of block b
/// values[codes[b]] * largest[b / 256] + offset.
struct tern_nf4_scales {
  const uint8_t *codes;
  const float *largest;
  float offset;
  const float *values;
};

/// NF4: each 64 successive values in four bits relative to the largest magnitude among them, of
/// which `largest` gets one for each block. Two codes to a byte, the first in its upper half; a value
/// halfway between two codes gets the lower.
void tern_quantize_nf4(size_t count, const float *x, uint8_t *codes, float *largest);
/// Values number `first` to `first + count` of some whose codes begin at `codes`.
void tern_expand_nf4(
    size_t first, size_t count, const uint8_t *codes, const struct tern_nf4_scales *scales,
    float *target);

/// Each row in eight bits relative to its largest magnitude, to the nearest, ties to even.
void tern_quantize_int8(
    size_t rows, size_t width, const float *x, int8_t *codes, float *largest);
/// codes * (largest / 127), row by row.
void tern_expand_int8(
    size_t rows, size_t width, const int8_t *codes, const float *largest, float *target);

/// The nearest bfloat16 of finite values, ties to even; the largest stay finite.
void tern_quantize_bf16(size_t count, const float *x, uint16_t *target);

/// The index of the first value that is infinite or not a number, or `count`.
size_t tern_first_not_finite(size_t count, const float *values);

#endif
