// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16 operands with sums in single precision, by the unit that the processor has.
//
// Operands are packed first. Depth, the extent that is summed over, goes in steps of 32, which are
// filled up with zeros; what is packed has 512 values for each 16 rows, or columns, and step.
#ifndef TERN_BFLOAT16_H
#define TERN_BFLOAT16_H

#include <stddef.h>
#include <stdint.h>

enum tern_bf16_unit {
  /// Plain C: the others' oracle.
  TERN_BF16_PLAIN,
  /// vdpbf16ps of AVX-512 BF16.
  TERN_BF16_AVX512,
  /// tdpbf16ps of AMX.
  TERN_BF16_AMX
};

/// The fastest unit that this processor has and that the system lets this process use. Asks the
/// system for it: to be called before others compute.
enum tern_bf16_unit tern_bf16_fastest_unit(void);

/// 1 if a unit makes of a known product what plain C makes of it, else 0. Not for several threads.
int tern_bf16_is_right(enum tern_bf16_unit unit);

/// y[i] = x[i], rounded to the nearest bfloat16, ties to even. y may be x.
void tern_bf16_round(size_t count, const float *x, float *y);

/// The left operand: `rows` rows of `depth` values, `stride` apart. Of each 16 rows, step by step,
/// 32 values of each.
void tern_bf16_pack_rows(
    size_t rows, size_t depth, const float *x, size_t stride, uint16_t *packed);

/// The same, of which x has `depth` rows of `rows` values, `stride` apart.
void tern_bf16_pack_columns(
    size_t rows, size_t depth, const float *x, size_t stride, uint16_t *packed);

/// 16 columns of the right operand, of which w has `columns` as rows of `depth` values. Step by
/// step, 16 pairs of successive values of all columns.
void tern_bf16_pack_panel(size_t columns, size_t depth, const float *w, uint16_t *packed);

/// One step of the right operand, of which w has `depth` rows of `columns` values: step number
/// `step` of `steps`, for all panels, in the same order.
void tern_bf16_pack_step(
    size_t depth, size_t columns, const float *w, size_t step, size_t steps, uint16_t *packed);

/// One step of the right operand of products with the transpose, in the same order: its rows are the
/// columns of up to two successive panels, `b`, of `depth` rows; it has as many columns.
void tern_bf16_turn_step(
    size_t panels, size_t depth, const uint16_t *b, size_t step, size_t steps, uint16_t *packed);

/// y = a b, or y += a b, for packed operands; y has `rows` rows of `columns` values, `stride` apart.
void tern_bf16_multiply(
    enum tern_bf16_unit unit, size_t rows, size_t columns, size_t steps, const uint16_t *a,
    const uint16_t *b, int adding, float *y, size_t stride);

#endif
