// SPDX-License-Identifier: Apache-2.0
#include "dispatch.h"
#include "tern_model.h"

enum { ROWS = 4, COLUMNS = 16 };

typedef float floats16 __attribute__((vector_size(64), aligned(4), may_alias));

// Some rows by sixteen columns: one sum a lane, so that nothing depends on how wide vectors are.
TERN_INLINE void whole_block(
    size_t rows, size_t depth, size_t columns, const float *x, const float *w, float *y) {
  floats16 sums[ROWS] = {{0}};
  for (size_t k = 0; k < depth; k++) {
    floats16 terms = *(const floats16 *)(w + k * columns);
#pragma clang loop unroll(full)
    for (size_t row = 0; row < rows; row++) sums[row] += x[row * depth + k] * terms;
  }
  for (size_t row = 0; row < rows; row++) *(floats16 *)(y + row * columns) = sums[row];
}

TERN_DISPATCHED void tern_ordered_product(
    size_t rows, size_t depth, size_t columns, const float *x, const float *w, float *y) {
  size_t whole_columns = columns / COLUMNS * COLUMNS, whole_rows = rows / ROWS * ROWS;
  for (size_t column = 0; column < whole_columns; column += COLUMNS) {
    for (size_t row = 0; row < whole_rows; row += ROWS)
      whole_block(
          ROWS, depth, columns, x + row * depth, w + column, y + row * columns + column);
    for (size_t row = whole_rows; row < rows; row++)
      whole_block(1, depth, columns, x + row * depth, w + column, y + row * columns + column);
  }
  for (size_t row = 0; row < rows; row++)
    for (size_t column = whole_columns; column < columns; column++) {
      float sum = 0;
      for (size_t k = 0; k < depth; k++) sum += x[row * depth + k] * w[k * columns + column];
      y[row * columns + column] = sum;
    }
}
