// SPDX-License-Identifier: Apache-2.0
// Blocks of two by two tiles of a product, by each unit.
#ifndef TERN_BFLOAT16_UNITS_H
#define TERN_BFLOAT16_UNITS_H

#include "tern_bfloat16.h"

// A tile of the product is TILE by TILE; a step sums over STEP values of each operand's tile.
enum { TILE = 16, STEP = 32, TILE_VALUES = TILE * STEP };

struct tern_bf16_block {
  size_t steps;
  /// How many rows are wanted, from 1 to two tiles: a unit may compute the others all the same.
  size_t rows;
  int adding;
  const uint16_t *a[2], *b[2];
  float *y[2][2];
  size_t stride[2][2];
};

/// Makes this thread ready for blocks.
void tern_bf16_begin(enum tern_bf16_unit unit);

/// y[i][j] = a[i] b[j], or += when adding.
void tern_bf16_compute(enum tern_bf16_unit unit, const struct tern_bf16_block *block);

/// Leaves the thread as it was.
void tern_bf16_end(enum tern_bf16_unit unit);

#endif
