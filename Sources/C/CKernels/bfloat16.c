// SPDX-License-Identifier: Apache-2.0
#include "tern_bfloat16.h"

#include "bfloat16_units.h"
#include "dispatch.h"

TERN_INLINE uint16_t rounded(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t nearest = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  // Rounding must not make an infinity of what is not a number.
  return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits >> 16 | 0x40u : nearest);
}

TERN_DISPATCHED void tern_bf16_round(size_t count, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)rounded(x[i]) << 16;
    memcpy(y + i, &bits, sizeof bits);
  }
}

// Sixteen floats' bits, or sixteen pairs of bfloat16.
typedef uint32_t bits16 __attribute__((vector_size(64)));

// Rounds to bfloat16 in the upper half. Weights are finite, and what computing makes that is not a
// number has no low bits, so that it stays what it is.
#define ROUND_UP(bits) ((bits) + 0x7FFFu + ((bits) >> 16 & 1u))

// Two values side by side, as units multiply them: the first in the lower half.
#define PAIRS(first, second) (ROUND_UP(first) >> 16 | (ROUND_UP(second) & 0xFFFF0000u))

// `count` of 16 floats, and zeros.
TERN_INLINE void load_part(size_t count, const float *from, bits16 *to) {
  if (count >= TILE) {
    memcpy(to, from, sizeof *to);
  } else {
    memset(to, 0, sizeof *to);
    memcpy(to, from, count * sizeof *from);
  }
}

// 32 floats as 16 pairs of successive ones.
TERN_INLINE void load_pairs(size_t count, const float *from, bits16 *pairs) {
  bits16 low, high;
  load_part(count, from, &low);
  load_part(count > TILE ? count - TILE : 0, from + TILE, &high);
  bits16 first = __builtin_shufflevector(
      low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  bits16 second = __builtin_shufflevector(
      low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  *pairs = PAIRS(first, second);
}

TERN_DISPATCHED void tern_bf16_pack_rows(
    size_t rows, size_t depth, const float *x, size_t stride, uint16_t *packed) {
  for (size_t first = 0; first < rows; first += TILE)
    for (size_t start = 0; start < depth; start += STEP, packed += TILE_VALUES) {
      size_t tile_rows = rows - first < TILE ? rows - first : TILE;
      if (tile_rows < TILE) memset(packed, 0, TILE_VALUES * sizeof *packed);
      for (size_t row = 0; row < tile_rows; row++) {
        bits16 pairs;
        load_pairs(depth - start, x + (first + row) * stride + start, &pairs);
        memcpy(packed + row * STEP, &pairs, sizeof pairs);
      }
    }
}

// Weights come from memory along many rows at once, more than processors foresee: they are asked for
// so many floats before they are needed.
enum { AHEAD = 64 };

// Rows become columns: in four rounds, each of which puts the rows of both halves in turn.
TERN_INLINE void transpose(bits16 rows[TILE]) {
#pragma clang loop unroll(full)
  for (int round = 0; round < 4; round++) {
    bits16 turned[TILE];
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 2; i++) {
      turned[2 * i] = __builtin_shufflevector(
          rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      turned[2 * i + 1] = __builtin_shufflevector(
          rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    memcpy(rows, turned, sizeof turned);
  }
}

TERN_DISPATCHED void tern_bf16_pack_columns(
    size_t rows, size_t depth, const float *x, size_t stride, uint16_t *packed) {
  for (size_t first = 0; first < rows; first += TILE)
    for (size_t start = 0; start < depth; start += STEP, packed += TILE_VALUES) {
      size_t length = depth - start < STEP ? depth - start : STEP;
      bits16 pairs[TILE] = {{0}};
      for (size_t i = 0; i < length; i += 2) {
        const float *from = x + (start + i) * stride + first;
        bits16 above, below;
        load_part(rows - first, from, &above);
        load_part(i + 1 < length ? rows - first : 0, from + stride, &below);
        pairs[i / 2] = PAIRS(above, below);
      }
      transpose(pairs);
      memcpy(packed, pairs, sizeof pairs);
    }
}

TERN_DISPATCHED void tern_bf16_pack_panel(
    size_t columns, size_t depth, const float *w, uint16_t *packed) {
  for (size_t start = 0; start < depth; start += STEP, packed += TILE_VALUES) {
    size_t width = depth - start;
    bits16 rows[TILE] = {{0}};
    for (size_t column = 0; column < columns; column++) {
      const float *from = w + column * depth + start;
      __builtin_prefetch(from + AHEAD);
      __builtin_prefetch(from + AHEAD + TILE);
      load_pairs(width, from, &rows[column]);
    }
    transpose(rows);
    memcpy(packed, rows, sizeof rows);
  }
}

TERN_DISPATCHED void tern_bf16_pack_step(
    size_t depth, size_t columns, const float *w, size_t step, size_t steps, uint16_t *packed) {
  packed += step * TILE_VALUES;
  for (size_t first = 0; first < columns; first += TILE, packed += steps * TILE_VALUES) {
    size_t width = columns - first;
    bits16 rows[STEP / 2] = {{0}};
    for (size_t i = 0; i < depth; i += 2) {
      const float *from = w + i * columns + first;
      __builtin_prefetch(from + AHEAD);
      __builtin_prefetch(from + columns + AHEAD);
      bits16 above, below;
      load_part(width, from, &above);
      load_part(i + 1 < depth ? width : 0, from + columns, &below);
      rows[i / 2] = PAIRS(above, below);
    }
    memcpy(packed, rows, sizeof rows);
  }
}

// Four bfloat16 of two columns and two rows, eight times.
typedef uint64_t squares8 __attribute__((vector_size(64)));

// Squares whose columns become rows: the second value and the third change places.
#define TURNED(squares)                                                                     \
  (((squares) & 0xFFFF00000000FFFFu) | ((squares) >> 16 & 0xFFFF0000u) |                    \
   ((squares) << 16 & 0xFFFF00000000u))

TERN_DISPATCHED void tern_bf16_turn_step(
    size_t panels, size_t depth, const uint16_t *b, size_t step, size_t steps, uint16_t *packed) {
  enum { SIDE = TILE / 2 };
  size_t own_steps = (depth + STEP - 1) / STEP;
  packed += step * TILE_VALUES;
  for (size_t first = 0; first < depth; first += TILE, packed += steps * TILE_VALUES)
    for (size_t panel = 0; panel < 2; panel++) {
      uint16_t *to = packed + panel * TILE_VALUES / 2;
      if (panel >= panels) {
        memset(to, 0, TILE_VALUES / 2 * sizeof *to);
        continue;
      }
      const uint16_t *from = b + (panel * own_steps + first / STEP) * TILE_VALUES +
                             first % STEP / TILE * (TILE_VALUES / 2);
      squares8 rows[SIDE];
      memcpy(rows, from, sizeof rows);
#pragma clang loop unroll(full)
      for (int i = 0; i < SIDE; i++) rows[i] = TURNED(rows[i]);
#pragma clang loop unroll(full)
      for (int round = 0; round < 3; round++) {
        squares8 turned[SIDE];
#pragma clang loop unroll(full)
        for (int i = 0; i < SIDE / 2; i++) {
          turned[2 * i] =
              __builtin_shufflevector(rows[i], rows[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
          turned[2 * i + 1] =
              __builtin_shufflevector(rows[i], rows[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
        memcpy(rows, turned, sizeof turned);
      }
      memcpy(to, rows, sizeof rows);
    }
}

// Where a tile of y is computed: in its place, or aside when not all of it is wanted.
struct place {
  float *start;
  size_t stride;
  float aside[TILE * TILE];
};

TERN_INLINE void copy_part(
    size_t rows, size_t columns, const float *from, size_t from_stride, float *to,
    size_t to_stride) {
  for (size_t row = 0; row < rows; row++)
    memcpy(to + row * to_stride, from + row * from_stride, columns * sizeof(float));
}

void tern_bf16_multiply(
    enum tern_bf16_unit unit, size_t rows, size_t columns, size_t steps, const uint16_t *a,
    const uint16_t *b, int adding, float *y, size_t stride) {
  size_t row_tiles = (rows + TILE - 1) / TILE, panels = (columns + TILE - 1) / TILE;
  struct place places[2][2];
  struct tern_bf16_block block = {.steps = steps, .adding = adding};
  tern_bf16_begin(unit);
  // Panels stay in the first cache while all rows pass.
  for (size_t panel = 0; panel < panels; panel += 2)
    for (size_t row_tile = 0; row_tile < row_tiles; row_tile += 2) {
      block.rows = rows - row_tile * TILE < 2 * TILE ? rows - row_tile * TILE : 2 * TILE;
      for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++) {
          // Beyond the last tile, it is computed once more, aside.
          size_t tile = row_tile + i < row_tiles ? row_tile + i : row_tile;
          size_t right = panel + j < panels ? panel + j : panel;
          size_t row = (row_tile + i) * TILE, column = (panel + j) * TILE;
          struct place *place = &places[i][j];
          if (row + TILE <= rows && column + TILE <= columns) {
            place->start = y + row * stride + column;
            place->stride = stride;
          } else {
            place->start = place->aside;
            place->stride = TILE;
            if (adding && row < rows && column < columns)
              copy_part(
                  rows - row < TILE ? rows - row : TILE,
                  columns - column < TILE ? columns - column : TILE, y + row * stride + column,
                  stride, place->aside, TILE);
          }
          block.a[i] = a + tile * steps * TILE_VALUES;
          block.b[j] = b + right * steps * TILE_VALUES;
          block.y[i][j] = place->start;
          block.stride[i][j] = place->stride;
        }
      tern_bf16_compute(unit, &block);
      for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++) {
          size_t row = (row_tile + i) * TILE, column = (panel + j) * TILE;
          if (places[i][j].start == places[i][j].aside && row < rows && column < columns)
            copy_part(
                rows - row < TILE ? rows - row : TILE,
                columns - column < TILE ? columns - column : TILE, places[i][j].aside, TILE,
                y + row * stride + column, stride);
        }
    }
  tern_bf16_end(unit);
}
